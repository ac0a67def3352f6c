"""A fixed range of the differential fuzzer, each way of storing inputs, each face."""

from __future__ import annotations

import os

import pytest

from oracle import anncat, differential
from programs import fuzz_semantics

SEEDS = int(os.environ.get("ANNCAT_FUZZ_SEEDS", "100"))
BATCH = 20


@pytest.mark.parametrize("formats", fuzz_semantics.FORMATS)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_seeds(formats, first):
    faces = ["h5ad", "zarr"] if anncat.SKIP_FUSE else ["all"]
    for face in faces:
        tasks = [(seed, formats, face, None) for seed in range(first, min(first + BATCH, SEEDS))]
        tally, bad = fuzz_semantics.run(fuzz_semantics.one_seed, tasks, jobs=1, show=0, quiet=True)
        told = [f"{r['name']}: {fuzz_semantics.command(r)}\n{r['findings']}" for r in bad]
        assert not bad, "\n".join(told)
        assert tally["not for anndata"] <= len(tasks) // 2, dict(tally)


@pytest.mark.parametrize("face", differential.PYTHON_FACES)
def test_seeds_of_the_package(face):
    tasks = [(seed, "mixed", face, None) for seed in range(min(SEEDS, BATCH))]
    tally, bad = fuzz_semantics.run(fuzz_semantics.one_seed, tasks, jobs=1, show=0, quiet=True)
    assert not bad, "\n".join(f"{r['name']}: {r['findings']}" for r in bad)
    assert tally["not for anndata"] <= len(tasks) // 2, dict(tally)
