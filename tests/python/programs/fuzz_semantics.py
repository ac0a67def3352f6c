"""The differential fuzzer: random AnnData files and options, anncat against anndata.concat.

    scripts/fuzz-semantics --seeds 0:2000 --face all --format mixed
    scripts/fuzz-semantics --seeds 17:18 --keep /tmp/case     # one case, its files kept
    scripts/fuzz-semantics --real DIR                         # pairs of the files in DIR

A seed gives the same inputs and options for ever (as long as draw/cases.py does). Ends with 1 when
anything differs.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import multiprocessing
import os
import shlex
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from draw import cases
from oracle import anncat, differential, intended, zarr_inline

FORMATS = ("h5ad", "zarr2", "zarr3", "mixed")

# Thousands of small files: in memory where there is such a place.
SCRATCH = os.environ.get("TMPDIR") or next((d for d in ("/dev/shm",) if os.access(d, os.W_OK)), None)


def one_seed(task) -> dict:
    """Runs one seed; a plain dict, so that it crosses processes."""
    # The package's own store is read as users read it, by an event loop in another thread.
    with contextlib.nullcontext() if task[2] in differential.PYTHON_FACES else zarr_inline.inline():
        return _one_seed(task)


def _one_seed(task) -> dict:
    seed, formats, faces, keep = task
    report = {"name": f"seed {seed} {formats}", "findings": [], "rules": [], "skipped": None, "raised": None}
    directory = Path(keep or tempfile.mkdtemp(prefix="anncat-fuzz-", dir=SCRATCH))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        case = cases.case(seed, formats)
        report["options"] = case.options
        try:
            paths = differential.write_inputs(case, directory)
        except Exception as error:  # anndata cannot write it, so no file holds it
            report["skipped"] = f"{type(error).__name__}: {error}"[:300]
            return report
        _judge(report, paths, case.options, faces_of(faces), directory, check_sorted=not case.unsorted)
    except Exception:
        report["findings"].append(("", "fuzzer", traceback.format_exc(limit=6)))
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)
    return report


@zarr_inline.inline()
def one_real(task) -> dict:
    """Compares one pair of real files under one set of options."""
    paths, options, faces = task
    report = {"name": " ".join(map(str, paths)), "findings": [], "rules": [], "skipped": None, "raised": None, "options": options}
    directory = Path(tempfile.mkdtemp(prefix="anncat-fuzz-", dir=SCRATCH))
    try:
        for path in paths:
            try:
                differential.read(path)
            except Exception as error:  # anndata cannot read it, so there is nothing to compare with
                report["skipped"] = f"{path}: {type(error).__name__}: {error}"[:300]
        if report["skipped"] is None:
            _judge(report, paths, options, faces, directory, check_sorted=False)
        else:
            report["findings"] = _crashes(paths, options, directory)
    except Exception:
        report["findings"].append(("", "fuzzer", traceback.format_exc(limit=6)))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return report


def _crashes(paths, options, directory) -> list[tuple[str, str, str]]:
    """What is wrong with how a merge ends, of which nobody says what should come out."""
    try:
        anncat.materialize(paths, directory / "out.h5ad", options)
    except anncat.Failed as failed:
        if failed.code != 1 or "panicked" in failed.stderr or "error: " not in failed.stderr:
            return [("h5ad", "crashed", str(failed))]
    return []


def _judge(report, paths, options, faces, directory, *, check_sorted) -> None:
    expected = differential.oracle(paths, options)
    report["rules"] = sorted(expected.rules)
    if expected.error is not None:
        report["raised"] = f"{type(expected.error).__name__}: {expected.error}"[:200]
    found = differential.check(paths, options, faces, directory, check_sorted=check_sorted, expected=expected)
    report["findings"] = [(f.face, f.kind, f.detail) for f in found]


def faces_of(face: str) -> list[str]:
    """Faces to check: the one that is named, or every one."""
    return list(differential.FACES) if face == "all" else [face]


def real_tasks(directory: Path, face: str):
    """Every file with itself and with its neighbours, both joins; the options vary."""
    files = sorted(p for p in directory.iterdir() if p.suffix in (".h5ad", ".zarr"))
    pairs = [*((f, f) for f in files), *itertools.pairwise(files), *itertools.islice(zip(files, files[5:]), 30)]
    for i, (pair, join) in enumerate(itertools.product(pairs, ("inner", "outer"))):
        options = {
            "axis": ("obs", "obs", "var")[i // 2 % 3],
            "join": join,
            "merge": (None, "same", "unique", "first", "only")[i // 2 % 5],
            "uns_merge": ("unique", "same", "first", "only")[i // 2 % 4],
            "label": "dataset",
            "index_unique": "-",
            "pairwise": i // 2 % 2 == 0,
        }
        yield list(pair), {k: v for k, v in options.items() if v}, faces_of(face)


def command(report, paths="in*") -> str:
    """The command that shows the finding by hand."""
    return f"{anncat.BIN} materialize {shlex.join(anncat.arguments(report.get('options', {})))} {paths} -o out.h5ad"


def summarize(tally) -> str:
    return ", ".join(f"{n} {name}" for name, n in sorted(tally.items()))


def run(worker, tasks, jobs: int, show: int, quiet: bool = False) -> tuple[collections.Counter, list[dict]]:
    """Runs all tasks; prints what is wrong as it comes; gives the tally and the wrong ones."""
    tally, bad, started = collections.Counter(), [], time.monotonic()
    with multiprocessing.get_context("forkserver").Pool(jobs) if jobs > 1 else _InProcess() as pool:
        for report in pool.imap(worker, tasks, chunksize=4):
            tally["cases"] += 1
            tally["anndata raises"] += report["raised"] is not None
            tally["not for anndata"] += report["skipped"] is not None
            for rule in report["rules"]:
                tally[f"rule {rule}"] += 1
            if not report["findings"]:
                continue
            bad.append(report)
            if len(bad) <= show and not quiet:
                print(f"\n{report['name']}\n  {command(report)}")
                for face, kind, detail in report["findings"]:
                    print(f"  [{face}] {kind}: {detail}")
                sys.stdout.flush()
    tally["seconds"] = round(time.monotonic() - started)
    return tally, bad


class _InProcess:
    """A pool of this process."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def imap(self, worker, tasks, chunksize):
        return map(worker, tasks)


