"""Two versions of anndata, one result: the table of docs/SEMANTICS.md, one test a name, and inputs
as the newest anndata writes them. Runs where that version is (scripts/venv next)."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from conftest import small
from oracle import anncat, compare, differential, versions

SEMANTICS = anncat.ROOT / "docs" / "SEMANTICS.md"
newest = pytest.mark.skipif(not versions.IS_NEXT, reason="needs anndata 0.13")


@pytest.mark.parametrize("name", versions.RULES)
def test_documented_and_tested(name):
    assert f"| `{name}` |" in SEMANTICS.read_text()
    assert f"test_{name.replace('-', '_')}" in globals()


def merged(tmp_path, adatas, options, rule):
    """The merge of `adatas`, equal to the oracle, which needed the rule."""
    paths = []
    for i, adata in enumerate(adatas):
        paths.append(tmp_path / f"in{i}.h5ad")
        differential.write(adata, paths[-1], "h5ad")
    expected = differential.oracle(paths, options)
    assert rule in expected.rules
    assert not differential.check(paths, options, ["h5ad", "zarr"], tmp_path, expected=expected)
    anncat.materialize(paths, tmp_path / "merged.h5ad", options)
    return differential.read(tmp_path / "merged.h5ad")


@newest
@pytest.mark.parametrize(("dtype", "options", "result"), [
    ("float32", {}, "float32"),
    ("int8", {"fill_value": 0}, "int8"),
    ("int8", {}, "float64"),
])
def test_dense_filled_wider(tmp_path, dtype, options, result):
    a, b = (small(seed, genes=genes, x=lambda v: v.astype(dtype)) for seed, genes in [(0, "abcd"), (1, "bcde")])
    options = {"join": "outer", **options}
    newer = ad.concat([a, b], **options).X.dtype
    assert newer == ("int64" if options.get("fill_value") == 0 else "float64")
    if newer == result:
        return
    assert merged(tmp_path, [a, b], options, "dense-filled-wider").X.dtype == result


def obs(**columns) -> ad.AnnData:
    n = len(next(iter(columns.values())))
    return ad.AnnData(obs=pd.DataFrame(columns, index=[f"{id(columns)}_{i}" for i in range(n)]))


@newest
def test_empty_counts(tmp_path):
    empty = obs(x=pd.Categorical([], categories=["a"]))
    numbers = obs(x=[0.5, 1.5])
    assert merged(tmp_path, [empty, numbers], {}, "empty-counts").obs["x"].dtype == np.float64


@newest
def test_text_types(tmp_path):
    out = merged(tmp_path, [obs(s=["a", "b"]), obs(s=["c"])], {}, "text-types")
    assert out.obs["s"].tolist() == ["a", "b", "c"]


@newest
@pytest.mark.parametrize("join", ["inner", "outer"])
def test_x_in_some(tmp_path, join):
    """The newest anndata does by itself what the rule x-in-some says."""
    a, b = small(0), small(1)
    b.X = None
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    a.write_h5ad(paths[0]), b.write_h5ad(paths[1])
    anncat.materialize(paths, tmp_path / "out.h5ad", {"join": join})
    expected = ad.concat([ad.read_h5ad(p) for p in paths], join=join)
    actual = ad.read_h5ad(tmp_path / "out.h5ad")
    assert (actual.X is None) == (expected.X is None) == (join == "inner")
    compare.equal(expected, actual)


@newest
@pytest.mark.parametrize("face", ["h5ad", "zarr"])
def test_inputs_as_the_newest_anndata_writes_them(tmp_path, face):
    """write_zarr shards by itself, a gigabyte a shard; text is `str`."""
    paths = []
    for seed in range(3):
        adata = small(seed, n=40, x=sparse.csr_matrix)
        adata.layers["dense"] = adata.X.toarray()
        assert adata.obs["name"].dtype == "str"
        paths.append(tmp_path / f"in{seed}.zarr")
        adata.write_zarr(paths[-1])
    stored = zarr.open(paths[0], mode="r")
    assert stored["layers/dense"].shards is not None
    options = {"join": "outer", "label": "donor", "index_unique": "-"}
    found = differential.check(paths, options, [face], tmp_path)
    assert not found, found
