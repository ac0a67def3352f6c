"""An AnnData in memory: anndata's own reader over the store, with its arrays of numbers filled by the engine.

What zarr cannot hold is read from an .h5ad file that holds nothing else.
"""

from __future__ import annotations

import contextvars
import functools
import glob
import json
import os
import tempfile
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _native
from ._errors import Error

if TYPE_CHECKING:
    from anndata import AnnData

    from ._merged import Merged

_SPARSE = ("csr_matrix", "csc_matrix")
_MATRICES = ("array", *_SPARSE)
_WRITE: dict[str, Any] = {
    "overwrite": False, "sync": False, "compression": None, "is_compression_chosen": True, "level": None, "zarr_format": 3,
    "chunk_rows": None, "chunk_elems": None, "shard_bytes": None, "max_loaded_elems": None, "threads": None,
}  # fmt: skip


def to_memory(merged: Merged) -> AnnData:
    """See `Merged.to_memory`."""
    from anndata import AnnData

    return AnnData(**read_element(merged, ""))


def read_element(merged: Merged, path: str) -> Any:
    """One element, as anndata reads it; all elements of the root for an empty path."""
    if merged._source is None:
        merged._source = _source(merged)
    store, left_out = merged._source
    found = {} if store is None else _stored(merged, store, path)
    missing = [element for element in left_out if _lies_in(element["path"], [path])]
    for place, value in _beside(merged, missing).items():
        found = _put(found, place[len(path) :].strip("/"), value)
    return found


def _source(merged: Merged) -> tuple[Any, list[dict[str, Any]]]:
    """The store that is read, and the elements that it leaves out; no store, and all, if zarr cannot hold a table."""
    from ._store import left_out, make_store

    elements = merged._known()["elements"]
    store = make_store(merged, (None, None, None, None))
    try:
        num_left_out = len(left_out(store))
    except Error as error:
        if error.kind != "unrepresentable":
            raise
        return None, _outermost(elements)
    held = functools.cache(lambda parent: set(store._keys.native.list_dir(parent)))
    absent = _outermost([element for element in elements if not _holds(held, element["path"])]) if num_left_out else []
    if len(absent) != num_left_out:
        raise Error(f"{num_left_out} elements are left out of zarr, and {len(absent)} are known")
    return store, absent


def _holds(held: Callable[[str], set[str]], path: str) -> bool:
    """Whether a path is among what is held in its parent."""
    parent, _, name = path.rpartition("/")
    return f"{name}/" in held(parent)


def _lies_in(path: str, others: Collection[str]) -> bool:
    """Whether a path is one of others, or below one; the root is an empty path."""
    return "" in others or any(place in others for place in (path, *_parents(path)))


def _outermost(elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that lie in others, which come before them."""
    found: dict[str, dict[str, Any]] = {}
    for element in elements:
        if not _lies_in(element["path"], found):
            found[element["path"]] = element
    return list(found.values())


def _put(found: Any, place: str, value: Any) -> Any:
    """A mapping with a value at a place in it; the value itself if the place is empty."""
    if not place:
        return value
    *parents, name = place.split("/")
    mapping = found
    for parent in parents:
        mapping = mapping.setdefault(parent, {})
    mapping[name] = value
    return found


def _beside(merged: Merged, elements: list[dict[str, Any]]) -> dict[str, Any]:
    """Elements by their paths, read without zarr."""
    found = {e["path"]: assemble(merged._native.matrix(e["path"])) for e in elements if e["encoding"] in _MATRICES}
    others = [element["path"] for element in elements if element["path"] not in found]
    return found | _through_file(merged, others) if others else found


def _through_file(merged: Merged, paths: list[str]) -> dict[str, Any]:
    """Elements by their paths, written to a file without the others, and read by anndata."""
    import h5py
    from anndata.io import read_elem

    # Raw is there with its matrix or not at all.
    wanted = [path for path in paths if not path.startswith("raw/")] + ["raw"] * any(p.startswith("raw/") for p in paths)
    plan = json.loads(merged.plan())
    plan["elements"]["drop"] += map(glob.escape, _others(merged, wanted))
    alone = _native.Merged.from_plan(json.dumps(plan), *merged._limits)
    with tempfile.TemporaryDirectory(prefix="anncat-") as directory:
        place = os.path.join(directory, "beside.h5ad")
        alone.write(place, {**_WRITE, "memory_bytes": merged._limits[0]})
        with h5py.File(place, "r") as file:
            return {path: read_elem(file[path]) for path in paths}


def _others(merged: Merged, wanted: list[str]) -> list[str]:
    """All paths but these, what is in them, and what they are in."""
    paths = [element["path"] for element in merged._known()["elements"]]
    inside = set(wanted)
    around = {parent for path in wanted for parent in _parents(path)}
    return [path for path in paths if not _lies_in(path, inside) and path not in around]


def _parents(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:depth]) for depth in range(1, len(names))]


def _stored(merged: Merged, store: Any, path: str) -> Any:
    import zarr
    from anndata.experimental import read_dispatched

    root = zarr.open_group(store, mode="r")
    plain_text = merged._are_files()

    def callback(func: Any, name: str, element: Any, iospec: Any) -> Any:
        if iospec.encoding_type in _SPARSE or (iospec.encoding_type == "array" and element.ndim > 0):
            return assemble(merged._native.matrix(name.strip("/")))
        read = func(element)
        if iospec.encoding_type == "string-array" and plain_text and getattr(read, "dtype", None) != object:
            # zarr-python has a type of strings of its own; from HDF5 anndata reads objects.
            return np.asarray(read).astype(object)
        return read

    if path:
        return read_dispatched(root[path], callback)
    return _all_of(dict(root), lambda value: read_dispatched(value, callback))


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
