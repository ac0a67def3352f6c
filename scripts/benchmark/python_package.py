"""The Python package beside what Python users have today: in memory, as a store, batches of rows, loaders, its import.

Inputs lie in the page cache, and stores and mounts are fresh. What belongs to Python alone (starting it, imports) is
left out of every time. annbatch wants Python 3.12; ANNCAT_BENCH_ANNBATCH names a Python that has it and anndata, and
without one its rows say that they are skipped.
"""

import json
import os
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

from . import loaders
from .measure import MIB, Absent, Figure, Skipped, settle
from .rows import CONCAT, IN_PYTHON, READ

ANNBATCH = Path(__file__).resolve().parent / "annbatch_loader.py"

STORE = """
import anncat
t = time.perf_counter()
ad.read_zarr(anncat.open(sys.argv[1:], join="outer").store())
seconds = time.perf_counter() - t
"""
IMPORT = """
import sys, time, numpy
t = time.perf_counter()
import anncat
print(time.perf_counter() - t)
"""


def opened(inputs, **options):
    """The inputs as the package opens them; inputs and notices are known."""
    import warnings

    import anncat

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", anncat.Notice)
        return anncat.open(list(inputs), join="outer", **options)


def concat(bench):
    """anncat.concat, beside anndata.concat of the files that read_h5ad read: seconds, peak memory"""
    figures = []
    for compression, goal in [("none", 8), ("gzip", 7)]:
        inputs = bench.inputs(compression=compression)
        ours_s, peer_s = bench.median(
            lambda inputs=inputs: bench.python_with_memory(IN_PYTHON, *inputs),
            lambda inputs=inputs: bench.python_with_memory(CONCAT, *inputs),
        )
        figures.append(Figure(f"{compression}: seconds", ours_s, "s", (">=", goal), peer_s, "anndata.concat"))
        # Memory of a process that has no more than it asked for.
        ours, peer = (bench.python(code, *inputs)[0].peak_bytes / MIB for code in (IN_PYTHON, CONCAT))
        figures.append(
            Figure(f"{compression}: peak memory", ours, "MiB", ("<=", 0.4), peer, "anndata.concat", speed=False)
        )
    return figures


def memory(bench):
    """peak memory of to_memory over that of its result: imports, the arrays, and memory=512MiB"""
    figures = []
    result = "\nimport os; held = int(open('/proc/self/statm').read().split()[1]) * os.sysconf('SC_PAGESIZE')"
    for compression in ("none", "gzip"):
        inputs = bench.inputs(compression=compression)
        code = IN_PYTHON.replace("anncat.concat", "adata = anncat.concat") + result + "\nseconds = size_of(adata)\n"
        ran, size = bench.python(SIZE_OF + code, *inputs)
        started, _ = bench.python("import anncat, pandas, zarr, scipy.sparse\nseconds = 0\n")
        peak = (ran.peak_bytes - started.peak_bytes) / MIB
        bound = 1.15 * size / MIB + 512
        figures.append(Figure(f"{compression}: above imports", peak, "MiB", ("<=", 1.0), bound, "bound", speed=False))
    return figures


SIZE_OF = """
def size_of(adata):
    def of(value):
        if hasattr(value, "indptr"):
            return value.data.nbytes + value.indices.nbytes + value.indptr.nbytes
        if hasattr(value, "memory_usage"):
            used = value.memory_usage(index=True, deep=True)
            return int(used.sum() if hasattr(used, "sum") else used)
        return getattr(value, "nbytes", 0)
    parts = [adata.X, adata.obs, adata.var]
    for mapping in (adata.layers, adata.obsm, adata.varm, adata.obsp, adata.varp):
        parts += list(mapping.values())
    if adata.raw is not None:
        parts += [adata.raw.X, adata.raw.var]
    return sum(map(of, parts))
"""


def store(bench):
    """read_zarr of Merged.store, beside read_zarr of the mount"""
    figures = []
    for compression, goal in [("none", 1.2), ("gzip", 1.0)]:
        inputs = bench.inputs(compression=compression)

        def mounted(inputs=inputs):
            with bench.mounted(inputs, "--join", "outer") as (merged, ready_s, _):
                return ready_s + bench.python_with_memory(READ, merged)

        ours, peer = bench.median(lambda inputs=inputs: bench.python_with_memory(STORE, *inputs), mounted)
        figures.append(Figure(f"{compression}: read_zarr", ours, "s", (">=", goal), peer, "of the mount"))
    return figures


