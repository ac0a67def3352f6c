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

IS_NEXT = Version(ad.__version__) >= Version("0.13.dev0")
# pandas 3 has a type of its own for text, `str`.
HAS_STR = Version(pd.__version__).major >= 3

RULES = {
    "dense-filled-wider": "a dense array that is filled has the type of its numbers with the fill value, not of float64 with both",
    "empty-counts": "a column of an input without rows has no say in the type of the result",
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
        old = pd.api.extensions.take(el, self.idx, axis=axis, allow_fill=True, fill_value=fill_value)
        if old.dtype != new.dtype:
            rules.add("dense-filled-wider")
        return old

    join = pd.concat

    def concat(parts, *args, **arguments):
        parts = list(parts)
        out = join(parts, *args, **arguments)
        frames = isinstance(out, pd.DataFrame) and arguments.get("axis", 0) in (0, "index")
        if frames and any(len(part) == 0 for part in parts) and any(map(len, parts)):
            for at, name in enumerate(out.columns):
                lacks = [name not in part.columns for part in parts]
                # What could hold no missing value counts without rows, too.
                heard = [p for p, lack in zip(parts, lacks, strict=True) if len(p) or lack or _is_whole(p[name].dtype)]
                if len(heard) == len(parts):
                    continue
                with_rows = join(heard, *args, **arguments)
                if name not in with_rows.columns:
                    continue
                # Nothing is made to hold a missing value, so nothing is converted before all are joined.
                if _is_whole(with_rows[name].dtype) and not any(lacks):
                    continue
                if with_rows[name].dtype != out.iloc[:, at].dtype:
                    rules.add("empty-counts")
                    out.isetitem(at, with_rows[name].array)
        return out

    with (
        mock.patch.object(Reindexer, "_apply_to_array_api", apply),
        mock.patch.object(pd, "concat", concat),
    ):
        yield


def _is_whole(dtype) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biu"


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
