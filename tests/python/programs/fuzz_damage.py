"""Damaged inputs: every one ends in an error or in what anndata makes of it, within limits.

    scripts/fuzz-damage --seeds 0:1000 --format all
    scripts/fuzz-damage --seeds 17:18 --format h5ad --keep /tmp/case    # one case, its files kept

Each seed takes small inputs, which it has in common with a few others, damages one of them in its
own way (draw/damage.py), and runs inspect, materialize and a mount that is read whole. Wrong are: a
panic, a signal, a hang, more memory than the budget allows, an output or a staging file that is left
behind, a mount that dies, and values that are not those that anndata reads from the same damaged
file. Ends with 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import functools
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
from scipy import sparse

from draw import cases, damage
from oracle import anncat, differential, zarr_inline

FORMATS = ("h5ad", "zarr2", "zarr3")
RAM = os.environ.get("TMPDIR") or next((d for d in ("/dev/shm",) if os.access(d, os.W_OK)), None)

BUDGET_MIB = 64
# What a process takes beside its budget: the program itself, its threads, libhdf5's caches.
ALLOWED_MIB = 4 * BUDGET_MIB
CPU_S = 20
SCRATCH: str | None = None
WALL_S = float(os.environ.get("ANNCAT_TIMEOUT", "120"))
# So many seeds in turn damage the same inputs: half of the time would else go into writing them.
SEEDS_A_CASE = 8


class Wrong(Exception):
    """Something that must not happen, whatever the input."""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limited(*args, directory: Path) -> tuple[int, str]:
    """Runs anncat under limits: its code, and what it said. Raises `Wrong` for how it must not end."""
    told = directory / "stderr"
    with open(told, "wb") as err:
        process = subprocess.Popen(
            [anncat.BIN, *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
            preexec_fn=_limit,
            env={**os.environ, "XDG_CACHE_HOME": str(directory / "cache")},
        )
        deadline = time.monotonic() + WALL_S
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() > deadline:
                process.kill()
                process.wait()
                raise Wrong(f"{args[0]} hangs: more than {WALL_S:.0f} s")
            time.sleep(0.002)
    said = told.read_text(errors="replace")
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL) and usage.ru_utime + usage.ru_stime > CPU_S - 2:
        raise Wrong(f"{args[0]} hangs: more than {CPU_S} s of processor time")
    if process.returncode < 0 or process.returncode >= 128:
        raise Wrong(f"{args[0]} ended by signal {process.returncode}: {said[-300:]}")
    if "panicked" in said or process.returncode not in (0, 1):
        raise Wrong(f"{args[0]} ended with {process.returncode}: {said[-400:]}")
    if process.returncode == 1 and "error: " not in said:
        raise Wrong(f"{args[0]} says no error: {said[-200:]}")
    if usage.ru_maxrss > ALLOWED_MIB << 10:
        raise Wrong(f"{args[0]} took {usage.ru_maxrss >> 10} MiB of a budget of {BUDGET_MIB}")
    return process.returncode, said


def apart(work, seconds: float):
    """`work()` in a process of its own, as text, also when it raises; None when it crashes or hangs."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        with contextlib.suppress(BaseException):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                text = work()
            except Exception as error:
                text = f"raises {type(error).__name__}: {error}"
            os.write(write, text.encode()[:4000])
        os._exit(0)
    os.close(write)
    deadline = time.monotonic() + seconds
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read().decode(errors="replace") or None


def read_whole(root: Path) -> str:
    """Reads every file under `root`; says how many could be read and how many could not."""
    good = bad = 0
    for directory, _, names in os.walk(root):
        for name in names:
            try:
                with open(os.path.join(directory, name), "rb") as file:
                    while file.read(1 << 20):
                        pass
                good += 1
            except OSError as error:
                if error.errno == 107:  # ENOTCONN: nobody answers any more
                    return "died"
                bad += 1
    return f"{good} files read, {bad} not"


