"""Corners of anndata.concat that once came out wrong, or that random inputs hardly ever meet."""

from __future__ import annotations

import itertools

import anndata as ad
import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from oracle import anncat, differential, zarr_inline
from programs import fuzz_semantics  # noqa: F401 (its harness)


def thing(n: int, names: str, tag: str, x=None, obs=None, var=None, **more) -> ad.AnnData:
    index = pd.Index([f"{tag}{i}" for i in range(n)], dtype=object)
    return ad.AnnData(
        X=x,
        obs=pd.DataFrame(obs or {}, index=index),
        var=pd.DataFrame(var or {}, index=pd.Index(list(names), dtype=object)),
        shape=(n, len(names)) if x is None else None,
        **more,
    )


def check(tmp_path, adatas, faces=("h5ad",), fmt="h5ad", **options) -> set[str]:
    """Compares; gives the rules of intended differences that were met."""
    paths = []
    with zarr_inline.inline():
        for i, adata in enumerate(adatas):
            paths.append(tmp_path / (f"in{i}.h5ad" if fmt == "h5ad" else f"in{i}.zarr"))
            differential.write(adata, paths[-1], fmt)
        expected = differential.oracle(paths, options)
        findings = differential.check(paths, options, faces, tmp_path, expected=expected)
    assert not findings, "\n".join(f"{f.face} {f.kind}: {f.detail}" for f in findings)
    return expected.rules


@pytest.mark.parametrize("rows", [2, 0])
def test_sparse_float16_becomes_float32(tmp_path, rows):
    """Neither scipy nor anndata reads sparse matrices of half precision."""
    a = thing(rows, "ab", "a", sparse.csr_matrix(np.ones((rows, 2), np.float32)), varm={"m": sparse.csr_matrix(np.eye(2, dtype=np.float32))})
    a.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        for path in ["X/data", "varm/m/data"]:
            data = file[path][:].astype(np.float16)
            del file[path]
            file[path] = data
    done = anncat.materialize([tmp_path / "a.h5ad"], tmp_path / "out.h5ad", {"merge": "first"})
    assert "float16" in done.stderr and "float32" in done.stderr
    out = ad.read_h5ad(tmp_path / "out.h5ad")
    assert out.X.dtype == np.float32 and out.varm["m"].dtype == np.float32
    assert (out.X.toarray() == 1).all() and (out.varm["m"].toarray() == np.eye(2)).all()


def array(*values, dtype=None):
    return np.array(values, dtype=dtype)


# Everything here is 1, or nothing, in one of the ways that uns can hold.
SAME = {
    "int": 1,
    "true": True,
    "float": 1.0,
    "int8": np.int8(1),
    "text": "1",
    "empty": "",
    "nan": float("nan"),
    "none": None,
    "ints": array(1),
    "floats": array(1.0),
    "bools": array(True),
    "texts": array("1", dtype=object),
    "nans": array(np.nan),
    "no floats": array(dtype=float),
    "no ints": array(dtype=int),
    "no texts": array(dtype=object),
    "dict": {"x": 1},
    "dict of float": {"x": 1.0},
    "empty dict": {},
    "csr": sparse.csr_matrix([[1.0]]),
    "csc": sparse.csc_matrix([[1.0]]),
    "square": array([1.0]),
    "square of text": array(["1"], dtype=object),
    "frame": pd.DataFrame({"x": [1]}, index=["0"]),
    "frame of float": pd.DataFrame({"x": [1.0]}, index=["0"]),
    "frame of text": pd.DataFrame({"x": ["1"]}, index=["0"]),
    "frame of categories": pd.DataFrame({"x": pd.Categorical([1])}, index=["0"]),
    "frame of nullables": pd.DataFrame({"x": pd.array([1], dtype="Int64")}, index=["0"]),
    "empty frame": pd.DataFrame(index=["0"]),
    "wide frame": pd.DataFrame({"x": [1], "y": [0.5]}, index=["0"]),
    "wide": array([1, 0.5]),
    "categories": pd.Categorical(["1"]),
    "categories of int": pd.Categorical([1]),
    "category missing": pd.Categorical([None], categories=[1]),
    "nullable": pd.array([1], dtype="Int64"),
    "nullable missing": pd.array([None], dtype="Int64"),
    "nullable bool": pd.array([True], dtype="boolean"),
    "nullable text": pd.array(["1"], dtype="string"),
    "record": np.array([(1,)], dtype=[("x", "i8")]),
    "record of float": np.array([(1.0,)], dtype=[("x", "f8")]),
}


