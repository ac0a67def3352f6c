"""The package where it is installed: the wheel in fresh environments, and beside other versions of what it meets.

These run what is there and leave out the rest: with ANNCAT_WHEEL (or a wheel in dist/), an environment a Python from
3.11 on; with ANNCAT_PYTHONS (paths of interpreters that have anndata, separated by colons), the tree's own extension.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from oracle.anncat import ROOT, SKIP_FUSE

WHEELS = [os.environ["ANNCAT_WHEEL"]] if os.environ.get("ANNCAT_WHEEL") else sorted(map(str, (ROOT / "dist").glob("anncat-*.whl")))
SDISTS = sorted(map(str, (ROOT / "dist").glob("anncat-*.tar.gz")))
PYTHONS = [python for python in os.environ.get("ANNCAT_PYTHONS", "").split(":") if python]
SMOKE = ROOT / "tests/python/programs/package_smoke.py"
MOST_BYTES = 25 << 20

# A /dev with no more than it takes, in a mount namespace of its own.
WITHOUT_FUSE = """
dev=$(mktemp -d); mount -t tmpfs none "$dev"; mkdir "$dev/shm"; mount -t tmpfs none "$dev/shm"
for node in null zero random urandom; do touch "$dev/$node"; mount --bind "/dev/$node" "$dev/$node"; done
mount --move "$dev" /dev; test ! -e /dev/fuse; exec "$@"
"""


def interpreters() -> list[str]:
    """Every Python from 3.11 on that is there."""
    places = [*Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin/python3"), Path(sys.executable)]
    found = {}
    for place in places:
        version = subprocess.run(
            [place, "-c", "import sys, venv, ensurepip; print(sys.version_info[:2] >= (3, 11), sys.version_info[:2])"],
            capture_output=True, text=True, check=False,
        ).stdout.strip()  # fmt: skip
        if version.startswith("True"):
            found.setdefault(version, str(place))
    return list(found.values())


@pytest.mark.parametrize("python", PYTHONS)
def test_beside_other_versions(python, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    done = subprocess.run([python, SMOKE, tmp_path], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("ok: "), done.stderr[-3000:]
    print(done.stdout)


@pytest.mark.skipif(not WHEELS, reason="no wheel is built (scripts/wheel, or ANNCAT_WHEEL)")
def test_the_wheel_holds_the_module_and_the_program():
    wheel = Path(WHEELS[-1])
    assert wheel.stat().st_size <= MOST_BYTES
    names = zipfile.ZipFile(wheel).namelist()
    assert "anncat/_native.abi3.so" in names and "anncat/py.typed" in names
    assert [name for name in names if name.endswith(".data/scripts/anncat")]
    assert not any(name.endswith(("_native.abi3.so.new", ".pyc")) for name in names)


@pytest.mark.skipif(not SDISTS, reason="no source distribution is built (scripts/wheel)")
def test_the_source_distribution_finds_what_it_builds(tmp_path):
    with tarfile.open(SDISTS[-1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    for name in ("Cargo.lock", "src/main.rs", "python/src/lib.rs", "anncat/__init__.py", "build_backend.py"):
        assert (root / name).exists(), name
    # Without maturin: only where it looks.
    code = "import sys, types; sys.modules['maturin'] = types.SimpleNamespace(__all__=['build_wheel'], build_wheel=None)\n"
    code += "import build_backend; print(build_backend._workspace())"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(root)
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    assert settings["build-system"]["backend-path"] == ["."] and settings["tool"]["maturin"]["data"] == "anncat.data"


@pytest.mark.skipif(not WHEELS, reason="no wheel is built (scripts/wheel, or ANNCAT_WHEEL)")
@pytest.mark.parametrize("python", interpreters() if WHEELS else [])
@pytest.mark.parametrize("fuse", [True, False])
def test_the_wheel_works_where_it_is_installed(python, fuse, tmp_path):
    if fuse and SKIP_FUSE:
        pytest.skip("ANNCAT_SKIP_FUSE")
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    own = tmp_path / "venv/bin/python"
    subprocess.run([own, "-m", "pip", "install", "-q", "--disable-pip-version-check", WHEELS[-1]], check=True)
    # No Rust, no tree: only what the wheel brought.
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "ANNCAT_BIN")}
    env |= {"PATH": f"{tmp_path}/venv/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    assert shutil.which("cargo", path=env["PATH"]) is None
    command = [own, SMOKE, "--fuse" if fuse else "--no-fuse", tmp_path]
    if not fuse:
        command = ["unshare", "--mount", "sh", "-ec", WITHOUT_FUSE, "sh", *command]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("ok: "), done.stdout + done.stderr[-3000:]
    print(done.stdout)
