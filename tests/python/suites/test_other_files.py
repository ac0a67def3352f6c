"""Bytes that lie in files that were not named: refused, or followed and watched; and inputs put back."""

import os
import subprocess
import time

import anndata as ad
import h5py
import numpy as np
import pytest

from oracle.anncat import BIN

N = 4


def base(dir_, name, values=None):
    """An h5ad, or a zarr, with `obsm/q`."""
    adata = ad.AnnData(np.arange(N * 3, dtype="f4").reshape(N, 3))
    adata.obs_names = [f"{name}{i}" for i in range(N)]
    if values is not None:
        adata.obsm["q"] = np.full((N, 1), values)
    return adata


def as_array(dataset):
    dataset.attrs["encoding-type"], dataset.attrs["encoding-version"] = "array", "0.2.0"


@pytest.fixture(params=["external", "virtual", "symlink"])
def outside(request, tmp_path):
    """An input whose `obsm/q` lies in another file, and that file."""
    kind = request.param
    other = tmp_path / "other.bin"
    other.write_bytes(np.full(N, 42.0).tobytes())
    if kind == "symlink":
        path = tmp_path / "a.zarr"
        base(tmp_path, "a", 1.0).write_zarr(path)
        # One chunk, stored as it is.
        import zarr

        group = zarr.open_group(path, mode="r+")
        del group["obsm/q"]
        made = group.create_array("obsm/q", shape=(N, 1), chunks=(N, 1), dtype="f8", compressors=None)
        made[:] = np.full((N, 1), 1.0)
        made.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        zarr.consolidate_metadata(path)
        chunk = next(p for p in (path / "obsm/q").rglob("*") if p.is_file() and "zar" not in p.name)
        chunk.unlink()
        chunk.symlink_to(other)
        return path, other
    path = tmp_path / "a.h5ad"
    base(tmp_path, "a").write_h5ad(path)
    if kind == "external":
        with h5py.File(path, "r+") as f:
            f.create_dataset("obsm/q", shape=(N, 1), dtype="f8", external=[(str(other), 0, 8 * N)])
            as_array(f["obsm/q"])
        return path, other
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as f:
        f["v"] = np.full((N, 1), 42.0)
    with h5py.File(path, "r+") as f:
        layout = h5py.VirtualLayout((N, 1), "f8")
        layout[:] = h5py.VirtualSource(str(other), "v", shape=(N, 1))
        as_array(f["obsm"].create_virtual_dataset("q", layout))
    return path, other


def run(*args):
    return subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=60)


def test_other_files_are_refused_by_name(outside, tmp_path):
    path, other = outside
    done = run("materialize", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 1
    assert str(other) in done.stderr and "hint:" in done.stderr
    assert not (tmp_path / "out.h5ad").exists()


def test_other_files_are_followed_when_asked_and_told(outside, tmp_path):
    path, other = outside
    if path.suffix == ".h5ad":
        pytest.skip("files that an .h5ad leads to are refused in any case")
    done = run("inspect", "--follow-external", path)
    assert done.returncode == 0 and str(other) in done.stdout
    out = tmp_path / "out.h5ad"
    done = run("materialize", "--follow-external", path, "-o", out)
    assert done.returncode == 0, done.stderr
    assert ad.read_h5ad(out).obsm["q"].ravel().tolist() == [42.0] * N


def test_a_pipe_is_an_error_at_once(tmp_path):
    path = tmp_path / "a.zarr"
    base(tmp_path, "a", 1.0).write_zarr(path)
    chunk = next(p for p in (path / "obsm/q").rglob("*") if p.is_file() and "zar" not in p.name)
    chunk.unlink()
    os.mkfifo(chunk)
    start = time.monotonic()
    done = run("materialize", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 1 and "is not a file" in done.stderr, done.stderr
    assert time.monotonic() - start < 20
