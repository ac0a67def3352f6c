"""Who can read what anncat makes: versions of anndata and zarr-python, and kinds of stores.

    scripts/readers                       # all of it; environments are made once, under --cache
    scripts/readers --only anndata-0.10   # one reader
    scripts/readers --write               # and writes docs/READERS.md

The merge has text with missing values, nullable integers and booleans, categoricals, records, text
without missing values, and an outer join that introduces missing values in all of these. A cell of
the table says whether that reader opens the store, finds the values, and can mask by each column
(`adata[adata.obs["note"] == "x"]`). Ends with 1 when a cell does not.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from oracle import anncat, differential

# Of each reader: the Python it wants (least and greatest 3.x), what is installed, what it can read.
READERS = {
    "anndata-0.8": ((8, 10), ["anndata==0.8.0", "pandas<2", "numpy<1.24", "scipy<1.11", "h5py<3.10", "zarr<2.17"], ("h5ad", "virtual", "zarr2")),
    "anndata-0.10": ((9, 12), ["anndata==0.10.9", "pandas<2.3", "numpy<2", "zarr<2.19", "numcodecs<0.16"], ("h5ad", "virtual", "zarr2")),
    "anndata-0.11": ((10, 13), ["anndata==0.11.4", "pandas<2.4", "zarr<3", "numcodecs<0.16"], ("h5ad", "virtual", "zarr2")),
    "anndata-0.12": ((11, 13), ["anndata==0.12.19", "pandas<3", "zarr==3.1.6"], ("h5ad", "virtual", "zarr2", "zarr3", "sharded")),
    "anndata-0.13": ((12, 13), ["anndata==0.13.4", "pandas==3.1.1", "zarr==3.4.2"], ("h5ad", "virtual", "zarr2", "zarr3", "sharded")),
    "zarr-2.16": ((8, 11), ["zarr==2.16.1", "numpy<2", "numcodecs<0.14"], ("zarr2",)),
    "zarr-2.18": ((10, 12), ["zarr==2.18.3", "numcodecs<0.16"], ("zarr2",)),
    "zarr-3.0": ((11, 13), ["zarr==3.0.8"], ("zarr2", "zarr3", "sharded")),
    "zarr-3.1": ((11, 13), ["zarr==3.1.6"], ("zarr2", "zarr3", "sharded")),
    "zarr-3.4": ((12, 13), ["zarr==3.4.2"], ("zarr2", "zarr3", "sharded")),
}
STORES = {
    "h5ad": "`materialize -o out.h5ad`",
    "virtual": "mount, `merged.h5ad`",
    "zarr2": "mount, `--zarr-format 2`",
    "zarr3": "mount, zarr v3",
    "sharded": "mount, zarr v3, `--shard-size`",
}
COLUMNS = {"note": "x", "name": "n1", "group": "T", "ordered": "low", "n": 3, "flag": True, "score": 0.5}

# What a reader runs; knows nothing but its own packages, and Python 3.8.
PROBE = r"""
import json, sys, warnings
warnings.simplefilter("ignore")
path, wanted = sys.argv[1], json.loads(sys.argv[2])
try:
    import anndata
except ImportError:
    anndata = None
if anndata is None:
    import numpy, zarr
    arrays, beyond = [], []
    try:
        root = zarr.open(path, mode="r")
    except ValueError as error:
        if "structured" not in str(error):
            raise
        root = zarr.open_group(path, mode="r", use_consolidated=False)
    def walk(group, at):
        try:
            for name, item in group.arrays():
                arrays.append(at + name)
                item[...]
            groups = list(group.groups())
        except ValueError as error:
            # A type that this version knows in no store at all.
            if "structured" not in str(error):
                raise
            beyond.append(at)
            return
        for name, item in groups:
            walk(item, at + name + "/")
    for name in ("X", "obs", "var", "obsm", "uns"):
        walk(root[name], name + "/")
    codes = root["obs/group/codes"][...]
    categories = [str(c) for c in root["obs/group/categories"][...]]
    assert (codes == categories.index("T")).sum() == wanted["group"], "group"
    assert numpy.asarray(root["obs/score"][...] == 0.5).sum() == wanted["score"], "score"
    assert len(arrays) > 15, arrays
else:
    adata = anndata.read_h5ad(path) if path.endswith(".h5ad") else anndata.read_zarr(path)
    problems = []
    for column, value in json.loads(sys.argv[3]).items():
        try:
            mask = adata.obs[column] == value
            if str(mask.dtype) == "boolean":
                # anndata takes no mask with missing values, of its own files neither.
                mask = mask.fillna(False).to_numpy(dtype=bool)
            found = adata[mask].shape[0]
            if found != wanted[column]:
                problems.append("%s: %d rows, should be %d" % (column, found, wanted[column]))
        except Exception as error:
            problems.append("%s: %s: %s" % (column, type(error).__name__, str(error)[:120]))
    assert adata.X.sum() == wanted["X"], "X"
    assert adata.uns["record"]["a"].tolist() == [1, 2], "record"
    assert adata.obsm["record"]["f"].sum() == wanted["record"], "obsm/record"
    assert not problems, "; ".join(problems)
