"""`MergedStore`: a `zarr.abc.store.Store`. Imports zarr-python 3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Any

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from ._store import _READ_ONLY, Keys, Layout, in_thread, is_metadata, reopen, together

if TYPE_CHECKING:
    from ._merged import Merged


class MergedStore(Store):
    """The result as a read-only store, computed from the inputs as it is read. Made by `Merged.store`.

    Reads hold no GIL. Pickles as its plan: whoever unpickles it opens the inputs, and fails if one has changed.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True
    supports_partial_writes = False

    def __init__(self, merged: Merged, layout: Layout) -> None:
        super().__init__(read_only=True)
        self._keys = Keys(merged, layout)
        self._is_open = True

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened_store, self._keys.pickled()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MergedStore) and self._keys == other._keys

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"anncat://merged-{id(self._keys.merged):x}.zarr"

    def __repr__(self) -> str:
        return f"MergedStore({self._keys.merged.n_obs} obs × {self._keys.merged.n_vars} vars, zarr {self._keys.layout[0]})"

    def with_read_only(self, read_only: bool = False) -> MergedStore:
        if not read_only:
            raise ValueError(_READ_ONLY)
        return self

    def _read(self, key: str, prototype: BufferPrototype | None, byte_range: ByteRequest | None) -> Buffer | None:
        native = self._keys.native
        match byte_range:
            case None:
                found = native.get(key)
            case RangeByteRequest():
                found = native.get(key, byte_range.start, byte_range.end)
            case OffsetByteRequest():
                found = native.get(key, byte_range.offset)
            case SuffixByteRequest():
                found = native.get(key, 0, None, byte_range.suffix)
            case _:
                raise TypeError(f"unknown byte range {byte_range!r}")
        if found is None:
            return None
        return (prototype or default_buffer_prototype()).buffer.from_array_like(found)

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if is_metadata(key):
            return self._read(key, prototype, byte_range)
        return await in_thread(self._read, key, prototype, byte_range)

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """As `get`, for callers that wait (as zarr's `FusedCodecPipeline` does, which wants all three of these)."""
        return self._read(key, prototype, byte_range)

    def set_sync(self, key: str, value: Buffer) -> None:
        self._check_writable()

    def delete_sync(self, key: str) -> None:
        self._check_writable()

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return await together([self.get(key, prototype, part) for key, part in key_ranges])

    async def exists(self, key: str) -> bool:
        return await in_thread(self._keys.native.len_bytes, key) is not None

    async def getsize(self, key: str) -> int:
        found = await in_thread(self._keys.native.len_bytes, key)
        if found is None:
            raise FileNotFoundError(key)
        return found

    async def list(self) -> AsyncIterator[str]:
        for key in self._keys.all():
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in self._keys.all(prefix):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        for name in self._keys.native.list_dir(prefix.rstrip("/")):
            yield name.rstrip("/")

    async def set(self, key: str, value: Buffer) -> None:
        self._check_writable()

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        self._check_writable()

    async def set_partial_values(self, key_start_values: Iterable[Any]) -> None:
        self._check_writable()

    async def delete(self, key: str) -> None:
        self._check_writable()


def _reopened_store(plan: str, limits: tuple[int, bool], layout: Layout) -> MergedStore:
    return MergedStore(reopen(plan, limits), layout)