@pytest.mark.parametrize("strategy", ["same", "unique"])
def test_equality_across_kinds(tmp_path, strategy):
    pairs = list(itertools.product(SAME, SAME))
    uns = [{f"{pair}": SAME[pair[side]] for pair in pairs} for side in (0, 1)]
    check(tmp_path, [thing(1, "a", "x", uns=uns[0]), thing(1, "a", "y", uns=uns[1])], uns_merge=strategy)


@pytest.mark.parametrize("axis", ["obs", "var"])
@pytest.mark.parametrize("join", ["inner", "outer"])
def test_aligned_array_and_frame_of_the_same_values(tmp_path, axis, join):
    mapping = "varm" if axis == "obs" else "obsm"
    values = array([1.0, 2.0], [3.0, 4.0], [5.0, 6.0])
    one, two = (thing(3, "abc", "s") for _ in range(2))
    if axis == "obs":
        two = two[:, [1, 0]].copy()
    else:
        two = two[[1, 0]].copy()
    rows = [1, 0]
    getattr(one, mapping)["same"] = values
    getattr(two, mapping)["same"] = values[rows]
    getattr(one, mapping)["framed"] = pd.DataFrame(values, columns=["u", "v"], index=getattr(one, "var_names" if axis == "obs" else "obs_names"))
    getattr(two, mapping)["framed"] = values[rows]
    getattr(one, mapping)["unframed"] = values
    getattr(two, mapping)["unframed"] = pd.DataFrame(values[rows], columns=["u", "v"], index=getattr(two, "var_names" if axis == "obs" else "obs_names"))
    if axis == "obs":
        two.obs_names = ["t0", "t1", "t2"]
    else:
        two.var_names = ["x", "y", "z"]
    check(tmp_path, [one, two], axis=axis, join=join, merge="same", index_unique="-")


@pytest.mark.parametrize("axis", ["obs", "var"])
@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("fmt", ["h5ad", "zarr3"])
def test_text_in_layers(tmp_path, axis, join, fmt):
    def texts(a, b):
        return array(*[[f"{i}{j}" for j in b] for i in a], dtype=object)

    if axis == "obs":
        inputs = [thing(2, "abc", "x", layers={"t": texts("xy", "abc")}), thing(3, "cab", "y", layers={"t": texts("uvw", "cab")})]
    else:
        inputs = [thing(3, "ab", "x", layers={"t": texts("012", "ab")}), thing(3, "cde", "x", layers={"t": texts("012", "cde")})]
        inputs[1] = inputs[1][[2, 0, 1]].copy()
    assert check(tmp_path, inputs, axis=axis, join=join, faces=("h5ad", "zarr"), fmt=fmt) == set()


@pytest.mark.parametrize("first", ["int64", "float64", "bool", "object"])
@pytest.mark.parametrize("join", ["inner", "outer"])
def test_no_categories(tmp_path, first, join):
    nothing = pd.Categorical([np.nan, np.nan], categories=pd.Index([], dtype=first))
    others = {
        "text": pd.Categorical(["a", "b"]),
        "ints": pd.Categorical([2, 1]),
        "floats": pd.Categorical([0.5, np.nan]),
        "bools": pd.Categorical([True, False]),
        "none": pd.Categorical([None, None]),
        "plain": array(1, 2),
        "nullable": pd.array([True, None], dtype="boolean"),
        "words": array("a", "b", dtype=object),
    }
    empty = dict.fromkeys(others, nothing)
    for inputs in ([others, empty], [empty, others], [empty, others, empty]):
        check(tmp_path, [thing(2, "a", f"s{i}", obs=obs) for i, obs in enumerate(inputs)], join=join)


def test_equal_categories_of_ints_and_floats(tmp_path):
    ints, floats = pd.Categorical([1, 2]), pd.Categorical([1.0, 2.0])
    check(tmp_path, [thing(2, "a", "x", obs={"c": ints, "d": floats}), thing(2, "a", "y", obs={"c": floats, "d": ints})])


