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

from ._errors import Notice
from ._functions import merged_elements, opened
from ._merged import open as open_merged

if TYPE_CHECKING:
    import h5py
    import zarr
    from zarr.abc.store import Store

    Source: TypeAlias = PathLike[str] | str | h5py.Group | zarr.Group | Store

StrategiesLiteral = Literal["same", "unique", "first", "only"]



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
        Paths of ``.h5ad`` files and ``.zarr`` directories, or open groups and stores; a mapping gives their keys.
    out_file
        A path, which is replaced (a file if it ends in ``.h5ad``, else a zarr directory), or an open group or store.
    max_loaded_elems
        Never hold more elements than this in flight.
    merge, uns_merge
        A strategy's name or a function, which gets what anndata would give it.
    """
    if len(in_files) == 0:
        raise ValueError("No objects to concatenate.")
    functions = {"merge": merge if callable(merge) else None, "uns_merge": uns_merge if callable(uns_merge) else None}
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
    if len(sources) == 1 and isinstance(sources[0], str | PathLike) and is_path:
        only = Path(sources[0])
        (shutil.copytree if only.is_dir() else shutil.copy2)(only, out_file)
        return
    _resolve_axis(axis)

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
        elements = merged_elements(paths, axis=axis, join=join, **functions) if any(functions.values()) else {}
        if is_path:
            _to_path(merged, Path(out_file), elements, max_loaded_elems)
        else:
            _to_group(merged, _as_group(out_file), elements, max_loaded_elems, work)


def local(source: Any, place: Path) -> str:
    """The path of an input; what is in no directory of its own is copied to `place`."""
    import h5py
    import zarr
    from zarr.storage import LocalStore

    if isinstance(source, str | PathLike):
        return os.fspath(source)
    if isinstance(source, h5py.Group):
        source.file.flush()
        if source.name == "/" and source.file.driver != "core" and os.path.exists(source.file.filename):
            return source.file.filename
        with h5py.File(place, "w") as file:
            _copy_h5(source, file)
        return str(place)
    store, prefix = (source.store, source.path) if isinstance(source, zarr.Group) else (source, "")
    if isinstance(store, LocalStore):
        return os.path.join(store.root, prefix)
    group = zarr.open_group(source, mode="r") if not isinstance(source, zarr.Group) else source
    target = zarr.storage.LocalStore(place)
    _copy_keys(group.store, group.path, target, "")
    return str(place)


def _as_group(target: Any) -> Any:
    """An output as a group; a store becomes an empty one."""
    import zarr

    if not hasattr(target, "attrs"):
        from anndata._io.zarr import open_write_group

        return open_write_group(target, mode="w")
    return target if not isinstance(target, zarr.Array) else None


def _zarr_options() -> dict[str, Any]:
    """How anndata is set to write zarr."""
    zarr_format = ad.settings.zarr_write_format
    shard = zarr_format == 3 and getattr(ad.settings, "auto_shard_zarr_v3", False)
    return {"zarr_format": zarr_format, "shard_size": "1MiB" if shard else None}


def _write(merged: Any, place: Path, elements: dict[str, Any], max_loaded_elems: int, options: dict[str, Any]) -> None:
    merged.write(place, max_loaded_elems=max_loaded_elems, progress=False, **options)
    if not elements:
        return
    import h5py
    import zarr

    if place.suffix == ".h5ad":
        with h5py.File(place, "r+") as file:
            _put(file, elements)
    else:
        _put(zarr.open_group(place, mode="r+", use_consolidated=False), elements)
        zarr.consolidate_metadata(zarr.storage.LocalStore(place))


def _put(group: Any, elements: dict[str, Any]) -> None:
    for path, value in elements.items():
        ad.io.write_elem(group, path, value)


def _to_path(merged: Any, out: Path, elements: dict[str, Any], max_loaded_elems: int) -> None:
    is_h5ad = out.suffix == ".h5ad"
    options = {} if is_h5ad else _zarr_options()
    if not elements and out.suffix in (".h5ad", ".zarr"):
        _write(merged, out, {}, max_loaded_elems, {**options, "overwrite": True})
        return
    # Beside its place until it is complete.
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.anncat-", suffix=".tmp", dir=out.parent) as name:
        staged = Path(name) / ("out.h5ad" if is_h5ad else "out.zarr")
        _write(merged, staged, elements, max_loaded_elems, options)
        if out.is_dir() and not out.is_symlink():
            shutil.rmtree(out)
        os.replace(staged, out)


def _to_group(merged: Any, group: Any, elements: dict[str, Any], max_loaded_elems: int, work: Path) -> None:
    import h5py
    import zarr

    if isinstance(group, h5py.Group):
        staged = work / "out.h5ad"
        _write(merged, staged, elements, max_loaded_elems, {})
        with h5py.File(staged) as file:
            _copy_h5(file, group)
        return
    staged = work / "out.zarr"
    options = {**_zarr_options(), "zarr_format": group.metadata.zarr_format}
    if group.metadata.zarr_format == 2:
        options["shard_size"] = None
    _write(merged, staged, elements, max_loaded_elems, options)
    source = zarr.open_group(staged, mode="r", use_consolidated=False)
    _copy_keys(source.store, "", group.store, group.path, root=False)
    group.attrs.update(dict(source.attrs))


def _copy_h5(source: Any, target: Any) -> None:
    for key in source:
        source.copy(source[key], target, name=key)
    for key, value in source.attrs.items():
        target.attrs[key] = value


def _copy_keys(source: Any, prefix: str, target: Any, to: str, *, root: bool = True) -> None:
    """Copies all keys below a path of one store to a path of another; without the group's own metadata if not `root`."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    from ._store import is_metadata

    async def copy() -> None:
        begin = f"{prefix}/" if prefix else ""
        keys = [key async for key in source.list_prefix(begin)]
        for key in keys:
            name = key[len(begin) :]
            if not root and "/" not in name and is_metadata(name):
                continue
            value = await source.get(key, default_buffer_prototype())
            if value is not None:
                await target.set(f"{to}/{name}" if to else name, value)

    if not getattr(target, "_is_open", True):
        sync(target._open())
    sync(copy())
