"""What `anncat.open` and `concat` take beside the arguments of `anndata.concat`, and what they tell."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

import anncat
from conftest import small
from oracle import differential
from test_package import OUTER, PACKAGE, equal, opened


def told(merged) -> set[str]:
    return {notice.kind for notice in merged.notices}


# ---- which inputs


def test_groups_of_files_are_inputs(pair, tmp_path):
    with h5py.File(tmp_path / "x.h5mu", "w") as file:
        ad.io.write_elem(file.create_group("mod"), "rna", small(2))
    ad.io.write_elem(zarr.open_group(tmp_path / "sd.zarr", mode="w").create_group("tables"), "table", small(3))
    places = [f"{tmp_path}/x.h5mu::mod/rna", tmp_path / "sd.zarr::tables/table", pair[0]]
    expected = ad.concat([small(2), small(3), ad.read_h5ad(pair[0])], uns_merge="first")
    equal(expected, opened(places, uns_merge="first").to_memory())
    with h5py.File(tmp_path / "x.h5mu") as file:
        groups = [file["mod/rna"], zarr.open_group(tmp_path / "sd.zarr", mode="r")["tables/table"], pair[0]]
        equal(expected, opened(groups, uns_merge="first").to_memory())
        anncat.concat_on_disk(groups, tmp_path / "groups.h5ad", uns_merge="first")
    first = lambda mappings: dict(mappings[0])
    anncat.concat_on_disk(places, tmp_path / "out.h5ad", uns_merge=first)
    for name in ("groups.h5ad", "out.h5ad"):
        equal(expected, ad.read_h5ad(tmp_path / name))
    merged = pickle.loads(pickle.dumps(opened(places)))
    assert [row["file"] for row in merged.report()["joined"]["inputs"]][0] == places[0]
    (tmp_path / "odd::name.h5ad").write_bytes(pair[0].read_bytes())
    assert opened([tmp_path / "odd::name.h5ad"]).n_obs == 6
    with pytest.raises(FileNotFoundError) as caught:
        anncat.open([f"{pair[0]}::mod/rna"])
    assert caught.value.kind == "input-missing"


def test_a_plan_is_opened_as_a_file(pair, tmp_path):
    merged = opened(pair, **OUTER, drop="obsm")
    (tmp_path / "plan.json").write_text(merged.plan())
    with pytest.warns(anncat.Notice):
        again = anncat.open_plan(tmp_path / "plan.json")
    expected = merged.to_memory()
    assert not expected.obsm and "donor" in expected.obs
    equal(expected, again.to_memory())
    (tmp_path / "new").mkdir()
    for path in pair:
        path.rename(tmp_path / "new" / path.name)
    with pytest.raises(FileNotFoundError):
        anncat.open_plan(tmp_path / "plan.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", anncat.Notice)
        moved = anncat.open_plan(tmp_path / "plan.json", relocate={tmp_path: tmp_path / "new"})
    equal(expected, moved.to_memory())
    with pytest.raises(anncat.Error) as caught:
        anncat.open_plan(tmp_path / "new" / "a.h5ad")
    assert caught.value.kind == "plan"


def test_text_is_objects_whatever_a_file_is_called(tmp_path, monkeypatch):
    adata = small(0)
    adata.uns["words"] = np.array(["p", "q"], dtype=object)
    differential.write(adata, tmp_path / "a.h5ad", "h5ad")
    for name in ("a.hdf5", "a"):
        (tmp_path / name).write_bytes((tmp_path / "a.h5ad").read_bytes())
    with h5py.File(tmp_path / "x.h5mu", "w") as file:
        ad.io.write_elem(file.create_group("mod"), "rna", adata)
    differential.write(adata, tmp_path / "z.zarr", "zarr3")
    (tmp_path / "z.zarr").rename(tmp_path / "z.h5ad")

    def dtype(merged):
        return merged.to_memory().uns["words"].dtype

    monkeypatch.chdir(tmp_path)
    merged = [opened([place, "a.h5ad"], uns_merge="first") for place in ("a.h5ad", "a.hdf5", "a", "x.h5mu::mod/rna")]
    merged += [pickle.loads(pickle.dumps(each)) for each in merged]
    assert dtype(opened(["z.h5ad"], uns_merge="first")) == ad.read_zarr("z.h5ad").uns["words"].dtype
    # They were opened elsewhere.
    monkeypatch.chdir("/")
    assert [dtype(each) for each in merged] == [object] * len(merged)


# ---- functions that merge


FIRST = {"merge": lambda mappings: dict(mappings[0]), "uns_merge": lambda mappings: dict(mappings[0])}


def concatenated(inputs, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return anncat.concat(inputs, **options)


def same_merged(expected, actual):
    """Equal in what functions merge along obs."""
    pd.testing.assert_frame_equal(actual.var, expected.var)
    assert set(actual.varm) == set(expected.varm) and set(actual.varp) == set(expected.varp)
    assert set(actual.uns) == set(expected.uns)


def test_functions_merge_files_of_old_versions(real):
    place = real["bpcells_mini_v0.6.22"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = ad.read_h5ad(place)
        adata.obs_names_make_unique()
        for axis in ("obs", "var"):
            expected = ad.concat([adata, adata], axis=axis, **FIRST)
            actual = anncat.concat([place, place], axis=axis, **FIRST)
            same_merged(expected, actual)
            pd.testing.assert_frame_equal(actual.obs, expected.obs)


def test_functions_do_not_see_the_categories_of_old_tables(tmp_path):
    """anndata 0.6 kept them in `uns`; anndata takes them out of it when it reads."""
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"] = np.ones((2, 2), np.float32)
        file["obs"] = np.array([(b"c0", 1), (b"c1", 0)], dtype=[("index", "S2"), ("kind", "i1")])
        file["var"] = np.array([(b"a", 3), (b"b", 4)], dtype=[("index", "S1"), ("length", "i8")])
        file["uns/kind_categories"] = np.array([b"T", b"B"])
        file["uns/n"] = 5
    seen = []

    def first(mappings):
        seen.extend(sorted(mapping) for mapping in mappings)
        return dict(mappings[0])

    actual = concatenated([tmp_path / "old.h5ad"] * 2, uns_merge=first)
    assert seen == [["n"]] * 2 and actual.uns["n"] == 5
    assert list(actual.obs["kind"]) == ["B", "T"] * 2
    actual = concatenated([tmp_path / "old.h5ad"] * 2, merge=FIRST["merge"])
    assert list(actual.var["length"]) == [3, 4]


def test_functions_merge_stores_groups_and_what_is_iterated_once(pair, tmp_path):
    stores = []
    for path in pair:
        differential.write(ad.read_h5ad(path), tmp_path / f"{path.stem}.zarr", "zarr3")
        stores.append(zarr.storage.LocalStore(tmp_path / f"{path.stem}.zarr"))
    expected = ad.concat([ad.read_h5ad(path) for path in pair], **FIRST)
    same_merged(expected, concatenated(pair, keys=iter("xy"), **FIRST))
    with h5py.File(pair[0], "r+") as file:
        for inputs in ((path for path in pair), stores, [zarr.open_group(stores[0], mode="r"), pair[1]], [file, pair[1]]):
            same_merged(expected, concatenated(inputs, **FIRST))


def test_what_a_function_merges_is_not_told_as_left_out(pair):
    def kinds(**options):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always", anncat.Notice)
            anncat.concat(pair, join="outer", index_unique="-", **options)
        assert all(w.filename == __file__ for w in warned if isinstance(w.message, anncat.Notice))
        return sorted(w.message.details["option"] for w in warned if getattr(w.message, "kind", "") == "not-merged")

    assert kinds() == ["merge", "uns_merge"]
    assert kinds(merge=FIRST["merge"]) == ["uns_merge"]
    assert kinds(uns_merge=FIRST["uns_merge"]) == ["merge"]
    assert kinds(**FIRST) == []


# ---- which elements


def test_elements_are_dropped_before_they_are_read(pair):
    inputs = [ad.read_h5ad(path) for path in pair]
    for adata in inputs:
        del adata.obs["n_genes"], adata.obsm["X_pca"]
    expected = ad.concat(inputs, join="outer")
    for patterns in (["obs/n_*", "obsm"], ("obs/n_genes", "obsm/X_pca")):
        merged = opened(pair, join="outer", drop=patterns)
        equal(expected, merged.to_memory())
        equal(expected, pickle.loads(pickle.dumps(merged)).to_memory())
    kept = opened(pair, keep="X").to_memory()
    assert list(kept.obs.columns) == [] and kept.shape == (12, 3) and not kept.obsm
    merged = opened(pair, drop="layers/none")
    assert "pattern-unused" in told(merged)
    assert any("drop" in str(notice) and "--drop" not in str(notice) for notice in merged.notices)
    with pytest.raises(ValueError, match="drop"):
        anncat.open(pair, drop="[")
    with pytest.raises(TypeError, match="drop takes paths"):
        anncat.open(pair, drop=[1])


def test_functions_do_not_see_what_is_dropped(pair):
    seen = []

    def first(mappings):
        seen.extend(set(mapping) for mapping in mappings)
        return dict(mappings[0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata = anncat.concat(pair, uns_merge=first, drop="uns/title")
    assert seen == [{"n"}] * 2 and dict(adata.uns) == {"n": 0}


def test_text_with_missing_values_is_what_was_asked(tmp_path):
    adata = small(0)
    adata.obs["note"] = pd.array(["x", None, "y", "x", None, "y"], dtype="string")
    differential.write(adata, tmp_path / "a.h5ad", "h5ad")
    for asked, dtype in ((None, "category"), ("categorical", "category"), ("nullable", "string")):
        assert opened([tmp_path / "a.h5ad"] * 2, missing_text=asked).obs["note"].dtype == dtype
    with pytest.raises(ValueError, match="missing_text"):
        anncat.open([tmp_path / "a.h5ad"], missing_text="text")


def test_files_that_links_lead_to_are_followed_when_told(tmp_path):
    differential.write(small(0), tmp_path / "in.zarr", "zarr3")
    (tmp_path / "in.zarr" / "X").rename(tmp_path / "elsewhere")
    (tmp_path / "in.zarr" / "X").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(anncat.Error) as caught:
        anncat.open([tmp_path / "in.zarr"])
    assert "follow_external" in str(caught.value) and "--" not in str(caught.value)
    merged = opened([tmp_path / "in.zarr"], follow_external=True)
    assert "other-file" in told(merged)
    again = pickle.loads(pickle.dumps(merged))
    assert (again.to_memory().X != small(0).X).nnz == 0


# ---- what is told


def test_names_that_are_not_unique_are_told(pair):
    with pytest.warns(anncat.Notice, match="more than once|not unique"):
        merged = anncat.open([pair[0]] * 2)
    assert "names-not-unique" in told(merged)
    assert "names-not-unique" in {n["notice"] for n in merged.report()["notices"]}
    assert "names-not-unique" not in told(opened(pair))


def test_many_names_are_looked_at_when_notices_are_asked_for(tmp_path):
    many = ad.AnnData(sparse.csr_matrix((15_000, 2), dtype=np.float32))
    many.write_h5ad(tmp_path / "many.h5ad")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        merged = anncat.open([tmp_path / "many.h5ad"] * 2)
        assert not any(getattr(w.message, "kind", "") == "names-not-unique" for w in warned)
        assert "names-not-unique" in told(merged)
        merged.to_memory()
        merged.to_memory()
    assert sum(getattr(w.message, "kind", "") == "names-not-unique" for w in warned) == 1


def test_dropped_names_are_listed(pair):
    assert opened(pair).dropped == {"/var": ["a", "e"]}
    assert opened(pair, join="outer").dropped == {}


def test_a_plain_output_of_compressed_inputs_is_told(tmp_path):
    zeros = ad.AnnData(np.zeros((3000, 200), dtype=np.float32))
    zeros.write_h5ad(tmp_path / "a.h5ad", compression="gzip")
    merged = opened([tmp_path / "a.h5ad"] * 2, index_unique="-")
    with pytest.warns(anncat.Notice, match="compress") as warned:
        merged.write(tmp_path / "out.h5ad", progress=False)
    assert "plain-output" in [w.message.kind for w in warned]
    with warnings.catch_warnings():
        warnings.simplefilter("error", anncat.Notice)
        merged.write(tmp_path / "out.h5ad", compression=None, overwrite=True, progress=False)


# ---- interrupted


@pytest.mark.parametrize("name, options, says", [
    ("out.h5ad", {"level": 4}, "level=4 needs a compression"),
    ("out.h5ad", {"shard_size": "1MiB"}, "shard_size is for .zarr"),
    ("out.h5ad", {"chunk_rows": 10, "compression": "gzip"}, "chunk_rows is for .zarr"),
    ("out.zarr", {"level": 4, "compression": None}, "level=4 needs a compression"),
])  # fmt: skip
def test_what_would_do_nothing_is_refused(pair, tmp_path, name, options, says):
    with pytest.raises(ValueError, match=says):
        opened(pair, **OUTER).write(tmp_path / name, progress=False, **options)
    assert not (tmp_path / name).exists()


def test_all_names_are_told():
    assert "concat_on_disk" in dir(anncat)


def test_ctrl_c_ends_a_census(tmp_path):
    rng = np.random.default_rng(0)
    x = sparse.random(60_000, 500, density=0.3, format="csr", dtype=np.float32, random_state=rng)
    ad.AnnData(x).write_h5ad(tmp_path / "big.h5ad", compression="gzip", compression_opts=1)
    part = ad.read_h5ad(tmp_path / "big.h5ad")[:, 1:]
    part[:10].write_h5ad(tmp_path / "part.h5ad")
    code = f"""
        import anncat, os, signal, threading, time
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
        merged = anncat.open(["{tmp_path}/big.h5ad"] * 20 + ["{tmp_path}/part.h5ad"])
        ended = []
        def interrupt():
            time.sleep(0.02)
            ended.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
        try:
            threading.Thread(target=interrupt).start()
            merged._native.compile()
            print("done")
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - ended[0])
        assert merged.rows([0]).shape == (1, 499)  # it goes on where it was
    """
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], cwd=PACKAGE, capture_output=True, timeout=60, env=env
    )
    word, *seconds = done.stdout.split()
    assert word == b"interrupted", done
    assert float(seconds[0]) < 2, done


def test_messages_name_options_as_python_has_them():
    from anncat._errors import in_python

    said = {
        "--uns-merge same|unique|first|only keeps them": 'uns_merge="same"|"unique"|"first"|"only" keeps them',
        "--drop 'obsm/X_umap' leaves it out": 'drop="obsm/X_umap" leaves it out',
        "--join outer keeps all; --list-dropped FILE lists what is lost": 'join="outer" keeps all; .dropped lists what is lost',
        "--fill-value 0 fills dense arrays with zeros": "fill_value=0 fills dense arrays with zeros",
        "not even with --force": "not even with overwrite=True",
        "raise --memory, or write it again": "raise memory, or write it again",
        "give each input its own key (KEY=PATH, or --keys)": "give each input its own key (KEY=PATH, or keys)",
        "`anncat inspect --save FILE` writes one": "`anncat inspect --save FILE` writes one",
        "a container takes --device /dev/fuse": "a container takes --device /dev/fuse",
    }
    assert {message: in_python(message) for message in said} == said


def test_sizes_are_those_of_the_command_line(pair):
    from anncat._options import bytes_of

    sizes = {"512MiB": 512 << 20, "2G": 2 << 30, "1.5g": 3 << 29, "1kB": 1000, "3 MB": 3_000_000, "10": 10, 7: 7}
    assert {size: bytes_of(size) for size in sizes} == sizes
    for wrong in ("x", "MiB", "1XB", "", "-1"):
        with pytest.raises(ValueError, match="expected a size such as '512MiB'"):
            bytes_of(wrong)
    with pytest.raises(ValueError, match="above zero"):
        bytes_of(0)
    with pytest.raises(ValueError, match="memory='1KiB' is too little"):
        anncat.open(pair, memory="1KiB")


def test_what_contradicts_itself_is_refused_at_once(pair):
    with pytest.raises(ValueError, match="zarr 2 has no shards"):
        anncat.open(pair).store(2, shard_size="1MiB")
    with pytest.raises(ValueError, match="s3://bucket/a.h5ad: inputs are read from this machine's files only"):
        anncat.open("s3://bucket/a.h5ad")


@pytest.mark.parametrize("options, says", [
    ({"chunk_rows": 0}, "chunk_rows is at least 1"),
    ({"chunk_rows": -1}, "chunk_rows is at least 1"),
    ({"chunk_elems": 0}, "chunk_elems is at least 1"),
    ({"zarr_format": 4}, "zarr_format is 2 or 3"),
    ({"zarr_format": 2, "shard_size": "1MiB"}, "zarr 2 has no shards"),
    ({"shard_size": 0}, "above zero"),
])  # fmt: skip
def test_layouts_that_do_not_exist_are_refused(pair, tmp_path, options, says):
    merged = opened(pair, **OUTER)
    with pytest.raises(ValueError, match=says):
        merged.store(**options)
    with pytest.raises(ValueError, match=says):
        merged.write(tmp_path / "out.zarr", progress=False, **options)
    with pytest.raises(ValueError, match=says), merged.mount(**options):
        pass
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("name, options, says", [
    ("out.h5ad", {"compression": "gzip", "level": 12}, "gzip has levels 0 to 9, not 12"),
    ("out.h5ad", {"compression": "gzip", "level": -1}, "gzip has levels 0 to 9, not -1"),
    ("out.zarr", {"level": 0}, "zstd has levels 1 to 22, not 0"),
    ("out.zarr", {"level": 23}, "zstd has levels 1 to 22, not 23"),
    ("out.h5ad", {"compression": "lzf", "level": 1}, "level=1 needs a compression"),
    ("out.h5ad", {"zarr_format": 2}, "zarr_format is for .zarr"),
    ("out.h5ad", {"zarr_format": 3}, "zarr_format is for .zarr"),
    ("out.h5ad", {"compression": "gzip", "chunk_elems": 0}, "chunk_elems is at least 1"),
    ("out.h5ad", {"threads": 0}, "threads is at least 1"),
    ("out.zarr", {"max_loaded_elems": 0}, "max_loaded_elems is at least 1"),
])  # fmt: skip
def test_what_cannot_be_written_is_refused(pair, tmp_path, name, options, says):
    with pytest.raises(ValueError, match=says):
        opened(pair, **OUTER).write(tmp_path / name, progress=False, **options)
    assert not (tmp_path / name).exists()


def test_what_can_be_written_is(pair, tmp_path):
    merged = opened(pair, **OUTER)
    merged.write(tmp_path / "a.out.h5ad", compression="gzip", level=9, chunk_elems=7, threads=1, progress=False)
    merged.write(tmp_path / "out.zarr", zarr_format=2, level=22, chunk_rows=np.int64(3), max_loaded_elems=100, progress=False)
    assert (tmp_path / "out.zarr" / ".zgroup").exists()
    merged.write(tmp_path / "three.zarr", progress=False)
    assert (tmp_path / "three.zarr" / "zarr.json").exists()
    with pytest.raises(ValueError, match="threads is at least 1"), merged.mount(threads=0):
        pass


def test_arguments_of_anndata_are_taken_as_anndata_takes_them(pair):
    import inspect

    theirs, ours = inspect.signature(ad.concat).parameters, inspect.signature(anncat.concat).parameters
    assert [name for name in ours if name in theirs] == list(theirs)
    assert (concatenated(pair, force_lazy=False).X != concatenated(pair).X).nnz == 0
    with pytest.raises(TypeError, match="to_lazy"):
        anncat.concat(pair, force_lazy=True)
    for option in ("merge", "uns_merge"):
        for error in (KeyError, ValueError, anncat.Error):
            with pytest.raises(error) as caught:
                anncat.concat(pair, **{option: "all"})
        assert caught.value.kind == "usage" and str(caught.value).startswith(f"{option} must be None or one of 'same'")
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("value", [True, False, np.True_])
def test_truth_is_a_fill_value(tmp_path, value):
    inputs = [small(0, x=np.asarray), small(1, genes="bcde", x=np.asarray)]
    for n, adata in enumerate(inputs):
        adata.X = adata.X.astype(np.int32)
        differential.write(adata, tmp_path / f"{n}.h5ad", "h5ad")
    actual = concatenated([tmp_path / "0.h5ad", tmp_path / "1.h5ad"], join="outer", fill_value=value)
    expected = ad.concat(inputs, join="outer", fill_value=value)
    # anndata 0.12 gives objects; 0.13 the dtype of the inputs.
    assert actual.X.dtype == np.int32
    np.testing.assert_array_equal(actual.X, expected.X.astype(np.int32))


def test_errors_of_the_system_have_its_numbers(pair, tmp_path):
    import copy
    import errno

    from anncat._errors import make

    numbers = {
        "input-missing": errno.ENOENT, "output-exists": errno.EEXIST, "output-refused": errno.EEXIST,
        "changed": errno.ESTALE, "no-space": errno.ENOSPC, "input-unreadable": errno.EIO, "output-unwritable": errno.EIO,
        "system": errno.EIO,
    }  # fmt: skip
    for kind, number in numbers.items():
        made = make(kind, "a.h5ad: it is so\n  hint: do that", "a.h5ad", "/obs")
        for error in (made, copy.copy(made), pickle.loads(pickle.dumps(made))):
            assert (type(error), error.errno, error.strerror) == (type(made), number, "a.h5ad: it is so")
            assert (error.filename, error.file, error.element) == ("a.h5ad", "a.h5ad", "/obs")
            assert (error.kind, error.hint, str(error)) == (kind, "do that", "a.h5ad: it is so\n  hint: do that")
    assert make("output-refused", "m", None, None, "output-missing").errno == errno.ENOENT
    assert make("changed", "m", None, None).filename is None
    for kind in ("duplicate-name", "usage", "defect"):
        made = make(kind, "m\n  hint: h", "a.h5ad", "/obs")
        again = pickle.loads(pickle.dumps(made))
        assert (type(again), str(again), vars(again)) == (type(made), str(made), vars(made))
    with pytest.raises(FileNotFoundError) as caught:
        anncat.open([pair[0], tmp_path / "none.h5ad"])
    assert caught.value.errno == errno.ENOENT and caught.value.filename == str(tmp_path / "none.h5ad")


@pytest.mark.parametrize("keys", [[7, 3], [np.int64(1), np.int64(2)], ["7", "3"], [True, False], [1.5, 2.5]])
def test_keys_that_are_integers_are_so_in_the_column_of_labels(pair, tmp_path, keys):
    expected = ad.concat([ad.read_h5ad(path) for path in pair], label="donor", keys=keys).obs["donor"].cat.categories
    integers = all(isinstance(key, int | np.integer) and not isinstance(key, bool) for key in keys)
    expected = expected if integers else expected.astype(str)
    named = dict(zip(keys, pair, strict=True))
    anncat.concat_on_disk(named, tmp_path / "out.h5ad", label="donor")
    for merged in (anncat.concat(named, label="donor"), ad.read_h5ad(tmp_path / "out.h5ad")):
        categories = merged.obs["donor"].cat.categories
        assert list(categories) == list(expected) and (categories.dtype.kind == "i") == integers, categories
    assert anncat.concat(named, index_unique="-").obs_names[0].endswith(f"-{keys[0]}")
