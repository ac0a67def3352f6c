"""Damages whole files where their structure is: HDF5's blocks and fields, zarr's metadata and chunks,
and the elements that anndata keeps in them. One generator of random numbers, one damage.

Knows what the formats look like, not who reads them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np

# What begins the blocks of HDF5's metadata.
SIGNATURES = [b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"FHDB", b"FHIB", b"BTHD", b"BTLF", b"BTIN", b"EAHD", b"FAHD", b"\x89HDF"]
ODD_NUMBERS = [0, 1, 2, 7, 8, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
ODD_JSON = [None, True, 0, -1, 1, 2**31, 2**53 + 1, 2**64, 1e308, 0.5, "", "é", "/", "..", "int32", "<f8", "|O", "zstd", [], [0], [-1], [2**40], {}, {"a": 1}]
ENCODINGS = ["array", "csr_matrix", "csc_matrix", "dataframe", "dict", "categorical", "string-array", "nullable-integer", "awkward-array", "raw", "null", "string", "numeric-scalar", "nonsense", ""]


def _one(rng, options):
    return options[int(rng.integers(len(options)))]


def damage(path: Path, rng: np.random.Generator) -> list[str]:
    """Damages the file or store at `path`, in one to three ways; says how."""
    ways = H5AD if path.is_file() else ZARR
    said = []
    for _ in range(int(rng.integers(1, 4))):
        way = _one(rng, ways)
        try:
            said.append(f"{way.__name__.strip('_')}: {way(path, rng)}")
        except Exception as error:  # what was done before has left nothing to damage in this way
            said.append(f"{way.__name__.strip('_')}: not possible ({type(error).__name__})")
    return said


# --- bytes of one file


def _flip(data: bytearray, rng, start: int, end: int) -> str:
    places = [int(rng.integers(start, end)) for _ in range(int(rng.integers(1, 5)))]
    for at in places:
        data[at] ^= 1 << int(rng.integers(8)) if rng.random() < 0.5 else int(rng.integers(1, 256))
    return f"bytes {sorted(places)}"


def _field(data: bytearray, rng, start: int, end: int) -> str:
    width = _one(rng, [1, 2, 4, 8])
    at = int(rng.integers(start, max(start + 1, end - width)))
    number = _one(rng, [*ODD_NUMBERS, len(data), len(data) - 1, at, at + 8]) % 2 ** (8 * width)
    data[at : at + width] = number.to_bytes(width, "little")
    return f"{number} in {width} bytes at {at}"


def _block(data: bytearray, rng) -> tuple[int, int]:
    """Where a block of metadata begins, and a little behind it."""
    starts = []
    for signature in SIGNATURES:
        at = data.find(signature)
        while at >= 0 and len(starts) < 4000:
            starts.append(at)
            at = data.find(signature, at + 1)
    start = _one(rng, starts)
    return start, min(len(data), start + _one(rng, [16, 64, 256, 600]))


def _bytes_of(path: Path, rng, change) -> str:
    data = bytearray(path.read_bytes())
    said = change(data, rng)
    path.write_bytes(data)
    return said


def any_bytes(path, rng):
    return _bytes_of(path, rng, lambda data, rng: _flip(data, rng, 0, len(data)))


def metadata_bytes(path, rng):
    return _bytes_of(path, rng, lambda data, rng: _flip(data, rng, *_block(data, rng)))


def metadata_field(path, rng):
    return _bytes_of(path, rng, lambda data, rng: _field(data, rng, *_block(data, rng)))


def message_field(path, rng):
    """Headers of objects without a signature (version 1) are everywhere between the blocks."""
    return _bytes_of(path, rng, lambda data, rng: _field(data, rng, 0, len(data)))


def cut(path, rng):
    def change(data, rng):
        keep = int(rng.integers(0, len(data))) if rng.random() < 0.7 else max(0, len(data) - int(rng.integers(1, 64)))
        del data[keep:]
        return f"to {keep} bytes"

    return _bytes_of(path, rng, change)


def blanked(path, rng):
    def change(data, rng):
        at, length = int(rng.integers(0, len(data))), int(rng.integers(1, 600))
        data[at : at + length] = _one(rng, [b"\0", b"\xff"]) * len(data[at : at + length])
        return f"{length} bytes at {at}"

    return _bytes_of(path, rng, change)


def copied_over(path, rng):
    def change(data, rng):
        length = int(rng.integers(1, 512))
        source, target = (int(rng.integers(0, max(1, len(data) - length))) for _ in range(2))
        data[target : target + length] = data[source : source + length]
        return f"{length} bytes from {source} to {target}"

    return _bytes_of(path, rng, change)


# --- elements of an h5ad


def _objects(file: h5py.File, kind=None) -> list[str]:
    names = []
    file.visititems(lambda name, item: names.append(name) if kind is None or isinstance(item, kind) else None)
    return names


def attribute(path, rng):
    with h5py.File(path, "r+") as file:
        item = file[_one(rng, [*_objects(file), "/"])]
        name = _one(rng, list(item.attrs) or ["encoding-type"])
        if rng.random() < 0.3:
            del item.attrs[name]
            return f"{item.name}@{name} removed"
        value = _one(rng, [*ENCODINGS, 0, -1, 2**40, [1, 2], [2**62, 2], np.array([], dtype="i8"), [0.5, 1.5]])
        item.attrs[name] = value
        return f"{item.name}@{name} = {value!r}"


def values(path, rng):
    with h5py.File(path, "r+") as file:
        names = [n for n in _objects(file, h5py.Dataset) if file[n].size and file[n].dtype.kind in "iuf"]
        # Where numbers mean places: bounds, columns, categories.
        telling = [n for n in names if n.rsplit("/", 1)[-1] in ("indptr", "indices", "codes")]
        item = file[_one(rng, telling if telling and rng.random() < 0.7 else names)]
        held = item[()].ravel()
        info = np.iinfo(held.dtype) if held.dtype.kind in "iu" else np.finfo(held.dtype)
        at, value = int(rng.integers(len(held))), _one(rng, [0, 1, 100, info.max, info.min, held[0]])
        held[at] = value
        item[...] = held.reshape(item.shape)
        return f"{item.name}[{at}] = {value}"


def replaced(path, rng):
    with h5py.File(path, "r+") as file:
        name = _one(rng, _objects(file))
        old = dict(file[name].attrs)
        del file[name]
        length = int(rng.integers(0, 6))
        value = _one(rng, [np.arange(length), np.zeros((length, 2)), np.float32(1), "text", np.array([b"a"] * length), np.zeros((2, 2, 2)), np.zeros(length, bool), h5py.Empty("f4")])
        new = file.create_dataset(name, data=value)
        if rng.random() < 0.7:
            new.attrs.update(old)
        return f"{name} by {value!r}"


def removed(path, rng):
    with h5py.File(path, "r+") as file:
        name = _one(rng, _objects(file))
        del file[name]
        return name


def linked(path, rng):
    with h5py.File(path, "r+") as file:
        one, other = _one(rng, [*_objects(file), "/"]), _one(rng, _objects(file))
        target = file[one]
        del file[other]
        if rng.random() < 0.5:
            file[other] = target
        else:
            file[other] = h5py.SoftLink(_one(rng, [one, other, "/nowhere"]))
        return f"{other} is {one}"


# --- files of a zarr store


def _files(path: Path, metadata: bool) -> list[Path]:
    named = ("zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata")
    return sorted(p for p in path.rglob("*") if p.is_file() and (p.name in named) == metadata)


def _places(value, at=()):
    """Every place within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*at, key)
        yield from _places(item, (*at, key))


