"""What a concatenation drops, converts or replaces is told, with the right names and numbers."""

from __future__ import annotations

import json
import re
import time

import anndata as ad
import awkward as ak
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from oracle import anncat


def notices(paths, *options) -> list[dict]:
    """What `inspect --json` tells about a merge, without the sentences."""
    told = json.loads(anncat.run("inspect", "--json", *options, *paths).stdout)["notices"]
    return [{key: value for key, value in notice.items() if key != "message"} for notice in told]


def write(path, genes, *, x=None, cells=None, **parts):
    """A file whose cells are named after it."""
    cells = cells or [f"{path.stem}{i}" for i in range(2)]
    x = np.ones((len(cells), len(genes)), dtype="f4") if x is None else x
    var = parts.pop("var", pd.DataFrame(index=genes))
    ad.AnnData(x, obs=parts.pop("obs", pd.DataFrame(index=cells)), var=var, **parts).write_h5ad(path)
    return path


def of_kind(told: list[dict], kind: str) -> list[dict]:
    return [notice for notice in told if notice["notice"] == kind]


def test_what_is_dropped_or_converted_is_told(tmp_path):
    var = pd.DataFrame({"same": [1, 2], "other": [1, 2]}, index=["g1", "g2"])
    obs = pd.DataFrame(
        {"n": [1, 2], "m": [3, 4], "flag": [True, False], "o": pd.Categorical(["x", "y"], ordered=True)}, index=["a", "b"]
    )
    x = np.ones((2, 2), dtype=np.float32)
    first = ad.AnnData(x, obs=obs, var=var, layers={"counts": x}, obsm={"X_pca": np.ones((2, 3))})
    first.uns = {"deep": {"here": 1, "same": 2}}
    second = ad.AnnData(
        x,
        obs=pd.DataFrame({"o": pd.Categorical(["z", "y"], ordered=True)}, index=["c", "d"]),
        var=var.assign(other=[1, 3]),
        obsm={"X_pca": np.ones((2, 2)), "X_umap": np.ones((2, 2))},
        uns={"deep": {"here": 7, "same": 2}},
    )
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    first.write_h5ad(paths[0]), second.write_h5ad(paths[1])

    def converted(elements, kind, to, missing):
        because = [f"none in {paths[1]}"] if missing else []
        told = {"notice": "columns-converted", "elements": elements, "from": [kind], "to": to}
        return {**told, "missing": missing, "because": because}

    ordered = converted(["/obs/o"], "ordered categories of strings", "strings", False)
    dropped = ["/layers/counts", "/obsm/X_umap", "/obs/n", "/obs/m", "/obs/flag"]
    assert notices(paths, "--merge", "same", "--uns-merge", "same") == [
        {"notice": "not-in-all", "elements": dropped},
        {"notice": "columns-cut", "element": "/obsm/X_pca", "kept": 2},
        ordered,
        {"notice": "not-agreed", "elements": ["/var/other"], "option": "--merge"},
        {"notice": "not-agreed", "elements": ["/uns/deep/here"], "option": "--uns-merge"},
    ]
    nans = ["/layers/counts", "/obsm/X_pca", "/obsm/X_umap"]
    assert notices(paths, "--join", "outer", "--merge", "first", "--uns-merge", "first") == [
        {
            "notice": "arrays-converted",
            "elements": ["/layers/counts"],
            "from": ["float32"],
            "to": "float64",
            "because": [f"float64 fills {paths[1]}, without it"],
        },
        {"notice": "filled-with-nan", "elements": nans},
        converted(["/obs/n", "/obs/m"], "int64", "float64", True),
        converted(["/obs/flag"], "bool", "nullable bool", True),
        ordered,
    ]
    # Nothing is told of inputs that agree, but that they are one.
    link = tmp_path / "link.h5ad"
    link.symlink_to(paths[0])
    same = {"notice": "same-input", "files": [str(paths[0]), str(link)]}
    assert notices([paths[0], link], "--merge", "same", "--uns-merge", "same", "--index-unique", "-") == [same]


