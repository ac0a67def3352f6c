"""The Python package: opening, errors, stores, memory, rows, files. What comes out right is also the fuzzer's."""

from __future__ import annotations

import inspect
import lzma
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

import anncat
from conftest import small
from oracle import anncat as program
from oracle import compare, differential, versions

OUTER = {"join": "outer", "label": "donor", "index_unique": "-"}
PACKAGE = Path(anncat.__file__).parent.parent


def opened(paths, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", anncat.Notice)
        return anncat.open(paths, **options)


def oracle(paths, **options) -> ad.AnnData:
    expected = differential.oracle(list(paths), options)
    assert expected.error is None
    return expected.adata


def equal(expected: ad.AnnData, actual: ad.AnnData) -> None:
    """Fails unless both are equal, with text as pandas 2 has it."""
    for adata in (expected, actual):
        versions.as_older_text(adata, set(), decided=True)
    compare.equal(expected, actual)


def fails_as_in_anndata(case) -> None:
    """Fails unless anndata's `concat_on_disk` and ours end a case with the same error."""
    with pytest.raises(Exception) as expected:
        case(ad.experimental.concat_on_disk)
    with pytest.raises(expected.type) as actual:
        case(anncat.concat_on_disk)
    assert str(actual.value) == str(expected.value)


# ---- opening


def test_opening_reads_headers_and_tells(pair):
    with pytest.warns(anncat.Notice) as told:
        merged = anncat.open({"x": pair[0], "y": str(pair[1])}, join="outer", label="donor")
    assert merged.shape == (12, 5) == (merged.n_obs, merged.n_vars) and len(merged) == 12
    assert [str(w.message) for w in told] == [str(n) for n in merged.notices]
    assert {n.kind for n in merged.notices} >= {"not-merged"}
    assert all(isinstance(n.details, dict) for n in merged.notices)
    # What to do is said in Python's words.
    assert not any("--" in str(n) for n in merged.notices), merged.notices
    assert merged.report()["shape"] == [12, 5]
    text, page = repr(merged), merged._repr_html_()
    for words in ("12 obs × 5 vars", "x: 6 obs", "4 of 4 var kept, 1 introduced", "csr_matrix float32", "note: "):
        assert words in text, text
    assert "<table>" in page and "donor" in page and str(pair[0]) in page


def test_inputs_are_a_mapping_a_sequence_or_groups(pair, tmp_path):
    keys = lambda merged: [row["key"] for row in merged.report()["joined"]["inputs"]]
    assert keys(opened(pair)) == ["0", "1"]
    assert keys(opened(tuple(map(str, pair)), keys=["p", 3])) == ["p", "3"]
    assert keys(opened(pair[0])) == ["0"]
    differential.write(small(2), tmp_path / "c.zarr", "zarr3")
    assert opened([zarr.open_group(tmp_path / "c.zarr"), pair[0]]).n_obs == 12
    with pytest.raises(TypeError, match="anndata.concat"):
        anncat.open([small(0)])
    with pytest.raises(TypeError, match="both mapping keys and"):
        anncat.open({"a": pair[0]}, keys=["b"])
    with pytest.raises(ValueError, match="No objects to concatenate"):
        anncat.open([])
    for wrong in ({"join": "left"}, {"axis": 2}, {"merge": "all"}, {"sparse_format": "coo"}, {"memory": "2X"}):
        with pytest.raises(ValueError):
            anncat.open(pair, **wrong)
    for wrong in ({"merge": max}, {"fill_value": "x"}):
        with pytest.raises(TypeError):
            anncat.open(pair, **wrong)


def test_errors_are_what_python_expects(pair, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        anncat.open([pair[0], tmp_path / "none.h5ad"])
    error = caught.value
    assert isinstance(error, anncat.Error)
    assert (error.kind, error.file) == ("input-missing", str(tmp_path / "none.h5ad"))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.kind, again.file) == (type(error), str(error), error.kind, error.file)

    twice = small(0)
    twice.var_names = ["a", "a", "b", "c"]
    differential.write(twice, tmp_path / "twice.h5ad", "h5ad")
    with pytest.raises(ValueError) as caught:
        anncat.open([pair[1], tmp_path / "twice.h5ad"])
    error = caught.value
    assert (error.kind, error.element) == ("duplicate-name", "/var")
    assert error.file == str(tmp_path / "twice.h5ad") and "var_names_make_unique" in error.hint

    (tmp_path / "text.h5ad").write_text("no HDF5")
    with pytest.raises(anncat.Error) as caught:
        anncat.open([tmp_path / "text.h5ad"])
    assert caught.value.kind == "not-anndata"
    merged = opened(pair)
    with pytest.raises(KeyError) as caught:
        merged.matrix("layers/none")
    assert (caught.value.kind, caught.value.element) == ("usage", "layers/none")
    (tmp_path / "out.h5ad").write_text("")
    with pytest.raises(FileExistsError) as caught:
        merged.write(tmp_path / "out.h5ad")
    assert caught.value.kind == "output-exists" and "overwrite=True" in str(caught.value.hint)


def test_importing_brings_in_nothing_heavy():
    """What makes an import slow are other packages; how long it takes is measured by `scripts/bench`."""
    code = "import sys, anncat; print(*{'anndata', 'dask', 'h5py', 'pandas', 'scipy', 'tqdm', 'zarr'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE, capture_output=True, check=True, text=True)
    assert run.stdout.split() == []


# ---- in memory


@pytest.mark.parametrize("options", [{}, OUTER, {"axis": "var", "join": "outer"}, {"uns_merge": "unique", "merge": "same"}])
def test_memory_equals_anndata(pair, options):
    equal(oracle(pair, **options), opened(pair, **options).to_memory())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", anncat.Notice)
        equal(oracle(pair, **options), anncat.concat(pair, **options))


def test_functions_merge_in_memory(pair):
    first = lambda mappings: dict(mappings[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        actual = anncat.concat(pair, join="outer", merge=first, uns_merge=first)
        expected = ad.concat([ad.read_h5ad(p) for p in pair], join="outer", merge=first, uns_merge=first)
    assert actual.uns == expected.uns
    pd.testing.assert_frame_equal(actual.var, expected.var)


def test_arrays_are_scipys_when_asked(pair):
    with ad.settings.override(use_sparse_array_on_read=True):
        assert isinstance(opened(pair).to_memory().X, sparse.csr_array)
    assert isinstance(opened(pair).to_memory().X, sparse.csr_matrix)


# ---- stores


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_store_is_what_anndata_reads(pair, zarr_format):
    store = opened(pair, **OUTER).store(zarr_format)
    assert store.read_only
    equal(oracle(pair, **OUTER), ad.read_zarr(store))
    group = zarr.open_group(store, mode="r")
    assert sorted(group) == sorted(ad.io.read_elem(group).uns | dict.fromkeys(group))
    with pytest.raises(ValueError):
        zarr.open_group(store, mode="w")
    assert repr(store).startswith("MergedStore(12 obs")


def test_a_store_answers_keys_ranges_and_listings(pair):
    from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    store = opened(pair, **OUTER).store(chunk_elems=7)
    prototype = default_buffer_prototype()

    def get(key, part=None):
        found = sync(store.get(key, prototype, part))
        return None if found is None else found.to_bytes()

    async def collect(keys):
        return [key async for key in keys]

    keys = sync(collect(store.list()))
    assert len(keys) == len(set(keys)) > 30 and "X/data/c/0" in keys and "zarr.json" in keys
    for key in keys:
        whole = get(key)
        assert len(whole) == sync(store.getsize(key)) and sync(store.exists(key))
        assert get(key, RangeByteRequest(1, 5)) == whole[1:5]
        assert get(key, OffsetByteRequest(2)) == whole[2:]
        assert get(key, SuffixByteRequest(3)) == whole[-3:]
        assert store.get_sync(key).to_bytes() == whole
    parts = sync(store.get_partial_values(prototype, [("X/data/c/0", RangeByteRequest(0, 2)), ("none", None)]))
    assert parts[0].to_bytes() == get("X/data/c/0")[:2] and parts[1] is None
    assert get("X") is None and get("X/none") is None and not sync(store.exists("X"))
    assert sorted(sync(collect(store.list_dir("X")))) == ["data", "indices", "indptr", "zarr.json"]
    assert sorted(sync(collect(store.list_prefix("X/da")))) == sorted(k for k in keys if k.startswith("X/da"))
    with pytest.raises(FileNotFoundError):
        sync(store.getsize("none"))
    assert store == opened(pair, **OUTER).store(chunk_elems=7) != opened(pair).store(chunk_elems=7)


def test_a_store_pickles_as_its_plan(pair):
    store = opened(pair, **OUTER).store(2)
    packed = pickle.dumps(store)
    assert len(packed) < 10_000
    again = pickle.loads(packed)
    assert again == store
    equal(ad.read_zarr(store), ad.read_zarr(again))
    packed = pickle.dumps(opened(pair, join="outer"))
    assert pickle.loads(packed).shape == (12, 5)
    differential.write(small(5, n=7), pair[0], "h5ad")
    with pytest.raises(anncat.Error) as caught:
        pickle.loads(packed)
    assert caught.value.kind == "changed" and caught.value.file == str(pair[0])


def _sum(store):
    return float(zarr.open_group(store, mode="r")["X/data"][:].sum())


def _rows_sum(merged):
    return float(merged.rows([3, 1, 3]).sum()), float(merged.to_memory().X.sum())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_other_processes_read(pair, method):
    merged = opened(pair, **OUTER)
    store = merged.store()
    # Threads of this process exist before it forks, and are missing in the child.
    here, rows = _sum(store), _rows_sum(merged)
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map_async(_sum, [store] * 4).get(60) == [here] * 4
        assert pool.map_async(_rows_sum, [merged] * 4).get(60) == [rows] * 4


def test_a_forked_child_reads_what_it_inherited(pair):
    merged = opened(pair, **OUTER)
    store = merged.store()
    expected = _sum(store), _rows_sum(merged)
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            merged.rows(np.arange(12))

    threads = [threading.Thread(target=busy) for _ in range(2)]
    [thread.start() for thread in threads]
    try:
        for _ in range(5):
            child = context.Process(target=lambda: queue.put((float(store.get_sync("X/data/c/0").as_numpy_array().view("f4").sum()), _rows_sum(merged))))
            child.start()
            child.join(60)
            assert child.exitcode == 0
            assert queue.get() == expected
    finally:
        stop.set()
        [thread.join() for thread in threads]


def test_dask_with_processes_reads(pair):
    import dask.array as da

    store = opened(pair, **OUTER).store(chunk_elems=5)
    array = da.from_zarr(zarr.open_group(store, mode="r")["X/data"])
    assert float(array.sum().compute(scheduler="processes", num_workers=2)) == _sum(store)


def test_lazy_equals_memory(pair):
    merged = opened(pair, **OUTER)
    lazy = merged.to_lazy().to_memory()
    assert (lazy.X != merged.to_memory().X).nnz == 0
    assert list(lazy.obs_names) == list(merged.obs.index)


# ---- rows


@pytest.mark.parametrize("options", [{}, OUTER, {"sparse_format": "csr", "axis": "var", "join": "outer", "index_unique": "-"}])
def test_rows_equal_the_same_rows_in_memory(pair, options):
    merged = opened(pair, **options)
    adata = merged.to_memory()
    names = list(adata.var_names)
    for indices in ([0], [3, 1, 3, 0], [-1], [], np.arange(merged.n_obs), np.arange(merged.n_obs) % 2 == 0, range(2, 5)):
        at = np.asarray(list(indices) if isinstance(indices, range) else indices)
        at = at if at.size else at.astype(int)
        batch = merged.rows(indices)
        assert isinstance(batch, sparse.csr_matrix) and batch.dtype == adata.X.dtype
        np.testing.assert_array_equal(batch.toarray(), adata.X.toarray()[at])
        np.testing.assert_array_equal(merged.rows(indices, columns=[2, 0]).toarray(), adata.X.toarray()[at][:, [2, 0]])
        by_name = merged.rows(indices, columns=names[1:3])
        np.testing.assert_array_equal(by_name.toarray(), adata.X.toarray()[at][:, 1:3])
    if options.get("axis") != "var":
        batch, obs = merged.rows([5, 2], obs=["cell_type"])
        pd.testing.assert_frame_equal(obs, adata.obs[["cell_type"]].iloc[[5, 2]])
        np.testing.assert_array_equal(merged.rows([5, 2], element="obsm/X_pca"), adata.obsm["X_pca"][[5, 2]])
    for wrong in (merged.n_obs, -merged.n_obs - 1):
        with pytest.raises(IndexError):
            merged.rows([wrong])
    with pytest.raises(KeyError, match="nobody"):
        merged.rows([0], columns=["nobody"])
    with pytest.raises(IndexError):
        merged.rows([0.5])
    with pytest.raises(ValueError, match="index_unique"):
        opened([pair[0]] * 2, axis="var").rows([0], columns=["a"])


def test_numbers_of_rows_may_be_of_a_small_type(pair):
    merged = opened(pair * 12, index_unique="-")
    assert merged.n_obs > 127
    expected = merged.to_memory().X.toarray()
    for dtype in (np.int8, np.int16, np.int64):
        np.testing.assert_array_equal(merged.rows(np.array([-1, 3], dtype)).toarray(), expected[[-1, 3]])
    np.testing.assert_array_equal(merged.rows(np.array([3], np.uint8)).toarray(), expected[[3]])


def test_columns_are_given_as_rows_are(pair):
    merged = opened(pair, **OUTER)
    adata = merged.to_memory()
    for element, expected in (("X", adata.X.toarray()), ("obsm/X_pca", adata.obsm["X_pca"])):
        mask = np.arange(expected.shape[1]) % 2 == 0
        for columns in ([-1, 0], np.array([-2], np.int8), -1, 1, np.int64(0), mask, list(mask)):
            batch = merged.rows([4, 1], columns=columns, element=element)
            wanted = np.atleast_1d(columns)
            np.testing.assert_array_equal(batch.toarray() if sparse.issparse(batch) else batch, expected[[4, 1]][:, wanted])
        for wrong in (expected.shape[1], -expected.shape[1] - 1, [True]):
            with pytest.raises(IndexError):
                merged.rows([0], columns=wrong, element=element)
    np.testing.assert_array_equal(merged.rows([0], columns="b").toarray(), adata[[0], "b"].X.toarray())
    with pytest.raises(KeyError, match="layers/none"):
        merged.rows([0], columns=[True], element="layers/none")


def test_a_dataset_is_indexed_as_an_array_is(pair):
    data = anncat.RowDataset(opened(pair, **OUTER), transform=lambda batch: batch.toarray())
    expected = data.merged.to_memory().X.toarray()
    for index in (3, -1, np.int64(2), [1, 2], np.array([5, 0]), slice(0, 2), slice(None, None, -3), slice(20, 30), np.arange(12) < 4):
        np.testing.assert_array_equal(data[index], np.atleast_2d(expected[index]))
    assert len(list(data)) == 12
    with pytest.raises(IndexError):
        data[12]


def test_a_dataset_gives_batches_also_to_workers(pair):
    merged = opened(pair, **OUTER)
    data = anncat.RowDataset(merged, obs="cell_type", transform=_dense)
    assert len(data) == 12
    expected = merged.to_memory().X.toarray()
    np.testing.assert_array_equal(data.__getitems__([4, 9]), expected[[4, 9]])
    np.testing.assert_array_equal(data[3], expected[[3]])
    # What a loader of torch does with workers: each gets the dataset, and numbers of rows.
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            batches = pool.starmap_async(_batch, [(data, list(range(at, min(at + 5, 12)))) for at in (0, 5, 10)]).get(60)
        np.testing.assert_array_equal(np.concatenate(batches), expected)


@pytest.mark.parametrize("method", [None, "fork", "spawn", "forkserver"])
def test_a_loader_of_torch_reads(pair, method):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    merged = opened(pair, **OUTER)
    data = anncat.RowDataset(merged, obs="cell_type", transform=_dense)
    expected = merged.to_memory().X.toarray()
    loader = torch.utils.data.DataLoader(
        data, batch_size=5, num_workers=2 if method else 0, collate_fn=_same, multiprocessing_context=method
    )
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(loader)), expected)


def test_a_loader_of_torch_that_samples_batches_reads(pair):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    data = anncat.RowDataset(opened(pair, **OUTER), obs="cell_type", transform=_dense)
    sampler = torch.utils.data.BatchSampler(torch.utils.data.SequentialSampler(data), 5, drop_last=False)
    loader = torch.utils.data.DataLoader(data, sampler=sampler, batch_size=None, collate_fn=_same)
    np.testing.assert_array_equal(np.concatenate(list(loader)), data.merged.to_memory().X.toarray())


def _batch(data, rows):
    return data.__getitems__(rows)


def _dense(batch):
    return batch[0].toarray()


def _same(batch):
    return batch


# ---- files and mounts


@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr"])
@pytest.mark.parametrize("compression", ["default", None, "gzip"])
def test_written_files_are_right(pair, tmp_path, name, compression):
    merged = opened(pair, **OUTER)
    merged.write(tmp_path / name, compression=compression, progress=False)
    equal(oracle(pair, **OUTER), differential.read(tmp_path / name))
    merged.write(tmp_path / name, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["a.h5ad", "b.h5ad", name]
    with pytest.raises(FileExistsError):
        merged.write(pair[0], overwrite=True)
    with pytest.raises(ValueError, match="must end in"):
        merged.write(tmp_path / "out.txt")
    with pytest.raises(ValueError, match="compression"):
        merged.write(tmp_path / f"new-{name}", compression="lz4")


def test_ctrl_c_ends_writing_and_leaves_nothing(tmp_path):
    rng = np.random.default_rng(0)
    big = ad.AnnData(rng.random((40_000, 100), dtype=np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        big.write_h5ad(tmp_path / "big.h5ad")
    code = f"""
        import anncat, os, signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
        merged = anncat.open(["{tmp_path}/big.h5ad"] * 4)
        started = threading.Event()
        tell = lambda what, done, total: os.kill(os.getpid(), signal.SIGINT)
        try:
            options = dict(overwrite=False, sync=False, compression="gzip", level=9, chunk_elems=None, zarr_format=3,
                           shard_bytes=None, memory_bytes=1 << 29, max_loaded_elems=None, threads=1, is_compression_chosen=True, chunk_rows=None)
            merged._native.write("{tmp_path}/out.h5ad", options, tell)
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], cwd=PACKAGE, capture_output=True, timeout=60)
    assert done.stdout.split() == [b"interrupted"], done
    assert os.listdir(tmp_path) == ["big.h5ad"]


@pytest.fixture
def binary(monkeypatch):
    """Mounts are made by the program under test."""
    monkeypatch.setenv("ANNCAT_BIN", program.BIN)


@pytest.mark.fuse
def test_a_mount_lasts_as_long_as_its_block(pair, mnt, binary):
    merged = opened(pair, **OUTER)
    for place in (None, mnt):
        with merged.mount(place, zarr_format=2) as path:
            equal(oracle(pair, **OUTER), ad.read_zarr(path))
            assert program.is_mounted(Path(path).parent)
            assert (Path(path) / ".zgroup").exists()
        assert not program.is_mounted(Path(path).parent)
    with pytest.raises(RuntimeError, match="stop"), merged.mount(mnt) as path:
        raise RuntimeError("stop")
    assert not program.is_mounted(mnt) and not os.listdir(mnt)
    with pytest.raises(anncat.Error, match="does not exist") as caught, merged.mount(mnt / "none"):
        pass
    assert caught.value.hint.startswith("mkdir")


@pytest.mark.fuse
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_mount_ends_with_the_process(pair, mnt, binary, how):
    code = f"""
        import anncat, sys, time
        mount = anncat.open(["{pair[0]}", "{pair[1]}"]).mount("{mnt}")
        print(mount.__enter__(), flush=True)
        if {how is not None}: time.sleep(60)
    """
    child = subprocess.Popen([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], cwd=PACKAGE, stdout=subprocess.PIPE)
    assert child.stdout.readline().strip() == str(mnt / "merged.zarr").encode()
    if how is not None:
        assert program.is_mounted(mnt)
        child.send_signal(how)
    child.wait(30)
    until = time.monotonic() + 10
    while program.is_mounted(mnt) and time.monotonic() < until:
        time.sleep(0.02)
    assert not program.is_mounted(mnt)


@pytest.mark.fuse
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_temporary_mountpoint_ends_with_the_process(pair, tmp_path, binary, how):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = f"""
        import anncat, sys, time
        mount = anncat.open(["{pair[0]}", "{pair[1]}"]).mount()
        print(mount.__enter__(), flush=True)
        time.sleep(60 if {how is not None} else 0)
    """
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=PACKAGE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    place = Path(child.stdout.readline().decode().strip()).parent
    assert place.parent == temporary
    if how is not None:
        assert [place.name] == os.listdir(temporary) and program.is_mounted(place)
        child.send_signal(how)
    child.wait(30)
    until = time.monotonic() + 10
    while os.listdir(temporary) and time.monotonic() < until:
        time.sleep(0.02)
    assert os.listdir(temporary) == []


@pytest.mark.fuse
def test_a_mount_ends_although_a_process_was_forked_in_its_block(pair, binary):
    merged = opened(pair, **OUTER)
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    try:
        with merged.mount() as outer:
            # Ends while the other goes on, and the child of both lives.
            with merged.mount() as path:
                child.start()
                start = time.monotonic()
            assert time.monotonic() - start < 10 and not program.is_mounted(Path(path).parent)
            assert os.listdir(outer) and child.is_alive()
        assert not program.is_mounted(Path(outer).parent) and not Path(outer).parent.exists()
    finally:
        child.kill()
        child.join()


@pytest.mark.fuse
def test_a_mount_ends_by_its_pipe_alone_although_a_process_was_forked(pair, mnt, binary, tmp_path, monkeypatch):
    """A process that dies closes its end; a fork of it has none."""
    code = f"""
        import anncat, os, sys, time
        mount = anncat.open(["{pair[0]}", "{pair[1]}"]).mount("{mnt}")
        mount.__enter__()
        child = os.fork()
        if child: print(child, flush=True)
        time.sleep(60)
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    parent = subprocess.Popen([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], cwd=PACKAGE, stdout=subprocess.PIPE)
    child = int(parent.stdout.readline())
    try:
        assert program.is_mounted(mnt)
        parent.kill()
        parent.wait(30)
        until = time.monotonic() + 10
        while program.is_mounted(mnt) and time.monotonic() < until:
            time.sleep(0.02)
        assert not program.is_mounted(mnt)
        os.kill(child, 0)  # it lives
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.fuse
def test_a_fork_that_leaves_the_block_leaves_the_mount(pair, binary):
    mount = opened(pair, **OUTER).mount()
    path = mount.__enter__()
    try:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                mount.__exit__(None, None, None)
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert program.is_mounted(Path(path).parent) and os.listdir(path)
    finally:
        mount.__exit__(None, None, None)
    assert not program.is_mounted(Path(path).parent)


def test_a_mount_for_all_needs_a_place_for_all(pair):
    with pytest.raises(ValueError, match="path"), opened(pair).mount(allow_other=True):
        pass


def test_without_fuse_the_error_says_what_to_do(pair, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(anncat.Error, match="no FUSE") as caught, opened(pair).mount():
        pass
    assert caught.value.kind == "mount-unavailable" and "store()" in caught.value.hint


# ---- concat_on_disk


@pytest.mark.parametrize("out", ["out.h5ad", "out.zarr", "out"])
def test_concat_on_disk_writes_what_concat_gives(pair, tmp_path, out):
    first = lambda mappings: dict(mappings[0])
    anncat.concat_on_disk(pair, tmp_path / out, **OUTER)
    equal(oracle(pair, **OUTER), differential.read(tmp_path / out))
    anncat.concat_on_disk(dict(zip("xy", pair)), tmp_path / out, merge=first, uns_merge=first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ad.concat(dict(zip("xy", map(ad.read_h5ad, pair))), merge=first, uns_merge=first)
    actual = differential.read(tmp_path / out)
    pd.testing.assert_frame_equal(actual.var, expected.var)
    assert actual.uns == expected.uns and (actual.X != expected.X).nnz == 0
    assert sorted(os.listdir(tmp_path)) == ["a.h5ad", "b.h5ad", out]


def test_concat_on_disk_takes_groups_and_stores(pair, tmp_path):
    import h5py

    memory = zarr.storage.MemoryStore()
    ad.io.write_elem(zarr.open_group(memory, mode="w"), "inner", small(3))
    differential.write(small(2), tmp_path / "c.zarr", "zarr3")
    with h5py.File(tmp_path / "in.h5", "w") as file:
        ad.io.write_elem(file.create_group("deep"), "er", small(4))
        sources = [file["deep/er"], zarr.open_group(memory, mode="r")["inner"], zarr.open_group(tmp_path / "c.zarr")]
        expected = ad.concat([small(4), small(3), small(2)])
        results = {"h5": h5py.File(tmp_path / "out.h5", "w"), "zarr": zarr.open_group(zarr.storage.MemoryStore(), mode="w")}
        for group in results.values():
            anncat.concat_on_disk(sources, group)
            equal(expected, ad.io.read_elem(group))


def test_concat_on_disk_fails_as_anndata(pair, tmp_path):
    zarr.open_group(tmp_path / "plain.zarr", mode="w")
    cases = [
        lambda concat: concat([], tmp_path / "out.h5ad"),
        lambda concat: concat(pair, tmp_path / "none" / "out.h5ad"),
        lambda concat: concat(dict(zip("ab", pair)), tmp_path / "out.h5ad", keys=["a", "b"]),
        lambda concat: concat(pair, tmp_path / "out.h5ad", merge="all"),
        lambda concat: concat(pair, tmp_path / "out.h5ad", axis=2),
        lambda concat: concat([zarr.open_group(tmp_path / "plain.zarr")] * 2, tmp_path / "out.h5ad"),
    ]
    signature = lambda function: [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
    assert signature(anncat.concat_on_disk) == signature(ad.experimental.concat_on_disk)
    for case in cases[:5]:
        fails_as_in_anndata(case)
    with pytest.raises(ValueError, match="All groups must be anndata"):
        cases[5](anncat.concat_on_disk)
    assert sorted(os.listdir(tmp_path)) == ["a.h5ad", "b.h5ad", "plain.zarr"]


# ---- libhdf5 in a process of its own


@pytest.mark.parametrize("forked", [False, True])
def test_a_file_that_libhdf5_does_not_live_through_is_an_error(tmp_path, forked):
    """It crashes over it: in the program that is installed beside the package, not in this Python."""
    path = tmp_path / "fletcher.h5ad"
    path.write_bytes(lzma.decompress((program.ROOT / "tests/data/hostile/fletcher.h5ad.xz").read_bytes()))
    script = f"""
        import multiprocessing, anncat
        def told():
            try:
                anncat.open([{str(path)!r}])
            except anncat.Error as error:
                assert "libhdf5" in str(error), error
                return "told"
        assert told() == "told"
        if {forked}:
            with multiprocessing.get_context("fork").Pool(1) as pool:
                assert pool.apply(told) == "told"
        print("alive")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(PACKAGE), "ANNCAT_BIN": program.BIN},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "alive\n", (done.returncode, done.stderr)


def test_the_program_is_that_of_the_installation(tmp_path, monkeypatch):
    """In an environment, for a user, in a directory; never one that is merely on the PATH."""
    from anncat import _program

    monkeypatch.delenv("ANNCAT_BIN", raising=False)
    monkeypatch.setattr(_program.sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    sites = {"env/lib/python3.12/site-packages": "env/bin", "target": "target/bin", "other": "scripts"}
    for directory in [*sites.values(), "elsewhere"]:
        (tmp_path / directory).mkdir(parents=True)
    for site, directory in sites.items():
        monkeypatch.setattr(_program, "__file__", str(tmp_path / site / "anncat/_program.py"))
        assert _program.own_program() is None
        (tmp_path / "elsewhere/anncat").touch(mode=0o755)
        assert _program.own_program() is None
        binary = tmp_path / directory / "anncat"
        binary.touch(mode=0o755)
        assert _program.own_program() == str(binary)
        binary.unlink()
