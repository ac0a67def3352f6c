"""An AnnData in memory: anndata's own reader over the store, with its arrays of numbers filled by the engine."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from anndata import AnnData

    from ._merged import Merged

_SPARSE = ("csr_matrix", "csc_matrix")


def to_memory(merged: Merged) -> AnnData:
    """See `Merged.to_memory`."""
    return _read(merged, "")


def read_element(merged: Merged, path: str) -> Any:
    """One element, as anndata reads it."""
    return _read(merged, path)


def _read(merged: Merged, path: str) -> Any:
    import zarr
    from anndata import AnnData
    from anndata.experimental import read_dispatched

    if merged._default_store is None:
        merged._default_store = merged.store()
    root = zarr.open_group(merged._default_store, mode="r")
    plain_text = merged._are_files()

    def callback(func: Any, name: str, element: Any, iospec: Any) -> Any:
        name = name.strip("/")
        if iospec.encoding_type == "anndata" and name == "":
            return AnnData(**_all_of(dict(element), lambda value: read_dispatched(value, callback)))
        if iospec.encoding_type in _SPARSE or (iospec.encoding_type == "array" and element.ndim > 0):
            return assemble(merged._native.matrix(name))
        read = func(element)
        if iospec.encoding_type == "string-array" and plain_text and getattr(read, "dtype", None) != object:
            # zarr-python has a type of strings of its own; from HDF5 anndata reads objects.
            return np.asarray(read).astype(object)
        return read

    return read_dispatched(root[path] if path else root, callback)


def _all_of(elements: dict[str, Any], read: Callable[[Any], Any]) -> dict[str, Any]:
    """All elements of the root. What takes Python's time (text, frames) is read beside matrices, which take the engine's."""
    frames = {key: elements.pop(key) for key in ("obs", "var", "uns") if key in elements}
    with ThreadPoolExecutor(1, "anncat") as beside:
        context = contextvars.copy_context()
        reading = beside.submit(context.run, lambda: {key: read(value) for key, value in frames.items()})
        matrices = {key: read(value) for key, value in elements.items()}
        return matrices | reading.result()


def assemble(parts: tuple[Any, ...]) -> Any:
    """A scipy matrix or a numpy array of what the engine gives; nothing is copied."""
    encoding, shape, *arrays = parts
    if encoding == "array":
        return arrays[0].reshape(shape)
    import anndata
    from scipy import sparse

    kind = "array" if getattr(getattr(anndata, "settings", None), "use_sparse_array_on_read", False) else "matrix"
    data, indices, indptr = arrays
    matrix = getattr(sparse, f"{encoding[:3]}_{kind}")(shape, dtype=data.dtype)
    # Put in, as anndata does: the constructor would look at, and may convert, every index.
    matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
    return matrix
