"""What anncat should give: `anndata.concat`, and where that cannot be written or fails, the table.

`RULES` is the whole list of intended differences. Each is described in docs/SEMANTICS.md under the
same name, and has a test of its own in test_intended.py. Anything else that differs is a defect.
"""

from __future__ import annotations

import contextlib
import itertools
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from unittest import mock

import anndata as ad
import awkward as ak
import natsort
import numpy as np
import pandas as pd
from anndata._core import merge
from anndata._core.merge import Reindexer
from scipy import sparse

from oracle import versions

RULES = {
    "own-format": "sparse inputs that all have one format keep it",
    "strings-missing": "a column of strings with missing values is categorical, as anndata writes it",
    "mixed-kinds": "a column that mixes kinds is strings",
    "bools-floats": "a column of bools beside one of floats is float64",
    "bools-missing": "a column of bools that a merge reindexed is a nullable-boolean",
    "nullable-float": "nullable integers with floats are floats with NaN",
    "dense-bool-filled": "a dense array of bools that is filled is float64, or complex128 among complex numbers",
    "text-filled": "an array of strings (in obsm or varm) that would be filled is left out",
    "awkward-filled": "a merged awkward array has None where an input lacks the name",
    "awkward-between": "an input without an awkward array (None), or with empty lists, stands between unlike ones",
    "awkward-refused": "where awkward itself fails on an element, its entries stand one after another",
    "raw-without-rows": "raw of an input without rows, or without X, is kept, which anndata forgets when it reads zarr",
    "duplicates-equal": "duplicated names that are equal in all inputs need no reindex",
    "unlike-unequal": "an array and an awkward array, or dicts beside what is none, are not equal in a merge",
    "big-endian": "big-endian numbers are numbers like all others",
    "bytes-text": "a scalar of bytes that stands for a column is text",
    "half-sparse": "float16 among sparse matrices is float32",
    "parts-missing": "a virtual dataset whose file is not there is an error",
    "x-in-some": "X in some inputs only: left out (inner) or filled (outer)",
}

HELD = "__anncat_x__"


@dataclass
class Expected:
    """What should come out: an object, or an error."""

    adata: ad.AnnData | None = None
    error: Exception | None = None
    rules: set[str] = field(default_factory=set)
    formats: dict[str, str] = field(default_factory=dict)
    # Awkward arrays that only their values tell, as lists.
    listed: dict[tuple[str, str], list] = field(default_factory=dict)

    def sparse_format(self, path: str, fmt: str) -> str:
        """The format that the sparse matrix at `path` should have."""
        return self.formats.get(path, fmt)


def concat_arguments(options: dict) -> dict:
    """The arguments of `anndata.concat` among `options`."""
    return {k: v for k, v in options.items() if k not in ("sparse_format", "missing_text", "keys_in_paths")}