def mounted(paths, options, directory: Path) -> None:
    """Mounts, reads everything, and sees that the mount lives and ends."""
    at = directory / "mnt"
    at.mkdir(exist_ok=True)
    try:
        code, said = limited("mount", *anncat.arguments(options), f"--memory={BUDGET_MIB}MiB", *paths, at, directory=directory)
        if code != 0:
            if anncat.is_mounted(at):
                raise Wrong("mount failed and is mounted")
            return
        result = apart(lambda: read_whole(at), WALL_S)
        if result is None:
            raise Wrong("a mount that is read hangs")
        try:
            os.listdir(at)
        except OSError as error:
            raise Wrong(f"the mount died: {error}") from None
        if result == "died":
            raise Wrong("the mount died while it was read")
        peak = _peak_mib(at)
        if peak > ALLOWED_MIB:
            raise Wrong(f"the mount took {peak} MiB of a budget of {BUDGET_MIB}")
    finally:
        if anncat.is_mounted(at):
            anncat.run("unmount", at, check=False)
        if anncat.is_mounted(at):
            subprocess.run(["fusermount3", "-uz", str(at)], check=False)


def _peak_mib(at: Path) -> int:
    """The most memory that the process behind a mount has had."""
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, StopIteration):
            if entry.isdigit() and os.fsencode(at) in Path(f"/proc/{entry}/cmdline").read_bytes():
                status = Path(f"/proc/{entry}/status").read_text()
                return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) >> 10
    return 0


def sparse_in(value):
    """Every sparse matrix of an AnnData, a mapping, a frame's place or whatever lies in them."""
    if isinstance(value, ad.AnnData):
        parts = [value.X, value.layers, value.obsm, value.varm, value.obsp, value.varp, value.uns]
        for part in [*parts, *([value.raw.X] if value.raw is not None else [])]:
            yield from sparse_in(part)
    elif isinstance(value, collections.abc.Mapping):
        for part in value.values():
            yield from sparse_in(part)
    elif sparse.issparse(value):
        yield value


def contradicts_itself(matrix) -> bool:
    """Whether `indptr` and `indices` are no sparse matrix, though scipy makes one of them."""
    if matrix.indptr[-1] != len(matrix.indices):
        return True
    try:
        matrix.check_format(full_check=True)
    except ValueError:
        return True
    if matrix.dtype.kind not in "iu":
        return False
    # Entries that are stored twice, and whose sum has no room in their type: it depends on when they are added.
    summed, exact = matrix.copy(), matrix.astype("f8")
    summed.sum_duplicates()
    exact.sum_duplicates()
    return not np.array_equal(summed.data, exact.data)


def materialized(paths, options, suffix: str, directory: Path) -> str:
    """Materializes and compares with anndata; says which way it went."""
    out = directory / f"out.{suffix}"
    code, said = limited("materialize", *anncat.arguments(options), f"--memory={BUDGET_MIB}MiB", *paths, "-o", out, directory=directory)
    left = [n for n in os.listdir(directory) if "out" in n or n.endswith(".tmp")]
    if code != 0:
        if left:
            raise Wrong(f"{left} left behind after: {said[-300:]}")
        return "refused"
    if left != [out.name]:
        raise Wrong(f"left behind: {left}")

    def verdict() -> str:
        if any(contradicts_itself(matrix) for path in paths for matrix in sparse_in(differential.read(path))):
            # scipy stacks the arrays as they are, whatever `indptr` says of them: nobody says what is right.
            return "raises nothing over a sparse matrix that contradicts itself"
        expected = differential.oracle(paths, options)
        if expected.error is not None:
            return "accepted"
        finding = differential.check_face(paths, options, suffix, directory / "again", expected, check_sorted=False)
        return "equal" if finding is None else f"WRONG {finding.kind}: {finding.detail}"

    (directory / "again").mkdir()
    found = apart(verdict, WALL_S)
    shutil.rmtree(directory / "again")
    if found is not None and found.startswith("WRONG"):
        raise Wrong(found)
    if found is None:
        return "anndata crashes or hangs"
    return "anndata raises" if found.startswith("raises") else found


@functools.lru_cache(maxsize=len(FORMATS))
def _undamaged(number: int, fmt: str):
    """The options of a case and the directory of its inputs; None where anndata cannot write it."""
    rng = np.random.default_rng([20261, number, FORMATS.index(fmt)])
    case = cases.case(int(rng.integers(1 << 30)), fmt)
    held = Path(tempfile.mkdtemp(dir=SCRATCH))
    try:
        differential.write_inputs(case, held)
    except Exception:
        return None
    return case.options, held


