"""Where `anncat.concat_on_disk` writes: what it replaces, what it refuses, and which errors are anndata's."""

from __future__ import annotations

import contextlib
import os
import pickle
import tempfile
import warnings

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr

import anncat
from conftest import small
from oracle import differential
from test_package import equal, fails_as_in_anndata, oracle

EACH = [{}, {"uns_merge": lambda mappings: dict(mappings[0])}]


@pytest.fixture
def stores(tmp_path):
    """Two small zarr directories."""
    paths = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    for n, path in enumerate(paths):
        differential.write(small(n), path, "zarr3")
    return paths


def files(directory) -> dict[str, bytes]:
    """What lies in a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def refused(in_files, out_file, **options) -> anncat.Error:
    """The error of what would harm something."""
    with pytest.raises(FileExistsError) as caught:
        anncat.concat_on_disk(in_files, out_file, **options)
    assert isinstance(caught.value, anncat.Error) and caught.value.kind == "output-refused"
    return caught.value


@pytest.mark.parametrize("options", EACH)
def test_a_path_never_replaces_an_input(pair, stores, tmp_path, options):
    before = files(tmp_path)
    assert refused(pair, pair[0], **options).file == str(pair[0])
    refused(stores, stores[1], **options)
    # A directory that holds the inputs, and one within an input.
    refused(pair, tmp_path, **options)
    refused(stores, stores[0] / "uns" / "out.zarr", **options)
    (tmp_path / "link.h5ad").symlink_to(pair[0])
    refused(pair, tmp_path / "link.h5ad", **options)
    (tmp_path / "link.h5ad").unlink()
    assert files(tmp_path) == before


@pytest.mark.parametrize("options", EACH)
@pytest.mark.parametrize("name", ["data", "data.zarr"])
def test_a_directory_of_something_else_is_not_replaced(pair, tmp_path, name, options):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("x")
    before = files(tmp_path)
    assert "no zarr store" in str(refused(pair, tmp_path / name, **options))
    refused(pair, zarr.storage.LocalStore(tmp_path / name), **options)
    assert files(tmp_path) == before


@pytest.mark.parametrize("options", EACH)
@pytest.mark.parametrize("name", ["out.h5ad", "out.zarr", "out"])
def test_a_former_output_is_replaced_and_a_link_to_it_stays(pair, tmp_path, name, options):
    (tmp_path / "there").mkdir()
    anncat.concat_on_disk(pair[:1] * 2, tmp_path / "there" / name)
    (tmp_path / name).symlink_to(tmp_path / "there" / name)
    expected = ad.concat([ad.read_h5ad(path) for path in pair], **options)
    for _ in range(2):
        anncat.concat_on_disk(pair, tmp_path / name, **options)
        equal(expected.copy(), differential.read(tmp_path / name))
    assert (tmp_path / name).is_symlink() and os.listdir(tmp_path / "there") == [name]


@pytest.mark.parametrize("options", EACH)
def test_a_store_or_group_that_is_an_input_is_not_emptied(stores, tmp_path, options):
    before = files(tmp_path)
    refused(stores, zarr.storage.LocalStore(stores[0]), **options)
    error = refused([zarr.storage.LocalStore(stores[0]), stores[1]], zarr.storage.LocalStore(stores[0]), **options)
    assert error.file == str(stores[0])
    refused(stores, zarr.storage.LocalStore(tmp_path), **options)
    refused(stores, zarr.open_group(stores[0], mode="r+"), **options)
    refused(stores, zarr.open_group(stores[0], mode="r+")["uns"], **options)
    assert files(tmp_path) == before
    memory = zarr.storage.MemoryStore()
    ad.io.write_elem(zarr.open_group(memory, mode="w"), "in", small(0))
    refused([zarr.open_group(memory, mode="r")["in"], stores[1]], memory, **options)
    equal(small(0), ad.io.read_elem(zarr.open_group(memory, mode="r")["in"]))


@pytest.mark.parametrize("options", EACH)
def test_a_group_of_hdf5_that_is_an_input_stays(tmp_path, options):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for n, name in enumerate(("a", "b")):
            ad.io.write_elem(file, name, small(n))
        sources = [file["a"], file["b"]]
        refused(sources, file["a"], **options)
        refused(sources, file["b/uns"], **options)
        for n, name in enumerate(("a", "b")):
            equal(small(n), ad.io.read_elem(file[name]))
        # Beside the inputs there is room.
        anncat.concat_on_disk(sources, file.create_group("out"), **options)
        equal(ad.concat([small(0), small(1)], **options), ad.io.read_elem(file["out"]))


@pytest.mark.parametrize("kind", ["h5", "zarr2", "zarr3"])
@pytest.mark.parametrize("part", [None, "X", "raw", "uns", "layers"])
def test_a_group_that_holds_parts_of_an_anndata_is_not_mixed_with(pair, tmp_path, kind, part):
    """anndata 0.12 and 0.13 raise a `ValueError` of most (`ContainsGroupError` of zarr-python), and mix the others."""
    if kind == "h5":
        root = h5py.File(tmp_path / "out.h5", "w")
    else:
        root = zarr.open_group(tmp_path / "out.zarr", mode="w", zarr_format=int(kind[-1]))
    if part is None:
        ad.io.write_elem(root, "sub", small(3, layers={"old": np.ones((6, 4))}))
    else:
        root.create_group("sub").create_group(part)
    group = root["sub"]
    group.create_group("other")
    before = sorted(group)
    for error in (FileExistsError, ValueError, anncat.Error):
        with pytest.raises(error, match=part or "layers") as caught:
            anncat.concat_on_disk(pair, group)
    assert caught.value.kind == "output-exists" and sorted(group) == before
    for name in before:
        if name != "other":
            del group[name]
    anncat.concat_on_disk(pair, group)
    assert "other" in group
    equal(ad.concat([ad.read_h5ad(path) for path in pair]), ad.io.read_elem(group))


def test_a_store_is_emptied_only_when_there_is_what_replaces_it(pair, tmp_path):
    differential.write(small(3), tmp_path / "out.zarr", "zarr3")
    before = files(tmp_path)

    def fails(mappings):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        anncat.concat_on_disk(pair, zarr.storage.LocalStore(tmp_path / "out.zarr"), uns_merge=fails)
    with pytest.raises(OSError, match="reading only"):
        anncat.concat_on_disk(pair, zarr.storage.LocalStore(tmp_path / "out.zarr", read_only=True))
    assert files(tmp_path) == before
    anncat.concat_on_disk(pair, zarr.storage.LocalStore(tmp_path / "out.zarr"))
    equal(ad.concat([ad.read_h5ad(path) for path in pair]), ad.read_zarr(tmp_path / "out.zarr"))


def test_wrong_types_and_joins_fail_as_in_anndata(pair, tmp_path):
    out = tmp_path / "out.h5ad"
    cases = [lambda concat, wrong=wrong: concat([wrong, pair[0]], out) for wrong in (1, None, small(0), b"a.h5ad")]
    cases += [lambda concat: concat([small(0)], out)]
    cases += [lambda concat, wrong=wrong: concat(pair, wrong) for wrong in (1, None, small(0))]
    cases += [lambda concat: concat(pair, 1, axis=2)]
    cases += [lambda concat: concat(pair, out, join="left")]
    for case in cases:
        fails_as_in_anndata(case)
    with pytest.raises(ValueError, match="must be one of 'inner' or 'outer', got 'left'"):
        anncat.concat(pair, join="left")
    # What anndata has not is written.
    with warnings.catch_warnings():
        warnings.simplefilter("error", anncat.Notice)
        anncat.concat_on_disk(pair, tmp_path / "pairwise.h5ad", pairwise=True)


# ---- inputs that fail


def raised(concat, *args, **options) -> Exception:
    with pytest.raises(Exception) as caught:
        concat(*args, **options)
    return caught.value


def builtin(error: Exception) -> type:
    """The class of an error that Python itself has."""
    return next(cls for cls in type(error).__mro__ if cls.__module__ == "builtins")


def without_type(path):
    """An AnnData that does not say that it is one."""
    is_h5ad = path.suffix == ".h5ad"
    differential.write(small(2), path, "h5ad" if is_h5ad else "zarr3")
    with h5py.File(path, "r+") if is_h5ad else contextlib.nullcontext(zarr.open_group(path, mode="r+")) as root:
        del root.attrs["encoding-type"]
    if not is_h5ad:
        zarr.consolidate_metadata(path)


def damaged(path):
    """Its header is whole, a chunk of X is not."""
    differential.write(small(2, n=400), path, "h5ad", {"compression": "gzip"})
    with h5py.File(path) as file:
        start = file["X/data"].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 16)


INPUTS = {
    "none.h5ad": ("input-missing", None),
    "none.zarr": ("input-missing", None),
    "none": ("input-missing", None),
    "a.h5ad::mod/x": ("input-missing", None),
    "text.h5ad": ("not-anndata", lambda path: path.write_text("no HDF5")),
    "empty.h5ad": ("not-anndata", lambda path: path.write_bytes(b"")),
    "text.zarr": ("not-anndata", lambda path: path.write_text("no zarr")),
    "other.zarr": ("not-anndata", lambda path: path.mkdir()),
    "untold.h5ad": ("not-anndata", without_type),
    "untold.zarr": ("not-anndata", without_type),
    "half.h5ad": ("corrupt", lambda path: path.write_bytes((path.parent / "a.h5ad").read_bytes()[:9000])),
    "damaged.h5ad": ("corrupt", damaged),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_is_wrong_with_an_input_is_an_error_and_what_anndata_raises(pair, tmp_path, name):
    kind, make = INPUTS[name]
    path = tmp_path / name
    if make is not None:
        make(path)
    before = sorted(os.listdir(tmp_path))
    error = raised(anncat.concat_on_disk, [pair[1], path], tmp_path / "out.h5ad")
    assert isinstance(error, anncat.Error) and error.kind == kind
    assert error.file == str(path).partition("::")[0] and error.file in str(error)
    assert ("All groups must be anndata" in str(error)) == (kind == "not-anndata")
    assert sorted(os.listdir(tmp_path)) == before
    assert isinstance(error, builtin(raised(ad.experimental.concat_on_disk, [pair[1], path], tmp_path / "out.h5ad")))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.kind, again.file) == (type(error), str(error), error.kind, error.file)


@pytest.mark.parametrize("place", ["s3://bucket/x.zarr", "https://here.invalid/x.h5ad"])
def test_what_is_on_no_disk_of_this_machine_is_missing(pair, tmp_path, place):
    error = raised(anncat.concat_on_disk, [pair[0], place], tmp_path / "out.h5ad")
    assert isinstance(error, anncat.Error) and isinstance(error, FileNotFoundError) and "this machine" in str(error)
    assert (error.kind, error.file) == ("input-missing", place)


def test_an_input_in_memory_is_told_by_its_number(pair, tmp_path):
    memory = zarr.storage.MemoryStore()
    for _ in range(2):
        error = raised(anncat.concat_on_disk, [pair[0], memory], tmp_path / "out.h5ad")
        assert isinstance(error, anncat.Error) and (error.kind, error.file) == ("not-anndata", None)
        assert "input 1 (MemoryStore): " in str(error) and tempfile.gettempdir() not in str(error)
        zarr.open_group(memory, mode="w")


def test_a_single_input_is_copied_over_nothing_of_itself(pair, stores, tmp_path):
    error = raised(anncat.concat_on_disk, [tmp_path / "none.h5ad"], tmp_path / "out.h5ad")
    assert isinstance(error, FileNotFoundError) and error.kind == "input-missing"
    before = files(tmp_path)
    refused(pair[:1], pair[0])
    refused(stores[:1], stores[0])
    refused(stores[:1], stores[0] / "uns" / "out.zarr")
    assert files(tmp_path) == before
    anncat.concat_on_disk(pair[:1], tmp_path / "out.h5ad")
    assert (tmp_path / "out.h5ad").read_bytes() == pair[0].read_bytes()


# ---- arguments


@pytest.mark.parametrize("number", [1, 1e8, 2.5, np.float32(9), float("inf")])
def test_a_number_of_elements_is_any_number(pair, tmp_path, number):
    anncat.concat_on_disk(pair, tmp_path / "out.h5ad", max_loaded_elems=number)
    equal(oracle(pair), ad.read_h5ad(tmp_path / "out.h5ad"))


@pytest.mark.parametrize("number", [0, 0.5, -1, float("nan")])
def test_less_than_one_element_is_refused(pair, tmp_path, number):
    with pytest.raises(ValueError, match="max_loaded_elems is at least 1"):
        anncat.concat_on_disk(pair, tmp_path / "out.h5ad", max_loaded_elems=number)
    assert not (tmp_path / "out.h5ad").exists()


def test_what_fills_no_matrix_is_refused_as_by_anndata(pair, tmp_path):
    for concat in (ad.experimental.concat_on_disk, anncat.concat_on_disk):
        assert isinstance(raised(concat, pair, tmp_path / "out.h5ad", join="outer", fill_value="x"), ValueError)
    anncat.concat_on_disk(pair, tmp_path / "out.h5ad", join="outer", fill_value=np.int64(7))
    equal(oracle(pair, join="outer", fill_value=7), ad.read_h5ad(tmp_path / "out.h5ad"))


@pytest.mark.parametrize("out", ["out.h5ad", "out.zarr"])
@pytest.mark.parametrize("option", ["merge", "uns_merge"])
def test_a_function_that_returns_none_merges_nothing(tmp_path, option, out):
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for n, path in enumerate(paths):
        differential.write(small(n, varm={"v": np.ones((4, 2))}), path, "h5ad")
    options = {option: lambda mappings: None}
    expected = ad.concat([ad.read_h5ad(path) for path in paths], **options)
    anncat.concat_on_disk(paths, tmp_path / out, **options)
    equal(expected.copy(), differential.read(tmp_path / out))
    equal(expected, anncat.concat(paths, **options))


# ---- where a result lies until it is complete


@pytest.fixture
def staged(tmp_path, monkeypatch):
    """The directories that results are first written to; $TMPDIR is an empty one."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    write, places = anncat.Merged.write, []

    def recorded(self, path, **options):
        places.append(path.parent.parent)
        return write(self, path, **options)

    monkeypatch.setattr(anncat.Merged, "write", recorded)
    return places