def test_dtypes_of_sparse_parts_promote_together(tmp_path):
    """uint16 and int8 and float32 make float32, whatever the order."""
    parts = [sparse.csr_matrix((2, 1), dtype=dtype) for dtype in ("uint16", "int8", "float32")]
    for order in itertools.permutations(parts):
        check(tmp_path, [thing(2, "a", f"s{i}", x=x, obsp={"p": sparse.csr_matrix((2, 2), dtype=x.dtype)}) for i, x in enumerate(order)], pairwise=True)


@pytest.mark.parametrize("dtype", ["float16", "complex64", ">f4", ">i4"])
@pytest.mark.parametrize("fill_value", [None, 0])
def test_rare_dtypes(tmp_path, dtype, fill_value):
    def make(names, tag):
        x = np.arange(2 * len(names)).reshape(2, -1).astype(dtype)
        return thing(2, names, tag, layers={"l": x}, obsm={"m": x}, obs={"c": x[:, 0]}, uns={"u": x, "s": x[0, 0]})

    for join in ("inner", "outer"):
        options = {"join": join, "uns_merge": "first"} | ({} if fill_value is None else {"fill_value": fill_value})
        check(tmp_path, [make("abc", "x"), make("bcd", "y")], **options)


def test_awkward_with_unequal_fields(tmp_path):
    one = ak.Array({"a": [1, 2], "b": [[1.0], []]})
    two = ak.Array({"b": [[], [2.0, 3.0]], "c": ["x", "y"]})
    inputs = [thing(2, "a", "x", obsm={"k": one}), thing(2, "a", "y", obsm={"k": two})]
    for join in ("inner", "outer"):
        check(tmp_path, inputs, join=join, faces=("h5ad", "zarr"))


@pytest.mark.parametrize("strategy", ["same", "first", "only"])
@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("width", [0, 2])
def test_merged_text_without_rows_or_columns(tmp_path, strategy, rows, width):
    names = "ab"[:rows]
    text = np.full((rows, width), "t", dtype=object)
    inputs = [thing(1, names, "x", varm={"t": text}), thing(1, "abc", "y")]
    check(tmp_path, inputs, join="outer", merge=strategy)
    check(tmp_path, inputs, join="inner", merge=strategy)


@pytest.mark.parametrize("value", [None, True])
def test_booleans_of_which_none_is_there(tmp_path, value):
    """Beside numbers without rows they become objects, of which nothing tells that they were booleans."""
    left = thing(0, "ab", "s", obs={"k": array(dtype="int32")})
    check(tmp_path, [left, thing(1, "ab", "t", obs={"k": pd.array([value], dtype="boolean")})])


@pytest.mark.parametrize("width", [0, 1])
@pytest.mark.parametrize("kind", [np.array, sparse.csr_matrix])
@pytest.mark.parametrize("first", ["bool", "float64"])
def test_merged_booleans_that_are_filled_are_no_numbers(tmp_path, first, kind, width):
    """They become objects, and are equal to booleans that are filled alike, but to no numbers."""
    ones = np.ones((2, width))
    values = [ones.astype(bool), kind(ones)] if first == "bool" else [kind(ones), ones.astype(bool)]
    for i, (left, right) in enumerate([values, [values[0], values[0]]]):
        (tmp_path / str(i)).mkdir()
        adatas = [thing(2, "ab", "s", varm={"k": left}), thing(1, "ab", "t", varm={"k": right}), thing(1, "abc", "u")]
        for strategy in ("same", "unique"):
            check(tmp_path / str(i), adatas, join="outer", merge=strategy)


@pytest.mark.parametrize("where", ["uns/m", "uns/deep/m"])
def test_damage_in_uns_is_named(tmp_path, where):
    matrix = sparse.csr_matrix(np.eye(2))
    paths = [tmp_path / f"in{i}.h5ad" for i in range(2)]
    for i, path in enumerate(paths):
        uns = {"m": matrix, "deep": {"m": matrix}}
        differential.write(thing(1, "a", f"s{i}", uns=uns), path, "h5ad")
    with h5py.File(paths[1], "a") as file:
        file[f"{where}/indices"][1] = 9
    done = anncat.run("materialize", "--uns-merge", "same", *paths, "-o", tmp_path / "out.h5ad", check=False)
    assert done.code == 1
    assert f"{paths[1]}: /{where}/indices: " in done.stderr