def expected(adatas: list[ad.AnnData], options: dict) -> Expected:
    """The right result for `adatas` (as read from the inputs) under `options`."""
    out = Expected()
    arguments = concat_arguments(options)
    for adata in adatas:
        _native_numbers(adata, out.rules)
        for frame in _frames(adata):
            _text_of_bytes(frame, out.rules)
    _no_sparse_halves(adatas, options, out.rules)
    for group in _frames_along(adatas, options):
        _missing_bools(group, out.rules)
    with versions.older(out.rules):
        _no_nullables_with_halves(adatas, options, out.rules)
    axis, other = ("obs", "var") if options.get("axis", 0) in (0, "obs") else ("var", "obs")
    texts = _text_arrays(adatas, ("layers", f"{axis}m"))
    some_x = len({a.X is None for a in adatas}) == 2
    if some_x:
        out.rules.add("x-in-some")
        adatas = [_x_as_layer(a) for a in adatas]
    _formats(out, adatas, options)
    try:
        with _awkward_mended(out.rules), versions.older(out.rules):
            merged = _concat(adatas, arguments, out.rules)
    except Exception as error:  # whatever it is, anncat must fail as well
        merged = _without_refused(adatas, arguments, error, out)
        if merged is None:
            out.error = error
            return out
    if some_x and HELD in merged.layers:
        merged.X = merged.layers.pop(HELD)
        if f"layers/{HELD}" in out.formats:
            out.formats["X"] = out.formats.pop(f"layers/{HELD}")
    _absent_bools(getattr(merged, other), [getattr(a, other) for a in adatas], out.rules)
    _by_name(getattr(merged, axis), [getattr(a, axis) for a in adatas], out.rules)
    _bools_among_floats(getattr(merged, axis), [getattr(a, axis) for a in adatas], out.rules)
    for key, value in getattr(merged, f"{axis}m").items():
        parts = [getattr(a, f"{axis}m").get(key) for a in adatas]
        if isinstance(value, pd.DataFrame) and all(isinstance(part, pd.DataFrame) for part in parts):
            _bools_among_floats(value, parts, out.rules)
    for (name, key), mixed in texts.items():
        value = getattr(merged, name).get(key)
        # Nothing that is text may be left of them, but what is filled is there.
        if isinstance(value, np.ndarray) and (
            mixed or (value.size and not any(isinstance(v, str) for v in value.ravel()))
        ):
            out.rules.add("text-filled")
            del getattr(merged, name)[key]
    keeps_text = options.get("missing_text") == "nullable"
    versions.as_older_text(merged, out.rules, decided=False)
    out.adata = _storable(merged, out.rules, keeps_text)
    versions.as_older_text(out.adata, out.rules, decided=True)
    return out


def _without_refused(adatas, arguments: dict, error: Exception, out: Expected) -> ad.AnnData | None:
    """The result where awkward itself fails on one element: its entries stand one after another."""
    if not any("/awkward/" in frame.filename for frame in traceback.extract_tb(error.__traceback__)):
        return None
    axis, mapping = (0, "obsm") if arguments.get("axis", 0) in (0, "obs") else (1, "varm")
    lists = {}
    for key in sorted({k for a in adatas for k in getattr(a, mapping)}):
        held = [getattr(a, mapping).get(key) for a in adatas]
        if arguments.get("join") == "outer":
            # Only so does the key remain where an input lacks it.
            held = [ak.Array([None] * a.shape[axis]) if v is None else v for a, v in zip(adatas, held)]
        # The fields of records would be joined if all were records; inner, records beside others have none.
        are_records = all if arguments.get("join") == "outer" else any
        if all(isinstance(v, ak.Array) for v in held) and not are_records("{" in str(v.type) for v in held):
            lists[mapping, key] = [entry for value in held for entry in value.to_list()]
    for refused in itertools.chain.from_iterable(itertools.combinations(lists, n + 1) for n in range(len(lists))):
        copies = [a.copy() for a in adatas]
        for copy, (_, key) in itertools.product(copies, refused):
            getattr(copy, mapping).pop(key, None)
        try:
            with _awkward_mended(out.rules), versions.older(out.rules):
                merged = _concat(copies, arguments, out.rules)
        except Exception:
            continue
        out.rules.add("awkward-refused")
        out.listed = {place: lists[place] for place in refused}
        return merged
    return None


def _concat(adatas, arguments: dict, rules: set[str]) -> ad.AnnData:
    try:
        return ad.concat(adatas, **arguments)
    except (pd.errors.InvalidIndexError, ValueError):
        other = "obs" if arguments.get("axis", 0) in (1, "var") else "var"
        names = [getattr(a, f"{other}_names") for a in adatas]
        if names[0].is_unique or not all(n.equals(names[0]) for n in names):
            raise
        # Equal names need no reindex, whether they are unique or not: so they stand for positions.
        copies = [a.copy() for a in adatas]
        for copy in copies:
            index = getattr(copy, other).index
            _rename(copy, other, pd.Index([f"{i:09}" for i in range(len(index))], name=index.name))
        merged = ad.concat(copies, **arguments)
        rules.add("duplicates-equal")
        _rename(merged, other, names[0].rename(getattr(merged, other).index.name))
        return merged


