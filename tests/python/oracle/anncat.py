"""Runs the anncat binary: the command line of a case, mounts that always end, errors as values."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = os.environ.get("ANNCAT_BIN", str(ROOT / "target/release/anncat"))
TIMEOUT_S = float(os.environ.get("ANNCAT_TIMEOUT", "60"))

SKIP_FUSE = bool(os.environ.get("ANNCAT_SKIP_FUSE"))


class Failed(Exception):
    """anncat ended with another code than 0."""

    def __init__(self, code: int, stderr: str):
        super().__init__(f"exit {code}: {stderr.strip()[-2000:]}")
        self.code = code
        self.stderr = stderr


@dataclass
class Done:
    """What a command said."""

    code: int
    stdout: str
    stderr: str


def run(*args, check: bool = True, env: dict | None = None, timeout: float = TIMEOUT_S, cwd=None) -> Done:
    """Runs anncat; raises `Failed` unless it ends with 0 (or `check` is off)."""
    # The mount's daemon may keep these open, so they are files and not pipes.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            [BIN, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
        code = _wait(process, timeout)
        out.seek(0), err.seek(0)
        done = Done(code, out.read().decode(errors="replace"), err.read().decode(errors="replace"))
    if check and done.code != 0:
        raise Failed(done.code, done.stderr)
    return done


def _wait(process: subprocess.Popen, timeout: float) -> int:
    """The exit code. (With a timeout, Python's own wait sleeps up to 50 ms between looks.)"""
    handle = os.pidfd_open(process.pid)
    try:
        if not select.select([handle], [], [], timeout)[0]:
            process.kill()
            process.wait()
            raise subprocess.TimeoutExpired(process.args, timeout)
    finally:
        os.close(handle)
    return process.wait()


def arguments(options: dict) -> list[str]:
    """`options`, named as the arguments of `anndata.concat`, on anncat's command line."""
    out = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            out.append(flag)
        elif name == "keys":
            out += [flag, ",".join(value)]
        else:
            # With "=", so that a value may begin with a dash.
            out.append(f"{flag}={value}")
    return out


def is_mounted(path) -> bool:
    """Whether something is mounted at `path`."""
    path = os.path.realpath(path)
    with open("/proc/self/mounts") as mounts:
        return any(line.split()[1].replace("\\040", " ") == path for line in mounts)


class Mounted(type(Path())):
    """The path of a merged.zarr, and what the command said when it mounted it."""

    def __new__(cls, *args, said: str = ""):
        return super().__new__(cls, *args)

    def __init__(self, *args, said: str = ""):
        # Python 3.12 paths take their parts here, earlier ones in __new__.
        super().__init__(*(args if sys.version_info >= (3, 12) else ()))
        self.said = said


@contextmanager
def mount(inputs, options: dict | None = None, *extra, at=None, env: dict | None = None):
    """Mounts `inputs` and gives the path of merged.zarr; unmounts at the end, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="anncat-mnt-") as own:
        at = Path(at or own)
        try:
            done = run("mount", *arguments(options or {}), *extra, *inputs, at, env=env)
            yield Mounted(at / "merged.zarr", said=done.stderr)
        finally:
            if is_mounted(at):
                done = run("unmount", at, check=False)
                if is_mounted(at):
                    subprocess.run(["fusermount3", "-uz", str(at)], check=False)
                    if done.code != 0:
                        raise Failed(done.code, done.stderr)


def materialize(inputs, out, options: dict | None = None, *extra, env: dict | None = None) -> Done:
    """Writes the merge of `inputs` to `out`."""
    return run("materialize", *arguments(options or {}), *extra, *inputs, "-o", out, env=env)
