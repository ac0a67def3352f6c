"""Each intended difference from anndata: the table of docs/SEMANTICS.md, one test a name."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata as ad
import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from oracle import anncat, compare, differential, intended
from conftest import small

SEMANTICS = anncat.ROOT / "docs" / "SEMANTICS.md"


@pytest.mark.parametrize("name", intended.RULES)
def test_documented_and_tested(name):
    assert f"| `{name}` |" in SEMANTICS.read_text()
    assert f"test_{name.replace('-', '_')}" in globals()


def merged(tmp_path: Path, adatas, options, rule: str | None, warn: str | None = None) -> ad.AnnData:
    """Writes the inputs, compares the merge with the oracle, and asks that the rule was needed."""
    paths = []
    for i, adata in enumerate(adatas):
        paths.append(tmp_path / f"in{i}.h5ad")
        differential.write(adata, paths[-1], "h5ad")
    expected = differential.oracle(paths, options)
    assert expected.error is None, expected.error
    assert rule is None or rule in expected.rules
    done = anncat.materialize(paths, tmp_path / "out.h5ad", options)
    if warn is not None:
        assert warn in done.stderr
    actual = differential.read(tmp_path / "out.h5ad")
    assert differential.listed(actual, expected) is None
    compare.equal(expected.adata, actual, sparse_format=expected.sparse_format)
    return actual


def obs(**columns) -> ad.AnnData:
    n = len(next(iter(columns.values())))
    return ad.AnnData(obs=pd.DataFrame(columns, index=[f"{id(columns)}_{i}" for i in range(n)]))


def test_own_format(tmp_path):
    out = merged(tmp_path, [small(0, x=sparse.csc_matrix), small(1, x=sparse.csc_matrix)], {"join": "outer"}, "own-format")
    assert out.X.format == "csc"


def test_own_format_can_be_converted(tmp_path):
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for i, path in enumerate(paths):
        differential.write(small(i, x=sparse.csc_matrix), path, "h5ad")
    anncat.materialize(paths, tmp_path / "out.h5ad", {"sparse_format": "csr"})
    assert differential.read(tmp_path / "out.h5ad").X.format == "csr"


def test_strings_missing(tmp_path):
    out = merged(tmp_path, [obs(s=["a", "b"]), obs(t=[1, 2])], {"join": "outer"}, "strings-missing")
    assert out.obs["s"].cat.categories.tolist() == ["a", "b"]
    assert out.obs["s"].isna().tolist() == [False, False, True, True]
    assert out[out.obs["s"] == "a"].n_obs == 1


def test_strings_missing_may_stay_strings(tmp_path):
    adatas = [obs(s=["a", "b"]), obs(t=[1, 2])]
    out = merged(tmp_path, adatas, {"join": "outer", "missing_text": "nullable"}, "strings-missing")
    assert out.obs["s"].dtype == "string"
    with h5py.File(tmp_path / "out.h5ad") as file:
        assert file["obs/s"].attrs["na-value"] == "NaN"


def test_strings_missing_everywhere(tmp_path):
    """In natural order, unused values gone; along var, in what a merge reindexes, in frames of obsm and
    varm, in raw/var, among kinds that are mixed; an index stays as it is."""
    names = ["x10", "x2", None, "x1"]

    def one(n: int, columns: dict) -> ad.AnnData:
        frame = pd.DataFrame(columns, index=[f"{n}_{i}" for i in range(4)])
        adata = ad.AnnData(np.ones((4, 2), np.float32), obs=frame)
        adata.var_names = ["g1", f"g{n + 2}"]
        adata.var["note"] = ["b", "a"] if n == 0 else ["b", "c"]
        adata.obsm["frame"] = frame.copy()
        adata.varm["frame"] = pd.DataFrame({"note": ["q", "p"]}, index=adata.var_names)
        adata.raw = adata
        return adata

    a = one(0, {"note": pd.Categorical(names, categories=["x1", "x10", "x2", "unused"], ordered=True), "kind": ["z", "y", "z", "y"]})
    b = one(1, {"note": ["x2", "x3", "x2", "x3"], "kind": [1, 2, 3, 4]})
    c = one(2, {"other": [1, 2, 3, 4]})
    for options in [{"join": "outer", "merge": "first"}, {"join": "outer", "axis": 1, "merge": "first"}]:
        place = tmp_path / str(options.get("axis", 0))
        place.mkdir()
        adatas = [x.copy() for x in (a, b, c)]
        if options.get("axis") == 1:
            for n, x in enumerate(adatas):
                x.obs_names = [f"{n % 2}_{i}" for i in range(4)]
                x.obsm["frame"].index = x.obs_names
        out = merged(place, adatas, options, "strings-missing")
        assert isinstance(out.var["note"].dtype, pd.CategoricalDtype) == (options.get("axis") != 1)
        assert isinstance(out.obsm["frame"]["kind"].dtype, pd.CategoricalDtype)
    out = merged(tmp_path, [a, b, c], {"join": "outer"}, "strings-missing")
    assert out.obs["note"].cat.categories.tolist() == ["x1", "x2", "x3", "x10"]
    assert out.obs["kind"].cat.categories.tolist() == ["1", "2", "3", "4", "y", "z"]


@pytest.mark.parametrize("marker", ["NA", "NaN", None])
def test_na_value_is_kept(tmp_path, marker):
    differential.write(obs(s=pd.array(["a", None], dtype="string")), tmp_path / "in.h5ad", "h5ad")
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        if marker is not None:
            file["obs/s"].attrs["na-value"] = marker
    anncat.materialize([tmp_path / "in.h5ad"], tmp_path / "out.h5ad", {"missing_text": "nullable"})
    with h5py.File(tmp_path / "out.h5ad") as file:
        assert file["obs/s"].attrs["na-value"] == (marker or "NaN")


def test_mixed_kinds(tmp_path):
    out = merged(tmp_path, [obs(s=["a", "b"]), obs(s=[1, 2])], {}, "mixed-kinds", warn="obs/s")
    assert out.obs["s"].tolist() == ["a", "b", "1", "2"]


def test_bools_missing(tmp_path):
    flags = ad.AnnData(var=pd.DataFrame({"flag": [True, False]}, index=["a", "b"]), obs=pd.DataFrame(index=["x"]))
    other = ad.AnnData(var=pd.DataFrame(index=["b", "c"]), obs=pd.DataFrame(index=["y"]))
    out = merged(tmp_path, [flags, other], {"join": "outer", "merge": "first"}, "bools-missing")
    assert out.var["flag"].dtype == "boolean"


def test_bools_missing_of_categories_of_none(tmp_path):
    """pandas makes True of them."""
    hollow = pd.Categorical.from_codes([-1, -1], categories=pd.Index([], dtype=bool))
    out = merged(tmp_path, [obs(b=hollow), obs(b=[True, False])], {}, "bools-missing")
    assert out.obs["b"].dtype == "boolean" and out.obs["b"].isna().tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    "columns",
    [
        ([True, False], [0.5, 1.5]),
        ([True, False], [np.nan, np.nan]),
        ([True, False], np.array([0.5, np.nan], dtype=np.float32)),
        ([True], np.array([], dtype=float)),
        (np.array([], dtype=bool), [np.nan, 0.5]),
        (np.array([], dtype=bool), [np.nan]),
    ],
    ids=["floats", "nan", "float32", "no-floats", "no-bools", "no-bools-nan"],
)
def test_bools_floats(tmp_path, columns):
    out = merged(tmp_path, [obs(b=column) for column in columns], {}, "bools-floats")
    assert out.obs["b"].dtype == np.float64
    assert out.obs["b"].equals(pd.Series(np.concatenate(columns).astype(float), index=out.obs_names))


def test_nullable_float(tmp_path):
    out = merged(tmp_path, [obs(n=pd.array([1, None], dtype="Int64")), obs(n=[0.5, 1.5])], {}, "nullable-float")
    assert out.obs["n"].dtype == np.float64


@pytest.mark.parametrize("dtype", ["bool", "complex64"])
def test_dense_bool_filled(tmp_path, dtype):
    a = ad.AnnData(np.array([[True, False]]), obs=pd.DataFrame(index=["x"]), var=pd.DataFrame(index=["a", "b"]))
    b = ad.AnnData(np.array([[True, False]]).astype(dtype), obs=pd.DataFrame(index=["y"]), var=pd.DataFrame(index=["b", "c"]))
    out = merged(tmp_path, [a, b], {"join": "outer"}, "dense-bool-filled", warn="X")
    assert out.X.dtype == (np.float64 if dtype == "bool" else np.complex128)


def test_text_filled(tmp_path):
    a, b = small(0), small(1)
    a.obsm["t"] = np.array([["u", "v"]] * a.n_obs, dtype=object)
    out = merged(tmp_path, [a, b], {"join": "outer"}, "text-filled", warn="obsm/t")
    assert "t" not in out.obsm


def test_text_without_columns_needs_no_fill(tmp_path):
    a, b = small(0), small(1)
    a.obsm["t"] = np.empty((a.n_obs, 0), dtype=object)
    out = merged(tmp_path, [a, b], {"join": "outer"}, None)
    assert out.obsm["t"].shape == (out.n_obs, 0)


def test_awkward_filled(tmp_path):
    a, b = small(0), small(1, genes="cdef")
    a.varm["awk"] = ak.Array([[1], [2, 3], [], [4]])
    out = merged(tmp_path, [a, b], {"join": "outer", "merge": "first"}, "awkward-filled")
    assert ak.to_list(out.varm["awk"]) == [[1], [2, 3], [], [4], None, None]


def test_awkward_between(tmp_path):
    a, b, c = small(0), small(1), small(2)
    a.obsm["awk"] = ak.Array([1.5] * a.n_obs)
    c.obsm["awk"] = ak.Array([[1, 2]] * c.n_obs)
    out = merged(tmp_path, [a, b, c], {"join": "outer"}, "awkward-between")
    assert ak.to_list(out.obsm["awk"]) == [1.5] * a.n_obs + [None] * b.n_obs + [[1, 2]] * c.n_obs


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (ak.Array([["a"]]), ak.Array([[[1, 2], []]])),
        (ak.Array([[[1]]]), ak.to_regular(ak.Array([[1.0, 2.0]]))),
    ],
)
def test_awkward_between_of_empty_lists(tmp_path, left, right):
    a, b, c = small(0, n=1), small(1, n=2), small(2, n=1)
    a.obsm["awk"], b.obsm["awk"], c.obsm["awk"] = left, ak.Array([[], []]), right
    out = merged(tmp_path, [a, b, c], {"join": "outer"}, "awkward-between")
    assert ak.to_list(out.obsm["awk"]) == [*left.to_list(), [], [], *right.to_list()]


UNLIKE = {
    "flat": ak.Array([1.5, 2.5]),
    "pairs": ak.Array(np.array([[1.0, 2.0], [3.0, 4.0]])),
    "lists": ak.Array([[1, 2], []]),
    "nested": ak.Array([[[1, 2], []], [[65]]]),
    "text": ak.Array([["ab", "é"], []]),
    "records": ak.Array([{"a": 1}, {"a": 2}]),
}


@pytest.mark.parametrize("left", UNLIKE)
@pytest.mark.parametrize("right", UNLIKE)
def test_awkward_between_any(tmp_path, left, right):
    """The types stay what they are, also those of inputs without rows, and text is never numbers."""
    a, b, c, d = (small(i, n=2) for i in range(4))
    a.obsm["awk"], d.obsm["awk"] = UNLIKE[left], UNLIKE[right]
    c = c[:0].copy()
    c.obsm["awk"] = UNLIKE[left][:0]
    out = merged(tmp_path, [a, b, c, d], {"join": "outer"}, None)
    assert ak.to_list(out.obsm["awk"]) == ak.to_list(UNLIKE[left]) + [None] * 2 + ak.to_list(UNLIKE[right])


def test_awkward_refused(tmp_path):
    a, b = small(0), small(1)[:0].copy()
    a.obsm["awk"] = ak.Array([[[1, 2], []]] * a.n_obs)
    b.obsm["awk"] = ak.Array([1.5])[:0]
    out = merged(tmp_path, [a, b], {"join": "inner"}, "awkward-refused")
    assert "awk" not in out.obsm  # compared by its values, and taken away


@pytest.mark.parametrize("join", ["inner", "outer"])
def test_x_in_some(tmp_path, join):
    a, b = small(0), small(1)
    b.X = None
    out = merged(tmp_path, [a, b], {"join": join}, "x-in-some", warn="X")
    assert (out.X is None) == (join == "inner")


def test_duplicates_equal(tmp_path):
    a, b = small(0, genes="abb"), small(1, genes="abb")
    a.layers["only"] = a.X.copy()
    out = merged(tmp_path, [a, b], {"join": "outer"}, "duplicates-equal")
    assert list(out.var_names) == list("abb")
    assert out.layers["only"].shape == out.shape


def test_unlike_unequal(tmp_path):
    a, b = small(0), small(1)
    a.varm["k"] = ak.Array([[1], [2, 3], [], [4]])
    b.varm["k"] = np.ones((4, 1))
    out = merged(tmp_path, [a, b], {"merge": "unique"}, "unlike-unequal")
    assert "k" not in out.varm


@pytest.mark.parametrize("strategy", ["same", "unique"])
def test_unlike_unequal_dicts(tmp_path, strategy):
    a, b, c = small(0), small(1), small(2)
    a.uns = {"k": {"x": np.arange(2)}, "n": 1}
    b.uns = {"k": {"x": np.arange(2)}, "n": 1}
    c.uns = {"k": "text", "n": 1}
    out = merged(tmp_path, [a, b, c], {"uns_merge": strategy}, "unlike-unequal")
    assert dict(out.uns) == {"n": 1}


@pytest.mark.parametrize("lacking", ["rows", "X"])
def test_raw_without_rows(tmp_path, lacking):
    a, b = small(0), small(1)[:0].copy() if lacking == "rows" else small(1)
    paths = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    for adata, path in zip((a, b), paths, strict=True):
        adata.raw = adata.copy()
        differential.write(adata, path, "zarr3", {"consolidated": False})
    if lacking == "X":
        shutil.rmtree(paths[1] / "raw/X")
    expected = differential.oracle(paths, {})
    assert "raw-without-rows" in expected.rules
    anncat.materialize(paths, tmp_path / "out.h5ad")
    actual = differential.read(tmp_path / "out.h5ad")
    assert actual.raw is not None
    compare.equal(expected.adata, actual, sparse_format=expected.sparse_format)


CONTRADICTIONS = {
    "duplicated names to be joined": (lambda a, b: b.var.__setattr__("index", pd.Index(list("bccd"))), "twice"),
    "a frame against an array": (
        lambda a, b: (a.obsm.__setitem__("k", a.obs[["n_genes"]]), b.obsm.__setitem__("k", np.ones((b.n_obs, 2)))),
        "obsm/k",
    ),
    "awkward against an array": (
        lambda a, b: (a.obsm.__setitem__("k", ak.Array([[1]] * a.n_obs)), b.obsm.__setitem__("k", np.ones((b.n_obs, 2)))),
        "obsm/k",
    ),
}


@pytest.mark.parametrize(("change", "says"), CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
def test_contradictions_are_errors(tmp_path, change, says):
    a, b = small(0), small(1)
    change(a, b)
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for adata, path in zip((a, b), paths, strict=True):
        differential.write(adata, path, "h5ad")
    options = {"join": "outer"}
    assert differential.oracle(paths, options).error is not None
    with pytest.raises(anncat.Failed) as failed:
        anncat.materialize(paths, tmp_path / "out.h5ad", options)
    assert failed.value.code == 1
    assert says in failed.value.stderr
    assert not (tmp_path / "out.h5ad").exists()


def test_big_endian(tmp_path):
    def make(seed, genes):
        adata = small(seed, genes=genes, x=lambda values: values.astype(">f4"))
        adata.obs["n"] = adata.obs["n_genes"].to_numpy().astype(">i4")
        adata.var["n"] = adata.var["length"].to_numpy().astype(">i4")
        return adata

    out = merged(tmp_path, [make(0, "abcd"), make(1, "bcde")], {"join": "outer", "merge": "first"}, "big-endian")
    assert out.obs["n"].dtype == np.int32


def test_bytes_text(tmp_path):
    adata = obs(a=["x", "y"])
    path = tmp_path / "in.h5ad"
    differential.write(adata, path, "h5ad")
    with h5py.File(path, "r+") as file:
        del file["obs/a"]
        file["obs"].create_dataset("a", data="é").attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    expected = differential.oracle([path], {})
    assert "bytes-text" in expected.rules
    anncat.materialize([path], tmp_path / "out.h5ad", {})
    actual = differential.read(tmp_path / "out.h5ad")
    compare.equal(expected.adata, actual)
    assert actual.obs["a"].tolist() == ["é", "é"]


def test_half_sparse(tmp_path):
    dense = small(0, x=lambda values: values.astype(np.float16))
    out = merged(tmp_path, [dense, small(1, x=lambda values: sparse.csr_matrix(values, dtype=np.int8))], {}, "half-sparse")
    assert out.X.dtype == np.float32


def test_parts_missing(tmp_path):
    path, other = tmp_path / "a.h5ad", tmp_path / "other.h5"
    differential.write(ad.AnnData(np.ones((4, 2), "f4")), path, "h5ad")
    with h5py.File(path, "r+") as file:
        layout = h5py.VirtualLayout((4, 1), "f8")
        layout[:] = h5py.VirtualSource(str(other), "v", shape=(4, 1))
        made = file["obsm"].create_virtual_dataset("q", layout, fillvalue=-1)
        made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    assert ad.read_h5ad(path).obsm["q"].tolist() == [[-1]] * 4
    with pytest.raises(anncat.Failed, match="other.h5"):
        anncat.materialize([path], tmp_path / "out.h5ad", {}, "--follow-external")
