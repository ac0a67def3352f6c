"""Batches of rows, as training loaders ask for them: batches a second."""

import json
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
BATCH = 1024
RUN = 64
SECONDS = 4.0
THREADS = 4
OPEN_FILES = 4096


def picks(n, kind, rng):
    """Sorted rows of one batch: scattered, or in runs."""
    if kind == "random":
        return np.sort(rng.choice(n, min(BATCH, n), replace=False))
    starts = np.sort(rng.choice(max(1, n // RUN), min(BATCH // RUN, max(1, n // RUN)), replace=False)) * RUN
    return np.concatenate([np.arange(start, min(start + RUN, n)) for start in starts])


def rate(n, kind, fetch):
    """Batches a second of `fetch(rows)`, after one to warm up."""
    rng = np.random.default_rng(1)
    fetch(picks(n, kind, rng))
    count, start = 0, time.perf_counter()
    while count < 2 or time.perf_counter() - start < SECONDS:
        fetch(picks(n, kind, rng))
        count += 1
    return count / (time.perf_counter() - start)


class Line:
    """A one-dimensional uncompressed v3 array read by byte ranges of its chunk files."""

    def __init__(self, root: Path):
        meta = json.loads((root / "zarr.json").read_text())
        names = [codec["name"] for codec in meta["codecs"]]
        if names != ["bytes"]:
            raise RuntimeError(f"the chunks of {root} are encoded with {names}")
        self.dtype = np.dtype(meta["data_type"])
        self.chunk = meta["chunk_grid"]["configuration"]["chunk_shape"][0]
        self.separator = meta["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
        self.root, self.open = f"{root}/c{self.separator}", {}

    def fd(self, number):
        fd = self.open.pop(number, None)
        if fd is None:
            fd = os.open(f"{self.root}{number}", os.O_RDONLY)
            # A loader knows what it wants: nothing is read ahead.
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        # In the order of their use, the last one at the end.
        self.open[number] = fd
        return fd

    def trim(self):
        """Closes the files that were not used for longest."""
        while len(self.open) > OPEN_FILES:
            os.close(self.open.pop(next(iter(self.open))))

    def tasks(self, starts, ends):
        """The array that the ranges fill one after another, and the reads that fill it."""
        out = np.empty(int((ends - starts).sum()), self.dtype)
        view, at, size, reads = memoryview(out).cast("B"), 0, self.dtype.itemsize, []
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            while start < end:
                number, inside = divmod(start, self.chunk)
                take = min(end - start, self.chunk - inside)
                reads.append((self.fd(number), view[at : at + take * size], inside * size))
                start, at = start + take, at + take * size
        return out, reads

    def close(self):
        for fd in self.open.values():
            os.close(fd)


def read(tasks):
    for fd, view, offset in tasks:
        os.preadv(fd, [view], offset)


class Rows:
    """Rows of a CSR matrix of a store as ranges of its elements, with `indptr` in memory."""

    def __init__(self, x):
        self.indptr = x["indptr"][...].astype(np.int64)
        self.width = x.attrs["shape"][1]

    def __len__(self):
        return len(self.indptr) - 1

    def ranges(self, rows):
        """Where ranges start and end; rows that follow each other are one."""
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        starts = self.indptr[rows[np.concatenate([[0], breaks])]]
        return starts, self.indptr[rows[np.concatenate([breaks - 1, [len(rows) - 1]])] + 1]

    def matrix(self, rows, values, columns):
        from scipy import sparse

        own = np.concatenate([[0], np.cumsum(self.indptr[rows + 1] - self.indptr[rows])])
        return sparse.csr_matrix((values, columns, own), shape=(len(rows), self.width))


def ranges(merged, kind):
    """Rows as byte ranges of the chunk files: what a loader written for the mount does."""
    import zarr

    matrix = Rows(zarr.open_group(merged, mode="r")["X"])
    data, indices = Line(Path(merged) / "X/data"), Line(Path(merged) / "X/indices")

    def fetch(rows):
        starts, ends = matrix.ranges(rows)
        (values, some), (columns, others) = data.tasks(starts, ends), indices.tasks(starts, ends)
        reads = some + others
        step = -(-len(reads) // THREADS)
        list(pool.map(read, [reads[at : at + step] for at in range(0, len(reads), step)]))
        data.trim(), indices.trim()
        return matrix.matrix(rows, values, columns)

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            return rate(len(matrix), kind, fetch)
        finally:
            data.close(), indices.close()


class Ranges:
    """Ranges of a one-dimensional array, one after another, as zarr's indexers give their parts."""

    drop_axes = ()

    def __init__(self, array, starts, ends):
        self.chunk, self.starts, self.ends = array.chunks[0], starts, ends
        self.shape = (int((ends - starts).sum()),)

    def __iter__(self):
        from zarr.core.indexing import ChunkProjection

        at = 0
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            while start < end:
                number, inside = divmod(start, self.chunk)
                take = min(end - start, self.chunk - inside)
                yield ChunkProjection((number,), (slice(inside, inside + take, 1),), (slice(at, at + take, 1),), False)
                start, at = start + take, at + take


def zarrs(merged, kind):
    """Rows through zarr with the zarrs codec pipeline, as training loaders over zarr read them."""
    import asyncio

    import zarr
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": THREADS}):
        x = zarr.open_group(merged, mode="r")["X"]
        matrix, arrays = Rows(x), (x["data"], x["indices"])

        async def parts(starts, ends):
            return await asyncio.gather(*(
                array._async_array._get_selection(Ranges(array, starts, ends), prototype=default_buffer_prototype())
                for array in arrays
            ))

        def fetch(rows):
            return matrix.matrix(rows, *sync(parts(*matrix.ranges(rows))))

        return rate(len(matrix), kind, fetch)


def zarr_python(merged, kind):
    """Rows through anndata's own sparse dataset over zarr-python."""
    import anndata as ad
    import zarr

    x = ad.io.sparse_dataset(zarr.open_group(merged, mode="r")["X"])
    return rate(x.shape[0], kind, lambda rows: x[rows])


def collection(inputs, kind):
    """Rows through AnnCollection over the backed inputs."""
    import anndata as ad
    from anndata.experimental import AnnCollection

    parts = [ad.read_h5ad(path, backed="r") for path in inputs]
    whole = AnnCollection(parts, join_vars="inner", index_unique="-")
    try:
        return rate(whole.n_obs, kind, lambda rows: whole[rows].X)
    finally:
        for part in parts:
            part.file.close()


def backed(path, kind):
    """Rows of an .h5ad that is opened backed."""
    import anndata as ad

    adata = ad.read_h5ad(path, backed="r")
    try:
        return rate(adata.n_obs, kind, lambda rows: adata.X[rows])
    finally:
        adata.file.close()