def test_names_and_keys_that_are_lost_are_told(tmp_path):
    paths = []
    for name, genes in (("a", ["g1", "g2"]), ("b", ["g2", "g3", "g4"]), ("c", ["g2"])):
        paths.append(tmp_path / f"{name}.h5ad")
        var, obs = pd.DataFrame(index=genes), pd.DataFrame(index=[f"cell of {name}"])
        ad.AnnData(np.ones((1, len(genes))), obs=obs, var=var).write_h5ad(paths[-1])
    lost = [f"2 of 3 in {paths[1]}", f"1 of 2 in {paths[0]}"]
    dropped = {"notice": "names-dropped", "element": "/var", "kept": 1, "lost": lost}
    assert notices(paths) == [{**dropped, "num-names": 3, "names": ["g1", "g3", "g4"]}]
    assert notices(paths, "--join", "outer") == [{"notice": "filled-with-nan", "elements": ["/X"]}]
    assert notices(paths, "--join", "outer", "--fill-value", "0") == []
    keyed = [f"{path.stem}={path}" for path in paths]
    unused = {"notice": "keys-unused", "keys": ["a", "b", "c"]}
    assert notices(keyed, "--join", "outer", "--fill-value", "0") == [unused]
    for used in (["--label", "from"], ["--index-unique", "-"]):
        assert notices(keyed, "--join", "outer", "--fill-value", "0", *used) == []


def test_fields_that_a_join_drops_are_told(tmp_path):
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    for path, fields in zip(paths, (["kept", "lost"], ["other", "kept"])):
        records = ak.Array([{field: 1 for field in fields}, {field: 2 for field in fields}])
        obs = pd.DataFrame(index=[f"{path.stem}1", f"{path.stem}2"])
        ad.AnnData(np.ones((2, 1), dtype="f4"), obs=obs, obsm={"hits": records}).write_h5ad(path)
    fields = {"notice": "fields-not-in-all", "element": "/obsm/hits", "fields": ["lost", "other"]}
    assert notices(paths) == [fields]
    assert notices(paths, "--join", "outer") == []


def test_what_is_dropped_of_raw_is_told(tmp_path):
    paths = []
    for name in "ab":
        full = ad.AnnData(
            np.ones((2, 2), dtype="f4"),
            obs=pd.DataFrame(index=[f"{name}1", f"{name}2"]),
            var=pd.DataFrame({"ids": ["i", "j"]}, index=["g1", "g2"]),
            varm={"PCs": np.ones((2, 3))},
        )
        full.raw = full.copy()
        paths.append(tmp_path / f"{name}.h5ad")
        full.write_h5ad(paths[-1])
    raw = {"notice": "raw-not-merged", "elements": ["/raw/var/ids", "/raw/varm/PCs"]}
    assert notices(paths, "--merge", "same") == [raw]
    assert of_kind(notices(paths), "raw-not-merged") == [raw]
    # It is as the notice says.
    merged = ad.concat([ad.read_h5ad(path) for path in paths], merge="same")
    assert list(merged.var) == ["ids"] and list(merged.raw.var) == [] and list(merged.raw.varm) == []


def test_what_merged_elements_become_where_names_lack_is_told(tmp_path):
    def var(genes):
        columns = {
            "ids": [f"ENSG{g}" for g in genes],
            "n": list(range(len(genes))),
            "m": list(range(len(genes))),
            "flag": [True] * len(genes),
            "kind": pd.Categorical(["x"] * len(genes)),
            "score": [0.5] * len(genes),
        }
        return pd.DataFrame(columns, index=genes)

    paths = []
    for name, genes in (("a", ["g1", "g2"]), ("b", ["g2", "g3"])):
        varm = {"PCs": np.ones((2, 2), dtype="i4"), "frame": pd.DataFrame({"k": [1, 2]}, index=genes)}
        paths.append(write(tmp_path / f"{name}.h5ad", genes, var=var(genes), varm=varm))

    def gaps(elements, kind, to):
        return {"notice": "merged-with-gaps", "elements": elements, "from": kind, "to": to}

    text = gaps(["/var/ids"], "strings", "categories of strings")
    told = notices(paths, "--join", "outer", "--merge", "first", "--fill-value", "0")
    assert of_kind(told, "merged-with-gaps") == [
        text,
        gaps(["/var/n", "/var/m", "/varm/frame/k"], "int64", "float64"),
        gaps(["/var/flag"], "bool", "nullable bool"),
        gaps(["/var/kind"], "categories of strings", "categories of strings"),
        gaps(["/var/score"], "float64", "float64"),
        gaps(["/varm/PCs"], "int32", "float64"),
    ]
    said = anncat.run("inspect", "--join", "outer", "--merge", "first", *paths).stdout
    assert "int64 become float64 with missing values, where the input they are from lacks a name: /var/n" in said
    # Where no name is lacking, or lacking names are not introduced, nothing changes.
    assert of_kind(notices(paths, "--merge", "first"), "merged-with-gaps") == []
    assert of_kind(notices(paths[:1], "--join", "outer", "--merge", "first"), "merged-with-gaps") == []