@pytest.mark.parametrize("join", ["inner", "outer"])
@pytest.mark.parametrize("fmt", ["h5ad", "zarr3"])
def test_records_are_stacked(tmp_path, fmt, join):
    """Field by field in the common type; what an input lacks, or has other fields, cannot be."""
    left = np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")])
    right = np.array([(5, 6.0)], dtype=[("a", "i8"), ("b", "f4")])
    adatas = [thing(2, "ab", "s", obsm={"r": left}), thing(1, "ab", "t", obsm={"r": right})]
    check(tmp_path, adatas, faces=("h5ad", "zarr"), fmt=fmt, join=join)


def test_records_that_are_unlike_are_left_out_with_a_notice(tmp_path):
    paths = []
    for i, fields in enumerate([("a", "b"), ("a", "c")]):
        records = np.array([(1, 2.0)], dtype=[(fields[0], "i4"), (fields[1], "f8")])
        paths.append(tmp_path / f"in{i}.h5ad")
        differential.write(thing(1, "a", f"s{i}", obsm={"r": records}), paths[-1], "h5ad")
    done = anncat.run("materialize", *paths, "-o", tmp_path / "out.h5ad")
    assert "/obsm/r is left out: a record array cannot be combined here" in done.stderr


def test_records_are_not_stacked_under_other_names(tmp_path):
    """Layers of records, whose columns would have to move, and a single record where rows are due."""
    records = np.array([[(1, 2.0), (3, 4.0)]], dtype=[("a", "i4"), ("b", "f8")])
    paths = []
    for i, names in enumerate(["ab", "ba"]):
        paths.append(tmp_path / f"in{i}.h5ad")
        differential.write(thing(1, names, f"s{i}"), paths[-1], "h5ad")
        with h5py.File(paths[-1], "a") as file:
            file["layers"].create_dataset("r", data=records)
    out = tmp_path / "out.h5ad"
    done = anncat.run("materialize", *paths, "-o", out)
    assert "/layers/r is left out: a record array cannot be combined here" in done.stderr
    for path in paths:
        with h5py.File(path, "a") as file:
            file["obsm"].create_dataset("one", data=records[0, 0])
    done = anncat.run("materialize", "--force", *paths, "-o", out, check=False)
    assert done.code == 1 and f"{paths[0]}: /obsm/one" in done.stderr, done.stderr


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("values", [[True, None], [None, None], [False, True]], ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_bools_beside_categories_of_them(tmp_path, ordered, values, turned):
    """Missing values of the categories are not False."""
    flags = pd.Categorical(values, categories=[False, True], ordered=ordered)
    adatas = [thing(2, "a", "p", obs={"flag": flags}), thing(2, "a", "q", obs={"flag": array(True, False)})]
    rules = check(tmp_path, adatas[::-1] if turned else adatas, faces=("h5ad", "zarr"))
    assert ("bools-missing" in rules) == (None in values)


def test_categories_that_no_integer_holds(tmp_path):
    """Negative ones and such as only uint64 has."""
    lists = [array(-5, 7), array(2**63 + 5, 7, dtype="u8")]
    adatas = [thing(2, "a", tag, obs={"k": pd.Categorical(values)}) for tag, values in zip("pq", lists)]
    assert check(tmp_path, adatas, faces=("h5ad", "zarr")) == {"mixed-kinds"}


@pytest.mark.parametrize("group", ["obsm", "varm"])
def test_tables_whose_rows_are_others(tmp_path, group):
    """anndata does not read them; to give their rows other names would be worse."""
    table = pd.DataFrame({"a": [1, 2, 3]}, index=["x0", "x1", "x2"])
    names = pd.DataFrame(index=table.index)
    adata = ad.AnnData(np.ones((3, 3), dtype="f4"), obs=names, var=names, **{group: {"table": table}})
    path = tmp_path / "in.h5ad"
    adata.write_h5ad(path)
    anncat.run("inspect", path)
    with h5py.File(path, "a") as file:
        file[f"{group}/table/_index"][...] = array(b"x0", b"x2", b"x1", dtype=object)
    with pytest.raises(Exception, match="does not match"):
        ad.read_h5ad(path)
    done = anncat.run("inspect", path, check=False)
    assert done.code == 1
    assert f'{path}: /{group}/table: its index does not match' in done.stderr
    assert '"x2" where "x1" is' in done.stderr


@pytest.mark.parametrize("fmt", ["h5ad", "zarr"])
def test_what_is_not_read_in_uns_matters_only_with_it(tmp_path, fmt):
    adata = thing(2, "a", "p", uns={"read": 1})
    path = tmp_path / f"in.{fmt}"
    if fmt == "h5ad":
        adata.write_h5ad(path)
        with h5py.File(path, "a") as file:
            file["uns"].create_dataset("odd", (1,), h5py.vlen_dtype("i4"))
    else:
        adata.uns["odd"] = array("2020-01-01", dtype="M8[ns]")
        adata.write_zarr(path)
    out = tmp_path / "out.h5ad"
    done = anncat.run("materialize", path, path, "-o", out)
    assert "not kept: /uns/read, /uns/odd" in done.stderr, done.stderr
    assert differential.read(out).n_obs == 4
    done = anncat.run("materialize", "--uns-merge", "first", path, path, "-o", out, "--force", check=False)
    assert done.code == 1
    assert f"{path}: /uns/odd: " in done.stderr and "hint: leave out --uns-merge" in done.stderr, done.stderr


@pytest.mark.parametrize("fmt", ["h5ad", "zarr"])
def test_an_anndata_in_uns_stays_one(tmp_path, fmt):
    inner = thing(2, "ab", "q", x=np.eye(2, dtype="f4"), obs={"n": [1, 2]}, obsm={"X_pca": np.ones((2, 3))})
    inner.raw = inner.copy()
    path = tmp_path / "in.h5ad"
    thing(1, "a", "p", uns={"deep": {"inner": inner}}).write_h5ad(path)
    out = tmp_path / f"out.{fmt}"
    anncat.run("materialize", "--uns-merge", "first", path, path, "-o", out)
    found = differential.read(out).uns["deep"]["inner"]
    assert isinstance(found, ad.AnnData)
    assert np.array_equal(found.X, inner.X) and found.obs.equals(inner.obs) and found.raw.shape == (2, 2)
    # anndata cannot compare them.
    done = anncat.run("materialize", "--uns-merge", "same", path, path, "-o", out, "--force")
    assert "do not agree" in done.stderr and "deep" not in differential.read(out).uns


INDEXES = {
    "ints": [0, 1], "wide ints": np.array([0, 1], dtype="i2"), "floats": [0.0, 1.0], "bools": [False, True],
    "text": ["0", "1"], "text of bools": ["False", "True"], "other ints": [0, 2], "nan": [0.0, np.nan],
}  # fmt: skip


@pytest.mark.parametrize(("one", "other"), itertools.combinations_with_replacement(INDEXES, 2))
def test_indexes_of_frames_in_uns_are_compared_by_value(tmp_path, one, other):
    inputs = [thing(2, "a", name[0], uns={"t": pd.DataFrame({"a": [1, 2]}, index=INDEXES[name])}) for name in (one, other)]
    check(tmp_path, inputs, uns_merge="same")


def test_what_an_encoding_is_not_is_said(tmp_path):
    path = tmp_path / "in.h5ad"
    thing(2, "ab", "p", x=np.ones((2, 2), "f4"), obs={"n": [1, 2]}).write_h5ad(path)
    with h5py.File(path, "a") as file:
        file["obs/n"].attrs["encoding-type"] = "categorical"
        file.create_group("layers/nothing").attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        file.create_group("obsm/it's").attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    said = anncat.run("inspect", path, check=False).stderr
    assert '/obs/n: its encoding is "categorical", which is a group, but it is an array' in said, said
    said = anncat.run("inspect", "--drop", "obs/n", path, check=False).stderr
    assert "/layers/nothing: expected an array, found a group with nothing in it" in said, said
    said = anncat.run("inspect", "--drop", "obs/n", "--drop", "layers", path, check=False).stderr
    assert 'its encoding is "array", which is an array, but it is a group' in said, said
    assert "--drop 'obsm/it?s'" in said, said
    anncat.run("inspect", "--drop", "obs/n", "--drop", "layers", "--drop", "obsm/it?s", path)