def _absent_bools(merged: pd.DataFrame, frames, rules: set[str]) -> None:
    """A merged column of bools that has no value left is an object column like any other."""
    for column in merged.columns:
        lost = merged[column].dtype == object and len(merged) and merged[column].isna().all()
        if lost and any(column in frame and frame[column].dtype == bool for frame in frames):
            rules.add("bools-missing")
            merged[column] = pd.array([None] * len(merged), dtype="boolean")


def _text_arrays(adatas, mappings) -> dict[tuple[str, str], bool]:
    """The arrays of strings in mappings, and whether an input has numbers in the place of them."""
    kinds: dict[tuple[str, str], set[bool]] = {}
    for adata in adatas:
        for name in mappings:
            for key, value in getattr(adata, name).items():
                if isinstance(value, np.ndarray):
                    kinds.setdefault((name, key), set()).add(value.dtype == object)
    return {place: len(found) == 2 for place, found in kinds.items() if True in found}


def _frames(adata: ad.AnnData):
    """Every frame of an input that concat looks into."""
    yield from (adata.obs, adata.var)
    if adata.raw is not None:
        yield adata.raw.var
    for mapping in (adata.obsm, adata.varm):
        yield from (value for value in mapping.values() if isinstance(value, pd.DataFrame))


def _frames_along(adatas, options: dict):
    """The frames that come to stand one after another, of each place in the result."""
    axis = "obs" if options.get("axis", 0) in (0, "obs") else "var"
    yield [getattr(a, axis) for a in adatas]
    for key in {key for a in adatas for key in getattr(a, f"{axis}m")}:
        values = [getattr(a, f"{axis}m").get(key) for a in adatas]
        yield [v for v in values if isinstance(v, pd.DataFrame)]


def _text_of_bytes(frame: pd.DataFrame, rules: set[str]) -> None:
    """A dataset without dimensions as a column: h5py gives its text as bytes, whatever it is encoded in."""
    for at in range(frame.shape[1]):
        column = frame.iloc[:, at]
        if column.dtype == object and len(column) and all(isinstance(v, bytes) for v in column):
            rules.add("bytes-text")
            frame.isetitem(at, np.array([v.decode() for v in column], dtype=object))


def _missing_bools(frames, rules: set[str]) -> None:
    """pandas makes True of what is missing, where bools meet a categorical that has the type of them for
    categories and none of them."""
    for column in {c for frame in frames for c in frame.columns}:
        having = [frame for frame in frames if column in frame.columns and len(frame)]
        hollow = [f for f in having if _has_no_bools(f[column].dtype)]
        others = [f[column].dtype == bool for f in having if not _has_no_bools(f[column].dtype)]
        if hollow and others and all(others):
            rules.add("bools-missing")
            for frame in hollow:
                frame[column] = pd.array([None] * len(frame), dtype="boolean")


def _has_no_bools(dtype) -> bool:
    return isinstance(dtype, pd.CategoricalDtype) and dtype.categories.dtype == bool and not len(dtype.categories)


def _no_nullables_with_halves(adatas, options, rules: set[str]) -> None:
    """pandas has no nullable float16, so that nullable integers beside float16 become objects there.
    They are floats like beside any other float."""
    for group in _frames_along(adatas, options):
        for column in {c for frame in group for c in frame.columns}:
            having = [frame for frame in group if column in frame.columns]
            nullable = [f for f in having if isinstance(f[column].dtype, pd.core.arrays.integer.IntegerDtype)]
            if nullable and any(f[column].dtype == np.float16 for f in having) and _are_floats_beside_floats(having, column):
                rules.add("nullable-float")
                for frame in nullable:
                    dtype = np.result_type(np.float16, frame[column].dtype.numpy_dtype)
                    frame[column] = frame[column].to_numpy(dtype=dtype, na_value=np.nan)


