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


@contextlib.contextmanager
def opened(source: Any) -> Iterator[Any]:
    """An input as a group."""
    if not isinstance(source, str) and not hasattr(source, "__fspath__"):
        yield source
        return
    import h5py
    import zarr

    path, group = split_place(str(source))
    if h5py.is_hdf5(path):
        with h5py.File(path, "r") as file:
            yield file if group is None else file[group]
    else:
        yield zarr.open_group(path, path=group, mode="r")


@contextlib.contextmanager
def selected(source: Any, drop: Patterns | None, keep: Patterns | None, follow_external: bool) -> Iterator[Any]:
    """An input as a group that never had the elements that are left out."""
    if not drop and not keep:
        with opened(source) as group:
            yield group
        return
    import zarr

    from ._errors import Notice
    from ._merged import open as open_merged

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        alone = open_merged(
            [source], merge="first", uns_merge="first", pairwise=True, missing_text="nullable", drop=drop, keep=keep,
            follow_external=follow_external,
        )  # fmt: skip
        yield zarr.open_group(alone.store(), mode="r")


def merged_elements(
    sources: Sequence[Any],
    *,
    axis: Any,
    join: str,
    merge: Function | None,
    uns_merge: Function | None,
    drop: Patterns | None = None,
    keep: Patterns | None = None,
    follow_external: bool = False,
) -> dict[str, Any]:
    """What the functions make of the inputs: elements of the result by path (``var``, ``varm/loadings``, ``uns``)."""
    axis_number, _ = _resolve_axis(axis)
    _, other = _resolve_axis(1 - axis_number)
    out: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        groups = [stack.enter_context(selected(source, drop, keep, follow_external)) for source in sources]
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
