"""Mounts under load, for minutes or hours: many processes read at random, every byte is compared.

    scripts/soak --minutes 60
    scripts/soak --minutes 0.2 --cells 300 --workers 3

Inputs are h5ad and zarr, plain and gzip. Each mount is copied whole first; that copy is compared with
anndata.concat, and is from then on what every read of the mount must give: pread at random, mmap,
stat, readdir, open, whole copies, files that are not there. Page caches are dropped in between, and
some workers mount and unmount the same inputs for themselves. Ends with 1 when a byte differs, a read
fails, or a mount dies.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import mmap
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from oracle import anncat, compare, differential

SETS = {
    "h5ad": ("h5ad", {}),
    "h5ad-gzip": ("h5ad", {"compression": "gzip"}),
    "zarr2": ("zarr2", {}),
    "zarr3-sharded": ("zarr3", {"shard": True}),
}
OPTIONS = {"join": "outer", "label": "donor", "index_unique": "-"}


def make_inputs(directory: Path, fmt: str, arguments: dict, cells: int, seed: int) -> list[Path]:
    """Three inputs whose genes overlap."""
    paths = []
    for number in range(3):
        rng = np.random.default_rng([seed, number])
        genes = np.sort(rng.permutation(400)[:300])
        x = sparse.random(cells, len(genes), 0.1, "csr", dtype=np.float32, random_state=rng)
        adata = ad.AnnData(
            X=x,
            obs=pd.DataFrame(
                {"type": pd.Categorical(rng.choice(["T", "B", "NK"], cells)), "n": rng.integers(0, 99, cells), "name": [f"n{i % 97}" for i in range(cells)]},
                index=[f"c{i}" for i in range(cells)],
            ),
            var=pd.DataFrame(index=[f"g{g}" for g in genes]),
            obsm={"X_pca": rng.normal(size=(cells, 20)).astype(np.float32)},
            layers={"dense": x.toarray()},
        )
        path = directory / f"in{number}.{'h5ad' if fmt == 'h5ad' else 'zarr'}"
        differential.write(adata, path, fmt, dict(arguments))
        paths.append(path)
    return paths


def copy_whole(root: Path, target: Path) -> None:
    """Copies every file by reads of a megabyte."""
    for directory, _, names in os.walk(root):
        to = target / os.path.relpath(directory, root)
        to.mkdir(parents=True, exist_ok=True)
        for name in names:
            with open(os.path.join(directory, name), "rb") as source, open(to / name, "wb") as out:
                while piece := source.read(1 << 20):
                    out.write(piece)


class Worker:
    """One process that reads one mount at random and compares it with the copy."""

    def __init__(self, root: Path, copy: Path, seed: int, inputs: list[Path], work: Path):
        self.root, self.copy, self.inputs, self.work = root, copy, inputs, work
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.files = sorted(str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_file())
        self.directories = [".", *sorted(str(p.relative_to(copy)) for p in copy.rglob("*") if p.is_dir())]
        sizes = np.array([os.path.getsize(copy / f) for f in self.files], dtype=float)
        # Large files are met as often as small ones are.
        self.weights = (np.sqrt(sizes) + 1) / (np.sqrt(sizes) + 1).sum()
        self.tally = collections.Counter()
        self.wrong: list[str] = []

    def until(self, deadline: float) -> None:
        ways = [self.pread] * 12 + [self.mapped] * 3 + [self.stat] * 6 + [self.listed] * 3 + [self.absent] * 2
        ways += [self.whole] * 3 + [self.dropped] * 2 + [self.held] * 2
        while time.monotonic() < deadline and len(self.wrong) < 20:
            way = ways[int(self.rng.integers(len(ways)))]
            if self.rng.random() < 0.0005:
                way = self.mounted
            try:
                way(self.files[int(self.rng.choice(len(self.files), p=self.weights))])
            except Exception as error:
                self.wrong.append(f"{way.__name__}: {type(error).__name__}: {error}"[:400])
            self.tally[way.__name__] += 1

    def expect(self, name: str, at: int, got: bytes, wanted: int) -> None:
        with open(self.copy / name, "rb") as file:
            expected = os.pread(file.fileno(), wanted, at)
        if got != expected:
            first = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
            raise AssertionError(f"{name}: {len(got)} bytes at {at}, should be {len(expected)}; first wrong at {at + first}")

    def span(self, size: int) -> tuple[int, int]:
        at = int(self.rng.integers(0, size + 1))
        return at, int(min(2 ** self.rng.integers(0, 21), size + 100))

    def pread(self, name: str) -> None:
        with open(self.root / name, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(int(self.rng.integers(1, 6))):
                at, length = self.span(size)
                got = b""
                while len(got) < length and (piece := os.pread(file.fileno(), length - len(got), at + len(got))):
                    got += piece
                self.expect(name, at, got, length)

    def mapped(self, name: str) -> None:
        with open(self.root / name, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                    at, length = self.span(size)
                    self.expect(name, at, view[at : at + length], length)

    def stat(self, name: str) -> None:
        size, should = os.stat(self.root / name).st_size, os.stat(self.copy / name).st_size
        if size != should:
            raise AssertionError(f"{name}: {size} bytes, should be {should}")

    def listed(self, _name: str) -> None:
        directory = self.directories[int(self.rng.integers(len(self.directories)))]
        if sorted(os.listdir(self.root / directory)) != sorted(os.listdir(self.copy / directory)):
            raise AssertionError(f"{directory}: other names")

    def absent(self, name: str) -> None:
        try:
            os.stat(self.root / f"{name}.nothing")
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
        else:
            raise AssertionError(f"{name}.nothing is there")

    def whole(self, name: str) -> None:
        got = Path(self.root / name).read_bytes()
        self.expect(name, 0, got, len(got) + 1)

    def dropped(self, name: str) -> None:
        """Forgets the pages of a file of the mount, and of an input."""
        inputs = [p for path in self.inputs for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file()]
        for path in (self.root / name, inputs[int(self.rng.integers(len(inputs)))]):
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def held(self, name: str) -> None:
        """Several files open at once."""
        names = [name, *(self.files[int(i)] for i in self.rng.integers(len(self.files), size=8))]
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(self.root / n, "rb")) for n in names]
            for n, file in zip(names, files, strict=True):
                got = file.read(4096)
                self.expect(n, 0, got, 4096)

    def mounted(self, name: str) -> None:
        """A mount of its own, read a little, and ended."""
        at = self.work / f"own{self.seed}"
        at.mkdir(exist_ok=True)
        with anncat.mount(self.inputs, OPTIONS, at=at) as root:
            for n in [name, *(self.files[int(i)] for i in self.rng.integers(len(self.files), size=20))]:
                got = Path(root / n).read_bytes()
                self.expect(n, 0, got, len(got) + 1)


def work(root, copy, seed, inputs, directory, seconds, queue) -> None:
    """The life of a worker process."""
    try:
        worker = Worker(root, copy, seed, inputs, directory)
        worker.until(time.monotonic() + seconds)
        queue.put((dict(worker.tally), worker.wrong))
    except BaseException:
        queue.put(({}, [traceback.format_exc(limit=4)]))


def soak(seconds: float, cells: int, workers: int, seed: int, directory: Path, sets=tuple(SETS)) -> tuple[collections.Counter, list[str]]:
    """Runs everything; gives how often each thing was done, and what was wrong."""
    tally, wrong = collections.Counter(), []
    queue = multiprocessing.get_context("fork").SimpleQueue()
    with contextlib.ExitStack() as stack:
        processes = []
        for number, name in enumerate(sets):
            own = directory / name
            (own / "mnt").mkdir(parents=True)
            inputs = make_inputs(own, *SETS[name], cells, seed)
            root = stack.enter_context(anncat.mount(inputs, OPTIONS, at=own / "mnt"))
            copy_whole(root, own / "copy.zarr")
            expected = differential.oracle(inputs, OPTIONS)
            found = compare.differences(expected.adata, differential.read(own / "copy.zarr"), sparse_format=expected.sparse_format)
            wrong += [f"{name}: {line}" for line in found]
            for at in range(workers):
                arguments = (root, own / "copy.zarr", seed * 1000 + number * 100 + at, inputs, own, seconds, queue)
                processes.append(multiprocessing.get_context("fork").Process(target=work, args=arguments))
        for process in processes:
            process.start()
        for _ in processes:
            done, told = queue.get()
            tally.update(done)
            wrong += told
        for process in processes:
            process.join()
        for name in sets:
            if not anncat.is_mounted(directory / name / "mnt"):
                wrong.append(f"{name}: the mount is gone")
    return tally, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long to read (default 10)")
    parser.add_argument("--cells", type=int, default=5000, help="rows of each input (default 5000)")
    parser.add_argument("--workers", type=int, default=4, help="processes a mount, of which there are four (default 4)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="where inputs, copies and mounts are (default: a temporary directory)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anncat-soak-", dir=args.work) as directory:
        tally, wrong = soak(args.minutes * 60, args.cells, args.workers, args.seed, Path(directory))
    for line in wrong[:40]:
        print(f"  {line}")
    print(", ".join(f"{n} {name}" for name, n in sorted(tally.items())))
    print(f"{sum(tally.values())} operations, {len(wrong)} mismatches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
