"""What is an input: groups of files, files that are none, elements that are left out."""

from __future__ import annotations

import json
import shutil
import subprocess

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from conftest import small

from oracle import anncat, compare, differential


def refused(*args, code: int = 1) -> dict:
    """The error of a run that must fail, as JSON."""
    done = anncat.run(*args, "--json", check=False)
    assert done.code == code, done.stderr
    return json.loads(done.stdout)["error"]


def notices(*args) -> list[dict]:
    return json.loads(anncat.run("inspect", "--json", *args).stdout)["notices"]


def materialized(out, *args) -> ad.AnnData:
    anncat.run("materialize", *args, "-o", out)
    return differential.read(out)


def mudata(path, encoding="MuData"):
    """A MuData as mudata writes it: an obs of its own, the modalities in `mod`."""
    rna, prot = small(0), small(0, genes="xyz")
    with h5py.File(path, "w") as file:
        ad.io.write_elem(file, "obs", rna.obs[[]])
        ad.io.write_elem(file, "var", pd.concat([rna.var, prot.var])[[]])
        file.create_group("mod")
        ad.io.write_elem(file, "mod/rna", rna)
        ad.io.write_elem(file, "mod/prot", prot)
        if encoding:
            file.attrs.update({"encoding-type": encoding, "encoding-version": "0.1.0"})
    return rna, prot


@pytest.mark.parametrize("encoding", ["MuData", None])
def test_a_mudata_is_refused_with_its_modalities(pair, tmp_path, encoding):
    path = tmp_path / "x.h5mu"
    mudata(path, encoding)
    error = refused("inspect", pair[0], path)
    assert (error["kind"], error["file"]) == ("not-anndata", str(path))
    assert f"{path}::mod/rna" in error["hint"] and f"{path}::mod/prot" in error["hint"]


def test_modalities_are_inputs(tmp_path):
    path = tmp_path / "x.h5mu"
    rna, prot = mudata(path)
    got = materialized(tmp_path / "one.h5ad", "--merge", "same", f"{path}::mod/rna")
    compare.equal(ad.concat([rna], merge="same"), got)
    # Two groups of one file are two inputs, each with a census of its own.
    other = tmp_path / "other.h5ad"
    differential.write(small(3, genes="ax"), other, "h5ad")
    for group, adata in (("mod/rna", rna), ("mod/prot", prot)):
        got = materialized(tmp_path / "two.h5ad", "--force", f"k={path}::{group}", f"l={other}")
        compare.equal(ad.concat([adata, differential.read(other)]), got)
    got = materialized(tmp_path / "both.h5ad", "--axis", "var", f"{path}::mod/rna", f"{path}::/mod/prot/")
    assert list(got.var_names) == list("abcdxyz")
    told = [notice["notice"] for notice in notices(f"{path}::mod/rna", f"{path}::mod/prot")]
    assert "same-input" not in told
    told = [notice["notice"] for notice in notices(f"{path}::mod/rna", f"{path}::mod/rna")]
    assert "same-input" in told


def test_a_group_that_is_not_there(tmp_path):
    path = tmp_path / "x.h5mu"
    mudata(path)
    error = refused("inspect", f"{path}::mod/atac")
    assert (error["kind"], error["file"]) == ("input-missing", str(path))
    assert f"{path}::mod/rna" in error["hint"]


@pytest.mark.parametrize("fmt", ["zarr2", "zarr3"])
def test_tables_of_a_spatialdata(tmp_path, fmt):
    store = tmp_path / "sd.zarr"
    root = zarr.open_group(str(store), mode="w", zarr_format=int(fmt[-1]))
    root.attrs["spatialdata_attrs"] = {"version": "0.2"}
    tables = root.create_group("tables")
    ad.io.write_elem(tables, "cells", small(0))
    root.create_group("images")
    error = refused("inspect", store)
    assert error["kind"] == "not-anndata" and "SpatialData" in error["message"]
    assert f"{store}::tables/cells" in error["hint"]
    got = materialized(tmp_path / "out.h5ad", "--merge", "same", f"{store}::tables/cells")
    compare.equal(ad.concat([small(0)], merge="same"), got)
    assert f"{store}::tables/cells" in refused("inspect", f"{store}::tables/cell")["hint"]


def test_a_root_that_says_it_is_something_else(pair):
    with h5py.File(pair[1], "a") as file:
        file.attrs["encoding-type"] = "dataframe"
    error = refused("inspect", *pair)
    assert error["kind"] == "not-anndata" and "dataframe" in error["message"]


