"""maturin, and before it the program `anncat`, which the wheel holds beside the extension module.

What maturin does not do by itself is done here: its data directory is there whatever it is asked for, and what it
packs as a source distribution can be built.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import maturin
from maturin import *  # noqa: F403

_HERE = Path(__file__).resolve().parent
_DATA = _HERE / "anncat.data"

# Without it maturin fails at all it is asked, metadata and source distributions too; git holds no empty directory.
_DATA.mkdir(exist_ok=True)


def _workspace() -> Path:
    """The directory of the program's Cargo.toml: the parent, here and in a source distribution."""
    return next(p for p in (_HERE, *_HERE.parents) if (p / "Cargo.toml").exists() and (p / "src" / "main.rs").exists())


def _find_rust() -> None:
    """Where there is no Rust, the one that maturin asked for (`get_requires_for_build_wheel`)."""
    if not shutil.which("cargo") and not os.environ.get("MATURIN_NO_INSTALL_RUST"):
        from puccinialin import setup_rust

        os.environ.update(setup_rust())


def build_program(profile: str = "release") -> None:
    """Builds the program and puts it where maturin takes scripts from."""
    root = _workspace()
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target")).absolute()
    subprocess.run(
        ["cargo", "build", "--locked", "--bin", "anncat", "--profile", profile, "--target-dir", str(target)],
        cwd=root,
        check=True,
    )
    scripts = _DATA / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    shutil.copy2(target / ("debug" if profile == "dev" else profile) / "anncat", scripts / "anncat")
    subprocess.run(["strip", str(scripts / "anncat")], check=False)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _find_rust()
    build_program()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _find_rust()
    build_program()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory, config_settings=None):
    _find_rust()
    name = maturin.build_sdist(sdist_directory, config_settings)
    _make_buildable(Path(sdist_directory) / name)
    return name


def _make_buildable(sdist: Path) -> None:
    """Makes the lock file that of the packed workspace, and names the README of the package.

    maturin takes the members that the package does not need (the fuzz targets) out of the workspace, but leaves them
    in Cargo.lock, which `--locked` then refuses; and it puts pyproject.toml beside the README of the repository.
    """
    with tempfile.TemporaryDirectory() as name:
        with tarfile.open(sdist) as packed:
            members = packed.getmembers()
            packed.extractall(name, filter="data")
        root = Path(name) / members[0].name.split("/")[0]
        # It only takes out what nothing asks for: every other version stays. maturin has just resolved all of them.
        subprocess.run(["cargo", "update", "--workspace", "--offline", "--quiet"], cwd=root, check=True)
        settings = root / "pyproject.toml"
        settings.write_text(settings.read_text().replace('\nreadme = "README.md"\n', '\nreadme = "python/README.md"\n'))
        with gzip.GzipFile(sdist, "wb", mtime=0) as file, tarfile.open(fileobj=file, mode="w") as packed:
            for member in members:
                if member.isfile():
                    content = (Path(name) / member.name).read_bytes()
                    member.size = len(content)
                    packed.addfile(member, io.BytesIO(content))
