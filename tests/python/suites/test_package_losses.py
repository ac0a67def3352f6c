"""The Python package: nothing is lost in silence, nothing is told twice, and what is told is in Python's words."""

from __future__ import annotations

import errno
import os
import pickle
import re
import subprocess
import sys
import textwrap
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import anncat
from conftest import small
from oracle import anncat as program
from oracle import differential, versions
from test_package import OUTER, PACKAGE, equal, opened, oracle

LONG = "L" * 260


def vectors() -> np.ndarray:
    """A record array that zarr has no type for."""
    return np.array([((1, 2), 3), ((4, 5), 6)], dtype=[("a", "f4", (2,)), ("b", "i4")])


def awkward_for_zarr(seed: int) -> ad.AnnData:
    """What zarr cannot hold, in all places where it may be, beside what it can."""
    adata = small(seed)
    adata.obsm[LONG] = np.full((6, 2), seed, "f4")
    adata.obsm["t" * 257] = pd.DataFrame({"a": range(6), "b": list("uvwxyz")}, index=adata.obs_names)
    adata.layers["M" * 258] = adata.X.copy()
    adata.varm["back\\slash"] = np.arange(8.0).reshape(4, 2)
    adata.uns |= {
        "vec": vectors(), "k" * 300: 1, "zarr.json": "x", "a*[b]?" + LONG: "y", "d" * 301: {"in": {"it": 1}},
        "sub": {"vec": vectors(), "n": 2, "deep": {"s" * 256: "text", "vec": vectors()}},
    }  # fmt: skip
    return adata


@pytest.fixture
def lossy(tmp_path):
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for seed, path in enumerate(paths):
        differential.write(awkward_for_zarr(seed), path, "h5ad")
    return paths


def lost(warned) -> list[anncat.Notice]:
    return [w.message for w in warned if getattr(w.message, "kind", "") == "left-out-of-zarr"]


def same_records(expected: ad.AnnData, actual: ad.AnnData) -> None:
    for uns, other in ((expected.uns, actual.uns), (expected.uns["sub"], actual.uns["sub"])):
        assert other["vec"].dtype == uns["vec"].dtype
        np.testing.assert_array_equal(other["vec"], uns["vec"])


# ---- what zarr cannot hold


@pytest.mark.parametrize("options", [
    {"uns_merge": "first", "merge": "first"},
    {"uns_merge": "first", "merge": "same", "join": "outer", "label": "donor", "index_unique": "-"},
    {"uns_merge": "first", "drop": ["obsm/X_pca"], "keep": ["X", "obs/name", "obsm", "uns"]},
])  # fmt: skip
def test_memory_has_what_zarr_cannot_hold(lossy, options):
    inputs = [ad.read_h5ad(path) for path in lossy]
    asked = {name: value for name, value in options.items() if name not in ("drop", "keep")}
    if "keep" in options:
        for adata in inputs:
            del adata.obsm["X_pca"], adata.layers["M" * 258], adata.varm["back\\slash"]
            adata.obs, adata.var = adata.obs[["name"]], adata.var[[]]
    expected = ad.concat(inputs, **asked)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        merged = anncat.open(lossy, **options)
        results = [merged.to_memory(), pickle.loads(pickle.dumps(merged)).to_memory(), anncat.concat(lossy, **options)]
    assert not lost(warned)
    for actual in results:
        same_records(expected, actual)
        equal(expected.copy(), actual)


def test_memory_has_tables_that_zarr_cannot_hold(tmp_path):
    paths = []
    for seed in range(2):
        adata = small(seed)
        adata.raw = adata.copy()
        adata.obs[LONG] = range(6)
        if not versions.IS_NEXT:  # which writes no such name
            adata.obs["a/b"] = range(6)
        adata.uns["vec"] = vectors()
        paths.append(tmp_path / f"{seed}.h5ad")
        differential.write(adata, paths[-1], "h5ad")
    for options in ({"uns_merge": "first", "merge": "same"}, {"join": "outer", "label": "l" * 300}):
        merged = opened(paths, **options)
        equal(oracle(paths, **options), merged.to_memory())
        assert list(merged.obs[LONG]) == [*range(6), *range(6)]
        np.testing.assert_array_equal(merged.rows([7], columns=["b"], element="raw/X").toarray(), merged.to_memory().raw[[7], "b"].X.toarray())
        with pytest.raises(anncat.Error) as caught:
            ad.read_zarr(merged.store())
        assert caught.value.kind == "unrepresentable" and "to_memory()" in caught.value.hint


