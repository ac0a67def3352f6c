"""The command line: every bad input is one clear error, code 1 (2 for usage), and leaves nothing."""

from __future__ import annotations

import errno
import json
import os
import select
import shutil
import signal
import subprocess
import time

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import zarr

from oracle import anncat, compare, differential


def refused(*args, code: int = 1, says: str = "", env=None) -> str:
    """Runs anncat, which must end with `code` and one error; gives what it said."""
    done = anncat.run(*args, check=False, env=env)
    assert done.code == code, done.stderr
    assert "error: " in done.stderr
    assert "panicked" not in done.stderr
    assert says in done.stderr, done.stderr
    assert done.stdout == ""
    return done.stderr


def _truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


BAD_INPUTS = {
    "missing": lambda p: p.unlink(),
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("cell,gene\n1,2\n" * 99),
    "truncated": _truncate,
    "a directory": lambda p: (p.unlink(), p.mkdir()),
}


def test_inspect_says_what_is_read_before_the_first_answer(pair):
    first = ad.read_h5ad(pair[0])
    first.obs["note"] = pd.array(["x", None] * (first.n_obs // 2) + ["y"] * (first.n_obs % 2), dtype="string")
    first.X = scipy.sparse.csr_matrix(np.ones(first.shape, "f4"))
    differential.write(first, pair[0], "h5ad")
    outer = anncat.run("inspect", "--join", "outer", *pair).stdout
    assert f"obs/note: {first.n_obs} strings to find the distinct ones" in outer
    assert "X: " in anncat.run("inspect", *pair).stdout.split("Read before the first answer")[1]


@pytest.mark.parametrize("spoil", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
@pytest.mark.parametrize("command", ["inspect", "materialize", "mount"])
def test_bad_input(pair, mnt, tmp_path, command, spoil):
    spoil(pair[1])
    before = sorted(os.listdir(tmp_path))
    tail = {"inspect": [], "materialize": ["-o", tmp_path / "out.h5ad"], "mount": [mnt]}[command]
    refused(command, *pair, *tail, says="b.h5ad")
    assert sorted(os.listdir(tmp_path)) == before
    assert not anncat.is_mounted(mnt) and not os.listdir(mnt)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["inspect", "--label", "", "a", "b"], "--label"),
        (["inspect", "--memory", "12", "a", "b"], "at least 1MiB"),
        (["inspect", "https://host/a.h5ad"], "this machine's files only"),
        (["mount", "a.h5ad"], "there are no inputs"),
        (["materialize", "a", "b", "-o", "out.h5ad", "--zarr-format", "2"], "--zarr-format is for .zarr"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(args, says):
    refused(*args, code=2, says=says)


def test_nothing_in_common_is_told(pair):
    other = differential.read(pair[1])
    other.var_names = [f"ENSG{i}" for i in range(other.n_vars)]
    differential.write(other, pair[1], "h5ad")
    told = "/var is empty in the result: no name is in all inputs"
    assert told in anncat.run("inspect", *pair).stdout
    assert told not in anncat.run("inspect", "--join", "outer", *pair).stdout


def test_what_is_written_beside_the_result_has_a_place_of_its_own(pair, mnt, tmp_path):
    out = tmp_path / "out.h5ad"
    there = sorted(os.listdir(tmp_path))
    refused("materialize", "--list-dropped", out, *pair, "-o", out, code=2, says="a file of its own")
    refused("inspect", "--list-dropped", out, "--save", out, *pair, code=2, says="a file of its own")
    refused("mount", "--log", mnt / "log", *pair, mnt, code=2, says="cannot lie in the mountpoint")
    (tmp_path / "link").symlink_to(mnt)
    refused("mount", "--log", tmp_path / "link" / "log", *pair, mnt, code=2, says="cannot lie in the mountpoint")
    (tmp_path / "link").unlink()
    assert sorted(os.listdir(tmp_path)) == there and not os.listdir(mnt)
    # A pipe is written to, not waited for.
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    anncat.run("inspect", "--list-dropped", tmp_path / "pipe", *pair)
    assert os.read(reader, 1 << 16).startswith(b"/var\t")
    os.close(reader)


def test_little_is_read_of_a_large_file_in_the_place_of_a_small_one(pair, tmp_path):
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 42)
    refused("inspect", "--save", huge, *pair, says="something that is no plan")
    refused("inspect", "--plan", huge, says="this is no plan")
    refused("inspect", "--from", huge, says="this is no list of inputs")
    os.mkfifo(tmp_path / "pipe")
    refused("inspect", "--save", tmp_path / "pipe", *pair, says="something that is no plan")


def test_who_asks_libhdf5_keeps_files_to_itself():
    """What a program has open for whoever it starts would stay open, and locked, as long as the helper lives."""
    reader, writer = os.pipe()
    helper = subprocess.Popen(
        [anncat.BIN, "libhdf5"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[writer]
    )
    os.close(writer)
    try:
        assert select.select([reader], [], [], 20)[0] and os.read(reader, 1) == b""
        assert helper.poll() is None
    finally:
        helper.communicate()
        os.close(reader)


def test_a_slash_at_the_end_of_an_output_is_no_part_of_its_name(pair, tmp_path):
    told = anncat.run("materialize", *pair, "-o", f"{tmp_path / 'out.h5ad'}/").stderr
    assert f"wrote {tmp_path / 'out.h5ad'}: " in told and ": 0 B" not in told


def test_the_pattern_of_a_hint_can_be_typed(pair, tmp_path):
    path = tmp_path / "odd.h5ad"
    shutil.copy(pair[0], path)
    with h5py.File(path, "r+") as file:
        file.create_group("obsm/\x1b[31mred").attrs["encoding-type"] = "nothing"
    told = refused("inspect", path, says="--drop 'obsm/")
    pattern = told.split("--drop '")[1].split("'")[0]
    anncat.run("inspect", "--drop", pattern, path)


def test_a_log_that_cannot_be_written(pair, mnt, tmp_path):
    refused("mount", "--log", tmp_path / "no" / "log", *pair, mnt, says="cannot open the log")
    before = pair[0].read_bytes()
    refused("mount", "--log", pair[0], *pair, mnt, code=2, says="something that is no log stands there")
    assert pair[0].read_bytes() == before
    assert not anncat.is_mounted(mnt)


def test_merge_none_is_the_default(pair):
    assert anncat.run("inspect", "--merge=none", *pair).stdout == anncat.run("inspect", *pair).stdout


def test_what_a_killed_run_left_is_told(pair, tmp_path):
    left = tmp_path / ".out.h5ad.anncat-1.tmp"
    left.write_bytes(b"half")
    assert str(left) in anncat.run("materialize", *pair, "-o", tmp_path / "out.h5ad").stderr
    assert left.exists()


def test_all_inputs_that_fail_are_named(pair, tmp_path):
    pair[0].unlink()
    said = refused("inspect", *pair, tmp_path / "none.h5ad", says=f"{pair[0]}: there is no such file")
    assert str(tmp_path / "none.h5ad") in said and str(pair[1]) not in said


def test_no_anndata(pair, tmp_path):
    import h5py

    with h5py.File(pair[1], "w") as file:
        file["x"] = [1, 2]
    refused("inspect", *pair, says="b.h5ad")


def test_no_inputs():
    assert anncat.run("inspect", check=False).code in (1, 2)


@pytest.mark.parametrize("keys", ["A", "A,B,C", "A,A"])
def test_keys(pair, keys):
    code = anncat.run("inspect", "--keys", keys, *pair, check=False).code
    assert code in (1, 2)


def test_keys_twice(pair):
    assert anncat.run("inspect", f"A={pair[0]}", f"A={pair[1]}", check=False).code in (1, 2)


@pytest.mark.parametrize("args", [["--join", "left"], ["--axis", "3"], ["--merge", "all"], ["--fill-value", "x"], ["--nonsense"]])
def test_usage(pair, args):
    done = anncat.run("inspect", *args, *pair, check=False)
    assert done.code == 2
    assert done.stdout == ""


def test_output_exists(pair, tmp_path):
    out = tmp_path / "out.h5ad"
    out.write_text("precious")
    refused("materialize", *pair, "-o", out, says="out.h5ad")
    assert out.read_text() == "precious"
    anncat.materialize(pair, out, {}, "--force")
    assert differential.read(out).n_obs == 12


@pytest.mark.parametrize("link", [False, True])
def test_output_is_an_input(pair, tmp_path, link):
    out = pair[0]
    if link:
        out = tmp_path / "link.h5ad"
        out.symlink_to(pair[0])
    before = pair[0].read_bytes()
    refused("materialize", *pair, "-o", out, "--force")
    assert pair[0].read_bytes() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--level", "3"], "hint: --compression gzip"),
        (["--compression", "lzf", "--level", "3"], "hint: --compression gzip"),
        (["--compression", "gzip", "--level", "10"], "hint: 0 to 9"),
        (["--compression", "zstd"], "hint: an .h5ad is compressed by gzip or lzf"),
        (["--shard-size", "1MiB"], "hint: leave it out"),
        (["--zarr-format", "2"], "hint: leave it out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_do_not_fit_the_output(pair, tmp_path, options, says):
    refused("materialize", *pair, "-o", tmp_path / "out.h5ad", *options, code=2, says=says)


def test_output_directory_missing(pair, tmp_path):
    refused("materialize", *pair, "-o", tmp_path / "no" / "out.h5ad", says=f"hint: mkdir -p {tmp_path}/no")


def test_output_not_named(pair, tmp_path):
    refused("materialize", *pair, code=2, says="hint: name it with -o OUT.h5ad")
    refused("materialize", *pair, tmp_path / "all.zarr", code=2, says=f"hint: name it with -o {tmp_path}/all.zarr")
    refused("materialize", f"a={pair[0]}", f"b={pair[1]}", code=2, says="hint: name it with -o OUT.h5ad")
    refused("materialize", *pair, "-o", "all", code=2, says="hint: -o all.h5ad")


def test_a_pipe_is_no_input(pair, tmp_path):
    os.mkfifo(tmp_path / "pipe.h5ad")
    refused("inspect", pair[0], tmp_path / "pipe.h5ad", says="pipe.h5ad: this is neither a file nor a directory")


def test_a_list_that_is_none(pair):
    refused("inspect", "--from", pair[0], says="a.h5ad: this is no list of inputs")


def test_full_disk(pair, tmp_path):
    """A limit on file sizes stands in for a full disk: an error, and no half of a file."""
    before = sorted(os.listdir(tmp_path))
    script = f'ulimit -f 8; exec "$0" materialize "$1" "$2" -o "{tmp_path}/out.h5ad"'
    done = subprocess.run(["bash", "-c", script, anncat.BIN, *map(str, pair)], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "error: " in done.stderr
    assert sorted(os.listdir(tmp_path)) == before



def test_all_files_with_a_repeated_name_are_told(pair, tmp_path):
    paths = [pair[0]]
    for name, genes in (("b", ["g1", "g1"]), ("c", ["g2", "g3"]), ("d", ["g2", "g2"])):
        paths.append(tmp_path / f"{name}.h5ad")
        ad.AnnData(np.ones((1, 2)), var=pd.DataFrame(index=genes)).write_h5ad(paths[-1])
    said = refused("inspect", *paths, says='/var: the name "g1" is there twice')
    assert f"nor are they in {paths[3]})" in said and str(paths[2]) not in said


def test_all_bad_inputs_are_told(pair, tmp_path):
    (tmp_path / "text.h5ad").write_text("x")
    said = refused("inspect", pair[0], tmp_path / "no.h5ad", tmp_path / "text.h5ad", says="no.h5ad: there is no such file")
    assert f"also: {tmp_path}/text.h5ad: " in said


def test_what_comes_out_is_said_first(pair, tmp_path):
    done = anncat.run("materialize", *pair, "-o", tmp_path / "out.h5ad")
    assert done.stderr.splitlines()[0] == "12 obs × 3 vars from 2 inputs", done.stderr



def test_a_cache_that_cannot_be_kept_is_told_once(tmp_path):
    paths = []
    for name, genes in (("a", ["g1", "g2"]), ("b", ["g2", "g3"])):
        counts = scipy.sparse.random(6, 2, 0.8, "csr", dtype="f4", random_state=1)
        layers = {"more": counts, "and_more": counts}
        paths.append(tmp_path / f"{name}.h5ad")
        ad.AnnData(counts, var=pd.DataFrame(index=genes), layers=layers).write_h5ad(paths[-1])
    (tmp_path / "file").write_text("")
    nowhere = {"ANNCAT_CACHE_DIR": str(tmp_path / "file" / "cache")}
    done = anncat.run("materialize", *paths, "-o", tmp_path / "out.h5ad", env=nowhere)
    assert done.stderr.count("cannot keep what was counted") == 1, done.stderr


def test_inspect_json(pair):
    done = anncat.run("inspect", "--json", "--join", "outer", *pair)
    assert isinstance(json.loads(done.stdout), dict)


def test_inspect_refuses_what_cannot_be_written(pair, tmp_path):
    for name, says in [("_index", "may not be named"), ("cells", "is named")]:
        adata = differential.read(pair[0])
        adata.obs.index.name = "cells"
        adata.write_h5ad(tmp_path / "named.h5ad")
        same_name = tmp_path / "named.h5ad", pair[1].parent / "named2.h5ad"
        adata.write_h5ad(same_name[1])
        for command in (["inspect"], ["materialize", "-o", tmp_path / "out.h5ad"]):
            refused(*command, "--label", name, *same_name, says=says)


def test_inspect_looks_into_uns(pair, tmp_path):
    """A table that cannot be written is found wherever it lies."""
    path = tmp_path / "in.h5ad"
    adata = differential.read(pair[0])
    adata.uns["deep"] = {"table": pd.DataFrame({"a": [1]}, index=pd.Index(["x"], name="rows"))}
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        table = file["uns/deep/table"]
        table["_index"] = [1]
        table["_index"].attrs.update(table["a"].attrs)
        table.attrs["column-order"] = np.array(["a", "_index"], dtype=object)
    for command in (["inspect"], ["materialize", "-o", tmp_path / "out.h5ad"]):
        refused(*command, "--uns-merge", "first", path, path, says="/uns/deep/table")


@pytest.mark.parametrize("talk", ["closed pipe", "full"])
def test_work_goes_on_when_nobody_listens(pair, tmp_path, talk):
    out = tmp_path / "out.h5ad"
    if talk == "full":
        stderr = os.open("/dev/full", os.O_WRONLY)
    else:
        read, stderr = os.pipe()
        os.close(read)
    done = subprocess.run([anncat.BIN, "materialize", *map(str, pair), "-o", str(out)], stderr=stderr)
    failed = subprocess.run([anncat.BIN, "inspect", str(tmp_path / "nothing.h5ad")], stderr=stderr, stdout=subprocess.DEVNULL)
    os.close(stderr)
    assert (done.returncode, failed.returncode) == (0, 1)
    assert differential.read(out).n_obs == 12


def test_the_temporary_directory_is_named(tmp_path):
    paths = []
    for number, form in enumerate((scipy.sparse.csr_matrix, scipy.sparse.csc_matrix)):
        paths.append(tmp_path / f"{number}.h5ad")
        ad.AnnData(form(np.eye(3, dtype="f4"))).write_h5ad(paths[-1])
    nowhere = {"ANNCAT_TEMP_DIR": str(tmp_path / "nowhere")}
    refused("materialize", *paths, "-o", tmp_path / "out.h5ad", env=nowhere, says="ANNCAT_TEMP_DIR")


def test_from_a_list(pair, tmp_path):
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{p}\n" for p in pair))
    anncat.run("materialize", "--from", listing, "-o", tmp_path / "out.h5ad")
    assert differential.read(tmp_path / "out.h5ad").n_obs == 12


def test_paths_that_are_no_utf_8(pair, tmp_path):
    old = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    os.mkdir(old)
    inputs = [f"{old}/{path.name}" for path in pair]
    for path, copy in zip(pair, inputs):
        shutil.copy(path, copy)
    (tmp_path / "list").write_bytes(os.fsencode(inputs[1]))
    anncat.run("materialize", inputs[0], "--from", tmp_path / "list", "-o", tmp_path / "out.h5ad")
    compare.equal(differential.oracle(pair, {}).adata, differential.read(tmp_path / "out.h5ad"))
    refused("inspect", f"{old}/nothing.h5ad", says="there is no such file")


def test_keys_in_paths(pair, tmp_path):
    anncat.run("materialize", "--label", "batch", f"x={pair[0]}", f"y={pair[1]}", "-o", tmp_path / "out.h5ad")
    expected = differential.oracle(pair, {"label": "batch", "keys": ["x", "y"]})
    compare.equal(expected.adata, differential.read(tmp_path / "out.h5ad"))


@pytest.mark.parametrize("extra", [["--compression", "gzip", "--level", "1"], ["--compression", "lzf"], ["--max-loaded-elems", "5"], ["--memory", "1MiB"]], ids=" ".join)
def test_output_options(pair, tmp_path, extra):
    anncat.materialize(pair, tmp_path / "out.h5ad", {"join": "outer"}, *extra)
    compare.equal(differential.oracle(pair, {"join": "outer"}).adata, differential.read(tmp_path / "out.h5ad"))


@pytest.mark.fuse
class TestMountpoint:
    def test_missing(self, pair, tmp_path):
        refused("mount", *pair, tmp_path / "nowhere", says="hint: mkdir")
        refused("mount", f"a={pair[0]}", f"b={pair[1]}", says="this is an input, not the mountpoint")

    def test_not_empty(self, pair, mnt):
        (mnt / "file").write_text("x")
        refused("mount", *pair, mnt)
        assert (mnt / "file").read_text() == "x"

    def test_a_zarr_store(self, pair, tmp_path):
        """The second input, taken for the mountpoint when that was forgotten."""
        path = tmp_path / "c.zarr"
        differential.write(differential.read(pair[0]), path, "zarr3")
        refused("mount", pair[0], path)
        assert differential.read(path).n_obs == 6

    def test_a_file(self, pair):
        refused("mount", *pair)

    def test_twice(self, pair, mnt):
        with anncat.mount(pair, at=mnt) as store:
            refused("mount", *pair, mnt)
            assert differential.read(store).n_obs == 12


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """An input that takes seconds to compress."""
    path = tmp_path_factory.mktemp("slow") / "a.h5ad"
    numbers = np.random.default_rng(0).normal(size=(20_000, 400)).astype(np.float32)
    differential.write(ad.AnnData(numbers), path, "h5ad")
    return path


def _end_while_writing(path, out, sent) -> subprocess.Popen:
    """Starts to write `out`, and sends a signal as soon as there is something of it."""
    args = [anncat.BIN, "materialize", path, "-o", out, "--compression", "gzip", "--level", "9", "--threads", "1"]
    process = subprocess.Popen(list(map(str, args)), stderr=subprocess.PIPE, text=True)
    _wait(lambda: any(name.endswith(".tmp") for name in os.listdir(out.parent)))
    process.send_signal(sent)
    process.said = process.communicate(timeout=60)[1]
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_by_its_signal_and_leaves_nothing(slow, tmp_path, sent):
    process = _end_while_writing(slow, tmp_path / "out.h5ad", sent)
    assert process.returncode == -sent, process.said
    assert "error: interrupted" in process.said
    assert os.listdir(tmp_path) == []


def test_the_next_run_removes_what_a_killed_one_left(slow, pair, tmp_path):
    directory = tmp_path / "out"
    directory.mkdir()
    out = directory / "out.h5ad"
    _end_while_writing(slow, out, signal.SIGKILL)
    (left,) = os.listdir(directory)
    said = anncat.run("materialize", *pair, "-o", out).stderr
    assert f"removed {directory / left}" in said
    assert os.listdir(directory) == ["out.h5ad"]


@pytest.mark.fuse
class TestMount:
    def test_tools(self, pair, mnt, tmp_path):
        with anncat.mount(pair, at=mnt) as store:
            for command in (f"ls -lR {mnt}", f"find {mnt} -type f", f"du -sb {mnt}", f"cp -r {store} {tmp_path}/copy", f"tar cf {tmp_path}/t.tar -C {mnt} merged.zarr"):
                subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL)
            for root, _, files in os.walk(store):
                for name in files:
                    path = os.path.join(root, name)
                    with open(path, "rb") as file:
                        assert len(file.read()) == os.stat(path).st_size, path
            with pytest.raises(OSError):
                (store / "new").write_text("x")
        assert not anncat.is_mounted(mnt) and not os.listdir(mnt)

    @pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
    def test_signals_unmount(self, pair, mnt, sent):
        process = subprocess.Popen([anncat.BIN, "mount", "--foreground", *map(str, pair), str(mnt)], stderr=subprocess.DEVNULL)
        try:
            _wait(lambda: anncat.is_mounted(mnt))
            process.send_signal(sent)
            process.wait(20)
            assert not anncat.is_mounted(mnt)
        finally:
            process.kill()
            process.wait()
            if anncat.is_mounted(mnt):
                subprocess.run(["fusermount3", "-uz", str(mnt)])

    def test_killed_then_unmounted(self, pair, mnt):
        process = subprocess.Popen([anncat.BIN, "mount", "--foreground", *map(str, pair), str(mnt)], stderr=subprocess.DEVNULL)
        try:
            _wait(lambda: anncat.is_mounted(mnt))
            process.kill()
            process.wait()
            anncat.run("unmount", mnt)
            assert not anncat.is_mounted(mnt)
        finally:
            if anncat.is_mounted(mnt):
                subprocess.run(["fusermount3", "-uz", str(mnt)])

    def test_a_changed_source_is_stale(self, pair, mnt):
        with anncat.mount(pair, at=mnt) as store:
            time.sleep(0.02)
            differential.write(differential.read(pair[0]), pair[0], "h5ad")
            with pytest.raises(OSError) as error:
                for root, _, files in os.walk(store / "X"):
                    for name in files:
                        with open(os.path.join(root, name), "rb") as file:
                            file.read()
            assert error.value.errno == 116  # ESTALE

    @pytest.mark.skipif(os.geteuid() != 0, reason="makes a space of mounts of its own")
    def test_all_are_unmounted(self, pair, tmp_path):
        """In a space of mounts of its own: there may be others' here."""
        mounts = [tmp_path / "m1", tmp_path / "m2"]
        for mount in mounts:
            mount.mkdir()
        commands = [f"$0 mount -q {pair[0]} {mount}" for mount in mounts]
        commands += ["$0 unmount --all", "! grep anncat /proc/self/mountinfo", "$0 unmount --all"]
        script = " && ".join(commands)
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, anncat.BIN], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{mounts[0]}" in done.stderr and "there is no mount of anncat" in done.stderr

    def test_a_mount_that_is_forbidden_says_what_to_do(self, pair, mnt):
        """As in a container: a user with all rights but that of mounting."""
        command = ["unshare", "-Ur", anncat.BIN, "mount", "--json", str(pair[0]), str(mnt)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        error = json.loads(done.stdout)["error"]
        assert error["kind"] == "mount-unavailable", error
        assert "--cap-add SYS_ADMIN" in error["hint"] and "materialize" in error["hint"]
        assert not anncat.is_mounted(mnt)

    def test_unmount_of_nothing(self, mnt):
        refused("unmount", mnt)

    def test_unmount_of_what_lies_in_a_mount(self, pair, mnt):
        with anncat.mount(pair, at=mnt) as store:
            refused("unmount", store / "X", says=f"hint: the mountpoint is {mnt}")

    def test_files_are_as_old_as_the_newest_file_of_the_inputs(self, pair, mnt, tmp_path):
        store = tmp_path / "b.zarr"
        differential.write(differential.read(pair[1]), store, "zarr3")
        newest = 2_000_000_000
        os.utime(store / "var" / "zarr.json", (newest, newest))
        with anncat.mount([pair[0], store], at=mnt) as merged:
            assert (merged / "zarr.json").stat().st_mtime == newest

    def test_a_lost_temporary_directory_is_no_missing_chunk(self, mnt, tmp_path):
        """To zarr, a missing chunk is one of fill values: what else is missing must be an error."""
        paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
        num_obs = 1_100_000
        x = scipy.sparse.csr_matrix((np.ones(num_obs, "f4"), (np.arange(num_obs), np.zeros(num_obs, int))), (num_obs, 2))
        for path in paths:
            with h5py.File(path, "w") as file:
                ad.io.write_elem(file, "/", ad.AnnData(x))
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        anncat.run("mount", "--axis", "var", *paths, mnt, env={"ANNCAT_TEMP_DIR": str(temporary)})
        try:
            temporary.rmdir()
            with pytest.raises(OSError) as error:
                zarr.open(mnt / "merged.zarr" / "X" / "indptr")[:]
            assert error.value.errno == errno.EIO
        finally:
            anncat.run("unmount", mnt)


def _wait(condition, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


@pytest.mark.parametrize("damage", ["a byte of a chunk", "an index beyond the columns"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_damage_is_met_also_where_stored_chunks_are_copied(tmp_path, damage, compression):
    path, n = tmp_path / "in.h5ad", 1 << 16
    rng = np.random.default_rng(0)
    x = scipy.sparse.csr_matrix((rng.random(n, dtype="f4"), np.arange(n) % 256, np.arange(0, n + 1, 256)))
    ad.AnnData(x).write_h5ad(path, compression="gzip")
    with h5py.File(path, "r+") as file:
        for name in ("data", "indices"):
            values = file[f"X/{name}"][:]
            if (name, damage) == ("indices", "an index beyond the columns"):
                values[50_000] = 5000
            del file[f"X/{name}"]
            file["X"].create_dataset(name, data=values, chunks=(4096,), compression="gzip")
        place = file["X/data"].id.get_chunk_info(12)
    if damage == "a byte of a chunk":
        with open(path, "r+b") as file:
            file.seek(place.byte_offset + place.size // 2)
            file.write(bytes(16))
    refused("materialize", "--compression", compression, path, "-o", tmp_path / "out.h5ad", says=f"{path}: /X/")
    assert os.listdir(tmp_path) == ["in.h5ad"]


def test_a_backslash_is_no_name_in_zarr(pair, tmp_path):
    path = tmp_path / "in.h5ad"
    adata = differential.read(pair[0])
    adata.layers["a\\b"] = adata.X
    adata.write_h5ad(path)
    told = anncat.run("materialize", path, "-o", tmp_path / "out.zarr").stderr
    assert "note: left out: layers: the name \"a\\\\b\" cannot be that of a file" in told
    assert not differential.read(tmp_path / "out.zarr").layers
    refused("materialize", "--label", "a\\b", path, "-o", tmp_path / "other.zarr", says="backslash")
    anncat.run("materialize", path, "-o", tmp_path / "out.h5ad")
    assert list(differential.read(tmp_path / "out.h5ad").layers) == ["a\\b"]


def test_a_store_from_the_future_can_be_read(pair, tmp_path):
    """Its clock was ahead, or that of the archive that it was taken from."""
    store = tmp_path / "in.zarr"
    differential.read(pair[0]).write_zarr(store)
    later = time.time() + 3 * 3600
    os.utime(next(path for path in (store / "X").rglob("*") if path.name == "0"), (later, later))
    done = anncat.run("materialize", store, "-o", tmp_path / "out.h5ad")
    assert "from the future" in done.stderr
    assert differential.read(tmp_path / "out.h5ad").n_obs == differential.read(store).n_obs


def test_records_too_large_for_zarr_are_left_out(tmp_path):
    path = tmp_path / "in.h5ad"
    adata = ad.AnnData(np.eye(2, dtype="f4"))
    adata.write_h5ad(path)
    records = np.zeros(100_000, dtype=[("name", h5py.string_dtype()), ("n", "i4")])
    records["name"] = ["x" * 10_000, *["y"] * 99_999]
    with h5py.File(path, "a") as file:
        file["uns"].create_dataset("r", data=records)
    command = "materialize", "--uns-merge", "first", path, "-o"
    assert "left out: uns/r: its records take" in anncat.run(*command, tmp_path / "out.zarr").stderr
    anncat.run(*command, tmp_path / "out.h5ad")


def test_a_claim_of_much_memory_is_an_error(pair, tmp_path):
    """A heap of HDF5 that says it is larger than it can be, in a file that is so large."""
    path = tmp_path / "in.h5ad"
    shutil.copy(pair[0], path)
    at = path.read_bytes().index(b"GCOL")
    with open(path, "r+b") as file:
        file.truncate(60 << 30)
        file.seek(at + 8)
        file.write((50 << 30).to_bytes(8, "little"))
    refused("inspect", path, says=f"{path}: ")


@pytest.mark.parametrize("args", [["--json"], ["-q"], ["--json", "libhdf"]], ids=" ".join)
def test_the_private_subcommand_is_not_told(args):
    done = anncat.run(*args, check=False)
    assert done.code == 2 and "libhdf5" not in done.stdout + done.stderr


def test_lost_names_go_to_standard_output(pair, tmp_path):
    adata = differential.read(pair[1])
    adata.var_names = ["zzz", *adata.var_names[1:]]
    differential.write(adata, pair[1], "h5ad")
    out = tmp_path / "out.h5ad"
    done = anncat.run("materialize", "--list-dropped", "-", *pair, "-o", out, cwd=tmp_path)
    assert "/var\tzzz\n" in done.stdout and all(line.startswith("/var\t") for line in done.stdout.splitlines())
    assert not (tmp_path / "-").exists()
    for command in (["inspect"], ["materialize", "-f", "-o", out]):
        done = anncat.run(*command, "--json", "--list-dropped", "-", *pair, check=False)
        assert done.code == 2 and json.loads(done.stdout)["error"]["kind"] == "usage"
    refused("inspect", "--list-dropped", "-", *pair, code=2, says="give --list-dropped the name of a file")


def test_what_cannot_be_read_can_be_left_out(pair, tmp_path):
    with h5py.File(pair[1], "r+") as file:
        file["X/indices"][0] = 999
    told = refused("materialize", *pair, "-o", tmp_path / "out.h5ad", says="--drop 'X' leaves it out")
    assert str(pair[1]) in told
    anncat.run("materialize", "--drop", "X", *pair, "-o", tmp_path / "out.h5ad")


def test_what_needs_the_foreground_says_so():
    assert "needs --foreground" in " ".join(anncat.run("mount", "--help").stdout.split())


@pytest.mark.fuse
def test_what_was_unmounted_is_told_beside_the_error(pair, mnt, tmp_path):
    with anncat.mount(pair, at=mnt):
        done = anncat.run("unmount", "--json", mnt, tmp_path / "none", check=False)
    answer = json.loads(done.stdout)
    assert done.code == 1 and answer["error"]["kind"] == "not-unmounted"
    assert answer["unmounted"] == [str(mnt)]


@pytest.mark.fuse
def test_a_mount_that_fails_leaves_no_log(pair, mnt, tmp_path):
    env, logs = {"XDG_STATE_HOME": str(tmp_path / "state")}, tmp_path / "state" / "anncat"
    logs.mkdir(parents=True)
    old = logs / "old-01234567.log"
    old.write_text("")
    os.utime(old, (1e9, 1e9))
    refused("mount", tmp_path / "none.h5ad", mnt, env=env)
    assert not os.listdir(logs)
    named = tmp_path / "named.log"
    refused("mount", "--log", named, tmp_path / "none.h5ad", mnt, env=env)
    assert named.exists()
    try:
        log = json.loads(anncat.run("mount", "--json", *pair, mnt, env=env).stdout)["log"]
        assert os.path.dirname(log) == str(logs) and os.path.exists(log)
    finally:
        anncat.run("unmount", mnt)
