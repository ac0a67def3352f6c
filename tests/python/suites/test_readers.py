"""What reads the mount and the files: zarr-python, anndata's lazy and backed readers, dask, scanpy."""

from __future__ import annotations

import shutil

import anndata as ad
import numpy as np
import pytest
import zarr

from oracle import anncat, compare, differential

OPTIONS = {"join": "outer", "label": "batch"}


@pytest.fixture
def expected(pair):
    adata = differential.oracle(pair, OPTIONS).adata
    # scipy leaves the columns of a row in any order; files of ours have them sorted.
    adata.X.sort_indices()
    return adata


@pytest.mark.fuse
@pytest.mark.parametrize("version", [2, 3])
def test_zarr_python(pair, mnt, expected, version):
    with anncat.mount(pair, OPTIONS, "--zarr-format", version, at=mnt) as store:
        group = zarr.open_group(store, mode="r")
        assert group.metadata.zarr_format == version
        assert group.metadata.consolidated_metadata is not None
        np.testing.assert_array_equal(group["X/data"][:], expected.X.data)
        np.testing.assert_array_equal(group["X/indptr"][2:5], expected.X.indptr[2:5])
        # Without consolidated metadata, the same is found by listing.
        plain = zarr.open_group(store, mode="r", use_consolidated=False)
        assert sorted(plain.keys()) == sorted(group.keys())


@pytest.mark.fuse
@pytest.mark.parametrize("geometry", [(), ("--chunk-elems", 4, "--shard-size", 64)])
def test_zarrs(pair, mnt, expected, geometry):
    """A reader that takes byte ranges of chunks, and trusts lengths and indices of shards."""
    with anncat.mount(pair, OPTIONS, *geometry, at=mnt) as store:
        with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}):
            x = zarr.open_group(store, mode="r")["X"]
            for name in ("data", "indices", "indptr"):
                np.testing.assert_array_equal(x[name][:], getattr(expected.X, name))
                np.testing.assert_array_equal(x[name][3:7], getattr(expected.X, name)[3:7])


@pytest.mark.fuse
def test_shards(pair, mnt, expected):
    with anncat.mount(pair, OPTIONS, "--chunk-elems", 4, "--shard-size", 64, at=mnt) as store:
        arrays = [a for _, a in zarr.open_group(store, mode="r").members(max_depth=None) if isinstance(a, zarr.Array)]
        assert any(a.dtype.kind in "OT" for a in arrays)
        assert all(a.shards is not None for a in arrays if a.ndim)
        compare.equal(expected, differential.read(store))


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_materialized_shards(pair, tmp_path, expected, compression):
    out = tmp_path / "out.zarr"
    anncat.materialize(pair, out, OPTIONS, "--chunk-elems", 4, "--shard-size", 64, "--compression", compression)
    x = zarr.open_group(out, mode="r")["X"]["data"]
    assert x.shards is not None and len(x.compressors) == (compression != "none")
    compare.equal(expected, differential.read(out))
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}):
        np.testing.assert_array_equal(zarr.open_group(out, mode="r")["X"]["data"][3:7], expected.X.data[3:7])
    # And by anncat itself.
    again = tmp_path / "again.h5ad"
    anncat.materialize([out], again)
    np.testing.assert_array_equal(differential.read(again).X.toarray(), expected.X.toarray())


@pytest.mark.fuse
def test_read_lazy(pair, mnt, expected):
    with anncat.mount(pair, OPTIONS, at=mnt) as store, differential.quiet():
        lazy = ad.experimental.read_lazy(store)
        assert lazy.shape == expected.shape
        np.testing.assert_array_equal(lazy.X[3:9].compute().toarray(), expected.X[3:9].toarray())
        compare.equal(expected, lazy.to_memory())


@pytest.mark.fuse
def test_sparse_rows(pair, mnt, expected):
    with anncat.mount(pair, OPTIONS, at=mnt) as store:
        x = ad.io.sparse_dataset(zarr.open_group(store, mode="r")["X"])
        np.testing.assert_array_equal(x[[7, 2]].toarray(), expected.X[[7, 2]].toarray())


@pytest.mark.fuse
def test_copied_store_is_a_store(pair, mnt, tmp_path, expected):
    with anncat.mount(pair, OPTIONS, at=mnt) as store:
        shutil.copytree(store, tmp_path / "copy.zarr")
    compare.equal(expected, differential.read(tmp_path / "copy.zarr"))


@pytest.mark.fuse
def test_scanpy(pair, mnt):
    import scanpy as sc

    with anncat.mount(pair, OPTIONS, at=mnt) as store:
        adata = differential.read(store)
    sc.pp.normalize_total(adata)
    sc.pp.log1p(adata)
    sc.pp.pca(adata, n_comps=2)
    assert adata.obsm["X_pca"].shape == (adata.n_obs, 2)


def test_backed(pair, tmp_path, expected):
    out = tmp_path / "out.h5ad"
    anncat.materialize(pair, out, OPTIONS)
    backed = ad.read_h5ad(out, backed="r")
    np.testing.assert_array_equal(backed.X[2:7].toarray(), expected.X[2:7].toarray())
    backed.file.close()


def test_file_can_be_an_input(pair, tmp_path):
    """What anncat writes, anncat merges again."""
    anncat.materialize(pair, tmp_path / "one.h5ad", OPTIONS)
    anncat.materialize(pair, tmp_path / "two.zarr", OPTIONS)
    both = [tmp_path / "one.h5ad", tmp_path / "two.zarr"]
    assert not differential.check(both, {"index_unique": "-"}, ["h5ad", "zarr"], tmp_path)
