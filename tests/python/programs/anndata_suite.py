"""A pytest plugin that puts anncat into anndata's own tests; see scripts/anndata-suite.

`concat_on_disk` becomes that of the Python package, as it is. `concat` becomes: write the inputs, `anncat
materialize`, read the result; as far as files can hold inputs and result at all, which is asked of
anndata itself by writing and reading both. What was replaced and what was not is told at the end.
"""

from __future__ import annotations

import collections
import functools
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import anndata as ad
import h5py
from scipy import sparse

from oracle import anncat

CALLS = collections.Counter()
real_concat = ad.concat


def pytest_configure(config):
    """Replaces the functions before the tests import them."""
    if os.environ.get("ANNCAT_SUITE") == "disk":
        import anndata.experimental
        import anndata.experimental.merge

        import anncat as package

        real = package.concat_on_disk

        @functools.wraps(real)
        def counted(*args, **kwargs):
            CALLS["concat_on_disk replaced"] += 1
            return real(*args, **kwargs)

        anndata.experimental.merge.concat_on_disk = counted
        anndata.experimental.concat_on_disk = counted
    else:
        ad.concat = concat


def pytest_terminal_summary(terminalreporter):
    """Says how often anncat really was in the place."""
    terminalreporter.write_line("")
    for what, count in sorted(CALLS.items()):
        terminalreporter.write_line(f"{count:6} {what}")


def _options(arguments: dict) -> dict:
    out = {k: v for k, v in arguments.items() if v is not None}
    if "keys" in out:
        out["keys"] = [str(k) for k in out["keys"]]
    if not isinstance(out.get("merge", ""), str) or not isinstance(out.get("uns_merge", ""), str):
        raise TypeError("a function as merge strategy")
    return out


def _same(a, b) -> bool:
    from anndata.tests.helpers import assert_equal

    try:
        assert_equal(a, b, exact=True)
    except Exception:
        return False
    return True


def _write(adata, path: Path):
    with h5py.File(path, "w") as file, ad.settings.override(allow_write_nullable_strings=True):
        ad.io.write_elem(file, "/", adata)


def _read(path: Path):
    with h5py.File(path) as file:
        return ad.io.read_elem(file)


def _is_eager(adata) -> bool:
    values = [adata.X, adata.obs, adata.var]
    for name in ("layers", "obsm", "varm", "obsp", "varp"):
        values += list(getattr(adata, name).values())
    # Views of dask arrays are classes of anndata's own that inherit from dask's.
    classes = [c for v in values for c in type(v).__mro__]
    return not any(c.__module__.startswith(("dask", "cupy")) or c.__name__ == "Dataset2D" for c in classes)


def _has_sparse_arrays(adata) -> bool:
    values = [adata.X, *adata.layers.values(), *adata.obsm.values(), *adata.varm.values()]
    return any(isinstance(v, sparse.sparray) for v in values)


def _with_wide_indices(adata, expected):
    """Of sparse arrays scipy keeps indices of 64 bits, of matrices (as files hold them) it does not."""
    wanted = getattr(getattr(expected.X, "indices", None), "dtype", None)
    if isinstance(adata.X, sparse.sparray) and wanted == "int64":
        adata.X.indices, adata.X.indptr = adata.X.indices.astype(wanted), adata.X.indptr.astype(wanted)
    return adata


def concat(adatas, **arguments):
    """`anndata.concat`, by anncat when files can hold inputs and result."""
    reason, paths = None, []
    listed = list(adatas.values()) if isinstance(adatas, Mapping) else list(adatas)
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        directory = Path(name)
        try:
            options = _options({**arguments, **({"keys": list(adatas)} if isinstance(adatas, Mapping) else {})})
            if options.pop("force_lazy", False) or not all(map(_is_eager, listed)):
                reason = "lazy inputs"
            for i, adata in enumerate(listed):
                paths.append(directory / f"{i}.h5ad")
                if reason is None:
                    _write(adata, paths[-1])
                    if not _same(_read(paths[-1]), adata):
                        reason = "inputs that files do not hold exactly"
        except Exception as error:
            reason = f"inputs that cannot be written ({type(error).__name__})"
        try:
            expected, error = real_concat(adatas, **arguments), None
        except Exception as raised:
            expected, error = None, raised
        if reason is None and expected is not None:
            try:
                _write(expected, directory / "expected.h5ad")
                if not _same(_read(directory / "expected.h5ad"), expected):
                    reason = "a result that files do not hold exactly"
            except Exception as unwritable:
                reason = f"a result that cannot be written ({type(unwritable).__name__})"
        if reason is not None:
            CALLS[f"concat left to anndata: {reason}"] += 1
            if error is not None:
                raise error
            return expected
        try:
            anncat.materialize(paths, directory / "out.h5ad", options)
        except anncat.Failed:
            if error is not None:
                CALLS["concat replaced, both fail"] += 1
                raise error from None
            raise
        CALLS["concat replaced"] += 1
        # Files do not tell scipy's sparse arrays from its matrices; the reader is told.
        with ad.settings.override(use_sparse_array_on_read=any(map(_has_sparse_arrays, listed))):
            return _with_wide_indices(_read(directory / "out.h5ad"), expected)


