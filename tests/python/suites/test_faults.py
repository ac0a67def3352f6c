"""Inputs, places and limits that are hostile: one clear error, nothing left behind, the mount lives."""

from __future__ import annotations

import contextlib
import json
import lzma
import os
import resource
import shutil
import subprocess
import sys
import time
import zlib

import anndata as ad
import h5py
import numcodecs
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from oracle import anncat, compare, differential
from conftest import small
from test_cli import refused

HOSTILE = anncat.ROOT / "tests/data/hostile"
ARRAY = {"encoding-type": "array", "encoding-version": "0.2.0"}


@pytest.fixture
def base(tmp_path):
    """A small h5ad that a test damages."""
    path = tmp_path / "in.h5ad"
    differential.write(small(0), path, "h5ad")
    return path


def test_a_column_that_stands_twice(base):
    with h5py.File(base, "r+") as file:
        order = list(file["obs"].attrs["column-order"])
        file["obs"].attrs["column-order"] = [*order, order[0]]
    refused("inspect", base, says="/obs/cell_type: this column stands twice in `column-order`")


@pytest.mark.parametrize("element", ["obs/cell_type", "uns/kind"])
def test_categories_that_stand_twice(base, tmp_path, element):
    a = ad.read_h5ad(base)
    a.uns["kind"] = pd.Categorical(["T", "B", "NK"])
    differential.write(a, base, "h5ad")
    with h5py.File(base, "r+") as file:
        values = file[element]["categories"][:]
        values[1] = values[0]
        file[element]["categories"][...] = values
    with pytest.raises(ValueError, match="must be unique"):
        ad.read_h5ad(base)
    out = tmp_path / "out.h5ad"
    refused("materialize", "--uns-merge", "same", base, "-o", out, says=f'/{element}: the category "B" stands twice')
    assert not out.exists()


@pytest.mark.parametrize("kind", ["float", "nullable"])
def test_a_category_that_is_missing(base, tmp_path, kind):
    with h5py.File(base, "r+") as file:
        del file["obs/cell_type/categories"]
        if kind == "float":
            ad.io.write_elem(file["obs/cell_type"], "categories", np.array([1, np.nan, 2]))
        else:
            ad.settings.allow_write_nullable_strings = True
            ad.io.write_elem(file["obs/cell_type"], "categories", pd.array(["a", None, "b"], dtype="string"))
    with pytest.raises(ValueError, match="cannot be null"):
        ad.read_h5ad(base)
    refused("materialize", base, "-o", tmp_path / "out.h5ad", says="/obs/cell_type: category 1 is missing")


