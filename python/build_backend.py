"""maturin, and before it the program `anncat`, which the wheel holds beside the extension module."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from maturin import *  # noqa: F403
from maturin import build_wheel as _build_wheel

_HERE = Path(__file__).resolve().parent


def _workspace() -> Path:
    """The directory of the program's Cargo.toml: the parent, here and in a source distribution."""
    return next(p for p in (_HERE, *_HERE.parents) if (p / "Cargo.toml").exists() and (p / "src" / "main.rs").exists())


def build_program(profile: str = "release") -> None:
    """Builds the program and puts it where maturin takes scripts from."""
    root = _workspace()
    target = Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    subprocess.run(
        ["cargo", "build", "--locked", "--bin", "anncat", "--profile", profile, "--target-dir", str(target)],
        cwd=root,
        check=True,
    )
    scripts = _HERE / "anncat.data" / "scripts"
    scripts.mkdir(parents=True, exist_ok=True)
    shutil.copy2(target / ("debug" if profile == "dev" else profile) / "anncat", scripts / "anncat")
    subprocess.run(["strip", str(scripts / "anncat")], check=False)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    build_program()
    return _build_wheel(wheel_directory, config_settings, metadata_directory)
