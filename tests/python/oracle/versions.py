"""What anndata 0.13 with pandas 3 does differently from anndata 0.12 with pandas 2, and how to take it back.

anncat gives the same whichever of them reads its results: what 0.12 gives, which both can read. Each
entry of `RULES` is a line of the table in docs/SEMANTICS.md ("Two versions of anndata"); with 0.12
nothing here does anything. Knows nothing of anncat.
"""

from __future__ import annotations

import contextlib
from unittest import mock

import anndata as ad
import numpy as np
import pandas as pd
from anndata._core import merge
from anndata._core.merge import Reindexer
from packaging.version import Version
from pandas.core.dtypes.cast import find_common_type

IS_NEXT = Version(ad.__version__) >= Version("0.13.dev0")
# pandas 3 has a type of its own for text, `str`.
HAS_STR = Version(pd.__version__).major >= 3

RULES = {
    "dense-filled-wider": "a dense array that is filled has the type of its numbers with the fill value, not of float64 with both",
    "empty-counts": "a column of an input without values (no rows, or all missing) has no say in the type of the result",
    "text-types": "text is text: as `str`, `string` or objects",
}


@contextlib.contextmanager
def older(rules: set[str]):
    """Makes the anndata that is there concatenate as 0.12 does."""
    if not IS_NEXT:
        yield
        return
    original = Reindexer._apply_to_array_api

    def apply(self, el, *, axis, fill_value=None):
        new = original(self, el, axis=axis, fill_value=fill_value)
        if not isinstance(el, np.ndarray) or el.shape[axis] == 0:
            return new
        fill_value = merge.default_fill_value([el]) if fill_value is None else fill_value
        wide = np.min_scalar_type(fill_value)
        if el.dtype.kind in "fc" and wide.kind == "f":
            # pandas 3 makes infinity of what is too large.
            el = el.astype(np.promote_types(el.dtype, wide), copy=False)
        old = pd.api.extensions.take(el, self.idx, axis=axis, allow_fill=True, fill_value=fill_value)
        if old.dtype != new.dtype:
            rules.add("dense-filled-wider")
        return old

    join = pd.concat

    def concat(parts, *args, **arguments):
        parts = list(parts)
        out = join(parts, *args, **arguments)
        frames = isinstance(out, pd.DataFrame) and arguments.get("axis", 0) in (0, "index")
        if frames and len(parts) > 1:
            for at, name in enumerate(out.columns):
                column = _joined_as_before(parts, name, lambda them: join(them, *args, **arguments))
                # Of equal categoricals, the order may be that of another part.
                if column is not None and repr(column.dtype) != repr(out.iloc[:, at].dtype):
                    rules.add("empty-counts")
                    out.isetitem(at, column.array)
        return out

    equal = merge.equal

    def equal_text(a, b):
        return equal(_text_as_objects(a), _text_as_objects(b))

    with (
        mock.patch.object(merge, "equal", equal_text),
        mock.patch.object(Reindexer, "_apply_to_array_api", apply),
        mock.patch.object(pd, "concat", concat),
    ):
        yield


def _joined_as_before(parts: list[pd.DataFrame], name, join) -> pd.Series | None:
    """Column `name` of the frames' concatenation as pandas 2 makes it, if that may be another.

    There a part without values (no rows, or all missing) has no say in the type, but where nothing is
    converted before all are joined: nothing has to be made to hold missing values, or all parts are of
    pandas' own types, and those behind the first of its type or whole.
    """
    holders = [part for part in parts if name in part.columns]
    lacks = len(holders) < len(parts)
    dtypes = [part[name].dtype for part in holders]
    # What cannot hold a missing value always counts.
    silent = {id(part) for part in holders if not _is_whole(part[name].dtype) and part[name].isna().all()}
    alike = all(_is_own(dtype) and (dtype == dtypes[0] or dtype.kind in "biu") for dtype in dtypes)
    if len(silent) in (0, len(holders)) or (alike and not lacks):
        return None
    dtype = find_common_type([part[name].dtype for part in holders if id(part) not in silent])
    if _is_whole(dtype) and not lacks:
        joined = join(parts)[name]
        # Bools among floats are objects, but where pandas 3 finds blocks of one kind.
        return joined.astype(object) if joined.dtype.kind == "f" and np.dtype(bool) in dtypes else None
    if _is_whole(dtype):
        # Who lacks it has no rows.
        dtype = np.dtype(object if dtype.kind == "b" else np.float64)

    def missing(part):
        return pd.Series([None] * len(part), index=part.index, dtype=dtype)

    return join([part.assign(**{name: missing(part)}) if id(part) in silent else part for part in parts])[name]


def _is_whole(dtype) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biu"


def _is_own(dtype) -> bool:
    """A type that is pandas' own in pandas 2, too."""
    return not isinstance(dtype, np.dtype) and not _is_str(dtype)


def _is_str(dtype) -> bool:
    """pandas 3's own type of text, which is objects in pandas 2."""
    return isinstance(dtype, pd.StringDtype) and dtype.na_value is not pd.NA


def _text_as_objects(value):
    return value.astype(object) if isinstance(value, np.ndarray) and value.dtype.kind == "T" else value


def as_older_text(adata: ad.AnnData, rules: set[str], *, decided: bool) -> None:
    """Gives text the types that pandas 2 has for it, in place: objects, and `string` where `decided`
    and some is missing (before that, the rules of text with missing values have their say)."""
    if not HAS_STR:
        return
    frames = [adata.obs, adata.var, *([] if adata.raw is None else [adata.raw.var])]
    frames += [v for m in (adata.obsm, adata.varm) for v in m.values() if isinstance(v, pd.DataFrame)]
    for frame in frames:
        for at, dtype in enumerate(frame.dtypes):
            if not isinstance(dtype, pd.StringDtype):
                continue
            column = frame.iloc[:, at]
            missing = column.isna().to_numpy()
            if missing.any() and (decided or dtype.na_value is pd.NA):
                frame.isetitem(at, column.astype("string"))
                continue
            rules.add("text-types")
            values = [None if m else v for v, m in zip(column, missing, strict=True)]
            frame.isetitem(at, pd.Series(np.array(values, dtype=object), index=frame.index, dtype=object))
