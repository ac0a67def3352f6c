"""A fixed range of damaged inputs, of each format."""

from __future__ import annotations

import os

import pytest

from programs import fuzz_damage

SEEDS = int(os.environ.get("ANNCAT_DAMAGE_SEEDS", "24"))
BATCH = 8


@pytest.mark.parametrize("fmt", fuzz_damage.FORMATS)
@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_seeds(fmt, first):
    tally, bad = fuzz_damage.run([(seed, fmt, None) for seed in range(first, min(first + BATCH, SEEDS))], quiet=True)
    assert not bad, "\n".join(f"{r['name']}: {r['wrong']}\n  {r['how']}" for r in bad)
    assert tally["refused"] < tally["damaged inputs"], dict(tally)
