"""The comparison must see every kind of difference: a test that cannot fail is a defect."""

from __future__ import annotations

import awkward as ak
import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from draw import cases
from oracle import compare, differential, intended


def rich() -> ad.AnnData:
    """One of everything."""
    obs = pd.DataFrame(
        {
            "i": np.array([1, 2, 3], dtype="int32"),
            "f": [0.5, np.nan, 2.0],
            "s": ["a", "b", ""],
            "c": pd.Categorical(["x", None, "y"], categories=["y", "x"]),
            "ni": pd.array([1, None, 3], dtype="Int64"),
            "nb": pd.array([True, None, False], dtype="boolean"),
            "ns": pd.array(["u", None, "v"], dtype="string"),
        },
        index=["c1", "c2", "c3"],
    )
    rec = np.array([(1, 0.5), (2, 1.5)], dtype=[("n", "i8"), ("x", "f4")])
    out = ad.AnnData(
        X=sparse.csr_matrix(np.array([[0, 1], [2, 0], [0, 3]], dtype="float32")),
        obs=obs,
        var=pd.DataFrame({"v": [True, False]}, index=["g1", "g2"]),
        layers={"dense": np.arange(6.0).reshape(3, 2)},
        obsm={
            "df": pd.DataFrame({"q": [1, 2, 3]}, index=obs.index),
            "awk": ak.Array([[1], [], [2, 3]]),
            "cube": np.arange(12).reshape(3, 2, 2),
        },
        obsp={"p": sparse.csr_matrix(np.eye(3))},
        uns={"rec": rec, "sub": {"x": 1, "t": "text"}, "arr": np.array([1, 2]), "strs": np.array(["a", "b"], dtype=object), "f": 0.5},
    )
    out.raw = out.copy()
    return out


def _set(frame: str, column: str, value):
    def change(adata):
        getattr(adata, frame)[column] = value

    return change


def _columns(adata):
    adata.obs = adata.obs[["f", "i", "s", "c", "ni", "nb", "ns"]]


def _index(adata):
    adata.obs_names = ["c1", "c2", "c4"]


def _index_name(adata):
    adata.obs.index.name = "cell"


def _unsorted(adata):
    x = sparse.csr_matrix((np.array([1.0, 2, 3], "f4"), np.array([1, 0, 1]), np.array([0, 2, 3, 3])), shape=(3, 2))
    adata.X = x


def _raw(adata):
    raw = adata.raw.to_adata()
    raw.X = raw.X * 2
    adata.raw = raw


