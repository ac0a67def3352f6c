"""What all of Python's tests share: small inputs, real files, and the rule about /dev/fuse."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from oracle import anncat, differential

DATA = Path(__file__).resolve().parents[2] / "data"


def pytest_collection_modifyitems(items):
    """Tests that mount are left out only when that was asked for in so many words."""
    if anncat.SKIP_FUSE:
        for item in items:
            if item.get_closest_marker("fuse"):
                item.add_marker(pytest.mark.skip(reason="ANNCAT_SKIP_FUSE"))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Censuses and logs of the tests stay out of the user's directories."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def real(tmp_path_factory) -> dict[str, Path]:
    """The real files of tests/data by name; zarr ones unpacked."""
    out = {p.stem: p for p in DATA.glob("*.h5ad")}
    where = tmp_path_factory.mktemp("real")
    for packed in sorted(DATA.glob("*.zarr.zip")):
        with zipfile.ZipFile(packed) as file:
            file.extractall(where / packed.stem)
        out[packed.stem.removesuffix(".zarr") + "_zarr"] = where / packed.stem
    return out


def small(seed: int, n: int = 6, genes: str = "abcd", x=sparse.csr_matrix, **more) -> ad.AnnData:
    """A small object: sparse X unless told otherwise, a few columns of the usual kinds."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, size=(n, len(genes))).astype(np.float32)
    return ad.AnnData(
        X=x(values),
        obs=pd.DataFrame(
            {
                "cell_type": pd.Categorical(rng.choice(["T", "B", "NK"], n)),
                "n_genes": rng.integers(0, 9, n),
                "name": [f"n{i}" for i in range(n)],
            },
            index=[f"s{seed}c{i}" for i in range(n)],
        ),
        var=pd.DataFrame({"length": rng.integers(1, 99, len(genes))}, index=list(genes)),
        obsm={"X_pca": rng.normal(size=(n, 3)).astype(np.float32)},
        uns={"title": "small", "n": seed},
        **more,
    )


@pytest.fixture
def pair(tmp_path) -> list[Path]:
    """Two small h5ad files whose genes overlap."""
    paths = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    differential.write(small(0), paths[0], "h5ad")
    differential.write(small(1, genes="bcde"), paths[1], "h5ad", {"compression": "gzip"})
    return paths


@pytest.fixture
def mnt(tmp_path) -> Path:
    """An empty directory to mount on."""
    path = tmp_path / "mnt"
    path.mkdir()
    return path
