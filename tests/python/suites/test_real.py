"""Real files of many ages and writers: what anndata makes of them, anncat makes of them."""

from __future__ import annotations

import itertools

import pytest

from oracle import anncat, differential

NAMES = [
    "anndataR_example", "archive_v0.7.0", "archive_v0.7.8", "archive_v0.11.4",
    "bpcells_mini_int64neg_v0.12.6", "bpcells_mini_uint16_v0.10.9", "bpcells_mini_v0.6.22", "bpcells_mini_v0.7",
    "cellxgene_nan", "cxgschema_example_valid", "ehrapy_dataset8", "scvi_TM_droplet", "soma_multiome_100_100",
    "zellkonverter_krumsiek11", "zellkonverter_krumsiek11_aug_v0.8",
    "archive_v0.7.0_zarr", "archive_v0.7.8_zarr", "archive_v0.11.4_zarr",
    "vitessce_0.7_csc_zarr", "vitessce_0.8_csr_zarr", "vitessce_0.10_dense_zarr", "vitessce_0.11_csc_zarr", "vitessce_0.12_csr_zarr",
]
FACES = ["h5ad", "zarr"] if anncat.SKIP_FUSE else ["mount", "mount-h5ad", "h5ad"]


def test_all_files_are_known(real):
    assert sorted(real) == sorted(NAMES)


def check(real, names, options, tmp_path):
    paths = [real[n] for n in names]
    found = differential.check(paths, options, FACES, tmp_path, check_sorted=False)
    assert not found, "\n".join(f"[{f.face}] {f.kind}: {f.detail}" for f in found)


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("name", NAMES)
def test_with_itself(real, tmp_path, name, join):
    options = {"join": join, "label": "dataset", "index_unique": "-", "merge": "same", "uns_merge": "same", "pairwise": True}
    check(real, [name, name], options, tmp_path)


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("pair", list(itertools.pairwise(NAMES)), ids="+".join)
def test_with_its_neighbour(real, tmp_path, pair, join):
    check(real, pair, {"join": join, "merge": "unique", "uns_merge": "first"}, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_along_var(real, tmp_path, name):
    check(real, [name, name], {"axis": "var", "join": "outer", "index_unique": "-", "merge": "first"}, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_alone(real, tmp_path, name):
    check(real, [name], {"merge": "first", "uns_merge": "first", "pairwise": True}, tmp_path)
