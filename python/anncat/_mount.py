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

from ._errors import Error

if TYPE_CHECKING:
    from ._merged import Merged


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


@contextlib.contextmanager
def mounted(
    merged: Merged, path: str | os.PathLike[str] | None, layout: dict[str, int], words: list[str]
) -> Iterator[str]:
    """Serves the plan by a process of its own, which ends when its standard input does."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise Error(
            "there is no FUSE here (/dev/fuse is missing or may not be opened), so nothing can be mounted\n"
            "  hint: Merged.store() gives the same data to zarr and anndata without FUSE",
            "mount-unavailable",
        )
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="anncat-")))
        plan = work / "plan.json"
        document = json.loads(merged.plan())
        document["layout"] = layout
        plan.write_text(json.dumps(document))
        if path is None:
            place = work / "mnt"
            place.mkdir()
        else:
            place = Path(path)
        memory_bytes, follow_external = merged._limits
        command = [find_program(), "mount", "--foreground", "--until-eof", "--plan", str(plan), "--memory", str(memory_bytes)]
        command += [*(["--follow-external"] if follow_external else []), *words, "--", str(place)]
        said = stack.enter_context(tempfile.TemporaryFile(mode="w+"))
        # A session of its own: Ctrl-C ends the block, and the block the mount. When this process dies, however it
        # does, the system closes the pipe.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True, text=True
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            if process.stdout.readline().strip() != "ready":
                process.stdin.close()
                process.wait()
                said.seek(0)
                lines = said.read().strip().splitlines()
                errors = [n for n, line in enumerate(lines) if line.startswith("error: ")]
                message = "\n".join(lines[errors[-1] :]).removeprefix("error: ") if errors else "\n".join(lines)
                raise Error(message or f"the mount ended with {process.returncode}", "mountpoint")
            yield str(place.absolute() / "merged.zarr")
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait()