CHANGES = {
    "X value": lambda a: setattr(a, "X", a.X * 2),
    "X dtype": lambda a: setattr(a, "X", a.X.astype("float64")),
    "X format": lambda a: setattr(a, "X", a.X.tocsc()),
    "X dense": lambda a: setattr(a, "X", a.X.toarray()),
    "X absent": lambda a: setattr(a, "X", None),
    "X unsorted": _unsorted,
    "obs dtype": _set("obs", "i", np.array([1, 2, 3], "int64")),
    "obs NaN": _set("obs", "f", [0.5, 1.0, 2.0]),
    "obs string": _set("obs", "s", ["a", "b", "c"]),
    "obs categories order": _set("obs", "c", pd.Categorical(["x", None, "y"], categories=["x", "y"])),
    "obs categories unused": _set("obs", "c", pd.Categorical(["x", None, "y"], categories=["y", "x", "z"])),
    "obs ordered": _set("obs", "c", pd.Categorical(["x", None, "y"], categories=["y", "x"], ordered=True)),
    "obs codes": _set("obs", "c", pd.Categorical(["x", "x", "y"], categories=["y", "x"])),
    "obs categorical as strings": _set("obs", "c", ["x", "q", "y"]),
    "obs nullable value": _set("obs", "ni", pd.array([1, None, 4], dtype="Int64")),
    "obs nullable mask": _set("obs", "ni", pd.array([1, 2, 3], dtype="Int64")),
    "obs nullable dtype": _set("obs", "ni", pd.array([1, None, 3], dtype="Int32")),
    "obs nullable as float": _set("obs", "ni", [1, np.nan, 3]),
    "obs nullable bool": _set("obs", "nb", pd.array([True, None, True], dtype="boolean")),
    "obs nullable string": _set("obs", "ns", pd.array(["u", "w", "v"], dtype="string")),
    "obs column order": _columns,
    "obs column more": _set("obs", "more", 1),
    "obs column less": lambda a: a.obs.drop(columns="i", inplace=True),
    "obs index": _index,
    "obs index name": _index_name,
    "var column": _set("var", "v", [True, True]),
    "layer": lambda a: a.layers.__setitem__("dense", a.layers["dense"] + 1),
    "layer missing": lambda a: a.layers.pop("dense"),
    "layer more": lambda a: a.layers.__setitem__("x", a.layers["dense"]),
    "obsm frame": lambda a: a.obsm.__setitem__("df", a.obsm["df"].astype("float64")),
    "obsm awkward": lambda a: a.obsm.__setitem__("awk", ak.Array([[1], [], [2, 4]])),
    "obsm awkward type": lambda a: a.obsm.__setitem__("awk", ak.Array([[1.0], [], [2.0, 3.0]])),
    "obsm rank": lambda a: a.obsm.__setitem__("cube", a.obsm["cube"].reshape(3, 4)),
    "obsp": lambda a: a.obsp.__setitem__("p", a.obsp["p"] * 2),
    "raw": _raw,
    "raw absent": lambda a: setattr(a, "raw", None),
    "uns record value": lambda a: a.uns["rec"].__setitem__("x", [0.5, 1.0]),
    "uns record fields": lambda a: a.uns.__setitem__("rec", a.uns["rec"].astype([("m", "i8"), ("x", "f4")])),
    "uns nested": lambda a: a.uns["sub"].__setitem__("x", 2),
    "uns scalar type": lambda a: a.uns["sub"].__setitem__("x", 1.0),
    "uns array": lambda a: a.uns.__setitem__("arr", np.array([1, 3])),
    "uns array dtype": lambda a: a.uns.__setitem__("arr", np.array([1, 2], dtype="int8")),
    "uns strings": lambda a: a.uns.__setitem__("strs", np.array(["a", "c"], dtype=object)),
    "uns missing": lambda a: a.uns.pop("f"),
    "uns more": lambda a: a.uns.__setitem__("g", None),
}


def test_equal_to_itself():
    assert not compare.differences(rich(), rich())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_sees(change):
    changed = rich()
    change(changed)
    assert compare.differences(rich(), changed)
    if change is not CHANGES["X unsorted"]:
        assert compare.differences(changed, rich())


@pytest.mark.parametrize("fmt", ["h5ad", "zarr2", "zarr3"])
def test_files_keep_what_is_compared(fmt, tmp_path):
    """What anndata writes and reads is equal: the comparison asks for nothing that files lose."""
    path = tmp_path / f"x.{fmt[:4]}"
    differential.write(rich(), path, fmt)
    compare.equal(rich(), differential.read(path))


def test_shape_is_compared():
    assert compare.differences(rich(), rich()[:2].copy())


def test_draws_are_the_same_for_a_seed():
    one, two = cases.case(5), cases.case(5)
    assert one.options == two.options
    for a, b in zip(one.adatas, two.adatas, strict=True):
        assert not compare.differences(a, b, check_sorted=False)


def test_draws_meet_every_rule():
    """The fuzzer meets every intended difference, or it would not test them."""
    # The first three are about reading, the others are met once in a thousand.
    met = {"raw-without-rows", "parts-missing", "bytes-text", "unlike-unequal", "awkward-between"}
    for seed in range(400):
        case = cases.case(seed, "h5ad")
        with differential.quiet():
            met |= intended.expected(case.adatas, case.options).rules
        if met == set(intended.RULES):
            return
    assert met == set(intended.RULES)