def outputs(there):
    """Open outputs in a directory, and where their results lie first."""
    deep = zarr.open_group(there / "deep.zarr", mode="w").create_group("tables/table")
    yield h5py.File(there / "out.h5", "w").create_group("mod/rna"), there
    yield zarr.storage.LocalStore(there / "out.zarr"), there
    yield zarr.storage.LocalStore(there / "new" / "er" / "out.zarr"), there
    yield deep, there
    yield zarr.open_group(there / "two.zarr", mode="w", zarr_format=2), there
    # A name that leaves little room for a longer one beside it.
    yield zarr.storage.LocalStore(there / ("n" * 240)), there
    # In memory.
    yield zarr.storage.MemoryStore(), None
    yield h5py.File(there / "none.h5", "w", driver="core", backing_store=False), None


@pytest.mark.parametrize("options", EACH)
def test_a_result_is_staged_beside_its_place(pair, tmp_path, staged, options):
    there = tmp_path / "there"
    there.mkdir()
    expected = ad.concat([ad.read_h5ad(path) for path in pair], **options)
    for out, place in outputs(there):
        anncat.concat_on_disk(pair, out, **options)
        assert staged.pop() == (place or tmp_path / "tmp")
        group = out if hasattr(out, "attrs") else zarr.open_group(out, mode="r")
        equal(expected.copy(), ad.io.read_elem(group))
    assert os.listdir(tmp_path / "tmp") == [] and not list(there.rglob("*.tmp"))