def test_who_makes_a_column_wider_is_told(tmp_path):
    paths = []
    for name, dtype in (("a", "f4"), ("b", "f8"), ("c", "f4")):
        adata = ad.AnnData(obs=pd.DataFrame({"score": np.ones(2, dtype), "n": np.ones(2, "i4" if dtype == "f4" else "i8")}, index=["x", "y"]))
        paths.append(tmp_path / f"{name}.h5ad")
        adata.write_h5ad(paths[-1])
    (told,) = of_kind(notices(paths), "columns-converted")
    assert (told["elements"], told["from"], told["to"]) == (["/obs/score"], ["float32", "float64"], "float64")
    assert told["because"] == [f"float32 in {paths[0]} and 1 more", f"float64 in {paths[1]}"]
    said = anncat.run("inspect", *paths).stdout
    assert f"columns of float32 with float64 become float64: /obs/score (float32 in {paths[0]} and 1 more, float64 in {paths[1]})" in said
    # Integers of other sizes are the same numbers.
    assert "/obs/n" not in told["elements"]
    assert of_kind(notices([paths[0], paths[2]]), "columns-converted") == []


def test_who_costs_an_inner_join_most_is_named(tmp_path):
    genes = [f"g{i:03}" for i in range(108)]
    paths = [write(tmp_path / f"{i}.h5ad", genes[i % 3 :]) for i in range(6)]
    odd = write(tmp_path / "odd.h5ad", genes[50:55])
    (dropped,) = notices([*paths[:4], odd, *paths[4:]])
    assert dropped["kept"] == 5 and dropped["num-names"] == 103
    assert dropped["costs-most"] == {"files": [str(odd)], "lens": [5], "kept-without": 106}
    assert dropped["names"] == [gene for gene in genes if gene not in genes[50:55]][:100]
    said = anncat.run("inspect", *paths, odd).stdout
    assert f"loses 103; {odd} (5 names) costs most: without it 106 would be kept" in said
    # As it is.
    assert ad.concat([ad.read_h5ad(path) for path in paths]).n_vars == 106


def test_lost_names_are_listed_in_a_file(tmp_path):
    paths = []
    for name, genes in (("a", ["g1", "g2"]), ("b", ["g2", "g\t3"])):
        full = ad.AnnData(np.ones((1, 2), dtype="f4"), var=pd.DataFrame(index=genes))
        full.raw = full.copy()
        paths.append(tmp_path / f"{name}.h5ad")
        full.write_h5ad(paths[-1])
    expected = "/var\tg1\n/var\tg\\t3\n/raw/var\tg1\n/raw/var\tg\\t3\n"
    listed = tmp_path / "dropped.tsv"
    for command in (["inspect"], ["materialize", "-o", tmp_path / "out.h5ad"]):
        anncat.run(*command, "--list-dropped", listed, *paths)
        assert listed.read_text() == expected
    anncat.run("inspect", "--join", "outer", "--list-dropped", listed, *paths)
    assert listed.read_text() == ""
    # Neither an input nor the output is overwritten by a list.
    before = paths[0].read_bytes()
    done = anncat.run("inspect", "--list-dropped", paths[0], *paths, check=False)
    assert done.code == 2 and paths[0].read_bytes() == before


