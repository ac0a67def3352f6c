"""Mounts that end with their block, with the interpreter, and with the process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import Error, make

if TYPE_CHECKING:
    from ._merged import Merged


# The write ends of the pipes to the mounts of this process.
_pipes: set[int] = set()


def _close_pipes() -> None:
    """A mount ends when all ends of its pipe are closed: those that a fork copied, too."""
    if _pipes:
        null = os.open(os.devnull, os.O_WRONLY)
        for pipe in _pipes:
            # The file object that owns it may close it once more.
            os.dup2(null, pipe, inheritable=False)
        os.close(null)
        _pipes.clear()


os.register_at_fork(after_in_child=_close_pipes)


def find_program() -> str:
    """The path of the `anncat` program: that of this installation, else the first on the PATH."""
    places = [
        os.environ.get("ANNCAT_BIN"),
        os.path.join(sysconfig.get_path("scripts"), "anncat"),
        os.path.join(os.path.dirname(sys.executable), "anncat"),
        shutil.which("anncat"),
    ]
    for place in places:
        if place and os.access(place, os.X_OK):
            return place
    raise Error(
        "the anncat program, which makes mounts, is not installed\n  hint: pip install anncat from a wheel, or use Merged.store",
        "mount-unavailable",
    )


def _failure(answer: str, said: str) -> Error:
    """The error that the program printed for programs; else what it said, which is a defect of it."""
    try:
        error = json.loads(answer)["error"]
    except (ValueError, KeyError):
        return Error(said)
    hint = f"\n  hint: {error['hint']}" if error["hint"] else ""
    return make(error["kind"], error["message"] + hint, error["file"], error["element"])


def _remove(place: str, owner: int) -> None:
    """Removes what this process made; a fork of it that leaves the block leaves its parent's mount alone."""
    if os.getpid() == owner:
        with contextlib.suppress(OSError):
            (os.rmdir if os.path.isdir(place) else os.unlink)(place)


@contextlib.contextmanager
def mounted(
    merged: Merged, path: str | os.PathLike[str] | None, layout: dict[str, int], words: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """Serves the plan by a process of its own, which ends when its standard input does.

    Gives the path of ``merged.zarr``, and what that leaves out.
    """
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Error(
            "there is no FUSE here (/dev/fuse is missing or may not be opened), so nothing can be mounted\n"
            "  hint: Merged.store() gives the same data to zarr and anndata without FUSE",
            "mount-unavailable",
        )
    with contextlib.ExitStack() as stack:
        owner = os.getpid()
        document = json.loads(merged.plan())
        document["layout"] = layout
        descriptor, plan = tempfile.mkstemp(prefix="anncat-", suffix=".json")
        stack.callback(_remove, plan, owner)
        with open(descriptor, "w") as file:
            json.dump(document, file)
        if path is None:
            place = Path(tempfile.mkdtemp(prefix="anncat-"))
            stack.callback(_remove, str(place), owner)
            # Whoever dies removes nothing; the mount outlives this process.
            words = [*words, "--remove-mountpoint"]
        else:
            place = Path(path)
        memory_bytes, follow_external = merged._limits
        command = [find_program(), "mount", "--foreground", "--until-eof", "--json", "--plan", plan]
        command += ["--memory", str(memory_bytes), *(["--follow-external"] if follow_external else []), *words, "--", str(place)]
        said = stack.enter_context(tempfile.TemporaryFile(mode="w+"))
        # A session of its own: Ctrl-C ends the block, and the block the mount. When this process dies, however it
        # does, the system closes the pipe.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True, text=True
        )
        assert process.stdin is not None and process.stdout is not None
        pipe = process.stdin.fileno()
        _pipes.add(pipe)
        try:
            answer = []
            for line in process.stdout:
                if line == "ready\n":
                    break
                answer.append(line)
            else:
                process.stdin.close()
                process.wait()
                said.seek(0)
                raise _failure("".join(answer), said.read().strip() or f"the mount ended with {process.returncode}")
            _remove(plan, owner)
            yield str(place.absolute() / "merged.zarr"), json.loads("".join(answer))["left-out"]
        finally:
            _pipes.discard(pipe)
            process.stdin.close()
            # Should a process that was forked before the pipe was known have it still.
            process.terminate()
            process.stdout.close()
            process.wait()
