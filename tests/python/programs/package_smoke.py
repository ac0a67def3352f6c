"""The package at work in any Python that has it: what README shows, each way beside `anndata.concat`.

    PYTHON -m programs.package_smoke [--fuse | --no-fuse] DIRECTORY

Makes its inputs in DIRECTORY; needs anndata and anncat, none of the tests' own environment. Prints the versions
that it ran with. `--fuse` mounts, too; `--no-fuse` wants the error that says what to do instead.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

warnings.simplefilter("ignore")

import anndata as ad  # noqa: E402

import anncat  # noqa: E402


def inputs(directory: Path) -> dict[str, str]:
    """Two files whose genes overlap."""
    rng = np.random.default_rng(0)
    out = {}
    for key, genes in (("a", "uvwx"), ("b", "wxyz")):
        cells = [f"{key}{n}" for n in range(30)]
        adata = ad.AnnData(
            sparse.random(30, 4, density=0.5, format="csr", dtype=np.float32, random_state=rng),
            obs=pd.DataFrame({"kind": pd.Categorical(rng.choice(["T", "B"], 30)), "depth": rng.integers(0, 9, 30)}, index=cells),
            var=pd.DataFrame({"length": [1, 2, 3, 4]}, index=list(genes)),
        )
        adata.obsm["X_pca"] = rng.normal(size=(30, 2)).astype(np.float32)
        adata.write_h5ad(directory / f"{key}.h5ad", compression="gzip" if key == "b" else None)
        out[key] = str(directory / f"{key}.h5ad")
    return out


def same(expected: ad.AnnData, actual: ad.AnnData, what: str) -> None:
    """Fails unless both are equal."""
    assert actual.shape == expected.shape, (what, actual.shape)
    assert (actual.X != expected.X).nnz == 0 and actual.X.dtype == expected.X.dtype, what
    assert list(actual.obs_names) == list(expected.obs_names) and list(actual.var_names) == list(expected.var_names), what
    pd.testing.assert_frame_equal(actual.obs, expected.obs, check_index_type=False, check_dtype=False, check_categorical=False)
    np.testing.assert_array_equal(actual.obsm["X_pca"], expected.obsm["X_pca"], what)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--fuse", action=argparse.BooleanOptionalAction)
    args = parser.parse_args()
    paths, directory = inputs(args.directory), args.directory
    options = {"join": "outer", "label": "donor"}
    expected = ad.concat({key: ad.read_h5ad(path) for key, path in paths.items()}, **options)

    merged = anncat.open(paths, **options)
    assert merged.shape == expected.shape and "donor" in merged.report()["elements"].__repr__()
    same(expected, merged.to_memory(), "to_memory")
    same(expected, anncat.concat(paths, **options), "concat")
    batch = merged.rows([5, 3, 40, 5])
    np.testing.assert_array_equal(batch.toarray(), expected.X.toarray()[[5, 3, 40, 5]])
    for zarr_format in (2, 3) if int(importlib.metadata.version("zarr").split(".")[0]) >= 3 else (2,):
        store = merged.store(zarr_format)
        same(expected, ad.read_zarr(store), f"read_zarr of format {zarr_format}")
        same(expected, ad.read_zarr(pickle.loads(pickle.dumps(store))), "read_zarr of a pickled store")
    for name in ("out.h5ad", "out.zarr"):
        layout = {"zarr_format": 2} if name.endswith("zarr") else {}
        merged.write(directory / name, progress=False, overwrite=True, **layout)
        same(expected, ad.read_h5ad(directory / name) if name.endswith("h5ad") else ad.read_zarr(directory / name), name)
    if hasattr(ad, "io"):
        anncat.concat_on_disk(paths, directory / "disk.h5ad", **options)
        same(expected, ad.read_h5ad(directory / "disk.h5ad"), "concat_on_disk")
    try:
        with merged.mount(zarr_format=2) as place:
            same(expected, ad.read_zarr(place), "a mount")
        assert args.fuse is not False, "it mounted where there is no FUSE"
    except anncat.Error as error:
        assert not args.fuse and error.kind == "mount-unavailable" and "store()" in error.hint, error
    try:
        anncat.open([directory / "none.h5ad"])
    except FileNotFoundError as error:
        assert isinstance(error, anncat.Error) and error.kind == "input-missing"
    programs = [place for place in (Path(sys.prefix) / "bin" / "anncat",) if place.exists()]
    said = subprocess.run([programs[0], "--version"], capture_output=True, text=True, check=True).stdout.strip() if programs else ""
    versions = {name: importlib.metadata.version(name) for name in ("anndata", "zarr", "pandas", "numpy")}
    print(f"ok: Python {sys.version.split()[0]}, anncat {anncat.__version__} {said!r}", *(f"{k} {v}" for k, v in versions.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
