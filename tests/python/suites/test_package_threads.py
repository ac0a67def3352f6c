"""The Python package from several threads at once, and in processes that were forked."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

import anncat
from conftest import small
from oracle import differential

PACKAGE = Path(anncat.__file__).parent.parent


def run(code: str, *args, cwd=PACKAGE, timeout: float = 60) -> str:
    """What a program prints; one that hangs fails."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, args)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def counted(tmp_path):
    """Inputs of which an inner join loses genes, so that what remains is counted."""
    rng = np.random.default_rng(0)
    paths = []
    for number in range(4):
        x = sparse.random(3000, 200, density=0.2, format="csr", dtype=np.float32, random_state=rng)
        adata = ad.AnnData(x)
        adata.var_names = [f"g{gene + number}" for gene in range(200)]
        paths.append(tmp_path / f"{number}.h5ad")
        adata.write_h5ad(paths[-1], compression="gzip")
    return paths


def test_threads_that_first_use_a_merge_together(counted, tmp_path):
    code = """
        import anncat, os, sys
        from concurrent.futures import ThreadPoolExecutor
        for turn in range(8):
            os.environ["ANNCAT_CACHE_DIR"] = f"{sys.argv[1]}/cache{turn}"
            merged = anncat.open(sys.argv[2:])
            with ThreadPoolExecutor(8) as threads:
                shapes = set(threads.map(lambda row: merged.rows([row]).shape, range(8)))
            assert shapes == {(1, 197)}, shapes
        print("done")
    """
    assert run(code, tmp_path, *counted) == "done\n"


def test_threads_that_ask_for_one_chunk_of_text(tmp_path):
    for number in range(2):
        adata = ad.AnnData(np.zeros((60_000, 1), "f4"))
        adata.obs_names = [f"cell{number}_{row}" for row in range(60_000)]
        adata.write_h5ad(tmp_path / f"{number}.h5ad")
    code = """
        import anncat, sys
        from concurrent.futures import ThreadPoolExecutor
        for turn in range(40):
            store = anncat.open(sys.argv[1:])._native.store(3, None, None, None)
            with ThreadPoolExecutor(8) as threads:
                lens = set(threads.map(lambda _: len(store.get("obs/_index/c/0")), range(8)))
            assert len(lens) == 1, lens
        print("done")
    """
    assert run(code, tmp_path / "0.h5ad", tmp_path / "1.h5ad") == "done\n"


# What reads text, or merges matrices that are cut the other way, and so might use threads that a child has not.
FORKED = {
    "len_bytes": 'store.len_bytes("obs/_index/c/0")',
    "get": 'len(store.get("obs/_index/c/0"))',
    "list_dir": 'len(store.list_dir("obs/_index/c"))',
    "matrix": 'merged._native.matrix("X")[1]',
}


@pytest.mark.parametrize("ask", FORKED)
def test_what_was_read_before_a_fork_is_read_after_it(ask, tmp_path):
    for number in range(2):
        adata = ad.AnnData(sparse.random(40_000, 5, density=0.5, format="csc", dtype=np.float32, random_state=number))
        adata.obs_names = [f"cell{number}_{row}" for row in range(40_000)]
        adata.write_h5ad(tmp_path / f"{number}.h5ad")
    code = f"""
        import anncat, multiprocessing, sys
        merged = anncat.open(sys.argv[1:], sparse_format="csr")
        store = merged._native.store(3, None, 20_000, None)
        ask = lambda: {FORKED[ask]}
        def child(answers):
            answers.put(ask())
        before = ask()
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        process = context.Process(target=child, args=(answers,))
        process.start()
        assert answers.get(timeout=30) == before
        process.join()
        print("done")
    """
    assert run(code, tmp_path / "0.h5ad", tmp_path / "1.h5ad") == "done\n"


def test_inputs_that_were_named_from_here_are_found_from_elsewhere(tmp_path):
    differential.write(small(0), tmp_path / "a.h5ad", "h5ad")
    differential.write(small(0), tmp_path / "b.zarr", "zarr3")
    code = """
        import anncat, multiprocessing, os, pickle
        merged = anncat.open(["a.h5ad", "b.zarr"])
        os.chdir("/")
        assert pickle.loads(pickle.dumps(merged)).to_memory().shape == merged.to_memory().shape
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        process = context.Process(target=lambda: answers.put(merged.rows([0]).shape))
        process.start()
        print(answers.get(timeout=30) == merged.rows([0]).shape)
        process.join()
    """
    assert run(code, cwd=tmp_path) == "True\n"
