"""Batches of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._errors import OutOfRangeError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from ._merged import Merged


def read_rows(
    merged: Merged,
    indices: ArrayLike | slice,
    columns: ArrayLike | slice | None,
    obs: Sequence[str] | str | None,
    element: str,
) -> Any:
    """See `Merged.rows`."""
    from ._memory import assemble

    rows = _positions(indices, merged.n_obs, "row", element)
    wanted = None if columns is None else _columns(merged, columns, element)
    matrix = assemble(merged._native.rows(element, rows, wanted))
    return matrix if obs is None else (matrix, _obs(merged, rows, obs))


def _obs(merged: Merged, rows: NDArray[np.uint64], obs: Sequence[str] | str) -> pd.DataFrame:
    names = [obs] if isinstance(obs, str) else list(obs)
    return merged.obs[names].iloc[rows.astype(np.int64)]


def _positions(indices: ArrayLike | slice, length: int, what: str, element: str) -> NDArray[np.uint64]:
    """Numbers from 0 on."""
    if isinstance(indices, slice):
        return np.arange(*indices.indices(length)).astype(np.uint64)
    array = np.atleast_1d(np.asarray(indices))
    if array.dtype == bool:
        if array.shape != (length,):
            raise IndexError(f"a mask of {what}s must be {length} long, was {array.shape}")
        array = np.flatnonzero(array)
    if array.size == 0:
        return np.empty(0, np.uint64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise IndexError(f"expected numbers of {what}s or a mask, not {array.dtype} of {array.ndim} dimensions")
    if array.dtype.kind == "i":
        # The length may be more than a small type holds.
        array = array.astype(np.int64)
        if array.min() < -length:
            message = f"{element}: {what} {array.min()} is out of range, there are {length}"
            raise OutOfRangeError(message, "usage", None, element)
        array = np.where(array < 0, array + length, array)
    return np.ascontiguousarray(array, dtype=np.uint64)


def _columns(merged: Merged, columns: ArrayLike | slice, element: str) -> NDArray[np.uint64]:
    if isinstance(columns, slice):
        return _positions(columns, _num_columns(merged, element), "column", element)
    array = np.atleast_1d(np.asarray(columns, dtype=object if _holds_text(columns) else None))
    if array.size and isinstance(array[0], str):
        index = _names(merged, element)
        if not index.is_unique:
            raise ValueError("names of variables are there twice: choose columns by number, or open with index_unique")
        found = index.get_indexer(list(array))
        if (found < 0).any():
            absent = [str(name) for name in array[found < 0][:5]]
            raise KeyError(f"no variable is named {', '.join(absent)}")
        return found.astype(np.uint64)
    return _positions(array, _num_columns(merged, element), "column", element)


def _holds_text(columns: Any) -> bool:
    first = columns if np.ndim(columns) == 0 else next(iter(columns), None)
    return isinstance(first, str)


def _num_columns(merged: Merged, element: str) -> int:
    _, shape, *_ = merged._native.rows(element, np.empty(0, np.uint64), None)
    return int(shape[1])


def _names(merged: Merged, element: str) -> pd.Index:
    if element.startswith("raw/"):
        return merged._frame("raw/var").index  # type: ignore[arg-type]
    if element != "X" and not element.startswith("layers/"):
        raise KeyError(f"the columns of {element} have no names; choose them by number")
    return merged.var.index


class RowDataset:
    """Rows of a result as a dataset for `torch.utils.data.DataLoader`, of any number of workers.

    An item is what `Merged.rows` gives for one row, a batch what it gives for many (loaders that know
    `__getitems__` ask for a batch at once, which is much faster; so do those whose sampler gives lists), passed through
    `transform`. A `DataLoader` takes the batch as it is with ``collate_fn=lambda batch: batch``. torch is not imported.

    Parameters
    ----------
    merged
        What to read.
    columns, obs, element
        As in `Merged.rows`.
    transform
        Called with each batch, or row, before it is given.
    """

    def __init__(
        self,
        merged: Merged,
        *,
        columns: ArrayLike | None = None,
        obs: Sequence[str] | str | None = None,
        element: str = "X",
        transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.merged = merged
        self.columns = columns
        self.obs = obs
        self.element = element
        self.transform = transform

    def __len__(self) -> int:
        return self.merged.n_obs

    def __getitem__(self, index: int | slice | ArrayLike) -> Any:
        if isinstance(index, slice):
            return self.__getitems__(range(*index.indices(len(self))))
        return self.__getitems__([index] if np.ndim(index) == 0 else index)  # type: ignore[arg-type]

    def __getitems__(self, indices: ArrayLike) -> Any:
        batch = self.merged.rows(indices, self.columns, self.obs, element=self.element)
        return batch if self.transform is None else self.transform(batch)
