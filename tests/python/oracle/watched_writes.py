"""The calls with which anncat writes an output: noted, or one of them gone wrong (`watched_writes.c`)."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from oracle import anncat

#: Instead of an errno: a write that writes only a part.
SHORT = 0


@dataclass
class Call:
    """A call that touches the watched files: `open` and `make` a file or directory, `write`, `cut`, `room`,
    `sync`, `rename`, `swap`."""

    number: int
    name: str
    path: str
    #: Of a rename: the new name.
    other: str


@cache
def library() -> Path:
    """The library that stands between, compiled once."""
    built = Path(tempfile.mkdtemp(prefix="anncat-watched-")) / "watched.so"
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl", "-lpthread"], check=True)
    return built


def run(*args, watch, fail: int | None = None, how: int = 0) -> tuple[anncat.Done, list[Call]]:
    """Runs anncat; gives how it ended, and the calls on files whose path holds `watch`, of which number
    `fail` goes wrong with errno `how`."""
    with tempfile.NamedTemporaryFile(mode="r") as log:
        env = {"LD_PRELOAD": str(library()), "WATCH": str(watch), "WATCH_LOG": log.name}
        if fail is not None:
            env |= {"WATCH_FAIL": str(fail), "WATCH_HOW": str(how)}
        done = anncat.run(*args, check=False, env=env)
        calls = [line.rstrip("\n").split("\t") for line in log]
    return done, [Call(int(number), name, os.path.normpath(path), other) for number, name, path, _, _, other in calls]
