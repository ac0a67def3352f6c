"""merged.h5ad: ready, whole reads by h5py and anndata, backed row batches."""

import os
import statistics
import time

from . import loaders
from .measure import Figure
from .rows import READ

X = """
import h5py
with h5py.File(sys.argv[1]) as file:
    t = time.perf_counter()
    file["X/data"][()], file["X/indices"][()]
    seconds = time.perf_counter() - t
"""
READ_H5AD = """
t = time.perf_counter()
ad.read_h5ad(sys.argv[1])
seconds = time.perf_counter() - t
"""


def laid_out(path) -> float:
    """Seconds until the length of merged.h5ad is known, the first time."""
    start = time.perf_counter()
    os.stat(path)
    return time.perf_counter() - start


def listed(point) -> float:
    """Seconds of a plain listing, which needs no length."""
    start = time.perf_counter()
    os.listdir(point)
    return time.perf_counter() - start


def merged_h5ad(bench):
    """merged.h5ad beside merged.zarr and the materialized file: ready, X and all of it, row batches"""
    figures = []
    for compression in ["none", "gzip"]:
        inputs = bench.inputs(compression=compression)
        local = bench.output("materialized.h5ad")
        bench.anncat("materialize", "--join", "outer", *inputs, "-o", local)
        bench.warm = [*inputs, local]
        lists, lengths, stores = [], [], []

        def x(inputs=inputs, lists=lists, lengths=lengths):
            with bench.mounted(inputs, "--join", "outer") as (store, _, _):
                lists.append(listed(store.parent))
                lengths.append(laid_out(store.parent / "merged.h5ad"))
                return bench.python_with_memory(X, store.parent / "merged.h5ad")

        def whole(inputs=inputs, stores=stores):
            with bench.mounted(inputs, "--join", "outer") as (store, _, _):
                laid_out(store.parent / "merged.h5ad")
                seconds = bench.python_with_memory(READ_H5AD, store.parent / "merged.h5ad")
            with bench.mounted(inputs, "--join", "outer") as (store, _, _):
                stores.append(bench.python_with_memory(READ, store))
            return seconds

        x_s, local_s, whole_s = bench.median(x, lambda local=local: bench.python_with_memory(X, local), whole)
        with bench.mounted(inputs, "--join", "outer") as (store, _, _):
            backed = loaders.backed(store.parent / "merged.h5ad", "runs")
        peer = loaders.collection(inputs, "runs")
        name = f"{compression}: "
        figures += [
            Figure(name + "ls, without lengths", statistics.median(lists), "s", ("<=", 0.05)),
            Figure(name + "length known", statistics.median(lengths), "s", ("<=", 0.3)),
            Figure(name + "X by h5py, fresh mount", x_s, "s", (">=", 0.6) if compression == "none" else None, local_s, "local"),
            Figure(name + "read_h5ad, fresh mount", whole_s, "s", (">=", 1.0), statistics.median(stores), "read_zarr"),
            Figure(name + "backed batches of 1,024 rows, runs", backed, "/s", (">=", 1.0), peer, "AnnCollection", speed=False),
        ]
        local.unlink()
    return figures


ROWS = {"merged-h5ad": merged_h5ad}
