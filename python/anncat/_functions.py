"""Merge strategies that are functions: they get what anndata gives them, elements of the inputs read by anndata."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anndata._core.merge import _resolve_axis, gen_reindexer, merge_dataframes, merge_indices
from anndata.io import read_elem

Function = Callable[..., Any]


@contextlib.contextmanager
def opened(source: Any) -> Iterator[Any]:
    """An input as a group."""
    if not isinstance(source, str) and not hasattr(source, "__fspath__"):
        yield source
        return
    import h5py
    import zarr

    if h5py.is_hdf5(source):
        with h5py.File(source, "r") as file:
            yield file
    else:
        yield zarr.open_group(str(source), mode="r")


def merged_elements(
    sources: Sequence[Any], *, axis: Any, join: str, merge: Function | None, uns_merge: Function | None
) -> dict[str, Any]:
    """What the functions make of the inputs: elements of the result by path (``var``, ``varm/loadings``, ``uns``)."""
    axis_number, _ = _resolve_axis(axis)
    _, other = _resolve_axis(1 - axis_number)
    out: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        groups = [stack.enter_context(opened(source)) for source in sources]
        if merge is not None:
            frames = [read_elem(group[other]) for group in groups]
            names = merge_indices([frame.index for frame in frames], join=join)
            reindexers = [gen_reindexer(names, frame.index) for frame in frames]
            out[other] = merge_dataframes(frames, names, merge)
            aligned = [
                {key: reindex(read_elem(value), axis=0) for key, value in _children(group, f"{other}m")}
                for reindex, group in zip(reindexers, groups, strict=True)
            ]
            paired = [
                {key: reindex(reindex(read_elem(value), axis=0), axis=1) for key, value in _children(group, f"{other}p")}
                for reindex, group in zip(reindexers, groups, strict=True)
            ]
            for name, mappings in ((f"{other}m", aligned), (f"{other}p", paired)):
                out |= {f"{name}/{key}": value for key, value in merge(mappings).items()}
        if uns_merge is not None:
            out["uns"] = dict(uns_merge([read_elem(group["uns"]) if "uns" in group else {} for group in groups]))
    return out


def _children(group: Any, name: str) -> Any:
    return dict(group[name]).items() if name in group else ()