def test_a_name_that_is_missing(base):
    with h5py.File(base, "r+") as file:
        names = file["obs/_index"][:]
        del file["obs/_index"]
        group = file["obs"].create_group("_index")
        group.attrs.update({"encoding-type": "nullable-string-array", "encoding-version": "0.1.0"})
        group["values"] = names
        group["values"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        group["mask"] = np.arange(len(names)) == 2
        group["mask"].attrs.update(ARRAY)
    refused("inspect", base, says="/obs: the name of row 2 is missing")


@pytest.mark.parametrize("fill", ["other", "", 0, 1.5, 1e20, True])
@pytest.mark.parametrize("version", [2, 3])
def test_text_that_was_never_written_is_the_fill_value(tmp_path, version, fill):
    store = tmp_path / "in.zarr"
    a = small(0)
    a.uns["text"] = np.array(["x", "y", "z"], dtype=object)
    differential.write(a, store, f"zarr{version}", {"consolidated": False})
    document = store / "uns/text" / {2: ".zarray", 3: "zarr.json"}[version]
    header = json.loads(document.read_text())
    document.write_text(json.dumps({**header, "fill_value": fill}))
    chunks = [path for path in document.parent.rglob("*") if path.is_file() and path.name[0] not in ".z"]
    assert len(chunks) == 1
    chunks[0].unlink()
    anncat.run("materialize", "--uns-merge", "same", store, "-o", tmp_path / "out.h5ad")
    expected = ad.read_zarr(store).uns["text"].tolist()
    assert ad.read_h5ad(tmp_path / "out.h5ad").uns["text"].tolist() == expected == [str(fill)] * 3


def test_two_to_the_forty_paths(base):
    """Hard links make a tree without end of forty groups."""
    with h5py.File(base, "r+") as file:
        group = file["uns"]
        for _ in range(40):
            below = group.create_group("a")
            group["b"] = below
            group = below
        group["x"] = 1
    began = time.monotonic()
    refused("inspect", base, says="further paths")
    assert time.monotonic() - began < 5


UNRULY = "\x1b[2J\x9b31m\u202e\rname\nerror: forged"


def test_names_do_not_reach_the_terminal_as_they_are(tmp_path):
    a = small(0)
    long = "n" * 60_000
    a.obs[UNRULY] = 1
    a.obs[long] = 2
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    differential.write(a, paths[0], "h5ad")
    differential.write(small(1), paths[1], "h5ad")
    told = anncat.run("inspect", *paths)
    out = anncat.run("materialize", *paths, "-o", tmp_path / "out.h5ad")
    for text in (told.stdout, told.stderr, out.stderr):
        assert not set(text) & set("\x1b\x9b\u202e\r"), text
        assert long not in text
        assert not any(line.startswith("error: forged") for line in text.splitlines())
    assert "\\u{1b}[2J" in told.stdout
    # A machine gets them as they are.
    report = json.loads(anncat.run("inspect", "--json", *paths).stdout)
    assert any(UNRULY in text for text in texts(report))


def texts(value) -> list[str]:
    """All strings of a JSON document."""
    if isinstance(value, dict):
        return [text for below in value.values() for text in texts(below)] + list(value)
    if isinstance(value, list):
        return [text for below in value for text in texts(below)]
    return [value] if isinstance(value, str) else []


def test_a_limit_on_file_sizes_is_an_error_also_before_writing(tmp_path):
    """What an inner join counts is spilled before there is any output."""
    x = np.ones((20_000, 3), dtype=np.float32)
    paths = []
    for name, genes in (("a", "abc"), ("b", "bcd")):
        a = ad.AnnData(X=sparse.csr_matrix(x), var=pd.DataFrame(index=list(genes)))
        paths.append(tmp_path / f"{name}.h5ad")
        differential.write(a, paths[-1], "h5ad")
    temp = tmp_path / "temp"
    temp.mkdir()
    done = subprocess.run(
        [anncat.BIN, "materialize", *paths, "-o", tmp_path / "out.h5ad"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
        env={**os.environ, "ANNCAT_TEMP_DIR": str(temp), "ANNCAT_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert "temporary file" in done.stderr
    assert not (tmp_path / "out.h5ad").exists() and not list(temp.iterdir())


def test_an_output_in_an_input_that_is_mounted_elsewhere(tmp_path):
    """A bind mount gives a store a second path."""
    store, elsewhere = tmp_path / "in.zarr", tmp_path / "elsewhere"
    differential.write(small(0), store, "zarr3")
    elsewhere.mkdir()
    script = 'mount --bind "$1" "$2" && exec "$0" materialize "$1" -o "$2/out.zarr"'
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script, anncat.BIN, store, elsewhere], capture_output=True, text=True
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("mounting is not allowed here")
    assert done.returncode == 1 and "would overwrite the input" in done.stderr, done.stderr
    assert not (store / "out.zarr").exists()


@pytest.mark.fuse
def test_a_server_ends_with_its_mount(pair, mnt):
    """Whoever has to take note of its end may be slow about that: until then it is a zombie."""
    anncat.run("mount", *pair, mnt)
    servers = [pid for pid in os.listdir("/proc") if pid.isdigit() and serves(pid, mnt)]
    assert len(servers) == 1
    anncat.run("unmount", mnt)
    deadline = time.monotonic() + 1
    while is_running(servers[0]):
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.005)


def serves(pid: str, mnt) -> bool:
    """Whether a process was started to mount at `mnt`."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(mnt) in file.read().split(b"\0")
    except OSError:
        return False


def is_running(pid: str) -> bool:
    """False for a process that is gone, or a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.fuse
def test_a_log_does_not_grow_without_end(pair, mnt, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"2026-11-28T00:21:44Z info: old\n" * (1 << 20))
    with anncat.mount(pair, None, "--log", log, at=mnt, env={"ANNCAT_LOG": "debug"}) as store:
        for path in store.rglob("*"):
            path.stat()
            if path.is_file():
                path.read_bytes()
        deadline = time.monotonic() + 10
        while log.stat().st_size > 16 << 20 and time.monotonic() < deadline:
            shutil.copytree(store, tmp_path / f"copy{time.monotonic_ns()}")
    assert log.stat().st_size < 16 << 20
    assert (tmp_path / "log.1").read_bytes().startswith(b"2026-11-28T00:21:44Z info: old\n")


DEBUG = {"ANNCAT_LOG": "debug"}


def starts(told: str) -> int:
    """How many processes were started for libhdf5."""
    return told.count(" for libhdf5")


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_ordinary_files_start_no_process_for_libhdf5(tmp_path, compression):
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for seed, path in enumerate(paths):
        differential.write(small(seed), path, "h5ad", {"compression": compression} if compression else None)
    told = anncat.run("materialize", *paths, "-o", tmp_path / "out.h5ad", env=DEBUG).stderr
    assert starts(told) == 0, told


@pytest.fixture
def odd(base):
    """A file that only libhdf5 knows: its groups and the index of its chunks are of the new kinds."""
    a = ad.read_h5ad(base)
    a.obsm["many"] = np.arange(6 * 500, dtype=np.float32).reshape(6, 500)
    a.obs["text"] = [f"é{i}" for i in range(6)]
    with h5py.File(base, "w", libver="latest") as file:
        ad.io.write_elem(file, "/", a, dataset_kwargs={"compression": "gzip"})
        del file["obsm/many"]
        data = file["obsm"].create_dataset("many", data=a.obsm["many"], chunks=(2, 100), maxshape=(None, None))
        data.attrs.update(ARRAY)
        file["obsm/soft"] = h5py.SoftLink("/obsm/X_pca")
        records = np.array([(1, "x"), (2, "yy")], dtype=[("n", "<i4"), ("t", h5py.string_dtype())])
        file["uns"].create_dataset("records", data=records).attrs.update(
            {"encoding-type": "rec-array", "encoding-version": "0.2.0"}
        )
    return base


def test_odd_files_are_read_by_two_processes_at_most_as_anndata_reads_them(odd, tmp_path):
    told = anncat.run("materialize", "--uns-merge", "same", odd, "-o", tmp_path / "out.h5ad", env=DEBUG).stderr
    assert 1 <= starts(told) <= 2, told
    expected = ad.concat([ad.read_h5ad(odd)], uns_merge="same", merge=None)
    compare.equal(expected, ad.read_h5ad(tmp_path / "out.h5ad"))


@pytest.mark.parametrize("name", ["fletcher", "heap_1byte"])
def test_a_file_that_libhdf5_does_not_live_through(name, tmp_path):
    """It crashes over the one, and searches the other for ever, taking memory."""
    path = tmp_path / f"{name}.h5ad"
    path.write_bytes(lzma.decompress((HOSTILE / f"{name}.h5ad.xz").read_bytes()))
    began = time.monotonic()
    assert starts(refused("inspect", path, says="libhdf5", env=DEBUG)) == 1
    assert time.monotonic() - began < 50


def test_what_libhdf5_takes_follows_the_budget(tmp_path):
    path = tmp_path / "heap_1byte.h5ad"
    path.write_bytes(lzma.decompress((HOSTILE / "heap_1byte.h5ad.xz").read_bytes()))
    peaks = []
    for budget in ("64MiB", "512MiB"):
        code, told, peak = peak_mib("materialize", "--memory", budget, path, "-o", tmp_path / "out.h5ad")
        assert code == 1 and f"error: {path}: " in told, told
        peaks.append(peak)
    assert peaks[0] < 4 * 64 < peaks[1] < 1024, peaks


@pytest.fixture
def endless(base):
    """A virtual dataset that refers to itself: libhdf5 overflows its stack over it."""
    with h5py.File(base, "r+") as file:
        layout = h5py.VirtualLayout((6, 1), "f8")
        layout[:] = h5py.VirtualSource(".", "obsm/endless", shape=(6, 1))
        file["obsm"].create_virtual_dataset("endless", layout).attrs.update(ARRAY)
    return base


def test_a_virtual_dataset_of_itself(endless, tmp_path):
    refused("materialize", endless, "-o", tmp_path / "out.h5ad", says="/obsm/endless: ")
    assert sorted(os.listdir(tmp_path)) == ["in.h5ad"]


@pytest.mark.fuse
def test_what_leads_back_to_itself_can_be_left_out(endless, mnt):
    with pytest.raises(anncat.Failed, match="--drop 'obsm/endless'"):
        anncat.run("mount", endless, mnt)
    assert not anncat.is_mounted(mnt)
    with anncat.mount([endless], None, "--drop", "obsm/endless", at=mnt) as store:
        assert (store / "obsm/X_pca/c/0/0").read_bytes()


@pytest.mark.parametrize("dtype", ["u1", "i4", "text"])
def test_categories_that_are_claimed(base, tmp_path, dtype):
    """A billion categories of which none was ever written."""
    with h5py.File(base, "r+") as file:
        group = file["obs/cell_type"]
        attrs = dict(group["categories"].attrs)
        del group["categories"]
        kind = h5py.string_dtype() if dtype == "text" else dtype
        group.create_dataset("categories", shape=(10**9,), chunks=(1000,), dtype=kind).attrs.update(attrs)
        group["codes"][...] = 0
    done = subprocess.run(
        [anncat.BIN, "materialize", base, "-o", tmp_path / "out.h5ad"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and f"error: {base}: /obs/cell_type: " in done.stderr, (done.returncode, done.stderr)
    assert not (tmp_path / "out.h5ad").exists()


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_categories_without_end_are_an_error(tmp_path, kind):
    """2^63 - 1 of them, whose sizes alone would not fit."""
    a = small(0)
    a.var["flag"] = pd.Categorical(["x"] * a.n_vars)
    path, out = tmp_path / "a.zarr", tmp_path / f"out.{kind}"
    differential.write(a, path, "zarr3", {"consolidated": False})
    document = path / "var/flag/categories/zarr.json"
    metadata = json.loads(document.read_text())
    metadata["shape"] = [2**63 - 1]
    document.write_text(json.dumps(metadata))
    refused("materialize", "--merge", "same", path, "-o", out, says="var/flag/categories: ")
    assert not out.exists()


# The kernel counts what a process had before it became another program: so a small one starts anncat.
WATCH = "import os, sys; _, status, used = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0); print(used.ru_maxrss >> 10, os.waitstatus_to_exitcode(status))"


def peak_mib(*args) -> tuple[int, str, int]:
    """Runs anncat: its code, what it said, and the most memory that it had."""
    command = [sys.executable, "-S", "-c", WATCH, anncat.BIN, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    peak, code = map(int, done.stdout.split())
    return code, done.stderr, peak


BUDGET_MIB = 64
# What docs/RELIABILITY.md allows beside the budget.
MARGIN_MIB = 128


@pytest.fixture(params=["h5ad", "zarr"])
def one_chunk(request, tmp_path):
    """Ordinary counts whose `data` and `indices` are one chunk each, larger than the budget allows in memory."""
    rows, per = 60_000, 300
    rng = np.random.default_rng(0)
    data = rng.integers(1, 5, rows * per).astype("f4")
    indices = np.tile(np.arange(per, dtype="i4") * 3, rows)
    x = sparse.csr_matrix((data, indices, np.arange(0, rows * per + 1, per, dtype="i4")), shape=(rows, 1000))
    path = tmp_path / f"in.{request.param}"
    if request.param == "zarr":
        with zarr.config.set({"array.rectilinear_chunks": False}):
            ad.AnnData(x).write_zarr(path)
            group = zarr.open_group(path, mode="r+")
            for key, values in (("data", data), ("indices", indices)):
                attrs = dict(group["X"][key].attrs)
                del group["X"][key]
                gzip = zarr.codecs.GzipCodec(level=1) if group.metadata.zarr_format == 3 else numcodecs.GZip(level=1)
                made = group["X"].create_array(key, shape=values.shape, chunks=values.shape, dtype=values.dtype, compressors=[gzip])
                made[:] = values
                made.attrs.update(attrs)
            zarr.consolidate_metadata(path)
    else:
        ad.AnnData(x).write_h5ad(path)
        with h5py.File(path, "r+") as f:
            for key in ("data", "indices"):
                values, attrs = f["X"][key][:], dict(f["X"][key].attrs)
                del f["X"][key]
                made = f["X"].create_dataset(key, data=values, chunks=values.shape, compression="gzip", compression_opts=1)
                made.attrs.update(attrs)
    return path, x


def test_one_huge_chunk_is_read_in_linear_time_within_the_budget(one_chunk, tmp_path):
    path, x = one_chunk
    began = time.monotonic()
    code, said, peak = peak_mib("materialize", f"--memory={BUDGET_MIB}MiB", path, "-o", tmp_path / "out.h5ad")
    assert code == 0, said
    assert peak < BUDGET_MIB + MARGIN_MIB, said
    assert time.monotonic() - began < 60
    assert abs(ad.read_h5ad(tmp_path / "out.h5ad").X - x).nnz == 0


def test_a_bomb_stays_within_the_budget(tmp_path):
    """A few hundred kilobytes that inflate to 128 MiB in one chunk."""
    n, size = 4, 128 << 20
    deflate = zlib.compressobj(9)
    bomb = b"".join([deflate.compress(bytes(1 << 24)) for _ in range(size >> 24)] + [deflate.flush()])
    path = tmp_path / "bomb.h5ad"
    differential.write(ad.AnnData(np.ones((n, 2), "f4")), path, "h5ad")
    with h5py.File(path, "r+") as f:
        made = f["obsm"].create_dataset("b", shape=(n, size // n), dtype="u1", chunks=(n, size // n), compression="gzip")
        made.id.write_direct_chunk((0, 0), bomb)
        made.attrs.update(ARRAY)
    code, said, peak = peak_mib("materialize", f"--memory={BUDGET_MIB}MiB", "--compression=gzip", path, "-o", tmp_path / "out.h5ad")
    assert code in (0, 1), said
    assert peak < BUDGET_MIB + MARGIN_MIB, said
    if code == 0:
        with h5py.File(tmp_path / "out.h5ad") as f:
            assert not f["obsm/b"][2, ::4096].any()


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_what_was_counted_is_not_of_another_content(tmp_path, kind):
    """An input is changed between two runs, and its times are put back: the census of the first run, which
    is kept, does not hold any more."""
    num_rows = 20_000
    columns = np.tile(np.arange(10, dtype=np.int32), num_rows)
    indptr = np.arange(0, 10 * num_rows + 1, 10)
    x = sparse.csr_matrix((np.arange(10 * num_rows, dtype=np.float32), columns, indptr), shape=(num_rows, 20))
    paths = [tmp_path / f"a.{kind}", tmp_path / "b.h5ad"]
    genes = pd.DataFrame(index=[f"g{n}" for n in range(20)])
    differential.write(ad.AnnData(x, var=genes), paths[0], "h5ad" if kind == "h5ad" else "zarr3")
    differential.write(ad.AnnData(sparse.csr_matrix(np.ones((3, 10), np.float32)), var=genes[::2]), paths[1], "h5ad")
    anncat.run("materialize", *paths, "-o", tmp_path / "before.h5ad")
    files = [path for path in [paths[0], *paths[0].rglob("*")] if path.is_file()]
    times = {path: path.stat() for path in files}
    # One entry more that is kept in the first row, one less in the second.
    columns[:20] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11]
    with h5py.File(paths[0], "r+") if kind == "h5ad" else contextlib.nullcontext(zarr.open_group(paths[0])) as root:
        root["X/indices"][...] = columns
    for path, stat in times.items():
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    anncat.run("materialize", *paths, "-o", tmp_path / "after.h5ad")
    expected = ad.concat([differential.read(path) for path in paths])
    assert (differential.read(tmp_path / "after.h5ad").X != expected.X).nnz == 0


@pytest.mark.parametrize("is_small", [True, False])
def test_a_file_that_is_open_for_writing_is_told(tmp_path, is_small):
    """Its flags say so while somebody has it open, and when that somebody was killed. A file that only
    libhdf5 knows (more than eight links in a group of the new kind) is refused by it."""
    path, copy = tmp_path / "writing.h5ad", tmp_path / "killed.h5ad"
    with h5py.File(path, "w", libver="latest") as file:
        ad.io.write_elem(file, "/", ad.AnnData(np.ones((4, 2), "f4")))
        for key in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            if is_small:
                del file[key]
    assert "open for writing" not in anncat.run("inspect", path).stdout
    with h5py.File(path, "r+", libver="latest") as file:
        file.flush()
        shutil.copy(path, copy)
        for one in (path, copy):
            if is_small:
                told = json.loads(anncat.run("inspect", "--json", one).stdout)["notices"]
                assert "open-for-writing" in [notice["notice"] for notice in told]
            else:
                refused("inspect", one, says="a program has it open for writing")


@pytest.mark.parametrize("damage", ["within an element", "unsorted", "behind the end"])
def test_a_chunk_that_a_search_does_not_find_is_an_error(tmp_path, damage):
    """libhdf5 searches the tree of chunks by its keys: what they misplace it does not find, and reads zeros."""
    path = tmp_path / "a.h5ad"
    adata = ad.AnnData(np.arange(1, 25, dtype=np.float32).reshape(6, 4))
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as f:
        del f["X"]
        f.create_dataset("X", data=adata.X, chunks=(2, 4)).attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        first = f["X"].id.get_chunk_info(0).byte_offset
    anncat.materialize([path], tmp_path / "sound.h5ad")
    # A key is the length and mask of a chunk, its first element and an offset within that; then the address.
    content = bytearray(path.read_bytes())
    entry_bytes = 8 + 3 * 8 + 8
    key = content.index(first.to_bytes(8, "little") + (32).to_bytes(4, "little")) + 8 - entry_bytes
    row, inner = (lambda number: key + number * entry_bytes + 8), (lambda number: key + number * entry_bytes + 24)
    at, value = {"within an element": (inner(0), 1), "unsorted": (row(1), 4), "behind the end": (row(3), 0)}[damage]
    content[at] = value
    path.write_bytes(content)
    refused("materialize", path, "-o", tmp_path / "out.h5ad", says=f"{path}: /X: the chunk index")


def test_chunks_of_one_element_stay_within_the_budget(tmp_path):
    """A few kilobytes with millions of chunks, of which none was ever written."""
    n, width = 4, 1 << 21
    path = tmp_path / "in.h5ad"
    differential.write(ad.AnnData(np.ones((n, 2), "f4")), path, "h5ad")
    with h5py.File(path, "r+") as f:
        f["obsm"].create_dataset("b", shape=(n, width), dtype="u1", chunks=(1, 1), fillvalue=7).attrs.update(ARRAY)
    assert path.stat().st_size < 1 << 20
    code, said, peak = peak_mib("materialize", f"--memory={BUDGET_MIB}MiB", path, "-o", tmp_path / "out.h5ad")
    assert code == 0, said
    assert peak < BUDGET_MIB + MARGIN_MIB, peak
    with h5py.File(tmp_path / "out.h5ad") as f:
        assert (f["obsm/b"][:] == 7).all()