print("reads" if anndata is not None or not beyond else "reads but for records, `use_consolidated=False`")
"""


def inputs(directory: Path) -> list[Path]:
    """Two inputs, of which each lacks columns of the other."""
    paths = []
    for number in range(2):
        n = 6
        obs = pd.DataFrame(
            {
                "name": [f"n{i % 3}" for i in range(n)],
                "group": pd.Categorical(["T", "B"] * 3 if number else ["T", "NK", "T"] * 2),
                "score": [0.5, 1.5, 0.5, 2.5, 0.5, 1.0],
                "n": pd.array([3, None, 3, 4, 5, 6], dtype="Int64"),
                "flag": pd.array([True, None, False, True, False, None], dtype="boolean"),
            },
            index=[f"c{number}_{i}" for i in range(n)],
        )
        if number == 0:
            obs["note"] = ["x", "y", "x", "z", "", "x"]
            obs["ordered"] = pd.Categorical(["low", "high"] * 3, categories=["low", "high"], ordered=True)
        adata = ad.AnnData(sparse.csr_matrix(np.arange(24, dtype=np.float32).reshape(n, 4) % 5), obs=obs)
        adata.var_names = list("abcd") if number else list("bcde")
        adata.obsm["record"] = np.array([(i, i / 2) for i in range(n)], dtype=[("i", "i4"), ("f", "f8")])
        adata.uns["record"] = np.array([(1, 0.5), (2, 1.5)], dtype=[("a", "i4"), ("b", "f8")])
        paths.append(directory / f"in{number}.h5ad")
        differential.write(adata, paths[-1], "h5ad")
    return paths


def pythons() -> dict[int, str]:
    """The Pythons that are there: 3.x by x."""
    found = {}
    roots = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin/python3"))
    for candidate in [*map(str, roots), *(f"python3.{minor}" for minor in range(8, 15)), "python3"]:
        try:
            said = subprocess.run([candidate, "-c", "import sys, ensurepip; print(sys.version_info[1])"], capture_output=True, text=True)
        except OSError:
            continue
        if said.returncode == 0:
            found.setdefault(int(said.stdout), candidate)
    return found


def environment(cache: Path, name: str, there: dict[int, str]) -> Path | str:
    """The Python of a reader, made if it is not there; or why there is none."""
    (least, greatest), packages, _ = READERS[name]
    minor = next((m for m in range(greatest, least - 1, -1) if m in there), None)
    if minor is None:
        return f"no Python 3.{least} to 3.{greatest}"
    venv = cache / f"{name}-3.{minor}"
    stamp = venv / ".packages"
    if not stamp.exists() or stamp.read_text().split() != " ".join(packages).split():
        print(f"making {venv}", file=sys.stderr)
        subprocess.run([there[minor], "-m", "venv", "--clear", venv], check=True)
        installed = subprocess.run(
            [venv / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--prefer-binary", *packages], capture_output=True, text=True
        )
        if installed.returncode:
            return f"cannot be installed: {installed.stderr.strip().splitlines()[-1][:120]}"
        stamp.write_text(" ".join(packages))
    return venv / "bin/python"


def probe(python: Path, store: Path, wanted: dict) -> str:
    """What a reader makes of a store: "reads" and with what limits, or what went wrong."""
    told = subprocess.run(
        [python, "-c", PROBE, store, json.dumps(wanted), json.dumps(COLUMNS)],
        capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    if told.returncode == 0 and told.stdout.startswith("reads"):
        return told.stdout.strip()
    last = told.stderr.strip().splitlines()
    return last[-1][:300] if last else f"ended with {told.returncode}"


def wanted_of(paths: list[Path]) -> dict:
    """What every reader should find, as the inputs have it."""
    adatas = [differential.read(p) for p in paths]
    out = {c: int(sum((a.obs[c] == v).fillna(False).sum() for a in adatas if c in a.obs)) for c, v in COLUMNS.items()}
    return {**out, "X": float(sum(a.X.sum() for a in adatas)), "record": float(sum(a.obsm["record"]["f"].sum() for a in adatas))}


def table(results: dict[str, dict[str, str]]) -> str:
    lines = ["| reader | " + " | ".join(STORES.values()) + " |", "|---" * (len(STORES) + 1) + "|"]
    for name, row in results.items():
        lines.append(f"| {name.replace('-', ' ')} | " + " | ".join(row.get(store, "cannot know it") for store in STORES) + " |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(READERS), help="this reader (repeatable)")
    parser.add_argument("--cache", type=Path, default=Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "anncat-readers", help="where environments are kept")
    parser.add_argument("--write", action="store_true", help="write the table into docs/READERS.md")
    args = parser.parse_args()
    there, results, failed = pythons(), {}, 0
    with tempfile.TemporaryDirectory(prefix="anncat-readers-") as work:
        work = Path(work)
        paths = inputs(work)
        options, wanted = {"join": "outer", "label": "donor", "uns_merge": "first"}, wanted_of(paths)
        anncat.materialize(paths, work / "out.h5ad", options)
        for at in ("zarr2", "zarr3", "sharded"):
            (work / at).mkdir()
        with (
            anncat.mount(paths, options, "--zarr-format=2", at=work / "zarr2") as zarr2,
            anncat.mount(paths, options, at=work / "zarr3") as zarr3,
            anncat.mount(paths, options, "--shard-size=1MiB", at=work / "sharded") as sharded,
        ):
            virtual = zarr3.parent / "merged.h5ad"
            stores = {"h5ad": work / "out.h5ad", "virtual": virtual, "zarr2": zarr2, "zarr3": zarr3, "sharded": sharded}
            for name in args.only or READERS:
                python = environment(args.cache, name, there)
                results[name] = {}
                for store in READERS[name][2]:
                    told = python if isinstance(python, str) else probe(python, stores[store], wanted)
                    results[name][store] = told if told.startswith("reads") else f"**{told}**".replace("|", "\\|")
                    failed += not told.startswith("reads")
                    print(f"{name:14} {store:8} {told}", flush=True)
    if args.write:
        document = anncat.ROOT / "docs" / "READERS.md"
        before = re.split(r"\n\| reader \|", document.read_text())[0] if document.exists() else ""
        document.write_text(f"{before.rstrip()}\n\n{table(results)}\n")
    print(f"{sum(map(len, results.values())) - failed} cells read, {failed} do not")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