def test_functions_get_what_zarr_cannot_hold(lossy):
    first = lambda mappings: dict(mappings[0])
    inputs = [ad.read_h5ad(path) for path in lossy]
    for adata in inputs:
        del adata.uns["n"]
    expected = ad.concat(inputs, merge=first, uns_merge=first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", anncat.Notice)
        actual = anncat.concat(lossy, merge=first, uns_merge=first, drop="uns/n")
    same_records(expected, actual)
    equal(expected, actual)


@pytest.mark.parametrize("way", ["store", "to_lazy"])
def test_what_a_store_lacks_is_told_once(lossy, way):
    merged = opened(lossy, uns_merge="first")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        getattr(merged, way)()
    notices = lost(warned)
    # Those of obsm, layers and uns, but for varm, which is not merged.
    assert len(notices) == len(set(map(str, notices))) == 11, notices
    assert all(w.filename == __file__ for w in warned if w.message in notices)
    assert all("to_memory()" in n.hint and ".h5ad" in n.hint and "anncat materialize" not in str(n) for n in notices)
    for path in ("uns/vec", "uns/sub/vec", "uns/sub/deep/vec"):
        assert sum(f"left out: {path}: " in str(n) for n in notices) == 1
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for again in (merged, pickle.loads(pickle.dumps(merged))):
            again.store()
            again.to_lazy()
            pickle.loads(pickle.dumps(again.store())).__repr__()
    assert not lost(warned)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        merged.store(2)
    # zarr.json is a name in version 2.
    assert not lost(warned) and "zarr.json" in ad.read_zarr(merged.store(2)).uns


def test_a_written_zarr_tells_what_it_lacks_each_time(lossy, tmp_path):
    merged = opened(lossy, uns_merge="first")
    for number in range(2):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            merged.write(tmp_path / f"{number}.zarr", progress=False)
        assert len(lost(warned)) == 11 and all("to_memory()" in n.hint for n in lost(warned))


def test_a_store_of_plain_names_is_made_without_reading(pair, monkeypatch):
    from anncat import _store

    monkeypatch.setattr(_store.Keys, "native", property(lambda self: pytest.fail("opened")))
    opened(pair, **OUTER, uns_merge="first").store()


@pytest.mark.fuse
def test_what_a_mount_lacks_is_told(lossy, monkeypatch):
    monkeypatch.setenv("ANNCAT_BIN", os.path.abspath(program.BIN))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with opened(lossy, uns_merge="first").mount():
            pass
    assert len(lost(warned)) == 11 and all(w.filename == __file__ for w in warned if w.message in lost(warned))


# ---- notices


def test_a_merge_that_was_pickled_does_not_tell_again(pair, tmp_path):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        merged = anncat.open(pair * 2, join="outer")
        merged.to_memory()
    assert [str(w.message) for w in warned if isinstance(w.message, anncat.Notice)] == list(map(str, merged.notices))
    assert len(merged.notices) > 2
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(merged))))
        again.to_memory()
        again.write(tmp_path / "out.h5ad", progress=False)
    assert {w.message.kind for w in warned if isinstance(w.message, anncat.Notice)} <= {"plain-output"}
    assert again.notices and len(again.notices) == len(merged.notices)


def test_a_page_says_how_many_notes_it_leaves_out(pair):
    from unittest import mock

    merged = opened(pair)
    notices = [anncat.Notice(f"number {number}") for number in range(11)]
    with mock.patch.object(anncat.Merged, "_known_notices", lambda self: notices[:8]):
        assert "more notes" not in merged._repr_html_()
    with mock.patch.object(anncat.Merged, "_known_notices", lambda self: notices):
        page = merged._repr_html_()
    assert "and 3 more notes, in .notices" in page and page.count("<li>") == 8


def test_notices_have_hints_and_name_arguments(pair):
    notices = opened(pair, drop="layers/none").notices
    options = {n.details["option"]: n.hint for n in notices if "option" in n.details}
    assert options == {
        "merge": 'merge="same"|"unique"|"first"|"only" keeps them by that rule',
        "uns_merge": 'uns_merge="same"|"unique"|"first"|"only" keeps them by that rule',
        "drop": "report() of the opened inputs lists the elements by their paths",
    }
    assert all(n.hint is None or n.hint in " ".join(str(n).split()) for n in notices)
    again = pickle.loads(pickle.dumps(notices[0]))
    assert (str(again), vars(again)) == (str(notices[0]), vars(notices[0]))
    assert anncat.Notice("nothing to do").hint is None


# ---- errors in Python's words


def test_hints_are_pythons(pair, tmp_path):
    merged = opened(pair)
    with pytest.raises(KeyError) as caught:
        merged.matrix("layers/none")
    assert caught.value.hint == "Merged.report() lists what there is"
    with pytest.raises(anncat.Error) as caught:
        opened(pair, sparse_format="csc").rows([0])
    assert caught.value.hint == 'open the inputs with sparse_format="csr"'
    packed = pickle.dumps(merged)
    differential.write(small(5, n=7), pair[0], "h5ad")
    with pytest.raises(anncat.Error) as caught:
        pickle.loads(packed)
    assert caught.value.kind == "changed" and caught.value.hint.startswith("open the inputs anew")
    with pytest.raises(anncat.Error) as caught:
        merged.to_memory()
    assert caught.value.kind == "changed" and caught.value.hint == "open the inputs anew"


