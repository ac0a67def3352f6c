"""1,000 inputs with 100 million cells, simulated: files of real metadata whose matrices are holes."""

import os
import shutil
import subprocess
import sys
import time

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from . import loaders
from .measure import Figure, memory_of

FILES, CELLS, GENES, NNZ = 1_000, 100_000, 30_000, 1_000


def template(path, cells):
    """An input of `cells` rows with `NNZ` values each, of which none takes space on disk."""
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(np.arange(cells) % 20, [f"type {k}" for k in range(20)]),
            "total_counts": np.arange(cells, dtype=np.float32),
        },
        index=[f"cell{k:07d}" for k in range(cells)],
    )
    var = pd.DataFrame(index=[f"ENSG{k:011d}" for k in range(GENES)])
    ad.AnnData(sparse.csr_matrix((cells, GENES), dtype=np.float32), obs=obs, var=var).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        group = file["X"]
        del group["data"], group["indices"], group["indptr"]
        group["indptr"] = np.arange(cells + 1, dtype=np.int64) * NNZ
        for name, dtype in [("data", h5py.h5t.IEEE_F32LE), ("indices", h5py.h5t.STD_I32LE)]:
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            # The space is reserved and never written: a hole, which reads as zeros.
            layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple((cells * NNZ,))
            h5py.h5d.create(group.id, name.encode(), dtype, space, layout)


def scale(bench):
    """1,000 inputs, 100 million cells, 30,000 genes, simulated: mount, memory, stat, random batch"""
    cells = max(100, CELLS * bench.cells // 50_000)
    directory = bench.work / f"scale-{FILES}x{cells}"
    inputs = [directory / f"{number:04d}.h5ad" for number in range(FILES)]
    if not (directory / "complete").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        print(f"   making {directory}", file=sys.stderr, flush=True)
        template(inputs[0], cells)
        for path in inputs[1:]:
            subprocess.run(["cp", "--sparse=always", inputs[0], path], check=True)
        (directory / "complete").touch()
    listed = directory / "inputs.txt"
    listed.write_text("".join(f"{path}\n" for path in inputs))
    with bench.mounted([], "--join", "outer", "--from", listed) as (merged, seconds, pid):
        ready = memory_of(pid, "VmHWM")
        listing = bench.run("ls", "-l", merged / "X/data").seconds
        random = loaders.ranges(merged, "random")
        after = memory_of(pid, "VmHWM")
        start = time.perf_counter()
        os.stat(merged.parent / "merged.h5ad")
        laid_out = time.perf_counter() - start
        after_h5ad = memory_of(pid, "VmHWM")
        size = sum(os.path.getsize(path) for path in inputs)
    return [
        Figure(f"mount ready, {size / 1e12:.2f} TB", seconds, "s", ("<=", 10)),
        Figure("peak memory when ready", ready, "MiB", ("<=", 1024)),
        Figure("ls -l of X/data", listing, "s"),
        Figure("batch of 1,024 random rows", 1 / random, "s", ("<=", 0.5)),
        Figure("peak memory after batches", after, "MiB", ("<=", 1024)),
        Figure("length of merged.h5ad known", laid_out, "s", ("<=", 5)),
        Figure("peak memory with merged.h5ad", after_h5ad, "MiB", ("<=", 512)),
    ]


ROWS = {"scale": scale}