def groups(bad) -> collections.Counter:
    """Findings by kind and first line, numbers and names cut out, so that one cause is one line."""
    import re

    out = collections.Counter()
    for report in bad:
        for face, kind, detail in {(f, k, d.strip().splitlines()[0] if d.strip() else "") for f, k, d in report["findings"]}:
            out[f"{kind}: " + re.sub(r"/tmp/\S*?/(in|out|mnt)", r"\1", re.sub(r"\d+", "#", detail))[:150]] += 1
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0:200", help="A:B, from A up to but not B (default 0:200)")
    parser.add_argument("--face", default="all", choices=["all", *differential.FACES, *differential.PYTHON_FACES])
    parser.add_argument("--format", default="mixed", choices=[*FORMATS, "all"], help="how inputs are stored")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep the inputs in this directory (one seed)")
    parser.add_argument("--real", type=Path, metavar="DIR", help="pairs of the real files in DIR instead")
    parser.add_argument("--show", type=int, default=20, help="how many wrong cases to print in full")
    args = parser.parse_args()

    if args.real:
        tasks, worker = list(real_tasks(args.real, args.face)), one_real
    else:
        first, last = (int(s) for s in args.seeds.split(":"))
        formats = FORMATS if args.format == "all" else [args.format]
        if args.keep and (last - first != 1 or len(formats) != 1):
            parser.error("--keep wants one seed and one format")
        tasks = [(s, f, args.face, args.keep) for f in formats for s in range(first, last)]
        worker = one_seed
    tally, bad = run(worker, tasks, args.jobs, args.show)
    if bad:
        print("\nby cause:")
        for what, count in groups(bad).most_common(40):
            print(f"  {count:5}  {what}")
        if not args.real:
            seeds = [r["name"] for r in bad]
            print(f"wrong: {', '.join(seeds[:60])}{' ...' if len(seeds) > 60 else ''}")
    unused = [r for r in intended.RULES if not tally.get(f"rule {r}")]
    print(f"\n{summarize(tally)}; rules never met: {', '.join(unused) or 'none'}")
    print(f"{tally['cases'] - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
