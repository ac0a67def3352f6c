"""`merged.h5ad` in a mount, as those see it who read only HDF5."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from oracle import anncat, differential

pytestmark = pytest.mark.fuse

OPTIONS = {"join": "outer", "label": "batch", "index_unique": "-", "uns_merge": "first", "merge": "first"}
DIGEST = Path(__file__).parents[1] / "programs" / "digest_hdf5.py"
#: Other interpreters, each with an h5py (or pyfive) of another age.
OTHERS = [Path(p) for p in os.environ.get("ANNCAT_OTHER_PYTHONS", "").split(os.pathsep) if p]


@pytest.fixture
def inputs(pair, real, tmp_path):
    """Files of several kinds, one with text that is too much for the library: names, and notes of all lengths."""
    n = 3000
    rng = np.random.default_rng(0)
    notes = ["" if i % 7 == 0 else "ż" * (i % 90) for i in range(n)]
    obs = pd.DataFrame({"note": np.array(notes, dtype=object)}, index=[f"cell{i}" for i in range(n)])
    large = ad.AnnData(sparse.random(n, 4, 0.4, "csr", dtype=np.float32, rng=rng), obs=obs)
    large.var_names = list("abxy")
    differential.write(large, tmp_path / "large.h5ad", "h5ad")
    return [real["scvi_TM_droplet"], tmp_path / "large.h5ad", *pair]


@pytest.fixture
def merged(inputs, mnt):
    with anncat.mount(inputs, OPTIONS, at=mnt) as store:
        yield Path(store.parent) / "merged.h5ad"


@pytest.fixture
def expected(inputs):
    adata = differential.oracle(inputs, OPTIONS).adata
    adata.X.sort_indices()
    return adata


def run(*command, env=None) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env={**os.environ, **(env or {})})
    assert done.returncode == 0, f"{command}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
    return done.stdout


def test_anndata(inputs, tmp_path):
    assert not differential.check(inputs, OPTIONS, ["mount-h5ad"], tmp_path, check_sorted=False)


def test_backed_rows(merged, expected):
    backed = ad.read_h5ad(merged, backed="r")
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = np.sort(rng.choice(expected.n_obs, 7, replace=False))
        np.testing.assert_array_equal(backed[rows].to_memory().X.toarray(), expected.X[rows].toarray())
    np.testing.assert_array_equal(backed.X[2:9].toarray(), expected.X[2:9].toarray())
    assert list(backed.obs_names) == list(expected.obs_names)
    backed.file.close()


@pytest.mark.parametrize("locking", ["TRUE", "FALSE", "BEST_EFFORT", None])
def test_locking(merged, tmp_path, inputs, locking):
    """Two readers at once, whatever HDF5 is told of locks."""
    anncat.materialize(inputs, tmp_path / "out.h5ad", OPTIONS)
    env = {} if locking is None else {"HDF5_USE_FILE_LOCKING": locking}
    with h5py.File(merged, "r"):
        assert run(sys.executable, DIGEST, merged, env=env) == run(sys.executable, DIGEST, tmp_path / "out.h5ad")


def test_writing_is_refused_as_of_a_read_only_file(merged):
    for mode in ("r+", "a"):
        with pytest.raises(OSError, match="Read-only file system|unable to open file|Unable to"):
            h5py.File(merged, mode)
    with pytest.raises(OSError, match="Read-only file system|Unable to"):
        h5py.File(merged, "w")
    assert h5py.File(merged, "r")["X/data"].shape


@pytest.mark.parametrize("driver", ["sec2", "stdio", "core"])
def test_drivers(merged, expected, driver):
    with h5py.File(merged, "r", driver=driver) as file:
        np.testing.assert_array_equal(file["X/indptr"][()], expected.X.indptr)


def test_tools(merged, inputs, tmp_path):
    if shutil.which("h5diff") is None:
        pytest.skip("hdf5-tools are not installed")
    out = tmp_path / "out.h5ad"
    anncat.materialize(inputs, out, OPTIONS)
    assert "/X/data" in run("h5ls", "-r", merged)
    assert run("h5diff", merged, out) == ""
    dumps = [run("h5dump", path).split("\n", 1)[1] for path in (merged, out)]
    assert dumps[0] == dumps[1]
    assert "H5T_VARIABLE" in dumps[0]
    assert "Total raw data" in run("h5stat", merged)


def _slices(arguments) -> bool:
    path, seed, data, names = arguments
    rng = np.random.default_rng(seed)
    with h5py.File(path, "r") as file:
        for _ in range(40):
            start, stop = np.sort(rng.integers(0, len(data) + 1, 2))
            if not np.array_equal(file["X/data"][start:stop], data[start:stop]):
                return False
            i = rng.integers(0, len(names))
            if file["obs"][file["obs"].attrs["_index"]].asstr()[i] != names[i]:
                return False
    return True


# What R's readers of AnnData stand on: rhdf5 of Bioconductor.
IN_R = """
suppressMessages(library(rhdf5))
path <- commandArgs(TRUE)[1]
stopifnot(nrow(h5ls(path)) > 10, "X" %in% h5ls(path)$name)
cat(sprintf("%.10g", sum(as.numeric(h5read(path, "X/data")))), "\\n")
cat(h5read(path, "X/indptr", index = list(2:4)), "\\n")
cat(h5read(path, "obs/_index")[c(1, 3)], "\\n")
cat(h5readAttributes(path, "X")[["encoding-type"]], "\\n")
"""


def test_r(merged, expected):
    if shutil.which("Rscript") is None:
        pytest.skip("there is no R here (apt-get install r-bioc-rhdf5)")
    ran = subprocess.run(["Rscript", "-e", IN_R, merged], capture_output=True, text=True)
    if "no package called" in ran.stderr:
        pytest.skip("R has no rhdf5 here (apt-get install r-bioc-rhdf5)")
    assert ran.returncode == 0, ran.stderr
    total, indptr, names, kind = (line.split() for line in ran.stdout.splitlines())
    x = expected.X
    assert float(total[0]) == pytest.approx(float(x.data.sum(dtype=np.float64)))
    assert [int(n) for n in indptr] == x.indptr[1:4].tolist()
    assert names == expected.obs_names[[0, 2]].tolist()
    assert kind == [f"{x.format}_matrix"]


def test_eight_processes_at_once(merged, expected):
    with h5py.File(merged, "r") as file:
        data = file["X/data"][()]
    np.testing.assert_array_equal(np.sort(data), np.sort(expected.X.data))
    jobs = [(merged, seed, data, list(expected.obs_names)) for seed in range(8)]
    with ProcessPoolExecutor(8) as pool:
        assert all(pool.map(_slices, jobs))


def test_a_copy_can_be_an_input(merged, tmp_path):
    copy = tmp_path / "copy.h5ad"
    shutil.copyfile(merged, copy)
    assert not differential.check([copy, merged], {"index_unique": "-", "merge": "same"}, ["h5ad"], tmp_path)


@pytest.mark.skipif(not OTHERS, reason="ANNCAT_OTHER_PYTHONS names no interpreters")
def test_other_readers(merged):
    """h5py of other ages and pyfive see the same values."""
    ours = run(sys.executable, DIGEST, merged)
    for python in OTHERS:
        pyfive = ["--pyfive"] if "pyfive" in str(python) else []
        assert run(python, DIGEST, merged, *pyfive) == ours, python