def test_the_hints_that_are_put_into_pythons_words_are_those_of_the_engine():
    from anncat._errors import _ADVICE

    sources = (path.read_text() for path in (program.ROOT / "src").rglob("*.rs"))
    said = "".join(re.sub(r"\\\n\s*", "", text) for text in sources)
    assert [hint for hint in _ADVICE if hint not in said] == []


def test_a_hint_ends_where_other_inputs_begin(tmp_path):
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for path in paths:
        path.write_text("no HDF5")
    with pytest.raises(anncat.Error) as caught:
        anncat.open(paths)
    assert "also: " in str(caught.value) and caught.value.hint == "inputs are .h5ad files and .zarr directories"


@pytest.mark.parametrize("options, says", [
    ({"label": 1}, "label must be a str or None, was 1"),
    ({"index_unique": 1}, "index_unique must be a str or None, was 1"),
    ({"sparse_format": 1}, "sparse_format must be"),
    ({"missing_text": b"nullable"}, "missing_text must be"),
])  # fmt: skip
def test_arguments_of_another_type_are_refused(pair, options, says):
    for function in (anncat.open, anncat.concat):
        with pytest.raises(TypeError, match=says):
            function(pair, **options)


def test_a_path_of_bytes_is_refused(pair):
    for inputs in (os.fsencode(pair[0]), [os.fsencode(pair[0])]):
        for function in (anncat.open, anncat.concat):
            with pytest.raises(TypeError, match="not bytes"):
                function(inputs)


def test_a_page_cache_that_does_not_exist_is_refused_before_anything_starts(pair, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(ValueError, match="page_cache is one of 'all', 'read', 'computed', was 'x'"), opened(pair).mount(page_cache="x"):
        pass


# ---- rows


@pytest.mark.parametrize("rows", [slice(0, 10), slice(None), slice(None, None, -2), slice(-3, None), slice(40, 50), slice(5, 2)])
def test_rows_and_columns_may_be_slices(pair, rows):
    merged = opened(pair, **OUTER)
    expected = merged.to_memory()
    np.testing.assert_array_equal(merged.rows(rows).toarray(), expected.X.toarray()[rows])
    np.testing.assert_array_equal(merged.rows([3, 1], columns=rows).toarray(), expected.X.toarray()[[3, 1]][:, rows])
    batch, obs = merged.rows(rows, obs="name", element="obsm/X_pca")
    np.testing.assert_array_equal(batch, expected.obsm["X_pca"][rows])
    assert list(obs["name"]) == list(expected.obs["name"][rows])


def test_rows_that_are_not_there_are_one_error(pair):
    merged = opened(pair)
    told = set()
    for asked in ({"indices": [100]}, {"indices": [-100]}, {"indices": [0], "columns": [100]}, {"indices": [0], "columns": [-100]}):
        with pytest.raises(IndexError) as caught:
            merged.rows(**asked)
        error = caught.value
        told.add((type(error).__name__, error.kind, error.element))
        assert re.fullmatch(r"X: (row|column) -?100 is out of range, there are \d+", str(error))
    assert told == {("OutOfRangeError", "usage", "X")}


# ---- permission


def test_what_the_system_does_not_permit_is_a_permission_error():
    from anncat._errors import make

    said = "a.h5ad: Permission denied (os error 13)\n  also: b.h5ad: No such file or directory (os error 2)"
    for kind in ("input-unreadable", "output-unwritable"):
        error = make(kind, said, "a.h5ad", None)
        for same in (error, pickle.loads(pickle.dumps(error))):
            assert isinstance(same, PermissionError) and isinstance(same, anncat.Error)
            assert (same.kind, same.errno, same.filename) == (kind, errno.EACCES, "a.h5ad")
    error = make("input-unreadable", "a.h5ad: Input/output error (os error 5)", "a.h5ad", None)
    assert not isinstance(error, PermissionError) and error.errno == errno.EIO
    assert make("system", "Too many open files (os error 24)", None, None).errno == errno.EMFILE
    assert make("input-unreadable", "(os error 13).h5ad: it is so", None, None).errno == errno.EIO


def test_an_input_that_may_not_be_read_is_a_permission_error(pair):
    pair[0].chmod(0)
    code = f"""
        import os, pathlib, anncat  # what is imported later may not be readable then
        if os.getuid() == 0:
            os.setresuid(65534, 65534, 65534)
        try:
            anncat.open([{str(pair[0])!r}])
        except PermissionError as error:
            print(isinstance(error, anncat.Error), error.kind, error.errno, error.filename)
    """
    for directory in pair[0].parents:
        if not os.stat(directory).st_mode & 0o001:
            directory.chmod(os.stat(directory).st_mode | 0o001)
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=PACKAGE, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "input-unreadable", str(errno.EACCES), str(pair[0])], done.stderr