def json_value(path, rng):
    file = _one(rng, _files(path, True))
    root = json.loads(file.read_bytes())
    place = _one(rng, list(_places(root)))
    holder = root
    for key in place[:-1]:
        holder = holder[key]
    if rng.random() < 0.2:
        del holder[place[-1]]
        said = "removed"
    else:
        old = holder[place[-1]]
        value = _one(rng, [*ODD_JSON, *ENCODINGS])
        if isinstance(old, int) and rng.random() < 0.6:
            value = _one(rng, [old + 1, old - 1, old * 2, *ODD_NUMBERS])
        holder[place[-1]] = value
        said = f"= {value!r}"
    file.write_text(json.dumps(root))
    if rng.random() < 0.7:
        _forget_consolidated(path, file)
    return f"{file.relative_to(path)} {'/'.join(map(str, place))} {said}"


def _forget_consolidated(path: Path, changed: Path) -> None:
    """So that what a node says of itself is what is read."""
    if changed.name != ".zmetadata":
        (path / ".zmetadata").unlink(missing_ok=True)
    root = path / "zarr.json"
    if root.is_file() and changed != root:
        held = json.loads(root.read_bytes())
        held.pop("consolidated_metadata", None)
        root.write_text(json.dumps(held))


def json_text(path, rng):
    file = _one(rng, _files(path, True))
    return f"{file.relative_to(path)} {_one(rng, [any_bytes, cut])(file, rng)}"


def chunk(path, rng):
    file = _one(rng, _files(path, False))
    way = _one(rng, [any_bytes, cut, blanked, message_field, copied_over])
    return f"{file.relative_to(path)} {way.__name__} {way(file, rng)}"


def chunks_swapped(path, rng):
    one, other = _one(rng, _files(path, False)), _one(rng, _files(path, False))
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second), other.write_bytes(first)
    return f"{one.relative_to(path)} and {other.relative_to(path)}"


def file_removed(path, rng):
    file = _one(rng, _files(path, bool(rng.random() < 0.5)))
    file.unlink()
    if rng.random() < 0.3:
        file.mkdir()
    return str(file.relative_to(path))


def directory_removed(path, rng):
    directory = _one(rng, sorted(p for p in path.rglob("*") if p.is_dir()))
    shutil.rmtree(directory)
    return str(directory.relative_to(path))


H5AD = [any_bytes, metadata_bytes, metadata_bytes, metadata_field, metadata_field, metadata_field, message_field, message_field, cut, blanked, copied_over, attribute, attribute, values, values, replaced, removed, linked]
ZARR = [json_value, json_value, json_value, json_value, json_text, chunk, chunk, chunk, chunks_swapped, file_removed, directory_removed]
