"""Timing of commands and of pieces of Python, memory of processes, mounts, and figures."""

import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from oracle import anncat  # tests/python/oracle

MIB = 1 << 20
# Memory that is touched before a measurement.
FRESH = 4 << 30
PAGE_BYTES = os.sysconf("SC_PAGESIZE")
MAKE_INPUTS = Path(__file__).resolve().parent.parent / "make_inputs.py"


@dataclass
class Figure:
    """One number, what it is compared with, and what it should be."""

    label: str
    value: float
    unit: str
    # A bound on `value`, or on `value / peer` where there is a peer: (">=" or "<=", number).
    goal: tuple[str, float] | None = None
    peer: float | None = None
    peer_label: str = ""
    # Where less is better, the ratio is peer / value: how many times as fast.
    speed: bool = True

    @property
    def ratio(self):
        if self.peer is None:
            return None
        return self.peer / self.value if self.speed else self.value / self.peer

    @property
    def reached(self):
        if self.goal is None:
            return None
        sign, bound = self.goal
        judged = self.value if self.peer is None else self.ratio
        return judged >= bound if sign == ">=" else judged <= bound

    def as_dict(self):
        names = ["label", "value", "unit", "peer", "peer_label", "ratio", "goal", "reached"]
        return {name: getattr(self, name) for name in names}

    def line(self):
        text = f"   {self.label:44} {self.value:9.3f} {self.unit:9}"
        if self.peer is not None:
            text += f" {self.peer_label} {self.peer:.3f}, ratio {self.ratio:.2f}"
        if self.goal is not None:
            text += f"  goal {self.goal[0]} {self.goal[1]:g} {'ok' if self.reached else 'MISSED'}"
        return text


class Skipped(Exception):
    """What a row would measure is not installed; says what is missing."""


@dataclass
class Absent:
    """A figure that could not be measured, and why."""

    label: str
    reason: str

    def as_dict(self):
        return {"label": self.label, "skipped": self.reason}

    def line(self):
        return f"   {self.label:44} skipped: {self.reason}"


@dataclass
class Ran:
    """What a command took."""

    seconds: float
    peak_bytes: int
    stdout: str