SYMBOLS = ["TP53", "BRCA1", "EGFR", "MYC"]
IDS = ["ENSG00000141510", "ENSG00000012048", "ENSG00000146648", "ENSG00000136997"]


def test_names_that_an_outer_join_finds_unlike_are_told(tmp_path):
    symbols = write(tmp_path / "symbols.h5ad", SYMBOLS, var=pd.DataFrame({"gene_ids": IDS, "n": 1}, index=SYMBOLS))
    more = write(tmp_path / "more.h5ad", SYMBOLS[1:])
    ids = write(tmp_path / "ids.h5ad", IDS)
    kinds = [{"files": [str(symbols), str(more)], "example": "TP53"}, {"files": [str(ids)], "example": IDS[0]}]
    told = {
        "notice": "few-names-shared",
        "element": "/var",
        "kinds": kinds,
        "reason": "symbols and Ensembl ids (ENSG...)",
        "agreeing": [f"/var/gene_ids of {symbols} (as in {ids})"],
    }
    zero = ["--fill-value", "0", "--merge", "only"]
    assert of_kind(notices([symbols, more, ids], "--join", "outer", *zero), "few-names-shared") == [told]
    # What doubles is as it is told.
    assert ad.concat([ad.read_h5ad(p) for p in (symbols, more, ids)], join="outer").n_vars == 8
    # The inner join knows the reason, too.
    (nothing,) = of_kind(notices([symbols, ids], *zero), "nothing-in-common")
    assert (nothing["reason"], nothing["agreeing"]) == (told["reason"], told["agreeing"])
    # Columns that agree with each other help as well as names do.
    other = write(tmp_path / "other.h5ad", list("wxyz"), var=pd.DataFrame({"ens": IDS}, index=list("wxyz")))
    (few,) = of_kind(notices([symbols, other], "--join", "outer", *zero), "few-names-shared")
    assert few["agreeing"] == [f"/var/gene_ids of {symbols} (as in {other})", f"/var/ens of {other} (as in {symbols})"]
    # Versions, case and spaces; and a panel is no other kind.
    for genes, reason in (
        ([f"{gene}.{i}" for i, gene in enumerate(IDS)], "they differ by a version suffix (`.1`)"),
        ([gene.lower() for gene in IDS], "they differ by upper and lower case"),
        ([f"{gene} " for gene in IDS], "they differ by spaces around them"),
    ):
        odd = write(tmp_path / "odd.h5ad", genes)
        (few,) = notices([ids, odd], "--join", "outer", *zero)
        assert few["reason"] == reason
    assert notices([symbols, write(tmp_path / "panel.h5ad", SYMBOLS[:1])], "--join", "outer", *zero) == []


def test_why_arrays_become_of_another_dtype_is_told(tmp_path):
    genes = ["g1", "g2"]
    paths = []
    for name, dtype in (("a", "f4"), ("b", "f8"), ("c", "f4"), ("d", "f8")):
        x = scipy.sparse.csr_matrix(np.ones((2, 2), dtype=dtype))
        paths.append(write(tmp_path / f"{name}.h5ad", genes, x=x, layers={"dense": np.ones((2, 2), dtype=dtype)}))
    converted = {"notice": "arrays-converted", "elements": ["/X", "/layers/dense"], "from": ["float32", "float64"]}
    assert notices(paths) == [{**converted, "to": "float64", "because": [f"float64 in {paths[1]} and 1 more"]}]
    # No input has it: both that are promoted to it are named.
    ints = write(tmp_path / "ints.h5ad", genes, x=np.ones((2, 2), dtype="i4"))
    floats = write(tmp_path / "floats.h5ad", genes, x=np.ones((2, 2), dtype="f4"))
    (promoted,) = of_kind(notices([ints, floats]), "arrays-converted")
    assert (promoted["to"], promoted["because"]) == ("float64", [f"int32 in {ints}", f"float32 in {floats}"])
    # Integers with gaps.
    more = write(tmp_path / "more.h5ad", [*genes, "g3"], x=np.ones((2, 3), dtype="i4"))
    (gaps,) = of_kind(notices([ints, more], "--join", "outer"), "arrays-converted")
    assert (gaps["to"], gaps["because"]) == ("float64", [f"float64 fills gaps in {ints}"])
    for merged in (ad.concat([ad.read_h5ad(p) for p in pair], join="outer") for pair in ([ints, floats], [ints, more])):
        assert merged.X.dtype == "f8"


