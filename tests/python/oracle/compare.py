"""Strict equality of two AnnData objects, as far as files can hold it.

Values, dtypes, categories and their order, ordered flags, index values and names, column order,
masks, fields of records, types of awkward arrays, sparse formats and sorted indices. Key order of
mappings is left out: h5py and anndata's own zarr both read keys back by name.

This module knows nothing of anncat; what may differ on purpose is in `intended.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

MAX_SHOWN = 12


class Differences(list):
    """Sentences, each beginning with the path of an element."""

    def add(self, path: str, what: str) -> None:
        self.append(f"{path}: {what}")

    def __str__(self) -> str:
        shown = [f"  {line}" for line in self[:MAX_SHOWN]]
        if len(self) > MAX_SHOWN:
            shown.append(f"  ... and {len(self) - MAX_SHOWN} more")
        return "\n".join(shown)


def differences(expected, actual, *, sparse_format=None, check_sorted: bool = True) -> Differences:
    """Everything in which `actual` is not `expected`.

    `sparse_format(path, expected_format)` gives the format that a sparse matrix should have;
    without it, the expected one's own. `check_sorted` asks for sorted indices in every sparse
    matrix of `actual` that a concatenation made (X, layers, the concatenated axis's mappings, raw).
    """
    out = Differences()
    state = _State(out, sparse_format or (lambda _path, fmt: fmt), check_sorted)
    if expected.shape != actual.shape:
        out.add("", f"shape {actual.shape}, should be {expected.shape}")
    for axis in ("obs", "var"):
        _frame(state, axis, getattr(expected, axis), getattr(actual, axis))
    _optional(state, "X", expected.X, actual.X)
    for name in ("layers", "obsm", "varm", "obsp", "varp"):
        _mapping(state, name, _named(getattr(expected, name)), _named(getattr(actual, name)))
    _mapping(state, "uns", expected.uns, actual.uns)
    if not expected.n_obs or not actual.n_obs:
        # Without rows, raw is there or not by the accident of who reads it (it counts as false).
        pass
    elif (expected.raw is None) != (actual.raw is None):
        out.add("raw", f"{_presence(actual.raw)}, should be {_presence(expected.raw)}")
    elif expected.raw is not None:
        _elem(state, "raw/X", expected.raw.X, actual.raw.X)
        _frame(state, "raw/var", expected.raw.var, actual.raw.var)
        _mapping(state, "raw/varm", dict(expected.raw.varm), dict(actual.raw.varm))
    return out


def equal(expected, actual, **options) -> None:
    """Raises AssertionError that lists the differences, if there are any."""
    found = differences(expected, actual, **options)
    assert not found, f"not equal:\n{found}"


class _State:
    def __init__(self, out, sparse_format, check_sorted):
        self.out = out
        self.sparse_format = sparse_format
        self.check_sorted = check_sorted


def _named(mapping) -> dict:
    """The elements of a mapping; anndata 0.13 has X among the layers, under None."""
    return {key: value for key, value in mapping.items() if key is not None}


def _presence(value) -> str:
    return "absent" if value is None else "present"


def _optional(state, path, expected, actual) -> None:
    if (expected is None) != (actual is None):
        state.out.add(path, f"{_presence(actual)}, should be {_presence(expected)}")
    elif expected is not None:
        _elem(state, path, expected, actual)


def _mapping(state, path, expected, actual) -> None:
    for key in expected:
        if key not in actual:
            state.out.add(f"{path}/{key}", f"is missing ({_kind(expected[key])})")
    for key in actual:
        if key not in expected:
            state.out.add(f"{path}/{key}", f"should not be there ({_kind(actual[key])})")
    for key, value in expected.items():
        if key in actual:
            _elem(state, f"{path}/{key}", value, actual[key])


def _kind(value) -> str:
    # What a reader makes of a dataset without a dataspace, where nothing says that it is a None.
    if value is None or isinstance(value, h5py.Empty):
        return "null"
    if isinstance(value, Mapping):
        return "dict"
    if isinstance(value, pd.DataFrame):
        return "dataframe"
    if sparse.issparse(value):
        return "sparse"
    if isinstance(value, ak.Array):
        return "awkward"
    if isinstance(value, pd.Categorical):
        return "categorical"
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return "nullable"
    if isinstance(value, np.ndarray) and value.dtype.names is not None:
        return "record"
    if isinstance(value, np.ndarray) and value.ndim > 0:
        return "array"
    if isinstance(value, str):
        return "string"
    return "scalar"


def _elem(state, path, expected, actual) -> None:
    # What a lazy reader gives is compared by what it computes.
    if hasattr(actual, "compute"):
        actual = actual.compute()
    kind, other = _kind(expected), _kind(actual)
    if kind != other:
        state.out.add(path, f"is a {other}, should be a {kind}")
        return
    {
        "null": lambda *_: None,
        "dict": _mapping,
        "dataframe": _frame,
        "sparse": _sparse,
        "awkward": _awkward,
        "categorical": _categorical,
        "nullable": _nullable,
        "record": _record,
        "array": _array,
        "string": _scalar,
        "scalar": _scalar,
    }[kind](state, path, expected, actual)


def _frame(state, path, expected, actual) -> None:
    _index(state, f"{path} index", expected.index, actual.index)
    if list(expected.columns) != list(actual.columns):
        state.out.add(path, f"columns {list(actual.columns)}, should be {list(expected.columns)}")
        return
    if len(expected) != len(actual):
        return
    for at, name in enumerate(expected.columns):
        _column(state, f"{path}/{name}", expected.iloc[:, at], actual.iloc[:, at])


def _column(state, path, expected, actual) -> None:
    e, a = expected.array, actual.array
    if type(e) is pd.arrays.NumpyExtensionArray:
        e = e.to_numpy()
    if type(a) is pd.arrays.NumpyExtensionArray:
        a = a.to_numpy()
    if _kind(e) != _kind(a):
        state.out.add(path, f"dtype {actual.dtype}, should be {expected.dtype}")
        return
    _elem(state, path, e, a)


def _index(state, path, expected, actual) -> None:
    if expected.name != actual.name:
        state.out.add(path, f"is named {actual.name!r}, should be {expected.name!r}")
    if len(expected) != len(actual):
        state.out.add(path, f"has {len(actual)} entries, should have {len(expected)}")
    elif [str(v) for v in expected] != [str(v) for v in actual]:
        wrong = next(i for i, (e, a) in enumerate(zip(expected, actual)) if str(e) != str(a))
        state.out.add(path, f"[{wrong}] is {actual[wrong]!r}, should be {expected[wrong]!r}")


def _sparse(state, path, expected, actual) -> None:
    should = state.sparse_format(path, expected.format)
    if should is not None and actual.format != should:
        state.out.add(path, f"is {actual.format}, should be {should}")
    if expected.shape != actual.shape:
        state.out.add(path, f"shape {actual.shape}, should be {expected.shape}")
        return
    if expected.dtype != actual.dtype:
        state.out.add(path, f"dtype {actual.dtype}, should be {expected.dtype}")
    made = not path.startswith(("uns", "varm", "obsm", "varp", "obsp"))
    if state.check_sorted and made and not actual.has_sorted_indices:
        # has_sorted_indices is a flag that scipy computes on first use, so this reads them.
        state.out.add(path, "has unsorted indices")
    _values(state, path, expected.toarray(), actual.toarray())


def _awkward(state, path, expected, actual) -> None:
    if len(expected) != len(actual):
        state.out.add(path, f"has {len(actual)} entries, should have {len(expected)}")
        return
    if _awkward_type(expected) != _awkward_type(actual):
        state.out.add(path, f"type {actual.type}, should be {expected.type}")
    e, a = repr(ak.to_list(expected)), repr(ak.to_list(actual))
    if e != a:
        state.out.add(path, f"is {a[:200]}, should be {e[:200]}")


def _awkward_type(array) -> str:
    return str(array.type)


def _categorical(state, path, expected, actual) -> None:
    if expected.ordered != actual.ordered:
        state.out.add(path, f"ordered is {actual.ordered}, should be {expected.ordered}")
    e, a = expected.categories, actual.categories
    if not _same_category_dtype(e.dtype, a.dtype):
        state.out.add(path, f"categories are {a.dtype}, should be {e.dtype}")
    if list(e) != list(a):
        state.out.add(path, f"categories {list(a)[:20]}, should be {list(e)[:20]}")
    elif not np.array_equal(expected.codes, actual.codes):
        state.out.add(path, f"values {list(actual)[:20]}, should be {list(expected)[:20]}")


def _same_category_dtype(expected, actual) -> bool:
    text = (object, "string")
    if any(expected == t for t in text) and any(actual == t for t in text):
        return True
    return expected == actual


def _nullable(state, path, expected, actual) -> None:
    text = isinstance(expected.dtype, pd.StringDtype) and isinstance(actual.dtype, pd.StringDtype)
    if expected.dtype != actual.dtype and not text:
        state.out.add(path, f"dtype {actual.dtype}, should be {expected.dtype}")
        return
    if len(expected) != len(actual):
        state.out.add(path, f"has {len(actual)} entries, should have {len(expected)}")
        return
    e_mask, a_mask = np.asarray(pd.isna(expected)), np.asarray(pd.isna(actual))
    if not np.array_equal(e_mask, a_mask):
        state.out.add(path, f"is missing at {np.flatnonzero(a_mask)[:20]}, should be at {np.flatnonzero(e_mask)[:20]}")
        return
    keep = ~e_mask
    e, a = np.asarray(expected[keep]), np.asarray(actual[keep])
    if e.tolist() != a.tolist():
        state.out.add(path, f"values {a.tolist()[:20]}, should be {e.tolist()[:20]}")


def _is_text(array) -> bool:
    return array.dtype.kind in "UT" or (
        array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel())
    )


def _native(dtype):
    """Byte order is the file's business. (numpy's StringDType has none, and says so by raising.)"""
    return dtype if dtype.kind == "T" else dtype.newbyteorder("=")


def _array(state, path, expected, actual) -> None:
    if expected.shape != actual.shape:
        state.out.add(path, f"shape {actual.shape}, should be {expected.shape}")
        return
    if expected.size == 0 and expected.dtype.kind in "OUT":
        # An array of objects without any says nothing of its type.
        return
    if _is_text(expected) and _is_text(actual):
        expected, actual = (np.asarray(x, dtype=object) for x in (expected, actual))
    elif _native(expected.dtype) != _native(actual.dtype):
        state.out.add(path, f"dtype {actual.dtype}, should be {expected.dtype}")
    _values(state, path, expected, actual)


def _values(state, path, expected, actual) -> None:
    try:
        same = np.array_equal(expected, actual, equal_nan=True)
    except TypeError:
        same = expected.tolist() == actual.tolist()
    if same:
        return
    wrong = expected != actual
    if np.issubdtype(expected.dtype, np.inexact) and np.issubdtype(actual.dtype, np.inexact):
        wrong &= ~(np.isnan(expected) & np.isnan(actual))
    at = tuple(int(i) for i in np.argwhere(wrong)[0]) if np.any(wrong) else ()
    count = int(np.count_nonzero(wrong))
    state.out.add(path, f"{count} of {expected.size} values differ: at {at} {actual[at]!r}, should be {expected[at]!r}")


def _record(state, path, expected, actual) -> None:
    if expected.dtype.names != actual.dtype.names:
        state.out.add(path, f"fields {actual.dtype.names}, should be {expected.dtype.names}")
        return
    for name in expected.dtype.names:
        _array(state, f"{path}[{name}]", np.asarray(expected[name]), np.asarray(actual[name]))


def _scalar(state, path, expected, actual) -> None:
    if isinstance(actual, (bool, int, float, complex)) and isinstance(expected, np.number):
        # anndata's reader gives a scalar that it wrote as Python's number.
        expected = expected.item()
    e, a = np.asarray(expected), np.asarray(actual)
    if e.dtype.kind in "UTO" and a.dtype.kind in "UTO":
        if str(expected) != str(actual):
            state.out.add(path, f"is {actual!r}, should be {expected!r}")
        return
    if e.dtype != a.dtype:
        state.out.add(path, f"dtype {a.dtype}, should be {e.dtype}")
    if not np.array_equal(e, a, equal_nan=e.dtype.kind in "fc"):
        state.out.add(path, f"is {actual!r}, should be {expected!r}")
