"""Groups and stores of zarr-python 2 and 3 as directories, and directories as groups."""

from __future__ import annotations

import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import anndata as ad
import zarr

IS_OLD = int(zarr.__version__.split(".")[0]) < 3


def is_group(source: Any) -> bool:
    """Whether it is an open group."""
    return isinstance(source, zarr.Group)


def is_group_or_store(source: Any) -> bool:
    """Whether it is an open group of zarr-python or h5py, or a store."""
    import h5py

    if IS_OLD:
        return isinstance(source, h5py.Group | MutableMapping)
    return isinstance(source, h5py.Group | zarr.Group | zarr.abc.store.Store)


def lies_in_store(source: Any, store: Any) -> bool:
    """Whether a group or store is in a store, or is it."""
    # A store in memory has other objects that read the same mapping.
    mine, other = (getattr(s, "_store_dict", s) for s in (getattr(source, "store", source), store))
    return mine is other


def directory_of(source: Any) -> str | None:
    """The directory that a group or store is, or None when it is in none."""
    store, prefix = (source.store, source.path) if hasattr(source, "store") else (source, "")
    if IS_OLD:
        is_directory = isinstance(store, zarr.storage.DirectoryStore)
        return os.path.join(store.dir_path(), prefix).rstrip("/") if is_directory else None
    return os.path.join(store.root, prefix).rstrip("/") if isinstance(store, zarr.storage.LocalStore) else None


def root_of(source: Any) -> str | None:
    """The directory of the whole store that a group is in, or None when it is in none."""
    return directory_of(getattr(source, "store", source))


def to_directory(source: Any, place: Path) -> None:
    """Copies a group or store to a new directory, whatever it holds."""
    store, prefix = (source.store, source.path) if hasattr(source, "store") else (source, "")
    place.mkdir()
    if IS_OLD:
        zarr.copy_store(store, zarr.storage.DirectoryStore(str(place)), source_path=prefix)
    else:
        _copy_keys(store, prefix, zarr.storage.LocalStore(place), "")


def into_group(place: Path, group: Any) -> None:
    """Puts what is in a directory into a group, its attributes too; moves it if the group is in a directory."""
    source = open_directory(place)
    directory = directory_of(group)
    if IS_OLD:
        zarr.copy_store(
            source.store, group.store, dest_path=group.path, excludes=[r"^\.zgroup$", r"^\.zattrs$", r"^\.zmetadata$"]
        )
    elif directory is not None:
        _move_files(place, directory)
    else:
        _copy_keys(source.store, "", group.store, group.path, root=False)
    group.attrs.update(dict(source.attrs))


def open_directory(place: Path) -> Any:
    """A directory as a group to read, as its own files say it is."""
    return zarr.open_group(str(place), mode="r") if IS_OLD else zarr.open_group(place, mode="r", use_consolidated=False)


def edit_directory(place: Path) -> Any:
    """A directory as a group to write in."""
    return zarr.open_group(str(place), mode="r+") if IS_OLD else zarr.open_group(place, mode="r+", use_consolidated=False)


def consolidate(place: Path) -> None:
    """Writes the metadata of a directory into one file, anew."""
    zarr.consolidate_metadata(str(place) if IS_OLD else zarr.storage.LocalStore(place))


def as_new_group(target: Any) -> Any:
    """An output as a group; a store becomes an empty one."""
    if hasattr(target, "attrs"):
        return target
    if IS_OLD:
        return zarr.open_group(target, mode="w")
    from anndata._io.zarr import open_write_group

    return open_write_group(target, mode="w")


def format_of(group: Any) -> int:
    """The version of the format of a group."""
    return 2 if IS_OLD else group.metadata.zarr_format


def settings() -> dict[str, Any]:
    """How anndata is set to write zarr."""
    zarr_format = 2 if IS_OLD else ad.settings.zarr_write_format
    shard = zarr_format == 3 and getattr(ad.settings, "auto_shard_zarr_v3", False)
    return {"zarr_format": zarr_format, "shard_size": "1MiB" if shard else None}


def _move_files(place: Path, to: str) -> None:
    """Moves all of a directory but the metadata of its root."""
    from ._store import is_metadata

    for path in place.iterdir():
        if not is_metadata(path.name):
            shutil.move(path, to)


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

    for store in (source, target):
        if not getattr(store, "_is_open", True):
            sync(store._open())
    sync(copy())