@pytest.mark.parametrize(("element", "encoding"), [("X", "csr_matrix"), ("obs/n_genes", "categorical"), ("obsm/X_pca", "dict")])
def test_an_element_that_is_not_what_it_says(pair, element, encoding):
    with h5py.File(pair[1], "a") as file:
        if element == "X":
            del file["X"]
            file["X"] = np.zeros((6, 4), "f4")
            file["X"].attrs["encoding-version"] = "0.1.0"
        file[element].attrs["encoding-type"] = encoding
    error = refused("inspect", *pair)
    assert error["file"] == str(pair[1]) and error["element"] == f"/{element}"
    assert "--drop" in error["hint"]


def test_parts_that_nobody_knows_are_told(pair):
    with h5py.File(pair[1], "a") as file:
        file.create_group("reductions/pca")
        file["misc"] = 1
    told = [notice for notice in notices(*pair) if notice["notice"] == "parts-unknown"]
    assert told and told[0]["elements"] == ["/misc", "/reductions"]
    assert told[0]["files"] == [str(pair[1])]
    told = [notice["notice"] for notice in notices("--drop", "misc", "--drop", "reductions", *pair)]
    assert "parts-unknown" not in told and "pattern-unused" not in told


def test_files_that_are_something_else_say_what(tmp_path):
    for content, says in [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n", "git-LFS"),
        ("<!DOCTYPE html>\n<html><body>please log in</body></html>" * 9, "web page"),
        ('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    ]:
        path = tmp_path / "a.h5ad"
        path.write_text(content)
        error = refused("inspect", path)
        assert error["kind"] == "not-anndata" and says in error["message"], error


def test_a_typo(pair, tmp_path):
    error = refused("inspect", tmp_path / "A.h5da")
    assert error["kind"] == "input-missing" and str(pair[0]) in error["hint"]
    nested = tmp_path / "donors"
    nested.mkdir()
    shutil.copy(pair[0], nested)
    assert str(nested / "a.h5ad") in refused("inspect", tmp_path / "doners" / "a.h5ad")["hint"]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_table_is_no_list(pair, tmp_path, separator):
    table = tmp_path / "samples.csv"
    rows = [("donor", "path"), ("d1", pair[0]), ("d2", pair[1])]
    table.write_text("".join(f"{a}{separator}{b}\n" for a, b in rows))
    error = refused("inspect", "--from", table)
    assert error["kind"] == "input-unreadable" and "KEY=PATH" in error["message"]
    assert "awk" in error["hint"]


def test_a_slash_in_the_name_of_a_layer(pair, tmp_path):
    with h5py.File(pair[1], "a") as file:
        ad.io.write_elem(file, "layers/a/b", np.zeros((6, 4)))
    error = refused("inspect", *pair)
    assert error["file"] == str(pair[1]) and error["element"] == "/layers/a"
    assert "a/b" in error["message"] and "--drop 'layers/a'" in error["hint"]
    materialized(tmp_path / "out.h5ad", "--drop", "layers/a", *pair)


# Paths to drop, and how the same is left out of an object in memory.
DROPS = {
    "X": lambda a: setattr(a, "X", None),
    "obs/n_*": lambda a: a.obs.__delitem__("n_genes"),
    "obs": lambda a: a.obs.drop(columns=list(a.obs), inplace=True),
    "/obs/cell_type": lambda a: a.obs.__delitem__("cell_type"),
    "obsm/X_*": lambda a: a.obsm.__delitem__("X_pca"),
    "obsm/table/q*": lambda a: a.obsm["table"].__delitem__("q"),
    "layers": lambda a: a.layers.clear(),
    "uns/dict/inner": lambda a: a.uns["dict"].__delitem__("inner"),
    "uns": lambda a: a.uns.clear(),
    "raw": lambda a: setattr(a, "raw", None),
    "var/length": lambda a: a.var.__delitem__("length"),
}


def rich(seed: int) -> ad.AnnData:
    """With something under every pattern."""
    adata = small(seed)
    adata.raw = small(seed, genes="abcdef")
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["table"] = pd.DataFrame({"p": 1.0, "q": 2.0}, index=adata.obs_names)
    adata.uns["dict"] = {"inner": {"a": 1}, "other": 2}
    return adata


@pytest.mark.parametrize("fmt", ["h5ad", "zarr3"])
@pytest.mark.parametrize("pattern", DROPS)
def test_what_is_dropped_is_as_if_it_was_not_there(tmp_path, pattern, fmt):
    inputs = [tmp_path / f"{n}.{fmt[:4]}" for n in (0, 1)]
    without = []
    for seed, path in enumerate(inputs):
        adata = rich(seed)
        differential.write(adata, path, fmt)
        DROPS[pattern](adata)
        without.append(adata)
    options = {"join": "outer", "merge": "same", "uns_merge": "same"}
    got = materialized(tmp_path / "out.h5ad", "--drop", pattern, *inputs, "--join=outer", "--merge=same", "--uns-merge=same")
    compare.equal(ad.concat(without, **options), got)


def test_what_is_kept_is_all(tmp_path):
    path = tmp_path / "a.h5ad"
    differential.write(rich(0), path, "h5ad")
    keep = ["--keep", "obs/cell_type", "--keep", "layers/*", "--keep", "uns/dict/other", "--merge=same", "--uns-merge=same"]
    got = materialized(tmp_path / "out.h5ad", *keep, path)
    assert got.X is None and got.raw is None and not got.obsm and list(got.layers) == ["counts"]
    assert list(got.obs) == ["cell_type"] and not list(got.var) and dict(got.uns) == {"dict": {"other": 2}}
    assert list(got.obs_names) == list(rich(0).obs_names) and list(got.var_names) == list("abcd")
    # What is dropped is not kept.
    got = materialized(tmp_path / "less.h5ad", *keep, "--drop", "layers", path)
    assert not got.layers and list(got.obs) == ["cell_type"]


def test_an_element_that_cannot_be_read_can_be_left_out(pair, tmp_path):
    with h5py.File(pair[1], "a") as file:
        file["obs/n_genes"].attrs["encoding-type"] = "of-the-future"
        file["obsm/dates"] = np.array([b"x"], "V3")
    assert "--drop 'obs/n_genes'" in refused("inspect", *pair)["hint"]
    got = materialized(tmp_path / "out.h5ad", "--drop", "obs/n_genes", "--drop", "obsm/dates", *pair)
    assert list(got.obs) == ["cell_type", "name"] and got.n_obs == 12


@pytest.mark.parametrize("name", ["archive_v0.7.0", "bpcells_mini_v0.6.22", "scvi_TM_droplet"])
def test_old_files_keep_their_categories(real, tmp_path, name):
    whole = materialized(tmp_path / "whole.h5ad", real[name])
    columns = list(whole.obs)[-1:]
    drops = [word for column in columns for word in ("--drop", f"obs/{column}")]
    got = materialized(tmp_path / "out.h5ad", "--drop", "uns", *drops, real[name])
    whole.obs.drop(columns=columns, inplace=True)
    compare.equal(whole, got)
    got = materialized(tmp_path / "names.h5ad", "--keep", "X", real[name])
    assert list(got.obs) == [] and list(got.obs_names) == list(whole.obs_names)


def test_patterns_that_match_nothing_are_told(pair):
    told = notices("--drop", "obs/nothing", "--drop", "obs/n_genes", *pair)
    unused = [notice for notice in told if notice["notice"] == "pattern-unused"]
    assert [notice["pattern"] for notice in unused] == ["obs/nothing"]
    for pattern in ("", "/", "obs/[a"):
        assert refused("inspect", "--drop", pattern, *pair, code=2)["kind"] == "usage"


def test_a_plan_keeps_groups_and_patterns(tmp_path):
    path, plan = tmp_path / "x.h5mu", tmp_path / "plan.json"
    mudata(path)
    anncat.run("inspect", "--drop", "obs/n*", f"{path}::mod/rna", "--save", plan)
    got = materialized(tmp_path / "out.h5ad", "--plan", plan)
    assert list(got.obs) == ["cell_type"] and list(got.var_names) == list("abcd")


def test_a_fill_value_that_fills_nothing_is_told(pair):
    def is_told(*args):
        return "fill-unused" in [notice["notice"] for notice in notices(*args, *pair)]

    assert is_told("--fill-value", "0")
    assert not is_told("--fill-value", "0", "--join", "outer")
    assert not is_told("--join", "outer")
    told = notices("--fill-value", "0", "--join", "outer", pair[0], pair[0])
    assert "fill-unused" in [notice["notice"] for notice in told]


@pytest.mark.parametrize(
    ("header", "swapped", "separator"),
    [(True, True, ","), (True, False, ";"), (False, True, "\t"), (False, False, ",")],
)
def test_the_hint_of_a_table_makes_a_list_of_it(pair, tmp_path, header, swapped, separator):
    table = tmp_path / "my samples.csv"
    rows = [("donor", "path")][: int(header)] + [("d1", pair[0]), ("d2", pair[1])]
    rows = [row[::-1] if swapped else row for row in rows]
    table.write_text("".join(f'"{a}"{separator}"{b}"\r\n' for a, b in rows))
    hint = refused("inspect", "--from", table)["hint"]
    command, rest = hint.split(" | ")
    assert rest == "anncat ... --from -"
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert made == f"d1={pair[0]}\nd2={pair[1]}\n"


def test_the_hint_of_a_table_of_paths_alone(pair, tmp_path):
    table = tmp_path / "samples.csv"
    table.write_text("".join(f"{path},\n" for path in ("path", *pair)))
    command = refused("inspect", "--from", table)["hint"].split(" | ")[0]
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert made == f"{pair[0]}\n{pair[1]}\n"
