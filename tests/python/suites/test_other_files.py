"""Bytes that lie in files that were not named: refused by name, or followed, watched and told."""

import errno
import json
import os
import subprocess
import time
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest

from oracle import anncat
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


@pytest.fixture(params=["external", "virtual", "link", "symlink"])
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
        as_array(f["v"])
    if kind == "link":
        with h5py.File(path, "r+") as f:
            f["obsm/q"] = h5py.ExternalLink(str(other), "/v")
        return path, other
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
    done = run("inspect", "--follow-external", path)
    assert done.returncode == 0 and str(other) in done.stdout, done.stderr
    told = json.loads(run("inspect", "--follow-external", "--json", path).stdout)["notices"]
    assert [notice["other"] for notice in told if notice["notice"] == "other-file"] == [str(other)]
    out = tmp_path / "out.h5ad"
    done = run("materialize", "--follow-external", path, "-o", out)
    assert done.returncode == 0, done.stderr
    assert ad.read_h5ad(out).obsm["q"].ravel().tolist() == [42.0] * N


def test_another_file_that_is_open_for_writing_is_told(tmp_path):
    path, other = tmp_path / "a.h5ad", tmp_path / "other.h5"
    base(tmp_path, "a").write_h5ad(path)
    with h5py.File(path, "r+") as f:
        f["obsm/q"] = h5py.ExternalLink(str(other), "/v")
    with h5py.File(other, "w", libver="latest") as f:
        f["v"] = np.full((N, 1), 42.0)
        as_array(f["v"])
        f.flush()
        told = json.loads(run("inspect", "--follow-external", "--json", path).stdout)["notices"]
    assert [notice["file"] for notice in told if notice["notice"] == "open-for-writing"] == [str(other)]


def test_many_parts_of_many_files_are_found_in_linear_time(tmp_path):
    """Each row of an array lies in a file of its own."""
    path, rows = tmp_path / "a.h5ad", 3000
    ad.AnnData(np.zeros((rows, 1), "f4")).write_h5ad(path)
    with h5py.File(path, "r+") as f:
        layout = h5py.VirtualLayout((rows, 1), "f8")
        for row in range(rows):
            with h5py.File(tmp_path / f"{row}.h5", "w") as part:
                part["v"] = np.full((1, 1), float(row))
                as_array(part["v"])
            layout[row] = h5py.VirtualSource(f"{row}.h5", "v", shape=(1, 1))[0]
        as_array(f["obsm"].create_virtual_dataset("q", layout))
    done = run("materialize", "--follow-external", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 0, done.stderr
    assert ad.read_h5ad(tmp_path / "out.h5ad").obsm["q"].ravel().tolist() == list(range(rows))


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


def rewritten(other):
    """Other bytes of the same length, in place, with the time put back."""
    was = other.stat()
    if other.suffix == ".h5":
        with h5py.File(other, "r+") as f:
            f["v"][...] = 43.0
    else:
        other.write_bytes(np.full(N, 43.0).tobytes())
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))


def test_another_file_of_another_content_is_another_input_of_a_plan(outside, tmp_path):
    path, other = outside
    plan = tmp_path / "plan.json"
    assert run("inspect", "--follow-external", "--save", plan, path).returncode == 0
    assert run("inspect", "--follow-external", "--plan", plan).returncode == 0
    time.sleep(0.01)
    rewritten(other)
    os.utime(other)
    done = run("inspect", "--follow-external", "--plan", plan)
    assert done.returncode == 1 and "not the input that the plan was made of" in done.stderr, done.stderr


def test_an_output_over_another_file_is_refused(outside, tmp_path):
    path, other = outside
    named = tmp_path / "other.h5ad"
    named.hardlink_to(other)
    done = run("materialize", "--follow-external", "--force", path, "-o", named)
    assert done.returncode == 1 and "would overwrite the input" in done.stderr, done.stderr


def test_an_output_over_another_file_of_any_name_is_refused(tmp_path):
    path, other = tmp_path / "a.zarr", Path(os.fsdecode(bytes(tmp_path) + b"/\xff.zarr"))
    for store in (path, other):
        base(tmp_path, "a", 1.0).write_zarr(store)
    chunk = next(p for p in (path / "obsm/q").rglob("*") if p.is_file() and "zar" not in p.name)
    chunk.unlink()
    chunk.symlink_to(other / chunk.relative_to(path))
    done = run("materialize", "--follow-external", "--force", path, "-o", other)
    assert done.returncode == 1 and "input" in done.stderr, done.stderr
    assert chunk.read_bytes()


