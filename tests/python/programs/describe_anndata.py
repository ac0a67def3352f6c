"""Writes tests/data/decoded.txt: what `anndata.read_h5ad` makes of each .h5ad in tests/data.

One line an element, in order, with a checksum (64-bit FNV-1a) of its values. tests/anndata.rs says
the same of what anncat decodes. Run this again when a file is added:

    python tests/python/programs/describe_anndata.py
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

DATA = Path(__file__).resolve().parents[2] / "data"
lines: list[str] = []


def checksum(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def extents(shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def array(path: str, values: np.ndarray) -> None:
    if values.dtype.kind in "OUST":
        text = b"".join(str(x).encode() + b"\0" for x in values.ravel())
        lines.append(f"{path} strings {extents(values.shape)} {checksum(text)}")
    else:
        data = np.ascontiguousarray(values).tobytes()
        lines.append(f"{path} {values.dtype} {extents(values.shape)} {checksum(data)}")


def column(path: str, values) -> None:
    if isinstance(values, pd.Index | pd.Series):
        values = values.array
    if isinstance(values, pd.Categorical):
        lines.append(f"{path} categorical {'ordered' if values.ordered else 'unordered'}")
        array(f"{path}/codes", values.codes)
        column(f"{path}/categories", values.categories)
    elif isinstance(values, pd.arrays.IntegerArray | pd.arrays.BooleanArray):
        lines.append(f"{path} nullable")
        array(f"{path}/values", values._data)
        array(f"{path}/mask", values._mask)
    elif isinstance(values, pd.arrays.StringArray):
        lines.append(f"{path} nullable")
        array(f"{path}/values", values.to_numpy(na_value=""))
        array(f"{path}/mask", values.isna())
    else:
        array(path, values.to_numpy())


def element(path: str, value) -> None:
    match value:
        case pd.DataFrame():
            lines.append(f"{path} frame {len(value)} {value.index.name or '-'}")
            column(f"{path}/@", value.index)
            for name in value.columns:
                column(f"{path}/{name}", value[name])
        case Mapping():
            lines.append(f"{path} dict")
            for key, inner in value.items():
                element(f"{path}/{key}", inner)
        case pd.api.extensions.ExtensionArray():
            column(path, value)
        case None:
            lines.append(f"{path} null")
        case str():
            lines.append(f"{path} string {checksum(value.encode())}")
        case np.ndarray() if value.dtype.names:
            lines.append(f"{path} records {extents(value.shape)}")
            for name in value.dtype.names:
                array(f"{path}/{name}", value[name])
        case np.ndarray():
            array(path, value)
        case _ if sparse.issparse(value):
            lines.append(f"{path} {value.format} {extents(value.shape)}")
            for part in ("data", "indices", "indptr"):
                array(f"{path}/{part}", getattr(value, part))
        case _:
            number = np.array(value)
            lines.append(f"{path} {number.dtype} scalar {checksum(number.tobytes())}")


def main() -> None:
    warnings.simplefilter("ignore")
    for file in sorted(DATA.glob("*.h5ad")):
        adata = ad.read_h5ad(file)
        lines.append(f"# {file.name} {adata.n_obs} {adata.n_vars}")
        element("X", adata.X)
        element("obs", adata.obs)
        element("var", adata.var)
        for name in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            element(name, dict(getattr(adata, name)))
        if adata.raw is not None:
            element("raw/X", adata.raw.X)
            element("raw/var", adata.raw.var)
            element("raw/varm", dict(adata.raw.varm))
    (DATA / "decoded.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
