"""The demonstration that scripts/demo runs, once anncat is built."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

import anndata as ad
import numpy as np
import scanpy as sc

from oracle import anncat, compare, differential


def say(text: str) -> None:
    print(f"\n\033[1m== {text}\033[0m", flush=True)


def run(*args, note: str = "") -> None:
    """Shows a command, runs it, and says how long it took."""
    print(f"$ anncat {shlex.join(str(a) for a in args)}", flush=True)
    started = time.monotonic()
    subprocess.run([anncat.BIN, *map(str, args)], check=True)
    print(f"  ({time.monotonic() - started:.2f} s{note})", flush=True)


def donors(directory: Path) -> dict[str, Path]:
    """Real cells as three files, as three labs might have stored them."""
    cells = sc.datasets.pbmc68k_reduced()
    # The raw counts of that dataset: sparse, and with genes that the lab had not filtered.
    cells = ad.AnnData(cells.raw.X.tocsr(), obs=cells.obs, var=cells.raw.var, obsm={"X_pca": cells.obsm["X_pca"]}, uns={"source": "pbmc68k"})
    rng = np.random.default_rng(0)
    out = {}
    for i, (name, compression) in enumerate([("donor_A", None), ("donor_B", "gzip"), ("donor_C", "zarr")]):
        genes = np.sort(rng.choice(cells.n_vars, size=int(cells.n_vars * 0.9), replace=False))
        part = cells[i::3, genes].copy()
        part.obs[f"only_{name}"] = np.arange(part.n_obs)
        if compression == "zarr":
            out[name] = directory / f"{name}.zarr"
            part.write_zarr(out[name])
        else:
            out[name] = directory / f"{name}.h5ad"
            part.write_h5ad(out[name], compression=compression)
        print(f"{out[name].name}: {part.n_obs} cells x {part.n_vars} genes")
    return out


def demonstrate(inputs: dict[str, Path], directory: Path) -> None:
    named = [f"{key}={path}" for key, path in inputs.items()]
    mnt = directory / "mnt"
    mnt.mkdir()

    for join in ("inner", "outer"):
        options = {"join": join, "label": "donor", "index_unique": "-", "merge": "same", "uns_merge": "same"}
        arguments = anncat.arguments(options)

        say(f"{join} join: what would come out")
        run("inspect", *arguments, *named)

        say(f"{join} join: mount, and read it with scanpy")
        try:
            if anncat.SKIP_FUSE:
                mounted = None
            else:
                run("mount", *arguments, *named, mnt)
                started = time.monotonic()
                mounted = ad.read_zarr(mnt / "merged.zarr")
                print(mounted)
                print(f"  (read in {time.monotonic() - started:.2f} s)")
                view = mounted.copy()
                sc.pp.normalize_total(view)
                sc.pp.log1p(view)
                sc.pp.pca(view, n_comps=5)
                print("scanpy: normalised, log-transformed, PCA", view.obsm["X_pca"].shape)
        finally:
            if anncat.is_mounted(mnt):
                run("unmount", mnt)

        say(f"{join} join: write one real file")
        merged = directory / f"merged-{join}.h5ad"
        run("materialize", *arguments, *named, "-o", merged)

        say(f"{join} join: compare with anndata.concat")
        expected = differential.oracle(list(inputs.values()), {**options, "keys": list(inputs)})
        if expected.error is not None:
            raise expected.error
        for what, actual in (("mount", mounted), ("file", ad.read_h5ad(merged))):
            if actual is None:
                print(f"{what}: left out (ANNCAT_SKIP_FUSE)")
                continue
            compare.equal(expected.adata, actual, sparse_format=expected.sparse_format, check_sorted=False)
            print(f"{what}: equal to anndata.concat in every value, dtype, category and order: {actual.shape}")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="anncat-demo-") as name:
        directory = Path(name)
        if sys.argv[1:]:
            inputs = {Path(p).stem: Path(p).resolve() for p in sys.argv[1:]}
        else:
            say("real cells (pbmc68k, from scanpy's own package) as three files")
            os.chdir(directory)
            inputs = donors(Path("."))
        os.environ.setdefault("XDG_CACHE_HOME", str(directory / "cache"))
        os.chdir(directory)
        demonstrate(inputs, Path("."))
    say("done: the mount and the file hold what anndata.concat gives")


if __name__ == "__main__":
    main()
