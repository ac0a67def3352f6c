"""Where `anncat.concat_on_disk` writes: what it replaces, what it refuses, and which errors are anndata's."""

from __future__ import annotations

import os
import warnings

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr

import anncat
from conftest import small
from oracle import differential
from test_package import equal, fails_as_in_anndata

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