class Bench:
    """Where inputs and outputs are, and how often things are run."""

    def __init__(self, work: Path, cells: int, runs: int):
        self.work, self.cells, self.runs = work.absolute(), cells, runs
        self.work.mkdir(parents=True, exist_ok=True)
        self.env = os.environ | {"XDG_CACHE_HOME": str(self.work / "cache")}
        # What is to lie in the page cache when something is measured.
        self.warm: list[Path] = []

    def inputs(self, files=4, compression="none", cells=None, **options):
        """Paths of generated inputs, made on first use and kept."""
        cells = self.cells if cells is None else cells
        words = [f"{key.replace('_', '-')}{'' if value is True else value}" for key, value in sorted(options.items())]
        directory = self.work / "-".join(["inputs", f"{files}x{cells}", compression, *words])
        suffix = "zarr" if options.get("format") == "zarr" else f"{compression}.h5ad"
        paths = [directory / f"in{number}.{suffix}" for number in range(files)]
        if not (directory / "complete").exists():
            shutil.rmtree(directory, ignore_errors=True)
            print(f"   making {directory}", file=sys.stderr, flush=True)
            command = [sys.executable, MAKE_INPUTS, "--out", directory, "--files", str(files), "--cells", str(cells)]
            for key, value in options.items():
                command += [f"--{key.replace('_', '-')}"] + ([] if value is True else [str(value)])
            if options.get("format") != "zarr":
                command += ["--compression", compression]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            (directory / "complete").touch()
        self.warm = paths
        return paths

    def run(self, *command, env=None) -> Ran:
        """Runs a command to its end; its wall time and peak resident memory. `env` adds variables."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            start = time.perf_counter()
            child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=err, env=self.env | (env or {}))
            with peak_of(child.pid) as peak:
                child.wait()
                seconds = time.perf_counter() - start
            out.seek(0), err.seek(0)
            if child.returncode != 0:
                raise RuntimeError(f"{command[0]} ended with {child.returncode}: {err.read().decode()[-2000:]}")
            return Ran(seconds, max(peak), out.read().decode())

    def anncat(self, *words) -> Ran:
        return self.run(anncat.BIN, *words)

    def python(self, code: str, *words, env=None) -> tuple[Ran, float]:
        """Runs a piece of Python that leaves its own time in `seconds`, without imports."""
        tail = "\nimport json; print(json.dumps(seconds))"
        ran = self.run(sys.executable, "-c", PRELUDE + code + tail, *words, env=env)
        return ran, json.loads(ran.stdout.splitlines()[-1])

    def python_with_memory(self, code: str, *words) -> float:
        """Seconds of a piece of Python that has its memory before its time begins.

        A virtual machine fetches fresh memory from its host, which can take longer than to read
        what is to fill it, and differs twofold from one run to the next. So the process keeps a
        touched heap, and leaves some touched memory free for the kernel's page cache.
        """
        keeping = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_ARENA_MAX": "1"}
        touched = f"touch({fresh_pages()}, {PAGE_BYTES})\n"
        return self.python(TOUCH_MEMORY + touched + code, *words, env=keeping)[1]

    def median(self, *measures):
        """Medians of several functions, run in turn so that all see the same machine."""
        taken = [[] for _ in measures]
        for _ in range(self.runs):
            for values, measure in zip(taken, measures, strict=True):
                settle(self.warm)
                values.append(measure())
        return [statistics.median(values) for values in taken]

    def forget_census(self):
        shutil.rmtree(self.work / "cache", ignore_errors=True)

    @contextmanager
    def mounted(self, inputs, *options):
        """Mounts and gives (merged.zarr, seconds until it could be read, process id)."""
        point = Path(tempfile.mkdtemp(prefix="anncat-bench-", dir=self.work))
        try:
            start = time.perf_counter()
            self.anncat("mount", *options, *inputs, point)
            os.listdir(point / "merged.zarr")
            seconds = time.perf_counter() - start
            yield point / "merged.zarr", seconds, daemon_of(point)
        finally:
            if anncat.is_mounted(point):
                subprocess.run([anncat.BIN, "unmount", str(point)], check=False, capture_output=True)
            if anncat.is_mounted(point):
                subprocess.run(["fusermount3", "-uz", str(point)], check=False)
            point.rmdir()

    def ready(self, inputs, *options):
        with self.mounted(inputs, *options) as (_, seconds, _):
            return seconds

    def output(self, name):
        """A path to write to; what stood there is removed."""
        path = self.work / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path


def fresh_pages() -> int:
    """Pages to touch before a measurement: so many that what is free holds several times as much."""
    return min(FRESH // PAGE_BYTES, os.sysconf("SC_AVPHYS_PAGES") // 4)


def settle(warm):
    """The same machine for every measurement: nothing left to write, inputs in the page cache, and
    some gigabytes of free memory that a virtual machine need not fetch from its host first."""
    gc.collect()
    os.sync()
    pages = fresh_pages()
    fresh = bytearray(pages * PAGE_BYTES)
    fresh[::PAGE_BYTES] = b"x" * pages
    del fresh
    read_whole(file for path in warm for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


@contextmanager
def peak_of(pid: int):
    """A list of the peaks of a running process's resident memory, in bytes.

    What wait4 reports is no use: it counts the memory of the process that forked, which is this one.
    """
    peaks, over = [0], threading.Event()

    def watch():
        while not over.wait(0.01):
            with suppress(OSError, RuntimeError):
                peaks.append(int(memory_of(pid, "VmHWM") * MIB))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        over.set()
        watcher.join()


PRELUDE = """
import sys, time, warnings
warnings.filterwarnings("ignore")
import numpy as np, anndata as ad
from anndata.experimental import concat_on_disk
rng = np.random.default_rng(0)
"""

TOUCH_MEMORY = """
import mmap
def touch(pages, page_bytes):
    held = bytearray(pages * page_bytes)
    held[::page_bytes] = b"x" * pages
    with mmap.mmap(-1, pages * page_bytes) as free:
        free[::page_bytes] = b"x" * pages
"""


def daemon_of(point: Path) -> int | None:
    """The process that serves a mountpoint."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"mount" in words and str(point).encode() in words:
                return int(entry.name)
    return None


def memory_of(pid: int | None, field: str) -> float:
    """A field of /proc/PID/status (VmRSS, VmHWM) in MiB."""
    if pid is None:
        raise RuntimeError("the process that serves the mount was not found")
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    raise RuntimeError(f"{field} is not in /proc/{pid}/status")


def read_whole(paths) -> tuple[float, int]:
    """Seconds to read these files in sequence, and their bytes."""
    buffer = memoryview(bytearray(4 * MIB))
    total = 0
    start = time.perf_counter()
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        while n := os.readv(fd, [buffer]):
            total += n
        os.close(fd)
    return time.perf_counter() - start, total