def test_what_is_moved_may_be_read_by_whom_umask_says(pair, tmp_path):
    anncat.concat_on_disk(pair, zarr.storage.LocalStore(tmp_path / "out.zarr"))
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    modes = {kind: (tmp_path / kind).stat().st_mode for kind in ("file", "dir")}
    for path in (tmp_path / "out.zarr").rglob("*"):
        assert path.stat().st_mode == modes["dir" if path.is_dir() else "file"], path


def test_a_result_that_fails_leaves_nothing(pair, tmp_path, staged, monkeypatch):
    there = tmp_path / "there"
    there.mkdir()
    write = anncat.Merged.write

    def full(self, path, **options):
        write(self, path, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(anncat.Merged, "write", full)
    for out, _ in outputs(there):
        before = set(there.rglob("*"))
        with pytest.raises(OSError, match="No space left"):
            anncat.concat_on_disk([zarr.open_group(in_memory(0)), *pair], out)
        assert set(there.rglob("*")) == before and os.listdir(tmp_path / "tmp") == []


def in_memory(seed: int):
    store = zarr.storage.MemoryStore()
    ad.io.write_elem(zarr.open_group(store, mode="w"), "/", small(seed))
    return store


def test_a_former_output_is_put_back_where_it_cannot_be_replaced(pair, tmp_path, monkeypatch):
    out = tmp_path / "out.zarr"
    differential.write(small(7), out, "zarr3")
    before = files(out)

    replace = os.replace

    def fails(source, target):
        # zarr replaces its own files.
        if os.fspath(target) == str(out):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="Input/output error"):
        anncat.concat_on_disk(pair, out, uns_merge=lambda mappings: dict(mappings[0]))
    assert files(out) == before


def test_a_long_name_is_one_of_an_output(pair, tmp_path):
    out = tmp_path / f"{'n' * 240}.h5ad"
    anncat.concat_on_disk(pair, out, uns_merge=lambda mappings: dict(mappings[0]))
    assert os.listdir(out.parent).count(out.name) == 1