def test_a_large_file_written_in_place_is_another_input_of_a_plan(tmp_path):
    """Of a file of megabytes the fingerprint is a sample: the time of writing tells."""
    path, other, plan = tmp_path / "a.h5ad", tmp_path / "other.bin", tmp_path / "plan.json"
    rows = 1_000_000
    np.zeros(N * rows).tofile(other)
    base(tmp_path, "a").write_h5ad(path)
    with h5py.File(path, "r+") as f:
        f.create_dataset("uns/q", shape=(N, rows), dtype="f8", external=[(str(other), 0, 8 * N * rows)])
        as_array(f["uns/q"])
    assert run("inspect", "--follow-external", "--save", plan, path).returncode == 0
    with open(other, "r+b") as f:
        f.seek(8 * 123_457)
        f.write(b"\1")
    done = run("inspect", "--follow-external", "--plan", plan)
    assert done.returncode == 1 and "not the input that the plan was made of" in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["other.h5", "other%b.h5"])
def test_parts_without_an_end_open_no_file(tmp_path, name):
    """libhdf5 would open their files to see how far they have grown; this one never answers."""
    path = tmp_path / "a.h5ad"
    base(tmp_path, "a").write_h5ad(path)
    endless = h5py.h5s.create_simple((N, 1), (h5py.h5s.UNLIMITED, 1))
    many, long = (h5py.h5s.UNLIMITED, 1) if "%" in name else (1, h5py.h5s.UNLIMITED)
    endless.select_hyperslab((0, 0), (many, 1), block=(long, 1))
    with h5py.File(path, "r+") as f:
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        source = h5py.h5s.create_simple((1, 1)) if "%" in name else endless
        layout.set_virtual(endless, str(tmp_path / name).encode(), b"v", source)
        h5py.h5d.create(f["obsm"].id, b"q", h5py.h5t.IEEE_F64LE, endless, layout)
        as_array(f["obsm/q"])
    os.mkfifo(tmp_path / name.replace("%b", "0"))
    start = time.monotonic()
    for options in ([], ["--follow-external"]):
        done = run("inspect", *options, path)
        assert done.returncode == 1 and str(tmp_path / name) in done.stderr, done.stderr
    assert time.monotonic() - start < 10