def _are_floats_beside_floats(frames, column: str) -> bool:
    """Whether a column of objects would be numbers, if its halves were any other floats."""

    def concatenated(parts):
        return pd.concat(parts, ignore_index=True)[column].dtype

    parts = [frame[[column]].reset_index(drop=True) for frame in frames]
    others = [p.astype(np.float32) if p[column].dtype == np.float16 else p for p in parts]
    return concatenated(parts) == object and pd.api.types.is_numeric_dtype(concatenated(others))


def _native(value, rules: set[str]):
    """`value` with big-endian numbers made native: pandas and scipy refuse them in places."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "iufc" and value.dtype.byteorder == ">":
        rules.add("big-endian")
        return value.astype(value.dtype.newbyteorder("="))
    if isinstance(value, pd.DataFrame):
        for at, dtype in enumerate(value.dtypes):
            if isinstance(dtype, np.dtype) and dtype.byteorder == ">":
                value.isetitem(at, _native(value.iloc[:, at].to_numpy(), rules))
        return value
    if isinstance(value, dict):
        return {key: _native(item, rules) for key, item in value.items()}
    return value


def _native_numbers(adata: ad.AnnData, rules: set[str]) -> None:
    """Makes what an input holds native, in place."""
    x = _native(adata.X, rules)
    if x is not adata.X:
        adata.X = x
    if adata.raw is not None:
        adata.raw._X = _native(adata.raw.X, rules)
    for frame in (adata.obs, adata.var, *([] if adata.raw is None else [adata.raw.var])):
        _native(frame, rules)
    for name in ("layers", "obsm", "varm", "obsp", "varp"):
        mapping = getattr(adata, name)
        for key, value in list(mapping.items()):
            native = _native(value, rules)
            if native is not value:
                mapping[key] = native
    adata.uns = _native(dict(adata.uns), rules)


def _no_sparse_halves(adatas, options: dict, rules: set[str]) -> None:
    """Makes dense float16 float32, in place, where it meets sparse matrices: scipy has none of it."""
    axis = "obs" if options.get("axis", 0) in (0, "obs") else "var"
    groups = [[(a, "X", None) for a in adatas if a.X is not None]]
    groups += [[(a.raw, "raw", None) for a in adatas if a.raw is not None]]
    for mapping in ("layers", f"{axis}m"):
        for key in {k for a in adatas for k in getattr(a, mapping)}:
            groups.append([(a, mapping, key) for a in adatas if key in getattr(a, mapping)])
    for group in groups:
        values = [a.X if key is None else getattr(a, name)[key] for a, name, key in group]
        if not any(sparse.issparse(v) for v in values):
            continue
        for (a, name, key), value in zip(group, values, strict=True):
            if isinstance(value, np.ndarray) and value.dtype == np.float16:
                rules.add("half-sparse")
                if name == "X":
                    a.X = value.astype(np.float32)
                elif name == "raw":
                    a._X = value.astype(np.float32)
                else:
                    getattr(a, name)[key] = value.astype(np.float32)
    if options.get("pairwise"):
        for a in adatas:
            pairs = getattr(a, f"{axis}p")
            for key, value in list(pairs.items()):
                if isinstance(value, np.ndarray) and value.dtype == np.float16:
                    rules.add("half-sparse")
                    pairs[key] = value.astype(np.float32)


def _rename(adata: ad.AnnData, axis: str, names: pd.Index) -> None:
    """Gives an axis other names, in place, and the frames that are aligned to it."""
    frames = [v for v in getattr(adata, f"{axis}m").values() if isinstance(v, pd.DataFrame)]
    for frame in [getattr(adata, axis), *frames]:
        frame.index = names


def _is_unknown(layout) -> bool:
    """Whether there are nothing but missing values of unknown type, as anndata puts for an absent array."""
    return layout.is_option and layout.content.is_unknown


def _is_hollow(layout) -> bool:
    """Whether there are lists, and nothing in any of them."""
    return layout.is_list and layout.minmax_depth[0] > 1 and str(layout.form.type).endswith("unknown")


def _nothing_between_unlike(layouts, nothing) -> bool:
    """Whether nothing (missing values, empty lists) stands between arrays that awkward would not merge
    without it. It merges with everything, so that awkward fails, or takes text for the numbers of its
    bytes."""
    previous, between = None, False
    for layout, holds_nothing in zip(layouts, nothing, strict=True):
        if holds_nothing:
            between = True
            continue
        if between and previous is not None and not ak._do.mergeable(previous, layout):
            return True
        previous, between = layout, False
    return False


@contextlib.contextmanager
def _awkward_mended(rules: set[str]):
    """anndata puts the last entry where a name is missing (it indexes with -1); None is meant. It
    cannot compare an array with an awkward one. And awkward cannot put nothing between arrays of
    unlike types, which it can put one after another."""
    original = Reindexer._apply_to_awkward

    def fill(self, el, *, axis, fill_value=None):
        if axis == 0 and not self.no_change and (self.idx == -1).any() and len(el):
            rules.add("awkward-filled")
            return ak.pad_none(el, len(el) + 1, axis=0)[self.idx]
        return original(self, el, axis=axis, fill_value=fill_value)

    compare = merge.equal

    def equal(a, b) -> bool:
        try:
            return compare(a, b)
        except ValueError:
            # Dicts are merged key by key where all are dicts. Beside something else they are
            # compared as a whole, which Python cannot do when they hold arrays.
            if not (isinstance(a, Mapping) and isinstance(b, Mapping)):
                raise
            rules.add("unlike-unequal")
            return False
        except AttributeError:
            # An awkward array has no shape, for which anndata asks nevertheless.
            if isinstance(a, ak.Array) == isinstance(b, ak.Array):
                raise
            rules.add("unlike-unequal")
            return False

    join = ak.concatenate

    def concatenate(arrays, axis=0, **arguments):
        layouts = [ak.to_layout(a) for a in arrays]
        missing, hollow = [*map(_is_unknown, layouts)], [*map(_is_hollow, layouts)]
        if axis != 0 or not _nothing_between_unlike(layouts, [a or b for a, b in zip(missing, hollow, strict=True)]):
            return join(arrays, axis=axis, **arguments)
        rules.add("awkward-between")
        if not any(missing):
            # Empty lists are of the type of what stands before them, or else of the first.
            full = [i for i, empty in enumerate(hollow) if not empty]
            return concatenate([join(arrays[a:b]) for a, b in itertools.pairwise([0, *full[1:], len(arrays)])])
        present = concatenate([a for a, lacks in zip(arrays, missing, strict=True) if not lacks])
        places, at = [], 0
        for array, lacks in zip(arrays, missing, strict=True):
            places += [len(present)] * len(array) if lacks else range(at, at + len(array))
            at += 0 if lacks else len(array)
        return ak.pad_none(present, len(present) + 1, axis=0)[np.array(places, dtype=int)]

    with (
        mock.patch.object(ak, "concatenate", concatenate),
        mock.patch.object(Reindexer, "_apply_to_awkward", fill),
        mock.patch.object(merge, "equal", equal),
    ):
        yield


def _x_as_layer(adata: ad.AnnData) -> ad.AnnData:
    """X where anndata knows what to do when some lack it: among the layers (anndata 0.13's rule)."""
    adata = adata.copy()
    if adata.X is not None:
        adata.layers[HELD] = adata.X
        adata.X = None
    return adata


def _formats(out: Expected, adatas, options) -> None:
    axis = "obs" if options.get("axis", 0) in (0, "obs") else "var"
    wanted = options.get("sparse_format", "auto")

    def note(path: str, elements: list) -> None:
        formats = {e.format if sparse.issparse(e) else "other" for e in elements}
        if formats == {"other"}:
            return
        if wanted != "auto":
            out.formats[path] = wanted
        elif formats == {"csc"}:
            out.formats[path] = "csc"
            out.rules.add("own-format")
        else:
            out.formats[path] = "csr"

    note("X", [a.X for a in adatas if a.X is not None] or [None])
    for mapping in ("layers", f"{axis}m"):
        for key in {k for a in adatas for k in getattr(a, mapping)}:
            note(f"{mapping}/{key}", [getattr(a, mapping)[key] for a in adatas if key in getattr(a, mapping)])
    if all(a.raw is not None for a in adatas):
        note("raw/X", [a.raw.X for a in adatas])
    for key in {k for a in adatas for k in getattr(a, f"{axis}p")}:
        out.formats[f"{axis}p/{key}"] = "csr"


def _storable(adata: ad.AnnData, rules: set[str], keeps_text: bool) -> ad.AnnData:
    """`adata` with what no file can hold replaced by what the rules say. `keeps_text`: strings with
    missing values stay strings."""
    adata.obs = _frame(adata.obs, rules, keeps_text)
    adata.var = _frame(adata.var, rules, keeps_text)
    for mapping in (adata.layers, adata.obsm, adata.varm, adata.obsp, adata.varp):
        for key in list(mapping):
            value = mapping[key]
            if isinstance(value, pd.DataFrame):
                mapping[key] = _frame(value, rules, keeps_text)
            elif isinstance(value, np.ndarray) and _filled_text(value):
                rules.add("text-filled")
                del mapping[key]
            elif isinstance(value, np.ndarray):
                mapping[key] = _dense(value, rules)
    if isinstance(adata.X, np.ndarray):
        adata.X = _dense(adata.X, rules)
    if adata.raw is not None:
        x = adata.raw.X
        raw = ad.AnnData(
            X=_dense(x, rules) if isinstance(x, np.ndarray) else x,
            var=_frame(adata.raw.var, rules, keeps_text),
            obs=adata.obs[[]],
        )
        for key, value in adata.raw.varm.items():
            raw.varm[key] = _dense(value, rules) if isinstance(value, np.ndarray) else value
        adata.raw = raw
    return adata


def _dense(array: np.ndarray, rules: set[str]) -> np.ndarray:
    if array.size and array.dtype == object and not any(isinstance(v, str) for v in array.ravel()):
        rules.add("dense-bool-filled")
        is_complex = any(isinstance(v, (complex, np.complexfloating)) for v in array.ravel())
        return array.astype(np.complex128 if is_complex else np.float64)
    return array


def _filled_text(array: np.ndarray) -> bool:
    return array.dtype == object and 0 < sum(isinstance(v, str) for v in array.ravel()) < array.size


def _frame(frame: pd.DataFrame, rules: set[str], keeps_text: bool) -> pd.DataFrame:
    columns = {name: _column(frame[name], rules, keeps_text) for name in frame.columns}
    out = pd.DataFrame(columns, index=frame.index)
    out.columns = frame.columns
    return out


def _column(column: pd.Series, rules: set[str], keeps_text: bool) -> pd.Series:
    if isinstance(column.dtype, (pd.Float64Dtype, pd.Float32Dtype)):
        rules.add("nullable-float")
        values = column.to_numpy(dtype=column.dtype.numpy_dtype, na_value=np.nan)
        return pd.Series(values, index=column.index)
    if isinstance(column.dtype, pd.CategoricalDtype) and _mixed(column.cat.categories):
        rules.add("mixed-kinds")
        return column.cat.rename_categories(str)
    if isinstance(column.dtype, pd.StringDtype) and column.isna().any() and not keeps_text:
        rules.add("strings-missing")
        return _written(column.astype(object))
    if column.dtype != object:
        return column
    missing = column.isna().to_numpy()
    present = [v for v, m in zip(column, missing, strict=True) if not m]
    if all(isinstance(v, str) for v in present):
        if not missing.any():
            return column
        rules.add("strings-missing")
    elif all(isinstance(v, (bool, np.bool_)) for v in present):
        rules.add("bools-missing")
        values = [None if m else bool(v) for v, m in zip(column, missing, strict=True)]
        return pd.Series(pd.array(values, dtype="boolean"), index=column.index)
    else:
        rules.add("mixed-kinds")
    values = [None if m else v if isinstance(v, str) else str(v) for v, m in zip(column, missing, strict=True)]
    if missing.any():
        if not keeps_text:
            return _written(pd.Series(values, index=column.index, dtype=object))
        return pd.Series(pd.array(values, dtype="string"), index=column.index)
    return pd.Series(np.array(values, dtype=object), index=column.index)


def _written(column: pd.Series) -> pd.Series:
    """A column of strings of which some are missing, as it is after anndata wrote it."""
    if column.isna().all():
        # Of a column of nothing pandas cannot tell that it would be strings.
        return pd.Series(pd.Categorical(column, categories=pd.Index([], dtype=object)), index=column.index)
    frame = pd.DataFrame({"column": column})
    ad.AnnData().strings_to_categoricals(frame)
    assert isinstance(frame["column"].dtype, pd.CategoricalDtype)
    return frame["column"]


def _mixed(categories: pd.Index) -> bool:
    """Whether no file can hold these as categories: text with others, or booleans with numbers."""
    return categories.dtype == object and not all(isinstance(c, str) for c in categories)


def _bools_among_floats(frame: pd.DataFrame, parts: list[pd.DataFrame], rules: set[str]) -> None:
    """Makes floats of columns that pandas has as objects although numpy had made floats of all their
    values. Columns of nothing become missing first where floats are left beside the bools."""
    for name in frame.columns:
        if frame[name].dtype != object or not len(frame) or not all(name in part.columns for part in parts):
            continue
        columns = [part[name] for part in parts]
        if not all(isinstance(c.dtype, np.dtype) and c.dtype.kind in "bfiu" for c in columns):
            continue
        floats = [c for c in columns if c.dtype.kind == "f"]
        nothing = [c for c in floats if c.isna().all()]
        if not floats or not any(c.dtype.kind == "b" for c in columns) or 0 < len(nothing) < len(floats):
            continue
        rules.add("bools-floats")
        frame[name] = frame[name].astype(np.float64)


def _by_name(frame: pd.DataFrame, parts: list[pd.DataFrame], rules: set[str]) -> None:
    """Makes categories that mix kinds text where their text does not follow from pandas' result:
    True and 1, which pandas takes for one, stay apart; 1 and "1" become one. The order is the
    natural one of the values."""
    for name in frame.columns:
        columns = [p[name] if name in p.columns else pd.Series([None] * len(p), dtype=object) for p in parts]
        lists = [list(c.cat.categories) for c in columns if isinstance(c.dtype, pd.CategoricalDtype)]
        merged = frame[name].dtype
        if not isinstance(merged, pd.CategoricalDtype) or not _mixed(merged.categories):
            continue
        if len({str(c) for categories in lists for c in categories}) == len(set(map(str, merged.categories))) == len(merged.categories):
            continue
        rules.add("mixed-kinds")
        lists.sort(key=lambda categories: bool(categories) and isinstance(categories[0], str))
        value = {}
        for categories in lists:
            for category in sorted(categories, key=str):
                value.setdefault(str(category), category)
        order = natsort.natsorted(value, key=value.get)
        values = [None if pd.isna(v) else str(v) for c in columns for v in c]
        frame[name] = pd.Categorical(values, categories=order)
