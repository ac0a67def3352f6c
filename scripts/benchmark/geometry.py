"""How the size of chunks and shards serves three kinds of readers."""

import statistics

from . import loaders
from .measure import Figure, settle
from .rows import READ

GEOMETRIES = [
    *(("--chunk-elems", str(1 << power)) for power in (16, 18, 19, 20, 21, 22)),
    ("--shard-size", "16MiB"),
    ("--shard-size", "64MiB"),
]
LAZY = """
adata = ad.experimental.read_lazy(sys.argv[1])
t = time.perf_counter()
adata.X.compute()
seconds = time.perf_counter() - t
"""


def geometry(bench):
    """whole reads, row batches and lazy dask at several sizes of chunks and shards; 4 plain inputs"""
    inputs = bench.inputs()
    figures = []
    for options in GEOMETRIES:
        taken = {"read_zarr": ("s", []), "read_zarr again": ("s", []), "read_lazy, X computed": ("s", [])}
        for kind in ("random", "runs"):
            for way in (loaders.zarrs, loaders.zarr_python):
                taken[f"{kind}, {way.__name__}"] = ("batch/s", [])
        for _ in range(bench.runs):
            settle(inputs)
            with bench.mounted(inputs, "--join", "outer", *options) as (merged, _, _):
                taken["read_zarr"][1].append(bench.python_with_memory(READ, merged))
                taken["read_zarr again"][1].append(bench.python_with_memory(READ, merged))
            settle(inputs)
            with bench.mounted(inputs, "--join", "outer", *options) as (merged, _, _):
                taken["read_lazy, X computed"][1].append(bench.python_with_memory(LAZY, merged))
            for kind in ("random", "runs"):
                for way in (loaders.zarrs, loaders.zarr_python):
                    with bench.mounted(inputs, "--join", "outer", *options) as (merged, _, _):
                        taken[f"{kind}, {way.__name__}"][1].append(way(merged, kind))
        figures += [
            Figure(f"{' '.join(options)}: {label}", statistics.median(values), unit)
            for label, (unit, values) in taken.items()
        ]
    return figures


ROWS = {"geometry": geometry}
