"""A short turn of the soak (scripts/soak --minutes N is the long one)."""

from __future__ import annotations

import pytest

from programs import soak


@pytest.mark.fuse
def test_some_seconds(tmp_path):
    tally, wrong = soak.soak(4, cells=300, workers=2, seed=1, directory=tmp_path)
    assert not wrong, "\n".join(wrong[:20])
    assert sum(tally.values()) > 200, dict(tally)


@pytest.mark.fuse
def test_a_wrong_byte_is_seen(tmp_path):
    """The copy that reads are compared with has one wrong byte a file: the soak must say so."""
    inputs = soak.make_inputs(tmp_path, "h5ad", {}, 50, 1)
    (tmp_path / "mnt").mkdir()
    with soak.anncat.mount(inputs, soak.OPTIONS, at=tmp_path / "mnt") as root:
        soak.copy_whole(root, tmp_path / "copy")
        for path in (tmp_path / "copy").rglob("*"):
            if path.is_file():
                data = bytearray(path.read_bytes())
                data[0] ^= 1
                path.write_bytes(data)
        worker = soak.Worker(root, tmp_path / "copy", 1, inputs, tmp_path)
        for way in (worker.whole, worker.held):
            with pytest.raises(AssertionError, match="first wrong at 0"):
                way(worker.files[0])
