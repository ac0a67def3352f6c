"""The rows of the table. Each measures its peers in the same run and returns figures."""

import os
import shutil
import statistics
from pathlib import Path

from . import loaders
from .measure import MIB, Figure, memory_of, read_whole, settle

COD = """
t = time.perf_counter()
concat_on_disk(sys.argv[2:], sys.argv[1], join="outer")
seconds = time.perf_counter() - t
"""
CONCAT = """
t = time.perf_counter()
ad.concat([ad.read_h5ad(path) for path in sys.argv[1:]], join="outer")
seconds = time.perf_counter() - t
"""
IN_PYTHON = """
import anncat
t = time.perf_counter()
anncat.concat(sys.argv[1:], join="outer")
seconds = time.perf_counter() - t
"""
READ = """
t = time.perf_counter()
ad.read_zarr(sys.argv[1])
seconds = time.perf_counter() - t
"""


def mount_outer(bench):
    """mount ready to read: 4 plain inputs, outer join"""
    inputs = bench.inputs()
    (ready,) = bench.median(lambda: bench.ready(inputs, "--join", "outer"))
    return [Figure("mount ready", ready, "s", ("<=", 0.1))]


def mount_inner(bench):
    """mount ready to read: 4 plain inputs, inner join that drops genes; census, then again"""
    inputs = bench.inputs()

    def first():
        bench.forget_census()
        return bench.ready(inputs, "--join", "inner")

    first_s, again_s = bench.median(first, lambda: bench.ready(inputs, "--join", "inner"))
    return [Figure("first mount", first_s, "s", ("<=", 0.6)), Figure("mounted again", again_s, "s", ("<=", 0.1))]


