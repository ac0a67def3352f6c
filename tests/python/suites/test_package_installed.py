"""The package where it is installed: the wheel in fresh environments, and beside other versions of what it meets; and
what pip asks of a tree or a source distribution before it compiles anything.

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

# Of maturin what build_backend.py meets, as maturin does it, for where there is none.
STAND_IN = """
import tarfile
from pathlib import Path

def asked(answer):
    def hook(directory, settings=None, metadata_directory=None):
        assert Path("anncat.data").is_dir(), "No such data directory"
        return answer
    return hook

prepare_metadata_for_build_wheel = prepare_metadata_for_build_editable = asked("anncat-0.dist-info")
build_wheel, build_editable = asked("build_wheel"), asked("build_editable")

def build_sdist(directory, settings=None):
    asked("")(directory)
    # Only the package and what it needs stay in the workspace; the lock file is that of the tree.
    manifest = Path("../Cargo.toml")
    manifest.write_text(manifest.read_text().replace('["fuzz", "fuzz/interleavings", "python"]', '["python"]'))
    with tarfile.open(Path(directory) / "anncat-0.tar.gz", "w:gz") as packed:
        for name in ("pyproject.toml", "build_backend.py", "anncat"):
            packed.add(name, f"anncat-0/{name}")
        for name in ("Cargo.toml", "Cargo.lock", "README.md", "src", "benches"):
            packed.add(f"../{name}", f"anncat-0/{name}")
        for name in ("Cargo.toml", "README.md", "src"):
            packed.add(name, f"anncat-0/python/{name}")
    return "anncat-0.tar.gz"
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


class Backend:
    """The hooks of build_backend.py in a fresh copy of this tree, with maturin or with STAND_IN, as pip calls them."""

    def __init__(self, python: str, tmp_path: Path, stand_in: bool):
        self.python, self.tree = python, tmp_path / "tree"
        self.env = {**os.environ, "PATH": f"{Path(python).parent}:{os.environ['PATH']}"}
        if stand_in:
            (tmp_path / "stand_in").mkdir()
            (tmp_path / "stand_in/maturin.py").write_text(STAND_IN)
            self.env["PYTHONPATH"] = str(tmp_path / "stand_in")
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in tracked.split("\0"):
            if name and not name.startswith("tests/data/") and (ROOT / name).is_file():
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name)

    def call(self, root: Path, hook: str, directory: Path, first: str = "") -> list[str]:
        code = f"import build_backend as b\n{first}\nprint(b.{hook}({str(directory)!r}))"
        done = subprocess.run([self.python, "-c", code], cwd=root, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.split()


@pytest.fixture(params=["maturin", "stand-in"])
def backend(request, tmp_path):
    if shutil.which("cargo") is None or not (ROOT / ".git").exists():
        pytest.skip("no cargo, or no clone")
    if request.param == "stand-in":
        return Backend(sys.executable, tmp_path, stand_in=True)
    tools = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "wheel-tools/bin/python"
    for python in (sys.executable, str(tools)):
        if shutil.which("maturin", path=str(Path(python).parent)):
            return Backend(python, tmp_path, stand_in=False)
    pytest.skip("no maturin here nor in target/wheel-tools (scripts/wheel)")


def test_the_source_distribution_finds_what_it_builds(backend, tmp_path):
    name = backend.call(backend.tree / "python", "build_sdist", tmp_path)[-1]
    check_source_distribution(tmp_path / name, tmp_path)
    root = tmp_path / name.removesuffix(".tar.gz")
    backend.call(root, "prepare_metadata_for_build_wheel", tmp_path)


@pytest.mark.skipif(not SDISTS, reason="no source distribution is built (scripts/wheel)")
def test_the_source_distribution_that_is_built(tmp_path):
    check_source_distribution(Path(SDISTS[-1]), tmp_path)


def check_source_distribution(sdist: Path, tmp_path: Path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / sdist.name.removesuffix(".tar.gz")
    for name in ("Cargo.lock", "src/main.rs", "python/src/lib.rs", "anncat/__init__.py", "build_backend.py"):
        assert (root / name).exists(), name
    # Its lock file is that of what was packed: the same versions, and none that nothing asks for.
    done = subprocess.run(["cargo", "tree", "--locked", "--offline"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept, all_of_them = (
        {(package["name"], package["version"]) for package in tomllib.loads((place / "Cargo.lock").read_text())["package"]}
        for place in (root, ROOT)
    )
    assert kept <= all_of_them
    # Without maturin: only where it looks.
    code = "import sys, types; sys.modules['maturin'] = types.SimpleNamespace(__all__=['build_wheel'], build_wheel=None)\n"
    code += "import build_backend; print(build_backend._workspace())"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(root)
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    assert settings["build-system"]["backend-path"] == ["."] and settings["tool"]["maturin"]["data"] == "anncat.data"
    assert (root / settings["project"]["readme"]).read_text() == (ROOT / "python/README.md").read_text()


@pytest.mark.parametrize("hook", ["prepare_metadata_for_build_wheel", "prepare_metadata_for_build_editable"])
def test_a_fresh_tree_tells_its_metadata(backend, hook, tmp_path):
    # What pip asks first, before anything is built.
    assert backend.call(backend.tree / "python", hook, tmp_path)[-1].endswith(".dist-info")


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable"])
def test_the_program_is_built_before(hook, tmp_path):
    backend = Backend(sys.executable, tmp_path, stand_in=True)
    # With the Rust that maturin asked for, where there is none.
    (tmp_path / "stand_in/puccinialin.py").write_text("def setup_rust(): return {'RUST': 'program'}")
    backend.env["PATH"] = str(tmp_path)
    told = backend.call(backend.tree / "python", hook, tmp_path, "b.build_program = lambda: print(b.os.environ['RUST'])")
    assert told == ["program", hook]


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