@zarr_inline.inline()
def damaged(path: Path, rng: np.random.Generator) -> list[str]:
    """Damages an input; says how. In a process of its own: libhdf5 may not live through what was damaged before."""

    def work() -> str:
        said = [how[:300] for how in damage.damage(path, rng)]
        return json.dumps([said, rng.bit_generator.state])

    found = apart(work, WALL_S)
    if found is None:
        return ["libhdf5 crashes over what is damaged already"]
    said, rng.bit_generator.state = json.loads(found)
    return said


def one(task) -> dict:
    """Runs one seed; a plain dict, so that it crosses processes."""
    seed, fmt, keep = task
    report = {"name": f"seed {seed} {fmt}", "wrong": None, "how": [], "ways": []}
    rng = np.random.default_rng([20260, seed, FORMATS.index(fmt)])
    directory = Path(keep or tempfile.mkdtemp(dir=SCRATCH))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with differential.quiet():
            undamaged = _undamaged(seed // SEEDS_A_CASE, fmt)
        if undamaged is None:
            report["ways"].append("cannot be written")
            return report
        options, held = undamaged
        shutil.copytree(held, directory, dirs_exist_ok=True)
        paths = sorted(directory.glob("in*"), key=lambda path: int(path.stem[2:]))
        report["how"] = damaged(paths[int(rng.integers(len(paths)))], rng)
        limited("inspect", *anncat.arguments(options), f"--memory={BUDGET_MIB}MiB", *paths, directory=directory)
        suffix = "h5ad" if rng.random() < 0.6 else "zarr"
        report["ways"].append(materialized(paths, options, suffix, directory))
        if not anncat.SKIP_FUSE and rng.random() < 0.4:
            mounted(paths, options, directory)
            report["ways"].append("mounted")
    except Wrong as wrong:
        report["wrong"] = str(wrong)
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    return report


def _put_into(directory: str) -> None:
    """Has all files of this process's seeds made there."""
    global SCRATCH
    SCRATCH = directory
    _undamaged.cache_clear()


def run(tasks, jobs: int = 1, show: int = 20, quiet: bool = False) -> tuple[collections.Counter, list[dict]]:
    """Runs all tasks; prints what is wrong as it comes; gives the tally and the wrong ones."""
    tally, bad = collections.Counter(), []
    forkserver = multiprocessing.get_context("forkserver")
    with (
        tempfile.TemporaryDirectory(prefix="anncat-damage-", dir=RAM) as scratch,
        forkserver.Pool(jobs, _put_into, [scratch]) if jobs > 1 else contextlib.nullcontext() as pool,
    ):
        _put_into(scratch)
        for report in pool.imap(one, tasks, chunksize=SEEDS_A_CASE) if pool else map(one, tasks):
            tally["damaged inputs"] += 1
            tally.update(report["ways"])
            if report["wrong"]:
                bad.append(report)
                if len(bad) <= show and not quiet:
                    print(f"\n{report['name']}: {report['wrong'][:700]}\n  " + "\n  ".join(report["how"]), flush=True)
    return tally, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:200", help="A:B, from A up to but not B (default 0:200)")
    parser.add_argument("--format", default="all", choices=[*FORMATS, "all"])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the files of a case in this directory (one seed, one format)")
    parser.add_argument("--show", type=int, default=20, help="how many wrong cases to print")
    args = parser.parse_args()
    first, last = (int(s) for s in args.seeds.split(":"))
    formats = FORMATS if args.format == "all" else [args.format]
    if args.keep and (last - first != 1 or len(formats) != 1):
        parser.error("--keep wants one seed and one format")
    tally, bad = run([(s, f, args.keep) for s in range(first, last) for f in formats], args.jobs, args.show)
    causes = collections.Counter(re.sub(r"/\S+|\d+", "#", report["wrong"])[:110] for report in bad)
    if bad:
        print("\nby cause:")
        for what, count in causes.most_common(40):
            print(f"  {count:5}  {what}")
        print(f"wrong: {', '.join(r['name'] for r in bad[:60])}{' ...' if len(bad) > 60 else ''}")
    print(f"\n{', '.join(f'{n} {name}' for name, n in sorted(tally.items()))}")
    print(f"{tally['damaged inputs'] - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
