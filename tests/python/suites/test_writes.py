"""What `materialize` writes: each call fails once, and each moment at which the power could fail."""

from __future__ import annotations

import errno
import os

import pytest
from oracle import compare, differential, watched_writes
from oracle.watched_writes import SHORT

OUTPUTS = {
    "h5ad": ("out.h5ad", []),
    "gzip": ("out.h5ad", ["--compression", "gzip", "--chunk-elems", "8"]),
    "zarr": ("out.zarr", []),
    "shards": ("out.zarr", ["--shard-size", "1MiB"]),
}


@pytest.fixture
def place(tmp_path):
    """A directory for the output alone."""
    path = tmp_path / "place"
    path.mkdir()
    return path


@pytest.mark.parametrize("kind", OUTPUTS)
def test_every_write_fails_once(pair, place, kind):
    name, options = OUTPUTS[kind]
    out = place / name
    arguments = ["materialize", *options, *pair, "-o", out]
    done, calls = watched_writes.run(*arguments, watch=place)
    assert done.code == 0, done.stderr
    expected = differential.read(out)
    for turn, call in enumerate(calls):
        how = [errno.ENOSPC, errno.EIO, errno.EINTR, SHORT][turn % 4]
        before = out.stat().st_ino
        done, again = watched_writes.run(*arguments, "--force", watch=place, fail=call.number, how=how)
        # Threads write in another order each time.
        call = again[call.number - 1]
        what = f"{call} with {errno.errorcode.get(how, 'a part')}: {done.stderr}"
        assert os.listdir(place) == [name], what
        compare.equal(expected, differential.read(out))
        if done.code == 0:
            # What was interrupted is done again. Setting room aside is a favour; a swap has another way.
            assert how in (errno.EINTR, SHORT) or call.name in ("room", "swap"), what
            assert out.stat().st_ino != before, what
        else:
            assert how != SHORT and (how, call.name) != (errno.EINTR, "write"), what
            assert done.code == 1 and done.stderr.count("error: ") == 1, what
            assert out.stat().st_ino == before, what


@pytest.mark.parametrize("replaced", [False, True], ids=["new", "replaced"])
@pytest.mark.parametrize("kind", OUTPUTS)
def test_whenever_the_power_fails_the_output_is_old_or_whole(pair, place, kind, replaced):
    """What a power failure leaves is what was synced, and any part of what was not. So nothing may be
    unsynced when the output gets its name, nothing may be written after that, and the name is synced."""
    name, options = OUTPUTS[kind]
    out = place / name
    arguments = ["materialize", "--sync", *options, *pair, "-o", out]
    if replaced:
        watched_writes.run(*arguments, watch=place)
        arguments.append("--force")
    done, calls = watched_writes.run(*arguments, watch=place)
    assert done.code == 0, done.stderr
    unsynced: set[str] = set()
    named = False
    for call in calls:
        is_target = call.path == str(out) or call.path.startswith(f"{out}/")
        match call.name:
            case "rename" | "swap":
                assert not named and call.other == str(out)
                left = {path for path in unsynced if path.startswith(call.path)}
                assert not left, f"not on disk when the output gets its name: {left}"
                named = True
                unsynced.add(str(place))
            case "sync":
                unsynced.discard(call.path)
            case "open" | "make":
                assert not is_target and not named
                unsynced |= {call.path, os.path.dirname(call.path)}
            case "write" | "cut" | "room":
                assert not is_target and not named
                unsynced.add(call.path)
    assert named
    assert str(place) not in unsynced, "the name itself is not on disk"