def rows(bench):
    """Merged.rows: 1,024 random rows beside AnnCollection, 16 runs of 64 beside annbatch over its own copy"""
    figures = []
    for compression, goal in [("none", 8), ("gzip", 10)]:
        inputs = bench.inputs(compression=compression)
        settle(inputs)
        merged = opened(inputs)
        ours = loaders.rate(merged.n_obs, "random", merged.rows)
        peer = loaders.collection(inputs, "random")
        figures.append(_rate(f"{compression}: random", ours, goal, peer, "AnnCollection"))
    # The cache is a quarter of it, and so holds all numbers of these.
    merged = opened(inputs, memory="8GiB")
    ours = loaders.rate(merged.n_obs, "random", merged.rows)
    figures.append(_rate(f"{compression}: random, memory=8GiB", ours, None, peer, "AnnCollection"))
    for compression, goal in [("none", 4), ("gzip", 2)]:
        inputs = bench.inputs(compression=compression)
        settle(inputs)
        merged = opened(inputs)
        ours = loaders.rate(merged.n_obs, "runs", merged.rows)
        peer = loaders.collection(inputs, "runs")
        figures.append(_rate(f"{compression}: runs", ours, None, peer, "AnnCollection"))
        try:
            peer = Loader(bench, inputs).own_copy("shuffled")
        except Skipped as skipped:
            figures.append(Absent(f"{compression}: runs, beside annbatch", str(skipped)))
            continue
        figures.append(_rate(f"{compression}: runs", ours, goal, peer, "annbatch, its own copy"))
    return figures


def annbatch(bench):
    """annbatch over Merged.store and over the mount, in sequence and shuffled, beside annbatch over its own copy"""
    figures = []
    for compression in ("none", "gzip"):
        inputs = bench.inputs(compression=compression)
        loader = Loader(bench, inputs)
        for order in ("sequence", "shuffled"):
            settle(inputs)
            peer = loader.own_copy(order)
            for over in ("store", "mount"):
                settle(inputs)
                ours = getattr(loader, over)(order)
                figures.append(_rate(f"{compression}: {order}, over the {over}", ours, 1, peer, "its own copy"))
    return figures


def sparse_dataset(bench):
    """anndata.io.sparse_dataset(group)[rows] over Merged.store with small chunks, 1,024 random rows, beside AnnCollection"""
    import anndata as ad
    import zarr

    figures = []
    for compression in ("none", "gzip"):
        inputs = bench.inputs(compression=compression)
        settle(inputs)
        peer = loaders.collection(inputs, "random")
        for elems in (2**12, 2**14, 2**16, 2**20):
            x = ad.io.sparse_dataset(zarr.open_group(opened(inputs).store(chunk_elems=elems), mode="r")["X"])
            ours = loaders.rate(x.shape[0], "random", lambda rows, x=x: x[rows])
            goal = 1 if elems == 2**14 else None
            figures.append(_rate(f"{compression}: chunks of {elems}", ours, goal, peer, "AnnCollection"))
    return figures


def import_time(bench):
    """import anncat after numpy"""
    run = lambda: float(bench.run(sys.executable, "-c", IMPORT).stdout)
    run()
    return [Figure("import anncat", 1000 * statistics.median(run() for _ in range(5)), "ms", ("<=", 50))]


def _rate(label, ours, goal, peer, peer_label):
    return Figure(label, ours, "batch/s", None if goal is None else (">=", goal), peer, peer_label, speed=False)


class Loader:
    """annbatch in a Python of its own."""

    def __init__(self, bench, inputs):
        self.bench, self.inputs = bench, inputs
        self.python = annbatch_python()

    def _run(self, *words):
        return json.loads(self.bench.run(self.python, ANNBATCH, *words).stdout.splitlines()[-1])

    def own_copy(self, order):
        """Batches a second over the copy that annbatch makes, which is made on first use and kept."""
        copy = self.inputs[0].parent / "annbatch"
        if not (copy / "complete").exists():
            print(f"   making {copy}", file=sys.stderr, flush=True)
            self._run("build", copy, *self.inputs)
            (copy / "complete").touch()
        settle([copy])
        return self._run("own", order, copy)

    def store(self, order):
        """Batches a second over `Merged.store`, opened anew."""
        return self._run("store", order, *self.inputs)

    def mount(self, order):
        """Batches a second over a fresh mount."""
        with self.bench.mounted(self.inputs, "--join", "outer") as (merged, _, _):
            return self._run("mount", order, merged)


@cache
def annbatch_python():
    """A Python that has annbatch."""
    python = os.environ.get("ANNCAT_BENCH_ANNBATCH", sys.executable)
    found = subprocess.run([python, "-c", "import annbatch"], capture_output=True, check=False)
    if found.returncode != 0:
        raise Skipped("annbatch is not installed (ANNCAT_BENCH_ANNBATCH names a Python that has it)")
    return python


ROWS = {
    "py-concat": concat,
    "py-memory": memory,
    "py-store": store,
    "py-rows": rows,
    "py-annbatch": annbatch,
    "py-sparse": sparse_dataset,
    "py-import": import_time,
}
