"""The command line of scripts/bench, and its table."""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from . import geometry, merged_h5ad, python_package, rows, scale
from .measure import Absent, Bench, Skipped

USUAL = rows.ROWS | merged_h5ad.ROWS | python_package.ROWS
ROWS = USUAL | scale.ROWS | geometry.ROWS


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures anncat beside its peers.")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "anncat-bench",
                        help="directory for inputs and outputs (default: %(default)s)")
    parser.add_argument("--cells", type=int, default=50_000, help="cells of each large input (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="runs of which the median counts (default: %(default)s)")
    parser.add_argument("--only", action="append", metavar="ROW", help="only this row; may be repeated")
    parser.add_argument("--scale", action="store_true", help="also simulate 1,000 inputs with 100 million cells")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--list", action="store_true", help="list the rows and end")
    args = parser.parse_args()
    for name in args.only or []:
        if name not in ROWS:
            parser.error(f"there is no row {name!r}; there are {', '.join(ROWS)}")
    return args


def machine():
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    with open("/proc/cpuinfo") as cpuinfo:
        models = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    return {
        "revision": revision.stdout.strip(),
        "kernel": platform.release(),
        "cpus": len(models),
        "cpu": models[0] if models else platform.machine(),
    }


def main():
    args = arguments()
    if args.list:
        for name, row in ROWS.items():
            print(f"{name:14} {row.__doc__.splitlines()[0]}")
        return 0
    names = args.only or [*USUAL, *(scale.ROWS if args.scale else ())]
    bench = Bench(args.work, args.cells, args.runs)
    report = {"machine": machine(), "cells": args.cells, "runs": args.runs, "rows": {}}
    failed = False
    for name in names:
        print(f"-- {name}: {ROWS[name].__doc__.splitlines()[0]}", file=sys.stderr, flush=True)
        try:
            figures = ROWS[name](bench)
        except Skipped as skipped:
            figures = [Absent("all of it", str(skipped))]
        except Exception as error:  # noqa: BLE001 (one row that fails must not cost the others)
            failed = True
            report["rows"][name] = {"error": f"{type(error).__name__}: {error}"}
            print(f"   failed: {error}", file=sys.stderr, flush=True)
            continue
        report["rows"][name] = [figure.as_dict() for figure in figures]
        if not args.json:
            for figure in figures:
                print(figure.line(), flush=True)
    if args.json:
        json.dump(report, sys.stdout, indent=1)
        print()
    return 1 if failed else 0


sys.exit(main())
