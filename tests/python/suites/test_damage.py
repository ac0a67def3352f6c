"""A fixed range of damaged inputs, of each format."""

from __future__ import annotations

import os

import pytest

from programs import fuzz_damage

SEEDS = int(os.environ.get("ANNCAT_DAMAGE_SEEDS", "24"))


@pytest.mark.parametrize("fmt", fuzz_damage.FORMATS)
def test_seeds(fmt):
    tally, bad = fuzz_damage.run([(seed, fmt, None) for seed in range(SEEDS)], quiet=True)
    assert not bad, "\n".join(f"{r['name']}: {r['wrong']}\n  {r['how']}" for r in bad)
    assert tally["refused"] < tally["damaged inputs"], dict(tally)
