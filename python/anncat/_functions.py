"""Merge strategies that are functions: they get what anndata gives them, elements of the inputs read by anndata."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anndata._core.merge import _resolve_axis, gen_reindexer, merge_dataframes, merge_indices
from anndata.io import read_elem

from ._options import Patterns, split_place

Function = Callable[..., Any]
# Gives an element of an input by its path; what is not there is an empty mapping.
Read = Callable[[str], Any]


@contextlib.contextmanager
def opened(place: str) -> Iterator[Any]:
    """An input as a group."""
    import h5py
    import zarr

    path, group = split_place(place)
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            yield file if group is None else file[group]
    else:
        yield zarr.open_group(path, path=group, mode="r")


@contextlib.contextmanager
def reader(place: str, drop: Patterns | None, keep: Patterns | None, follow_external: bool) -> Iterator[Read]:
    """Reads an input as anndata does, as if it never had the elements that are left out."""
    with opened(place) as group:
        if not drop and not keep and not _is_old(group):
            yield lambda name: read_elem(group[name]) if name in group else {}
            return
    from ._errors import Notice
    from ._memory import read_element
    from ._merged import open as open_merged

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        alone = open_merged(
            [place], merge="first", uns_merge="first", pairwise=True, missing_text="nullable", drop=drop, keep=keep,
            follow_external=follow_external,
        )  # fmt: skip
    yield lambda name: read_element(alone, name)


def _is_old(group: Any) -> bool:
    """Whether anndata 0.6 or older wrote it: tables are arrays, and their categories lie in `uns`."""
    return any(hasattr(group.get(name), "dtype") for name in ("obs", "var"))


def merged_elements(
    places: Sequence[str],
    *,
    axis: Any,
    join: str,
    merge: Function | None,
    uns_merge: Function | None,
    drop: Patterns | None = None,
    keep: Patterns | None = None,
    follow_external: bool = False,
) -> dict[str, Any]:
    """What the functions make of the inputs: elements of the result by path (``var``, ``varm/loadings``, ``uns``).

    A function that returns None merges nothing.
    """
    axis_number, _ = _resolve_axis(axis)
    _, other = _resolve_axis(1 - axis_number)
    out: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        inputs = [stack.enter_context(reader(place, drop, keep, follow_external)) for place in places]
        if merge is not None:
            frames = [read(other) for read in inputs]
            names = merge_indices([frame.index for frame in frames], join=join)
            reindexers = [gen_reindexer(names, frame.index) for frame in frames]
            out[other] = merge_dataframes(frames, names, merge)
            aligned = [
                {key: reindex(value, axis=0) for key, value in read(f"{other}m").items()}
                for reindex, read in zip(reindexers, inputs, strict=True)
            ]
            paired = [
                {key: reindex(reindex(value, axis=0), axis=1) for key, value in read(f"{other}p").items()}
                for reindex, read in zip(reindexers, inputs, strict=True)
            ]
            for name, mappings in ((f"{other}m", aligned), (f"{other}p", paired)):
                out |= {f"{name}/{key}": value for key, value in _or_empty(merge(mappings)).items()}
        if uns_merge is not None:
            out["uns"] = dict(_or_empty(uns_merge([read("uns") for read in inputs])))
    return out


def _or_empty(merged: Any) -> Any:
    return {} if merged is None else merged
