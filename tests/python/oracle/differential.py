"""One comparison of anncat with anndata: inputs on disk, the oracle, the faces, a verdict."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import zarr

from oracle import anncat, compare, intended, versions

FACES = ("mount", "mount2", "mount-h5ad", "h5ad", "zarr")
MOUNTS = ("mount", "mount2", "mount-h5ad")
# The same through the Python package, in this process.
PYTHON_FACES = ("python-memory", "python-store", "python-on-disk")
# Options that anndata's functions do not have.
OURS = {"sparse_format", "missing_text"}


@contextlib.contextmanager
def quiet():
    """Without warnings: old formats, duplicated names and slashes are meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def write(adata: ad.AnnData, path: Path, fmt: str, arguments: dict | None = None) -> None:
    """Writes `adata` as it is (no column becomes categorical on the way)."""
    arguments = dict(arguments or {})
    shard = arguments.pop("shard", False)
    consolidated = arguments.pop("consolidated", True)
    with quiet(), ad.settings.override(allow_write_nullable_strings=True, auto_shard_zarr_v3=shard or None):
        if fmt == "h5ad":
            with h5py.File(path, "w") as file:
                ad.io.write_elem(file, "/", adata, dataset_kwargs=arguments)
        else:
            # In memory first: zarr's own files cost a thread switch each.
            store = zarr.storage.MemoryStore()
            root = zarr.open_group(store, mode="w", zarr_format=int(fmt[-1]))
            ad.io.write_elem(root, "/", adata)
            if consolidated:
                zarr.consolidate_metadata(store, zarr_format=int(fmt[-1]))
            for key, value in store._store_dict.items():
                (path / key).parent.mkdir(parents=True, exist_ok=True)
                (path / key).write_bytes(value.to_bytes())


def write_inputs(case, directory: Path) -> list[Path]:
    """Writes the inputs of a case."""
    paths = []
    for i, (adata, (fmt, arguments)) in enumerate(zip(case.adatas, case.storage, strict=True)):
        path = directory / (f"in{i}.h5ad" if fmt == "h5ad" else f"in{i}.zarr")
        write(adata, path, fmt, arguments)
        paths.append(path)
    return paths


def read(path: Path) -> ad.AnnData:
    """Reads an input or a result as anndata does."""
    if not str(path).endswith(".h5ad"):
        return read_store(str(path))
    with quiet():
        return ad.read_h5ad(path)


def read_store(store) -> ad.AnnData:
    """Reads a zarr store or directory as anndata does."""
    with quiet():
        adata = ad.read_zarr(store)
        group = zarr.open(store, mode="r")
        if adata.raw is None and "raw" in group and _is_raw_forgotten(group, adata):
            # Of an h5ad, raw without X is all of what it belongs to.
            adata.raw = ad.io.read_elem(group["raw"]) if "X" in group["raw"] else adata.copy()
        if versions.HAS_STR:
            frames = [v for m in (adata.obsm, adata.varm) for v in m.values() if isinstance(v, pd.DataFrame)]
            frames += [adata.obs, adata.var, *([] if adata.raw is None else [adata.raw.var])]
            for frame in frames:
                _as_text(frame)
        return _plain_text(adata)


def _is_raw_forgotten(group: zarr.Group, adata: ad.AnnData) -> bool:
    """Whether anndata 0.12 leaves out this raw of a zarr, which it reads from an h5ad: what it first takes for an
    AnnData of its own has no rows."""
    raw = group["raw"]
    return "X" in raw and adata.n_obs == 0 or "X" not in raw and ("var" in raw or "varm" in raw)


def _plain_text(adata: ad.AnnData) -> ad.AnnData:
    """Strings as an h5ad gives them, to which alone numpy adds missing values."""
    for mapping in (adata.layers, adata.obsm, adata.varm):
        for key, value in mapping.items():
            if isinstance(getattr(value, "dtype", None), np.dtypes.StringDType):
                mapping[key] = value.astype(object)
    return adata


def _as_text(frame: pd.DataFrame) -> None:
    """Makes text of zarr what text of an h5ad is to pandas 3: of the type `str`, if there is some."""
    for at, dtype in enumerate(frame.dtypes):
        if dtype == object and len(frame) and all(isinstance(v, str) for v in frame.iloc[:, at]):
            frame.isetitem(at, frame.iloc[:, at].astype("str"))


def oracle(paths: list[Path], options: dict) -> intended.Expected:
    """What should come out of the files at `paths`."""
    rules: set[str] = set()
    with quiet():
        out = intended.expected([_read_input(p, rules) for p in paths], options)
    out.rules |= rules
    return out


def _read_input(path: Path, rules: set[str]) -> ad.AnnData:
    """An input, and whether anndata alone would have left out its raw."""
    adata = read(path)
    if path.suffix == ".zarr" and adata.raw is not None and _is_raw_forgotten(zarr.open(path, mode="r"), adata):
        rules.add("raw-without-rows")
    return adata