def many(bench):
    """100 gzip inputs of 500 cells: ready to read, and resident memory"""
    inputs = bench.inputs(files=100, compression="gzip", cells=max(10, bench.cells // 100))
    resident = []

    def ready():
        with bench.mounted(inputs, "--join", "outer") as (_, seconds, pid):
            resident.append(memory_of(pid, "VmHWM"))
            return seconds

    (seconds,) = bench.median(ready)
    return [Figure("mount ready", seconds, "s", ("<=", 0.5)), Figure("peak memory", max(resident), "MiB", ("<=", 150))]


def read_zarr(bench):
    """whole read_zarr of the mount, beside the zarr that concat_on_disk writes"""
    local = bench.output("cod.zarr")
    bench.python(COD, local, *bench.inputs(format="zarr"))
    ways = {"memory at hand": bench.python_with_memory, "any process": lambda *words: bench.python(*words)[1]}
    figures = []
    for compression, goal in [("none", 1.0), ("gzip", 0.8)]:
        inputs = bench.inputs(compression=compression)
        bench.warm = [*inputs, local]
        for label, timed in ways.items():
            again = []

            def fresh(inputs=inputs, timed=timed, again=again):
                with bench.mounted(inputs, "--join", "outer") as (merged, _, _):
                    first = timed(READ, merged)
                    again.append(timed(READ, merged))
                    return first

            mount_s, local_s = bench.median(fresh, lambda timed=timed: timed(READ, local))
            again_s = statistics.median(again)
            for what, seconds, bound in [("fresh mount", mount_s, (">=", goal)), ("read again", again_s, None)]:
                figures.append(Figure(f"{compression}: {what}, {label}", seconds, "s", bound, local_s, "local zarr"))
    shutil.rmtree(local)
    return figures


def in_memory(bench):
    """all in memory: anncat.concat, mount and read_zarr, beside anndata.concat of the files; seconds and peak memory"""
    inputs = bench.inputs()
    python, ours, peers = [], [], []

    def in_python():
        ran, seconds = bench.python(IN_PYTHON, *inputs)
        python.append(ran.peak_bytes / MIB)
        return seconds

    def mounted():
        with bench.mounted(inputs, "--join", "outer") as (merged, ready_s, pid):
            ran, seconds = bench.python(READ, merged)
            ours.append(ran.peak_bytes / MIB + memory_of(pid, "VmHWM"))
            return ready_s + seconds

    def concatenated():
        ran, seconds = bench.python(CONCAT, *inputs)
        peers.append(ran.peak_bytes / MIB)
        return seconds

    python_s, mounted_s, concat_s = bench.median(in_python, mounted, concatenated)

    def beside(label, value, unit, peer):
        return Figure(label, value, unit, None, peer, "anndata.concat")

    peak = statistics.median(peers)
    return [
        beside("in Python: seconds", python_s, "s", concat_s),
        beside("in Python: peak memory", statistics.median(python), "MiB", peak),
        beside("seconds", mounted_s, "s", concat_s),
        # Of both processes.
        beside("peak memory", statistics.median(ours), "MiB", peak),
    ]


def reading(files) -> float:
    """Gigabytes a second of reading these files in sequence."""
    seconds, total = read_whole(files)
    return total / seconds / 1e9


def chunk_files(bench):
    """chunk files read whole in sequence, mount's page cache cold and warm, beside local files"""
    figures = []
    for compression, goals in [("none", (0.30, 0.80)), ("gzip", (None, None))]:
        inputs = bench.inputs(compression=compression)
        copy = bench.output("chunks")
        with bench.mounted(inputs, "--join", "outer") as (merged, _, _):
            shutil.copytree(merged / "X", copy)
        local = sorted(path for path in copy.rglob("*") if path.is_file())
        later = []

        def cold(inputs=inputs, later=later, local=local, copy=copy):
            with bench.mounted(inputs, "--join", "outer") as (merged, _, _):
                files = [merged / "X" / path.relative_to(copy) for path in local]
                first = reading(files)
                later.append((reading(files), reading(files)))
                return first

        def locally(local=local):
            # What is cached is sorted anew by the first reading of it, on either side.
            reading(local)
            return reading(local)

        cold_gbs, local_gbs = bench.median(cold, locally)
        second_gbs, warm_gbs = (statistics.median(rates) for rates in zip(*later))
        for name, value, goal in [("cold", cold_gbs, goals[0]), ("second reading", second_gbs, None), ("warm", warm_gbs, goals[1])]:
            bound = (">=", goal) if goal else None
            figures.append(Figure(f"{compression}: {name}", value, "GB/s", bound, local_gbs, "local", speed=False))
        shutil.rmtree(copy)
    return figures


def batches(bench, kind, goals):
    figures = []
    for compression, goal in goals.items():
        inputs = bench.inputs(compression=compression)
        settle(inputs)
        with bench.mounted(inputs, "--join", "outer") as (merged, _, _):
            rate = loaders.zarrs(merged, kind)
        with bench.mounted(inputs, "--join", "outer") as (merged, _, _):
            ranges = loaders.ranges(merged, kind)
            python = loaders.zarr_python(merged, kind)
        peer = loaders.collection(inputs, kind)
        figures.append(Figure(f"{compression}: zarr with the zarrs pipeline", rate, "batch/s", (">=", goal)))
        figures.append(Figure(f"{compression}: byte ranges of chunk files", ranges, "batch/s"))
        figures.append(Figure(f"{compression}: anndata over zarr-python", python, "batch/s", None, peer, "AnnCollection", speed=False))
    return figures


def random_rows(bench):
    """1,024 random rows a batch, beside AnnCollection"""
    return batches(bench, "random", {"none": 20, "gzip": 5})


def runs_of_rows(bench):
    """1,024 rows in 16 runs of 64, beside AnnCollection"""
    return batches(bench, "runs", {"none": 56, "gzip": 15})


def materialized(bench, inputs, *options):
    out = bench.output("anncat.h5ad")
    ran = bench.anncat("materialize", "--join", "outer", *options, *inputs, "-o", out)
    out.unlink()
    return ran


def on_disk(bench, inputs):
    """Wall time of concat_on_disk with Python's start, and of the call alone."""
    out = bench.output("cod.h5ad")
    ran, seconds = bench.python(COD, out, *inputs)
    out.unlink()
    return ran.seconds, seconds


def against_on_disk(bench, inputs, label, goal, *options):
    alone = []

    def peer():
        wall, call = on_disk(bench, inputs)
        alone.append(call)
        return wall

    ours, wall = bench.median(lambda: materialized(bench, inputs, *options).seconds, peer)
    call = statistics.median(alone)
    return [
        Figure(label, ours, "s", (">=", goal), wall, "concat_on_disk"),
        Figure(f"{label}, the call alone", ours, "s", None, call, "concat_on_disk"),
    ]


def materialize(bench):
    """materialize plain to plain h5ad, beside cat and concat_on_disk"""
    inputs = bench.inputs()

    def cat():
        out = bench.output("cat")
        ran = bench.run("sh", "-c", 'out=$1; shift; cat "$@" > "$out"', "sh", out, *inputs)
        out.unlink()
        return ran.seconds

    ours, bytes_only = bench.median(lambda: materialized(bench, inputs).seconds, cat)
    slower = Figure("times as long as cat", ours, "s", ("<=", 1.15), bytes_only, "cat", speed=False)
    return [slower, *against_on_disk(bench, inputs, "plain to plain", 5)]


def materialize_gzip(bench):
    """materialize gzip to plain, and to gzip levels 1 and 4, beside concat_on_disk writing plain"""
    inputs = bench.inputs(compression="gzip")
    figures = against_on_disk(bench, inputs, "gzip to plain", 6)
    for level, goal in [(1, 2.2), (4, 1.2)]:
        options = ["--compression", "gzip", "--level", str(level)]
        figures += against_on_disk(bench, inputs, f"gzip to gzip level {level}", goal, *options)
    return figures


def materialize_lzf(bench):
    """materialize dense lzf to plain, beside concat_on_disk"""
    cells = max(100, bench.cells * 17 // 100)
    return against_on_disk(bench, bench.inputs(compression="lzf", cells=cells, dense=True), "dense lzf to plain", 15)


def sharded(bench):
    """inputs in shards of a gigabyte, as anndata 0.13 writes them, beside the same inputs without"""
    kinds = {"sharded": bench.inputs(format="zarr", shard=True), "plain": bench.inputs(format="zarr", zarr_format=3)}
    bench.warm = [*kinds["sharded"], *kinds["plain"]]

    def rows(kind):
        settle(kinds[kind])
        with bench.mounted(kinds[kind], "--join", "outer") as (merged, _, _):
            return loaders.zarrs(merged, "random")

    def whole(kind):
        with bench.mounted(kinds[kind], "--join", "outer") as (merged, _, _):
            return bench.python(READ, merged)[1]

    def written(kind):
        return materialized(bench, kinds[kind]).seconds

    figures = [Figure("random rows", rows("sharded"), "batch/s", (">=", 0.8), rows("plain"), "plain", speed=False)]
    for label, way in [("whole read_zarr", whole), ("materialize", written)]:
        ours, peer = bench.median(lambda way=way: way("sharded"), lambda way=way: way("plain"))
        figures.append(Figure(label, ours, "s", (">=", 0.8), peer, "plain"))
    return figures


def memory(bench):
    """peak resident memory of materialize --memory 256MiB, 4 and 100 files"""
    figures = []
    for files, compression, cells in [(4, "none", bench.cells), (4, "gzip", bench.cells),
                                      (100, "gzip", max(10, bench.cells // 100))]:
        inputs = bench.inputs(files=files, compression=compression, cells=cells)
        peak = materialized(bench, inputs, "--memory", "256MiB").peak_bytes / MIB
        figures.append(Figure(f"{files} files, {compression}", peak, "MiB", ("<=", 256)))
    return figures


def stat(bench):
    """find and du over the whole mount (no goal; nothing may be computed for it)"""
    with bench.mounted(bench.inputs(), "--join", "outer") as (merged, _, _):
        find = bench.run("find", merged, "-size", "+1k").seconds
        du = bench.run("du", "-s", "--apparent-size", merged).seconds
        count = sum(len(files) for _, _, files in os.walk(merged))
    return [Figure(f"find over {count} files, first", find, "s"), Figure("du, second", du, "s")]


ROWS = {
    "mount-outer": mount_outer,
    "mount-inner": mount_inner,
    "many": many,
    "in-memory": in_memory,
    "read-zarr": read_zarr,
    "chunk-files": chunk_files,
    "random-rows": random_rows,
    "runs": runs_of_rows,
    "materialize": materialize,
    "gzip": materialize_gzip,
    "lzf": materialize_lzf,
    "sharded": sharded,
    "memory": memory,
    "stat": stat,
}