def test_parts_of_parts_of_parts_are_read_in_bounded_time(tmp_path):
    """Each of these covers the one below it ten times: a read of the last would be 10^8 reads."""
    path = tmp_path / "a.h5ad"
    base(tmp_path, "a").write_h5ad(path)
    with h5py.File(path, "r+") as f:
        f["obsm/v0"] = np.zeros((N, 2))
        as_array(f["obsm/v0"])
        for level in range(1, 9):
            space = h5py.h5s.create_simple((N, 2))
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            for _ in range(10):
                layout.set_virtual(space, b".", f"/obsm/v{level - 1}".encode(), space)
            h5py.h5d.create(f["obsm"].id, f"v{level}".encode(), h5py.h5t.IEEE_F64LE, space, layout)
            as_array(f[f"obsm/v{level}"])
    done = run("materialize", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 1 and "/obsm/v" in done.stderr and "in turn" in done.stderr, done.stderr


@pytest.mark.parametrize("text", [False, True])
def test_an_extent_that_nothing_can_have_is_an_error(tmp_path, text):
    path = tmp_path / "a.h5ad"
    base(tmp_path, "a").write_h5ad(path)
    with h5py.File(path, "r+") as f:
        layout = h5py.VirtualLayout((2**40, 2**30), h5py.string_dtype() if text else "f8")
        f["obsm"].create_virtual_dataset("q", layout).attrs.update({"encoding-version": "0.2.0"})
        f["obsm/q"].attrs["encoding-type"] = "string-array" if text else "array"
    done = run("inspect", path)
    assert done.returncode == 1 and f"{path}: " in done.stderr and "obsm/q" in done.stderr, done.stderr


@pytest.mark.fuse
def test_another_file_that_changes_is_an_input_that_changes(outside, tmp_path, mnt):
    path, other = outside
    with anncat.mount([path], None, "--follow-external", "--no-h5ad", at=mnt) as store:
        chunk = next(p for p in (store / "obsm/q").rglob("*") if p.is_file() and "zar" not in p.name)
        # Not read before: the kernel keeps what was.
        rewritten(other)
        os.utime(other)
        with pytest.raises(OSError) as error:
            chunk.read_bytes()
        assert error.value.errno == errno.ESTALE


def parts(path, layouts):
    """Virtual datasets of `other.h5` in an h5ad, by name, and what h5py reads of each."""
    base(None, "a").write_h5ad(path)
    with h5py.File(path, "r+") as f:
        for name, layout in layouts.items():
            as_array(f["uns"].create_virtual_dataset(name, layout, fillvalue=-1))
    with h5py.File(path) as f:
        return {name: f["uns"][name][()] for name in layouts}


def test_virtual_datasets_are_what_h5py_reads(tmp_path):
    """Blocks, strides, transposed axes of one, overlaps, gaps, parts of parts."""
    rng = np.random.default_rng(0)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as f:
        f.create_dataset("square", data=rng.integers(0, 99, (60, 40)), chunks=(7, 9), compression="gzip")
        f["cube"] = rng.integers(0, 99, (5, 6, 7))
        f["line"] = rng.integers(0, 99, 1000)
    source = {name: h5py.VirtualSource(str(other), name, shape) for name, shape in
              {"square": (60, 40), "cube": (5, 6, 7), "line": (1000,)}.items()}
    made = {name: h5py.VirtualLayout(shape, "i8") for name, shape in
            {"whole": (60, 40), "part": (10, 10), "sliced": (6, 5, 7), "apart": (300,), "over": (60,), "gaps": (1000,),
             "wide": (4,), "point": (3,)}.items()}
    made["whole"][:] = source["square"]
    made["part"][2:8, ::3] = source["square"][10:40:5, 3:11:2]
    made["sliced"][2] = source["cube"][:, 3]
    made["sliced"][5, 1:3] = source["cube"][0:2, 0]
    made["apart"][::3] = source["line"][100:200]
    made["apart"][1:299:6] = source["line"][:50]
    made["over"][:] = source["line"][:60]
    made["over"][20:30] = source["square"][5, 10:20]
    made["gaps"][5:995:9] = source["line"][0:990:9]
    made["wide"][:] = source["line"][0:1000:300]
    made["point"][1:2] = source["line"][7:8]
    path = tmp_path / "a.h5ad"
    expected = parts(path, made)
    out = tmp_path / "out.h5ad"
    done = run("materialize", "--follow-external", "--uns-merge", "same", path, "-o", out)
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as f:
        for name, values in expected.items():
            np.testing.assert_array_equal(f["uns"][name][()], values, err_msg=name)


def test_parts_of_the_file_itself_are_no_other_file(tmp_path):
    """Also of parts of parts, and of text."""
    path = tmp_path / "a.h5ad"
    base(tmp_path, "a").write_h5ad(path)
    with h5py.File(path, "r+") as f:
        f["uns/plain"] = np.arange(6.0)
        for name, of in (("once", "/uns/plain"), ("twice", "uns/once")):
            layout = h5py.VirtualLayout((6,), "f8")
            layout[::2] = h5py.VirtualSource(".", of, shape=(6,))[3:]
            layout[1::2] = h5py.VirtualSource(".", of, shape=(6,))[:3]
            as_array(f["uns"].create_virtual_dataset(name, layout))
        text = h5py.string_dtype()
        f.create_dataset("uns/text", data=["a", "bb", "", "é"], dtype=text)
        layout = h5py.VirtualLayout((6,), text)
        layout[1:5] = h5py.VirtualSource(".", "uns/text", shape=(4,), dtype=text)
        made = f["uns"].create_virtual_dataset("texts", layout)
        made.attrs["encoding-type"], made.attrs["encoding-version"] = "string-array", "0.2.0"
    done = run("materialize", "--uns-merge", "same", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 0, done.stderr
    uns = ad.read_h5ad(tmp_path / "out.h5ad").uns
    assert uns["once"].tolist() == [3, 0, 4, 1, 5, 2] and uns["twice"].tolist() == [1, 3, 5, 0, 2, 4]
    assert uns["texts"].tolist() == ["", "a", "bb", "", "é", ""]


def test_links_into_other_files(tmp_path):
    """A group, a file of its own further links, one that leads back, and files that are not there."""
    path, other, third = tmp_path / "a.h5ad", tmp_path / "other.h5ad", tmp_path / "third.h5"
    base(tmp_path, "a").write_h5ad(path)
    base(tmp_path, "a", 7.0).write_h5ad(other)
    with h5py.File(third, "w") as f:
        f["v"] = np.full((N, 1), 42.0)
        as_array(f["v"])
    with h5py.File(other, "r+") as f:
        f["obsm/third"] = h5py.ExternalLink("third.h5", "v")
    with h5py.File(path, "r+") as f:
        del f["obsm"]
        f["obsm"] = h5py.ExternalLink("other.h5ad", "/obsm")
    done = run("materialize", "--follow-external", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 0, done.stderr
    obsm = ad.read_h5ad(tmp_path / "out.h5ad").obsm
    assert obsm["q"].ravel().tolist() == [7.0] * N and obsm["third"].ravel().tolist() == [42.0] * N
    done = run("materialize", path, "-o", tmp_path / "refused.h5ad")
    assert done.returncode == 1 and "other.h5ad" in done.stderr and "hint: --follow-external" in done.stderr
    with h5py.File(other, "r+") as f:
        f["obsm/back"] = h5py.ExternalLink("a.h5ad", "/obsm")
    done = run("materialize", "--follow-external", path, "-o", tmp_path / "back.h5ad")
    assert done.returncode == 1 and "leads back to itself" in done.stderr, done.stderr
    with h5py.File(other, "r+") as f:
        del f["obsm/back"]
        f["obsm/gone"] = h5py.ExternalLink("gone.h5", "/v")
    done = run("materialize", "--follow-external", path, "-o", tmp_path / "gone.h5ad")
    assert done.returncode == 1 and "gone.h5" in done.stderr and "no such file" in done.stderr, done.stderr


@pytest.mark.parametrize("kind", ["records", "odd numbers", "virtual records", "over a part", "over a link"])
def test_no_way_leads_to_another_file_unasked(tmp_path, kind):
    """libhdf5 opens other files by itself: also for records, for types that it converts, and for parts
    of a dataset that is itself elsewhere."""
    path, other = tmp_path / "a.h5ad", tmp_path / "secret.bin"
    base(tmp_path, "a").write_h5ad(path)
    other.write_bytes(bytes(range(1, 97)))
    (tmp_path / "secret.h5").unlink(missing_ok=True)
    record = np.dtype([("n", "<i4"), ("m", "<i4")])
    with h5py.File(tmp_path / "secret.h5", "w") as f:
        f["v"] = np.ones((N,), dtype=record)
        f["w"] = np.ones((N, 1))
    with h5py.File(path, "r+") as f:
        external = [(str(other), 0, 96)]
        if kind == "records":
            made = f["uns"].create_dataset("q", shape=(N,), dtype=record, external=external)
            made.attrs["encoding-type"], made.attrs["encoding-version"] = "rec-array", "0.2.0"
        elif kind == "virtual records":
            layout = h5py.VirtualLayout((N,), record)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "v", shape=(N,))
            made = f["uns"].create_virtual_dataset("q", layout)
            made.attrs["encoding-type"], made.attrs["encoding-version"] = "rec-array", "0.2.0"
        elif kind == "odd numbers":
            odd = h5py.h5t.NATIVE_INT32.copy()
            odd.set_precision(24)
            space, create = h5py.h5s.create_simple((N,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            create.set_external(str(other).encode(), 0, 96)
            made = h5py.h5d.create(f["uns"].id, b"q", odd, space, create)
            as_array(h5py.Dataset(made))
        elif kind == "over a part":
            f["uns"].create_dataset("hidden", shape=(N,), dtype="f8", external=external)
            layout = h5py.VirtualLayout((N,), "f8")
            layout[:] = h5py.VirtualSource(".", "uns/hidden", shape=(N,))
            as_array(f["uns"].create_virtual_dataset("q", layout))
            f.move("uns/hidden", "hidden")
            f["uns/hidden"] = h5py.SoftLink("/hidden")
        else:
            f["away"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/")
            f["uns/q"] = h5py.SoftLink("/away/w")
    done = run("materialize", "--uns-merge", "same", "--drop", "uns/hidden", path, "-o", tmp_path / "out.h5ad")
    assert done.returncode == 1 and "secret." in done.stderr, (done.stdout, done.stderr)
    assert "/uns/q" in done.stderr
