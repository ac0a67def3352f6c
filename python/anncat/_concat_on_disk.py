"""`concat_on_disk`, with the signature of `anndata.experimental.concat_on_disk`."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anndata as ad
from anndata._core.merge import _resolve_axis, resolve_merge_strategy

from . import _zarr_files
from ._errors import GroupExistsError, IOFailedError, Notice, OutputExistsError
from ._functions import merged_elements, opened
from ._merged import open as open_merged
from ._options import path_of, split_place

if TYPE_CHECKING:
    import h5py
    import zarr
    from zarr.abc.store import Store

    Source: TypeAlias = PathLike[str] | str | h5py.Group | zarr.Group | Store

StrategiesLiteral = Literal["same", "unique", "first", "only"]
# What an AnnData has at its root. What of it a group holds already would become part of the result.
_PARTS = ("X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp")


def concat_on_disk(
    in_files: Collection[Source] | Mapping[str, Source],
    out_file: Source,
    *,
    max_loaded_elems: int = 100_000_000,
    axis: Literal["obs", 0, "var", 1] = 0,
    join: Literal["inner", "outer"] = "inner",
    merge: StrategiesLiteral | Callable[[Collection[Mapping]], Mapping] | None = None,
    uns_merge: StrategiesLiteral | Callable[[Collection[Mapping]], Mapping] | None = None,
    label: str | None = None,
    keys: Collection[str] | None = None,
    index_unique: str | None = None,
    fill_value: Any | None = None,
    pairwise: bool = False,
) -> None:
    """Concatenates AnnData files on disk: `anndata.experimental.concat_on_disk`, by anncat.

    Parameters and errors are those of anndata's function. Beyond it, what that leaves out is written as
    `anndata.concat` has it: `raw`, `uns` by `uns_merge`, `obsp` with `pairwise`, and all that an outer join keeps.

    Parameters
    ----------
    in_files
        Paths of ``.h5ad`` files and ``.zarr`` directories (``PATH::GROUP`` is a group in one), or open groups and
        stores; a mapping gives their keys.
    out_file
        A path, which is replaced (a file if it ends in ``.h5ad``, else a zarr directory); a store, which is emptied; or
        an open group that holds no part of an AnnData. An input is never replaced.
    max_loaded_elems
        Never hold more elements than this in flight.
    merge, uns_merge
        A strategy's name or a function, which gets what anndata would give it.

    Raises
    ------
    Error
        The output would take the place of an input, or of what is no AnnData (also a `FileExistsError`), or an input
        failed. Nothing is written then.
    """
    if len(in_files) == 0:
        raise ValueError("No objects to concatenate.")
    by_function = {
        "merge": merge if callable(merge) else None,
        "uns_merge": uns_merge if callable(uns_merge) else None,
    }
    for strategy in (merge, uns_merge):
        resolve_merge_strategy(strategy)  # raises what anndata raises

    is_path = isinstance(out_file, str | PathLike)
    if is_path and not Path(out_file).parent.exists():
        raise FileNotFoundError(f"Parent directory of {out_file} does not exist.")
    if isinstance(in_files, Mapping):
        if keys is not None:
            raise TypeError(
                "Cannot specify categories in both mapping keys and using `keys`. Only specify this once."
            )
        keys, sources = list(in_files.keys()), list(in_files.values())
    else:
        sources = list(in_files)
    if len(sources) == 1 and isinstance(sources[0], str | PathLike) and is_path and not split_place(str(sources[0]))[1]:
        only = Path(sources[0])
        (shutil.copytree if only.is_dir() else shutil.copy2)(only, out_file)
        return
    _resolve_axis(axis)
    for place in (out_file, *sources):
        if not (isinstance(place, str | PathLike) or _zarr_files.is_group_or_store(place)):
            raise NotImplementedError("This is not yet implemented.")

    with tempfile.TemporaryDirectory(prefix="anncat-") as name, warnings.catch_warnings():
        # anndata's function tells nothing; `anncat.open` does.
        warnings.simplefilter("ignore", Notice)
        work = Path(name)
        paths = [local(source, work / str(n)) for n, source in enumerate(sources)]
        for path in paths:
            with opened(path) as group:
                if group.attrs.get("encoding-type") != "anndata":
                    raise ValueError("All groups must be anndata")
        merged = open_merged(
            paths, axis=axis, join=join, merge=None if callable(merge) else merge,
            uns_merge=None if callable(uns_merge) else uns_merge, label=label, keys=keys,
            index_unique=index_unique, fill_value=fill_value, pairwise=pairwise,
        )  # fmt: skip
        if is_path:
            merged._native.check_output(os.fspath(out_file), Path(out_file).suffix != ".h5ad", True)
        else:
            _check_group(merged, out_file, sources, paths)
        elements = {}
        if any(by_function.values()):
            elements = merged_elements(
                paths, axis=axis, join=join, merge=by_function["merge"], uns_merge=by_function["uns_merge"]
            )
        if is_path:
            _to_path(merged, Path(out_file), elements, max_loaded_elems)
        else:
            _to_group(merged, out_file, elements, max_loaded_elems, work)


def local(source: Any, place: Path) -> str:
    """The path of an input; what is in no directory of its own is copied to `place`."""
    import h5py

    if isinstance(source, str | PathLike):
        return os.fspath(source)
    if isinstance(source, h5py.Group):
        if source.file.driver != "core" and os.path.exists(source.file.filename):
            return path_of(source)
        with h5py.File(place, "w") as file:
            _copy_h5(source, file)
        return str(place)
    directory = _zarr_files.directory_of(source)
    if directory is not None:
        return directory
    _zarr_files.to_directory(source, place)
    return str(place)


def _write(merged: Any, place: Path, elements: dict[str, Any], max_loaded_elems: int, options: dict[str, Any]) -> None:
    merged.write(place, max_loaded_elems=max_loaded_elems, progress=False, **options)
    if not elements:
        return
    import h5py

    if place.suffix == ".h5ad":
        with h5py.File(place, "r+") as file:
            _put(file, elements)
    else:
        _put(_zarr_files.edit_directory(place), elements)
        _zarr_files.consolidate(place)


def _put(group: Any, elements: dict[str, Any]) -> None:
    for path, value in elements.items():
        # anndata 0.13 takes no paths.
        parent, _, key = path.rpartition("/")
        if parent and parent not in group:
            ad.io.write_elem(group, parent, {})
        ad.io.write_elem(group[parent] if parent else group, key, value)


def _check_group(merged: Any, out: Any, sources: Collection[Any], paths: Collection[str]) -> None:
    """Refuses an open group or a store that would harm an input, or whose members would mix with the result's."""
    import h5py

    is_h5 = isinstance(out, h5py.Group)
    is_store = not is_h5 and not _zarr_files.is_group(out)
    place = path_of(out) if is_h5 else _zarr_files.directory_of(out)
    if out.file.mode == "r" if is_h5 else getattr(out, "read_only", False):
        raise IOFailedError(f"{place or out}: it was opened for reading only", "output-unwritable", place)
    if is_store and place is not None and os.path.exists(place):
        # It is emptied, as what is at a path.
        merged._native.check_output(place, True, True)
    for source, path in zip(sources, paths, strict=True):
        is_emptied = is_store and _zarr_files.lies_in_store(source, out)
        if is_emptied or (place is not None and _lies_in(place, path)):
            raise OutputExistsError(
                f"{place or out}: the output would overwrite the input {source if is_emptied else path}\n"
                "  hint: choose another output; an input is never overwritten",
                "output-refused",
                place,
            )
    taken = [] if is_store else [name for name in _PARTS if name in out]
    if taken:
        raise GroupExistsError(
            f"{place or out}: the group holds {', '.join(taken)} already, which would mix with the result\n"
            "  hint: choose an empty group",
            "output-exists",
            place,
        )