def test_matrices_that_stay_stored_by_columns_are_told(tmp_path):
    x = scipy.sparse.csc_matrix(np.ones((2, 2), dtype="f4"))
    paths = []
    for name in "ab":
        paths.append(write(tmp_path / f"{name}.h5ad", ["g1", "g2"], x=x, layers={"counts": x}, obsm={"m": x}))
    assert notices(paths) == [{"notice": "stays-csc", "elements": ["/X", "/layers/counts"]}]
    for option in (["--sparse-format", "csr"], ["--sparse-format", "csc"], ["--axis", "var", "--index-unique", "-"]):
        assert of_kind(notices(paths, *option), "stays-csc") == []
    rows = write(tmp_path / "c.h5ad", ["g1", "g2"], x=x.tocsr(), layers={"counts": x.tocsr()})
    assert of_kind(notices([*paths, rows]), "stays-csc") == []


def test_a_plain_output_of_compressed_inputs_is_told(tmp_path):
    paths = []
    for name in "ab":
        paths.append(tmp_path / f"{name}.h5ad")
        adata = ad.AnnData(np.zeros((400, 1000), dtype="f4"), obs=pd.DataFrame(index=[f"{name}{i}" for i in range(400)]))
        adata.write_h5ad(paths[-1], compression="gzip")

    def plain(out, *options):
        done = anncat.run("materialize", "--json", *paths, "-o", tmp_path / out, *options)
        return of_kind(json.loads(done.stdout)["notices"], "plain-output")

    (told,) = plain("out.h5ad")
    assert told["len-bytes"] == 2 * 400 * 1000 * 4
    assert told["input-bytes"] == sum(path.stat().st_size for path in paths)
    assert "hint: --compression gzip, or lzf, which is faster" in told["message"]
    assert told["len-bytes"] < (tmp_path / "out.h5ad").stat().st_size < 1.1 * told["len-bytes"]
    assert plain("chosen.h5ad", "--compression", "none") == []
    assert plain("gzip.h5ad", "--compression", "gzip") == []
    assert plain("out.zarr") == []
    paths = [tmp_path / "out.h5ad", tmp_path / "chosen.h5ad"]
    assert plain("again.h5ad") == []


@pytest.mark.parametrize("cells", [3, 15_000], ids=["few", "many"])
def test_cell_names_that_are_not_unique_are_told(tmp_path, cells):
    def names(stem):
        return [f"{stem}{i}" for i in range(cells)]

    a = write(tmp_path / "a.h5ad", ["g"], cells=[*names("x"), "AAAC"])
    b = write(tmp_path / "b.h5ad", ["g"], cells=["AAAC", *names("y"), "y0", "x1"])
    told = {
        "notice": "names-not-unique",
        "element": "/obs",
        "num-names": 3,
        "examples": [f'"x1" in {a} and {b}', f'"AAAC" in {a} and {b}', f'"y0" twice in {b}'],
        "across-inputs": True,
    }
    assert notices([a, b]) == [told]
    within = {**told, "num-names": 1, "examples": [f'"y0-1" twice in {b}'], "across-inputs": False}
    assert notices([a, b], "--index-unique", "-") == [within]
    with pytest.warns(UserWarning, match="Observation names are not unique"):
        index = ad.concat([ad.read_h5ad(a), ad.read_h5ad(b)]).obs_names
    assert sorted(set(index[index.duplicated()])) == ["AAAC", "x1", "y0"]
    # Every command tells it.
    done = anncat.run("materialize", "--json", a, b, "-o", tmp_path / "out.h5ad")
    assert of_kind([{k: v for k, v in n.items() if k != "message"} for n in json.loads(done.stdout)["notices"]], told["notice"]) == [told]
    assert "note: /obs: names that are there more than once: 3, as " in done.stderr
    assert "hint: --index-unique SEP appends the input's key to each name" in done.stderr


