"""The result as a zarr store: `zarr.abc.store.Store` for zarr-python 3, a mapping for zarr-python 2."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    from ._merged import Merged

Layout = tuple[int, "int | None", "int | None", "int | None"]
Wanted = tuple["int | None", "int | None", "int | None", "int | None"]

_METADATA = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
_READ_ONLY = "a merged store is read-only; Merged.write writes a real one"


def make_store(merged: Merged, wanted: Wanted) -> Any:
    """A store of the kind that the installed zarr-python takes."""
    version = min(int(importlib.metadata.version("zarr").split(".")[0]), 3)
    zarr_format, *geometry = wanted
    layout: Layout = (version if zarr_format is None else zarr_format, *geometry)  # type: ignore[assignment]
    if version < 3:
        return StoreMapping(merged, layout)
    from ._zarr_store import MergedStore

    return MergedStore(merged, layout)


def left_out(store: Any) -> list[str]:
    """What a store that `make_store` made cannot hold, as sentences."""
    return store._keys.native.left_out()


def is_metadata(key: str) -> bool:
    """True for the small documents that are in memory anyway."""
    return key.rpartition("/")[2] in _METADATA


class Keys:
    """Keys and their bytes, opened when they are first asked for."""

    def __init__(self, merged: Merged, layout: Layout) -> None:
        self.merged = merged
        self.layout = layout
        self._native: _native.Store | None = None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Keys)
            and self.layout == other.layout
            and (self.merged is other.merged or self.merged.plan() == other.merged.plan())
        )

    __hash__ = None  # type: ignore[assignment]

    @property
    def native(self) -> _native.Store:
        if self._native is None:
            self._native = self.merged._native.store(*self.layout)
        return self._native

    def all(self, prefix: str = "") -> Iterator[str]:
        """All keys that begin with a prefix."""
        directory, _, begin = prefix.rpartition("/")
        for name in self.native.list_dir(directory):
            if name.startswith(begin):
                path = f"{directory}/{name}" if directory else name
                if path.endswith("/"):
                    yield from self.all(path)
                else:
                    yield path

    def pickled(self) -> tuple[Any, ...]:
        """What another process opens the same from."""
        return self.merged.plan(), self.merged._limits, self.layout


_KEPT = 4
_opened: OrderedDict[tuple[int, str, tuple[int, bool]], Merged] = OrderedDict()
_opening = threading.Lock()


def reopen(plan: str, limits: tuple[int, bool]) -> Merged:
    """What a plan gives; the last few of a process are kept, since each task of dask brings its store along."""
    from ._merged import _reopened

    key = (os.getpid(), plan, limits)
    with _opening:
        if key not in _opened:
            _opened[key] = _reopened(plan, limits)
        _opened.move_to_end(key)
        while len(_opened) > _KEPT:
            _opened.popitem(last=False)
        return _opened[key]


def _after_fork() -> None:
    # Another thread of the parent may have held it.
    global _opening, _executor
    _opening = threading.Lock()
    _executor = None


os.register_at_fork(after_in_child=_after_fork)

_executor: ThreadPoolExecutor | None = None


def executor() -> ThreadPoolExecutor:
    """Threads of this process that wait for the engine."""
    global _executor
    if _executor is None:
        _executor = ThreadPoolExecutor(max_workers=2 * (os.cpu_count() or 1), thread_name_prefix="anncat-store")
    return _executor


async def in_thread(function: Any, *args: Any) -> Any:
    """Runs a call that reads, without holding up the event loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # somebody steps through the coroutine by hand
        return function(*args)
    return await loop.run_in_executor(executor(), function, *args)


async def together(reads: list[Any]) -> list[Any]:
    """Awaits all reads, at once where there is an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # as in `in_thread`
        return [await read for read in reads]
    return list(await asyncio.gather(*reads))


class StoreMapping(MutableMapping[str, bytes]):
    """The keys of a store and their bytes, as zarr-python 2 takes stores. Read-only."""

    def __init__(self, merged: Merged, layout: Layout) -> None:
        self._keys = Keys(merged, layout)

    def __reduce__(self) -> tuple[Any, ...]:
        return _mapping, self._keys.pickled()

    def __getitem__(self, key: str) -> bytes:
        found = self._keys.native.get(key)
        if found is None:
            raise KeyError(key)
        return found.tobytes()

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._keys.native.len_bytes(key) is not None

    def __iter__(self) -> Iterator[str]:
        return self._keys.all()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __setitem__(self, key: str, value: bytes) -> None:
        raise PermissionError(_READ_ONLY)

    def __delitem__(self, key: str) -> None:
        raise PermissionError(_READ_ONLY)

    def listdir(self, path: str = "") -> list[str]:
        """Names in a directory."""
        return [name.rstrip("/") for name in self._keys.native.list_dir(path)]

    def getsize(self, path: str) -> int:
        """Length of a key, or of the files in a directory, in bytes."""
        found = self._keys.native.len_bytes(path)
        if found is not None:
            return found
        return sum(self._keys.native.len_bytes(f"{path}/{n}") or 0 for n in self.listdir(path))


def _mapping(plan: str, limits: tuple[int, bool], layout: Layout) -> StoreMapping:
    return StoreMapping(reopen(plan, limits), layout)