def _lies_in(place: str, other: str) -> bool:
    """Whether the group at a place is another one, or lies in it."""
    (path, group), (other_path, other_group) = split_place(place), split_place(other)
    if os.path.exists(path) and os.path.samefile(path, other_path):
        other_path = path
    here, there = (Path(os.path.realpath(p), g or "") for p, g in ((path, group), (other_path, other_group)))
    return here.is_relative_to(there)


def _to_path(merged: Any, out: Path, elements: dict[str, Any], max_loaded_elems: int) -> None:
    is_h5ad = out.suffix == ".h5ad"
    options = {} if is_h5ad else _zarr_files.settings()
    if not elements and out.suffix in (".h5ad", ".zarr"):
        _write(merged, out, {}, max_loaded_elems, {**options, "overwrite": True})
        return
    # A link stays one.
    out = Path(os.path.realpath(out))
    # Beside its place until it is complete.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.anncat-", suffix=".tmp", dir=out.parent) as name:
        staged = Path(name) / ("out.h5ad" if is_h5ad else "out.zarr")
        _write(merged, staged, elements, max_loaded_elems, options)
        # Something may have come to stand there meanwhile.
        merged._native.check_output(os.fspath(out), not is_h5ad, True)
        if out.is_dir():
            os.rename(out, Path(name) / "former")
        os.replace(staged, out)


def _to_group(merged: Any, out: Any, elements: dict[str, Any], max_loaded_elems: int, work: Path) -> None:
    import h5py

    if isinstance(out, h5py.Group):
        staged = work / "out.h5ad"
        _write(merged, staged, elements, max_loaded_elems, {})
        with h5py.File(staged) as file:
            _copy_h5(file, out)
        return
    staged = work / "out.zarr"
    options = _zarr_files.settings()
    if _zarr_files.is_group(out):
        options["zarr_format"] = _zarr_files.format_of(out)
    if options["zarr_format"] == 2:
        options["shard_size"] = None
    _write(merged, staged, elements, max_loaded_elems, options)
    # A store is emptied only now that there is what takes its place.
    _zarr_files.into_group(staged, _zarr_files.as_new_group(out))


def _copy_h5(source: Any, target: Any) -> None:
    for key in source:
        source.copy(source[key], target, name=key)
    for key, value in source.attrs.items():
        target.attrs[key] = value