@dataclass
class Finding:
    """One face of one case that is wrong."""

    face: str
    kind: str
    detail: str


def check(paths: list[Path], options: dict, faces, directory: Path, *, check_sorted: bool = True, expected=None) -> list[Finding]:
    """Compares every face with the oracle; leaves nothing behind."""
    expected = expected or oracle(paths, options)
    findings = []
    for face in faces:
        finding = check_face(paths, options, face, directory, expected, check_sorted=check_sorted)
        if finding is not None:
            findings.append(finding)
    return findings


def check_face(paths, options, face, directory: Path, expected, *, check_sorted=True) -> Finding | None:
    """The verdict on one face, or None when all is right."""
    if face == "python-on-disk" and len(paths) == 1:
        return None  # anndata's function copies one input as it is
    env = {"XDG_CACHE_HOME": str(directory / "cache")}
    try:
        with _result(paths, options, face, directory, env) as (path, said):
            try:
                actual = path if isinstance(path, ad.AnnData) else read(path)
            except Exception as error:
                return Finding(face, "unreadable", f"{type(error).__name__}: {error}"[:1500])
            if expected.error is not None:
                return Finding(face, "accepted", f"anndata raises {type(expected.error).__name__}: {expected.error}"[:600])
            versions.as_older_text(actual, set(), decided=True)
            wrong = listed(actual, expected)
            if wrong:
                return Finding(face, "differs", wrong)
            with quiet():
                found = compare.differences(
                    expected.adata, actual, sparse_format=expected.sparse_format, check_sorted=check_sorted
                )
            if found:
                return Finding(face, "differs", str(found) + _said(said))
            if face == "mount-h5ad":
                # The same file, not only an equal one.
                anncat.materialize(paths, directory / "out.h5ad", options, env=env)
                if not filecmp.cmp(path, directory / "out.h5ad", shallow=False):
                    return Finding(face, "bytes", "merged.h5ad is not what materialize writes")
    except anncat.Failed as failed:
        left = _left_behind(face, directory)
        if left:
            return Finding(face, "left-behind", f"{left} after: {failed.stderr.strip()[-500:]}")
        if failed.code != 1 or "panicked" in failed.stderr or "error: " not in failed.stderr:
            return Finding(face, "crashed", str(failed))
        if expected.error is None:
            return Finding(face, "failed", failed.stderr.strip()[-800:])
    except Exception as error:
        return Finding(face, "broken", f"{type(error).__name__}: {error}"[:800])
    finally:
        for name in ("out.h5ad", "out.zarr", "mnt"):
            _remove(directory / name)
    return None


def listed(actual: ad.AnnData, expected) -> str | None:
    """Checks what is compared by its values alone, and takes it away."""
    for (mapping, key), entries in expected.listed.items():
        value = getattr(actual, mapping).get(key)
        if value is None or value.to_list() != entries:
            return f"{mapping}/{key}: {value} should be {entries}"[:600]
        del getattr(actual, mapping)[key]
    return None


@contextlib.contextmanager
def _result(paths, options, face, directory, env):
    if face in PYTHON_FACES:
        yield _by_package(paths, options, face, directory), ""
    elif face in MOUNTS:
        (directory / "mnt").mkdir(exist_ok=True)
        extra = ["--zarr-format", "2"] if face == "mount2" else []
        with anncat.mount(paths, options, *extra, at=directory / "mnt", env=env) as path:
            yield (Path(path.parent) / "merged.h5ad" if face == "mount-h5ad" else path), path.said
    else:
        out = directory / f"out.{face}"
        done = anncat.materialize(paths, out, options, env=env)
        yield out, done.stderr


def _by_package(paths, options, face, directory):
    """The result of the Python package; a failure of it is one of the program."""
    import anncat as package

    try:
        with quiet():
            if face == "python-on-disk" and not options.keys() & OURS:
                package.concat_on_disk(paths, directory / "out.h5ad", **options)
                return directory / "out.h5ad"
            merged = package.open(paths, **options)
            if face == "python-on-disk":
                merged.write(directory / "out.h5ad", progress=False)
                return directory / "out.h5ad"
            if face == "python-memory":
                return _plain_text(merged.to_memory())
            return read_store(merged.store())
    except package.Error as error:
        raise anncat.Failed(1, f"error: {error}") from error


def _said(stderr: str) -> str:
    """The notices of a run, as far as they help to see why."""
    lines = [line for line in stderr.splitlines() if line.startswith(("notice", "warning"))]
    return "".join(f"\n    said: {line[:300]}" for line in lines[:6])


def _left_behind(face: str, directory: Path) -> list[str]:
    if face in MOUNTS:
        mnt = directory / "mnt"
        return ["a mount"] if anncat.is_mounted(mnt) else os.listdir(mnt)
    return [n for n in os.listdir(directory) if "out" in n or n.endswith((".tmp", ".part"))]


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
