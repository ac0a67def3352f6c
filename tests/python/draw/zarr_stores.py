"""Writes zarr stores of every kind and what zarr-python reads from them.

usage: zarr_stores.py OUT [STORE ...]

OUT/expected.json lists, for each array of the generated stores and of each further STORE (a zarr
directory or a zipped one), its store, path, kind (number, text, record), dtype, shape, and the file
that holds its values: bytes of numbers as zarr-python returns them, or JSON for the rest.
"""

import itertools
import json
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import zarr
from zarr import codecs as zc

warnings.filterwarnings("ignore")
RNG = np.random.default_rng(7)
DTYPES = ["?", "i1", "<i2", ">i4", "<i8", "u1", ">u2", "<u4", "<u8", "<f2", ">f4", "<f8", "<c8", ">c16"]
SHAPES = [(), (1,), (7,), (1000,), (0,), (5, 8), (0, 3), (33, 20), (4, 5, 6)]
WORDS = ["", "a", "gene", "äöü", "日本語", "🧬 long " * 9, "x" * 300, " ", "NaN"]


def numbers(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return RNG.random(shape) < 0.5
    if dtype.kind in "iu":
        return RNG.integers(0, 100, size=shape).astype(dtype)
    return (RNG.standard_normal(shape) * 10).round(2).astype(dtype)


def chunked(shape):
    return tuple(int(RNG.integers(1, max(2, extent + 2))) for extent in shape)


def put(group, name, data, **kwargs):
    """Creates an array, writes it, and leaves holes in some."""
    array = group.create_array(name, shape=data.shape, dtype=data.dtype, **kwargs)
    if data.ndim and data.shape[0] > 4 and RNG.random() < 0.4:
        array[: data.shape[0] // 2] = data[: data.shape[0] // 2]
    elif data.size:
        array[...] = data
    return array


def v2(root):
    group = zarr.open_group(root, mode="w", zarr_format=2)
    import numcodecs

    compressors = [
        None,
        numcodecs.Blosc("lz4", shuffle=1),
        numcodecs.Blosc("zstd", shuffle=2),
        numcodecs.Blosc("blosclz", shuffle=0),
        numcodecs.Blosc("zlib", shuffle=1),
        numcodecs.Zstd(3),
        numcodecs.GZip(1),
        numcodecs.Zlib(1),
        numcodecs.LZ4(),
        numcodecs.BZ2(1),
    ]
    cases = itertools.product(DTYPES, SHAPES)
    for n, (dtype, shape) in enumerate(cases):
        data = numbers(dtype, shape)
        filters = [numcodecs.Shuffle(data.dtype.itemsize)] if n % 7 == 3 else None
        fill = [0, None, "nan"][n % 3]
        if fill == "nan":
            fill = np.nan if data.dtype.kind == "f" else 1
        put(group, f"n{n}", data, chunks=chunked(shape) or (), compressors=compressors[n % 10],
            filters=filters, order="CF"[n % 2], fill_value=fill,
            chunk_key_encoding={"name": "v2", "separator": "./"[n // 2 % 2]})
    for n, shape in enumerate(SHAPES):
        words = RNG.choice(WORDS, size=shape)
        words = np.asarray(words)
        for kind, data in {"U": words.astype("U12"), ">U": words.astype(">U7"),
                           "S": np.char.encode(words.astype("U12"), "ascii", "replace").astype("S9")}.items():
            put(group, f"{kind}{n}".replace(">", "b"), data, chunks=chunked(shape) or (),
                compressors=compressors[n % 10])
        array = group.create_array(f"O{n}", shape=shape, dtype=str, chunks=chunked(shape) or (),
                                   compressors=compressors[n % 10])
        if words.size:
            array[...] = words.astype(object) if shape else str(words)
    record = np.zeros(9, dtype=[("index", "S4"), ("x", "<f4"), ("flag", "?"), ("u", "<U3"), ("big", ">i8")])
    record["index"], record["x"], record["u"], record["big"] = b"ab", RNG.random(9), "é", np.arange(9)
    group.create_array("record", data=record, chunks=(4,))
    sub = group.create_group("sub/deeper")
    sub.attrs["k"] = [1, 2]


def v3(root):
    group = zarr.open_group(root, mode="w", zarr_format=3)
    chains = [
        None,
        [zc.ZstdCodec(level=1)],
        [zc.ZstdCodec(level=1, checksum=True), zc.Crc32cCodec()],
        [zc.GzipCodec(level=1)],
        [zc.BloscCodec(cname="lz4", shuffle="bitshuffle")],
        [zc.BloscCodec(cname="zstd", shuffle="shuffle", typesize=4)],
    ]
    for n, (dtype, shape) in enumerate(itertools.product(DTYPES, SHAPES)):
        data = numbers(dtype, shape)
        chunks = chunked(shape) or ()
        kwargs = {}
        if shape and n % 3 == 0:
            kwargs["shards"] = tuple(c * int(RNG.integers(1, 4)) for c in chunks)
        elif len(shape) > 1 and n % 3 == 1:
            kwargs["filters"] = [zc.TransposeCodec(order=tuple(RNG.permutation(len(shape)).tolist()))]
        if data.dtype.itemsize > 1 and n % 5 == 4 and "shards" not in kwargs:
            kwargs["serializer"] = zc.BytesCodec(endian="big")
        put(group, f"n{n}", data, chunks=chunks, compressors=chains[n % 6],
            fill_value=[0, 1][n % 2], config={"write_empty_chunks": n % 2 == 0},
            chunk_key_encoding={"name": ["default", "v2"][n // 6 % 2], "separator": "./"[n // 2 % 2]}, **kwargs)
    for n, shape in enumerate(SHAPES):
        words = np.asarray(RNG.choice(WORDS, size=shape))
        chunks = chunked(shape) or ()
        for kind, data in {"U": words.astype("U12"),
                           "S": np.char.encode(words.astype("U12"), "ascii", "replace").astype("S9")}.items():
            put(group, f"{kind}{n}", data, chunks=chunks, compressors=chains[n % 6])
        shards = {"shards": chunks} if shape and n % 2 else {}
        array = group.create_array(f"O{n}", shape=shape, dtype=str, chunks=chunks,
                                   compressors=chains[n % 6], **shards)
        if words.size:
            array[...] = words.astype(object) if shape else str(words)
    record = np.zeros(9, dtype=[("index", "S4"), ("x", "<f4"), ("flag", "?"), ("u", "<U3")])
    record["index"], record["x"], record["u"] = b"ab", RNG.random(9), "é"
    group.create_array("record", data=record, chunks=(4,))
    group.create_group("empty")


def expected(out, store, rows):
    def visit(group, prefix):
        for name in group.keys():
            node = group[name]
            path = f"{prefix}{name}"
            if isinstance(node, zarr.Group):
                visit(node, path + "/")
                continue
            try:
                value = np.asarray(node[...])
            except Exception as error:
                print(f"zarr-python does not read {store}/{path}: {error}", file=sys.stderr)
                continue
            row = {"store": str(store), "path": path, "shape": list(value.shape), "file": f"{len(rows)}.bin"}
            file = out / row["file"]
            if value.dtype.kind in "biufc":
                little = value.astype(value.dtype.newbyteorder("<"))
                row |= {"kind": "number", "dtype": value.dtype.name}
                file.write_bytes(np.ascontiguousarray(little).tobytes())
            elif value.dtype.kind == "V":
                fields = {}
                for field in value.dtype.names:
                    values = value[field].ravel().tolist()
                    fields[field] = [v.decode() if isinstance(v, bytes) else v for v in values]
                row |= {"kind": "record"}
                file.write_text(json.dumps(fields))
            else:
                texts = [v.decode() if isinstance(v, bytes) else str(v) for v in value.ravel().tolist()]
                row |= {"kind": "text"}
                file.write_text(json.dumps(texts))
            rows.append(row)

    try:
        root = zarr.open_group(store, mode="r")
    except ValueError as error:
        print(f"zarr-python does not open {store}: {str(error)[:200]}", file=sys.stderr)
        return
    visit(root, "")


def main():
    out = Path(sys.argv[1])
    stores = []
    for name, write in {"v2": v2, "v3": v3}.items():
        write(out / f"{name}.zarr")
        stores.append(out / f"{name}.zarr")
        write(out / f"{name}-consolidated.zarr")
        zarr.consolidate_metadata(out / f"{name}-consolidated.zarr")
        stores.append(out / f"{name}-consolidated.zarr")
    for given in map(Path, sys.argv[2:]):
        if given.suffix == ".zip":
            target = out / given.stem
            with zipfile.ZipFile(given) as archive:
                archive.extractall(target)
            roots = [p.parent for name in (".zgroup", "zarr.json") for p in target.rglob(name)]
            stores.append(min(roots, key=lambda p: len(p.parts)))
        else:
            stores.append(given)
    rows = []
    for store in stores:
        expected(out, store, rows)
    (out / "expected.json").write_text(json.dumps(rows))


main()
