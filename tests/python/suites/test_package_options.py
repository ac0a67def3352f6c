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