def test_names_of_genes_that_all_inputs_repeat_are_told(tmp_path):
    a, b = (write(tmp_path / f"{name}.h5ad", ["g", "h", "g"]) for name in "ab")
    told = {"notice": "names-not-unique", "element": "/var", "num-names": 1, "across-inputs": False}
    assert notices([a, b]) == [{**told, "examples": ['"g" twice in every input']}]


@pytest.mark.fuse
@pytest.mark.parametrize("cells", [3, 15_000], ids=["few", "many"])
def test_a_mount_tells_of_repeated_names_at_once_or_in_its_log(tmp_path, mnt, cells):
    names = [f"x{i}" for i in range(cells)]
    paths = [write(tmp_path / f"{name}.h5ad", ["g"], cells=names) for name in "ab"]
    log = tmp_path / "log"
    done = anncat.run("mount", *paths, mnt, "--log", log)
    try:
        for _ in range(100):
            told = done.stderr if cells == 3 else log.read_text()
            if "more than once" in told:
                break
            time.sleep(0.05)
        assert f'note: /obs: names that are there more than once: {cells}, as "x0" in {paths[0]} and {paths[1]}' in told
    finally:
        anncat.run("unmount", mnt)


def test_every_notice_is_in_the_documentation():
    source = (anncat.ROOT / "src/concat/told/notice.rs").read_text()
    enum = source[source.index("pub enum Notice {") : source.index("\n}\n")]
    kinds = {re.sub("(?<!^)(?=[A-Z])", "-", name).lower() for name in re.findall(r"^    ([A-Z]\w+) \{", enum, re.MULTILINE)}
    table = (anncat.ROOT / "docs/NOTICES.md").read_text().splitlines()
    rows = {name for row in table if row.startswith("| `") for name in re.findall("`([a-z-]+)`", row.split("|")[1])}
    assert kinds and rows - {"notice"} == kinds


def test_odd_files_among_files_with_equal_names_are_named(tmp_path):
    genes = [f"g{i:04}" for i in range(3000)]
    paths = [write(tmp_path / f"{i}.h5ad", genes) for i in range(20)]
    odd = write(tmp_path / "odd.h5ad", [*genes[:50], "Q"])
    (dropped,) = notices([*paths[:7], odd, *paths[7:]])
    assert (dropped["kept"], dropped["num-names"]) == (50, 2951)
    assert dropped["costs-most"] == {"files": [str(odd)], "lens": [51], "kept-without": 3000}
    panels = [write(tmp_path / f"panel{p}.h5ad", [*genes[:50], *(f"{p}{i}" for i in range(500))]) for p in "ab"]
    (dropped,) = notices([panels[0], *paths, panels[1]])
    assert dropped["costs-most"] == {"files": [str(panel) for panel in panels], "lens": [550, 550], "kept-without": 3000}
    said = anncat.run("inspect", *paths, *panels).stdout
    assert "without them 3000 would be kept" in said
    # Neither half is the odd one.
    (dropped,) = notices([paths[0], odd, paths[1], write(tmp_path / "odd2.h5ad", [*genes[:50], "Q"])])
    assert "costs-most" not in dropped


def test_columns_of_few_values_are_not_told_as_names(tmp_path):
    def var(index, **columns):
        return pd.DataFrame({**columns, "feature_types": "Gene Expression", "genome": "GRCh38"}, index=index)

    symbols = write(tmp_path / "symbols.h5ad", SYMBOLS, var=var(SYMBOLS))
    ids = write(tmp_path / "ids.h5ad", IDS, var=var(IDS))
    named = write(tmp_path / "named.h5ad", SYMBOLS, var=var(SYMBOLS, gene_ids=IDS))
    zero = ["--fill-value", "0", "--merge", "only"]
    for join, kind in (("outer", "few-names-shared"), ("inner", "nothing-in-common")):
        (told,) = of_kind(notices([symbols, ids], "--join", join, *zero), kind)
        assert "agreeing" not in told
        (told,) = of_kind(notices([named, ids], "--join", join, *zero), kind)
        assert told["agreeing"] == [f"/var/gene_ids of {named} (as in {ids})"]
