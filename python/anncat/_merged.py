"""`open`, `concat`, and what they give."""

from __future__ import annotations

import contextlib
import html
import json
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from . import _native
from ._errors import Notice, in_python
from ._options import DEFAULT_MEMORY, Axis, Inputs, Join, Path, Strategy, bytes_of, engine_options, inputs_of, path_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

_SHOWN = 8


def open(
    adatas: Inputs,
    *,
    axis: Axis = "obs",
    join: Join = "inner",
    merge: Strategy | None = None,
    uns_merge: Strategy | None = None,
    label: str | None = None,
    keys: Collection[Any] | None = None,
    index_unique: str | None = None,
    fill_value: float | None = None,
    pairwise: bool = False,
    sparse_format: Literal["csr", "csc"] | None = None,
    memory: int | str = DEFAULT_MEMORY,
) -> Merged:
    """Opens AnnData files as one. Reads their headers, names and categories, and no matrix.

    Parameters
    ----------
    adatas
        Paths of ``.h5ad`` files and ``.zarr`` directories: a mapping of keys to paths, a sequence, or one path.
    axis, join, merge, uns_merge, label, keys, index_unique, fill_value, pairwise
        As in `anndata.concat`. A merge strategy is a name here, not a function.
    sparse_format
        Format of sparse results; by default the inputs' own where they agree, else ``"csr"``.
    memory
        Bytes that caches and conversions may take, as a number or as text (``"2G"``).

    Raises
    ------
    Error
        An input is missing (also a `FileNotFoundError`), cannot be read, or contradicts another (also a `ValueError`).

    Warns
    -----
    Notice
        For each thing that is dropped, converted or replaced.
    """
    names, sources = inputs_of(adatas, keys)
    options = engine_options(
        axis=axis, join=join, merge=merge, uns_merge=uns_merge, label=label, index_unique=index_unique,
        fill_value=fill_value, pairwise=pairwise, sparse_format=sparse_format,
    )  # fmt: skip
    inputs = [(name, path_of(source)) for name, source in zip(names, sources, strict=True)]
    memory_bytes = bytes_of(memory)
    merged = Merged(_native.Merged.open(inputs, options, memory_bytes), memory_bytes)
    for notice in merged.notices:
        warnings.warn(notice, stacklevel=2)
    return merged


def concat(
    adatas: Inputs,
    *,
    axis: Axis = "obs",
    join: Join = "inner",
    merge: Strategy | Callable[..., Any] | None = None,
    uns_merge: Strategy | Callable[..., Any] | None = None,
    label: str | None = None,
    keys: Collection[Any] | None = None,
    index_unique: str | None = None,
    fill_value: float | None = None,
    pairwise: bool = False,
    sparse_format: Literal["csr", "csc"] | None = None,
    memory: int | str = DEFAULT_MEMORY,
) -> AnnData:
    """`anndata.concat` of files: the same result, read by all cores straight into its place.

    Takes what `open` takes; `merge` and `uns_merge` may be functions, too, as in anndata.

    Returns
    -------
    An `anndata.AnnData` in memory.
    """
    # Functions see what anndata would give them: elements of the inputs, read by anndata.
    functions = {"merge": merge if callable(merge) else None, "uns_merge": uns_merge if callable(uns_merge) else None}
    merged = open(
        adatas, axis=axis, join=join, merge=None if callable(merge) else merge,
        uns_merge=None if callable(uns_merge) else uns_merge, label=label, keys=keys, index_unique=index_unique,
        fill_value=fill_value, pairwise=pairwise, sparse_format=sparse_format, memory=memory,
    )  # fmt: skip
    adata = merged.to_memory()
    if any(functions.values()):
        from ._functions import merged_elements

        _, sources = inputs_of(adatas, keys)
        for path, value in merged_elements(sources, axis=axis, join=join, **functions).items():
            name, _, key = path.partition("/")
            if key:
                getattr(adata, name)[key] = value
            else:
                setattr(adata, name, value)
    return adata


class Merged:
    """The concatenation of AnnData files, before anything of it is read. Made by `anncat.open`.

    Pickles as its plan: whoever unpickles it opens the inputs again, and fails if one has changed.
    """

    def __init__(self, native: _native.Merged, memory_bytes: int) -> None:
        self._native = native
        self._memory_bytes = memory_bytes
        self._report: dict[str, Any] | None = None
        self._frames: dict[str, pd.DataFrame] = {}
        self._default_store: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._native.plan(), self._memory_bytes)

    @property
    def shape(self) -> tuple[int, int]:
        """Observations, variables."""
        return self._native.shape()

    @property
    def n_obs(self) -> int:
        """Number of observations."""
        return self.shape[0]

    @property
    def n_vars(self) -> int:
        """Number of variables."""
        return self.shape[1]

    def __len__(self) -> int:
        return self.n_obs

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What is dropped, converted or replaced."""
        out = []
        for told in self.report()["notices"]:
            details = {k: v for k, v in told.items() if k not in ("notice", "message")}
            out.append(Notice(in_python(told["message"]), told["notice"], details))
        return tuple(out)

    def report(self) -> dict[str, Any]:
        """What `anncat inspect --json` says: shape, elements, how the other axis is joined, what is read first, notices."""
        if self._report is None:
            self._report = json.loads(self._native.report())
        return json.loads(json.dumps(self._report))

    def plan(self) -> str:
        """The plan as JSON: inputs with their identities, and options."""
        return self._native.plan()

    # ---- ways to have the data

    def to_memory(self) -> AnnData:
        """All of it as an `anndata.AnnData` in memory, equal to `anndata.concat` of the read files.

        The numbers of the result are read into place by all cores, so that peak memory is the result's own
        size and `memory`.
        """
        from ._memory import to_memory

        return to_memory(self)

    def to_lazy(self, **kwargs: Any) -> AnnData:
        """`anndata.experimental.read_lazy` of `store()`: dask arrays and lazy tables. Needs dask and xarray."""
        import anndata.experimental
        import zarr

        group = zarr.open_group(self.store(), mode="r")
        return anndata.experimental.read_lazy(group, **kwargs)

    def store(
        self,
        zarr_format: Literal[2, 3] = 3,
        *,
        chunk_rows: int | None = None,
        chunk_elems: int | None = None,
        shard_size: int | str | None = None,
    ) -> Any:
        """A read-only zarr store of the result, computed from the inputs as it is read. Needs no FUSE.

        Parameters
        ----------
        zarr_format
            Version of the format.
        chunk_rows
            Rows of a chunk of a dense matrix; about 4 MiB of them by default.
        chunk_elems
            Elements of a chunk of a one-dimensional array, such as the values of a sparse matrix; 2**20 by default.
            Choose about the entries of a batch of rows when rows are read at random through zarr.
        shard_size
            Puts chunks together into shards of about so many bytes. zarr 3 only.

        Returns
        -------
        A `zarr.abc.store.Store` (with zarr-python 2: a mapping), for `anndata.read_zarr`,
        `anndata.experimental.read_lazy`, `zarr.open_group`. It pickles as its plan.
        """
        from ._store import make_store

        shard_bytes = None if shard_size is None else bytes_of(shard_size)
        return make_store(self, (zarr_format, chunk_rows, chunk_elems, shard_bytes))

    def rows(
        self,
        indices: ArrayLike,
        columns: ArrayLike | None = None,
        obs: Sequence[str] | str | None = None,
        *,
        element: str = "X",
    ) -> Any:
        """A batch of rows, in the order asked; a row may be asked for more than once.

        Parameters
        ----------
        indices
            Numbers of rows, or a boolean mask. Negative ones count from the end.
        columns
            Names of variables, or their numbers; all by default.
        obs
            Columns of `obs` to give along.
        element
            What to read: ``"X"``, ``"layers/counts"``, ``"raw/X"``, ``"obsm/X_pca"``.

        Returns
        -------
        A `scipy.sparse.csr_matrix`, or a `numpy.ndarray` where the element is dense, of shape
        ``(len(indices), number of columns)``; with `obs`, a tuple of it and a `pandas.DataFrame`.
        """
        from ._rows import read_rows

        return read_rows(self, indices, columns, obs, element)

    @contextlib.contextmanager
    def mount(self, path: Path | None = None, *, zarr_format: Literal[2, 3] = 3) -> Iterator[str]:
        """Mounts the result as a directory for other programs; gives the path of ``merged.zarr``.

        Unmounted at the end of the block, at the end of the interpreter, and when the process dies. Needs FUSE.

        Parameters
        ----------
        path
            An empty directory; a temporary one by default.
        """
        from ._mount import mounted

        with mounted(self, path, zarr_format) as store:
            yield store

    def write(
        self,
        path: Path,
        *,
        compression: Literal["gzip", "lzf", "zstd"] | None | Literal["default"] = "default",
        level: int | None = None,
        chunk_elems: int | None = None,
        zarr_format: Literal[2, 3] = 3,
        shard_size: int | str | None = None,
        overwrite: bool = False,
        sync: bool = False,
        max_loaded_elems: int | None = None,
        threads: int | None = None,
        progress: bool = True,
    ) -> None:
        """Writes the result to a real file, in bounded memory: ``.h5ad`` or ``.zarr``, as its name says.

        Written beside its place and renamed when complete. Ctrl-C leaves nothing behind.

        Parameters
        ----------
        compression
            ``"gzip"`` or ``"lzf"`` for ``.h5ad`` (none by default), ``"zstd"`` (the default) or ``"gzip"`` for ``.zarr``.
        overwrite
            Replace what is there. An input is never replaced.
        sync
            Return only when the disk has it.
        progress
            Show a bar (with tqdm, where it is installed) when this takes longer than a moment.

        Raises
        ------
        Error
            The output exists (also a `FileExistsError`), there is no room, or an input failed.
        """
        target = os.fspath(path)
        if not target.endswith((".h5ad", ".h5", ".zarr")):
            raise ValueError(f"{target}: the name tells the format, and must end in .h5ad or .zarr")
        if compression == "default":
            compression = "zstd" if target.endswith(".zarr") else None
        from ._progress import bar

        options = {
            "overwrite": overwrite,
            "sync": sync,
            "compression": compression,
            "level": level,
            "chunk_elems": chunk_elems,
            "zarr_format": zarr_format,
            "shard_bytes": None if shard_size is None else bytes_of(shard_size),
            "memory_bytes": self._memory_bytes,
            "max_loaded_elems": max_loaded_elems,
            "threads": threads,
        }
        with bar(progress) as tell:
            left_out = self._native.write(target, options, tell)
        for sentence in left_out:
            warnings.warn(Notice(f"left out: {in_python(sentence)}", "left-out-of-zarr"), stacklevel=2)

    # ---- tables

    def _frame(self, name: Literal["obs", "var"]) -> pd.DataFrame:
        """A table of the result, kept."""
        if name not in self._frames:
            from ._memory import read_element

            self._frames[name] = read_element(self, name)
        return self._frames[name]

    @property
    def obs(self) -> pd.DataFrame:
        """The table of observations, read on first use."""
        return self._frame("obs")

    @property
    def var(self) -> pd.DataFrame:
        """The table of variables, read on first use."""
        return self._frame("var")

    def matrix(self, element: str = "X") -> Any:
        """A whole element as a scipy sparse matrix or numpy array, read by all cores."""
        from ._memory import assemble

        return assemble(self._native.matrix(element))

    # ---- what is shown

    def __repr__(self) -> str:
        report = self.report()
        joined = report["joined"]
        lines = [f"Merged of {len(joined['inputs'])} inputs along {report['axis']}: {self.n_obs} obs × {self.n_vars} vars"]
        for name, keys in _elements(report).items():
            lines.append(f"    {name}: {', '.join(keys)}" if keys else f"    {name}")
        for row in joined["inputs"][:_SHOWN]:
            lines.append(f"  {row['key']}: {row['concatenated']} {report['axis']}, {_joined(row, joined['axis'])}")
        if len(joined["inputs"]) > _SHOWN:
            lines.append(f"  and {len(joined['inputs']) - _SHOWN} more inputs")
        for notice in self.notices[:_SHOWN]:
            lines.append(f"  note: {str(notice).splitlines()[0]}")
        if len(self.notices) > _SHOWN:
            lines.append(f"  and {len(self.notices) - _SHOWN} more notes, in .notices")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        report = self.report()
        joined, axis = report["joined"], report["axis"]
        heads = ["input", axis, f"{joined['axis']} kept", "dropped", "introduced", "file"]
        rows = [
            [row["key"], row["concatenated"], row["kept"], row["dropped"], row["introduced"], row["file"]]
            for row in joined["inputs"][:_SHOWN]
        ]
        elements = "; ".join(f"<b>{html.escape(n)}</b> {html.escape(', '.join(k))}" for n, k in _elements(report).items())
        notes = "".join(f"<li>{html.escape(str(n))}</li>" for n in self.notices[:_SHOWN])
        more = len(joined["inputs"]) - _SHOWN
        return (
            f"<p>Merged of {len(joined['inputs'])} inputs along {axis}: {self.n_obs} obs × {self.n_vars} vars</p>"
            f"<p>{elements}</p><table><thead><tr>"
            + "".join(f"<th>{html.escape(h)}</th>" for h in heads)
            + "</tr></thead><tbody>"
            + "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}</td>" for c in row) + "</tr>" for row in rows)
            + "</tbody></table>"
            + (f"<p>and {more} more inputs</p>" if more > 0 else "")
            + (f"<ul>{notes}</ul>" if notes else "")
        )


def _reopened(plan: str, memory_bytes: int) -> Merged:
    return Merged(_native.Merged.from_plan(plan, memory_bytes), memory_bytes)


def _elements(report: dict[str, Any]) -> dict[str, list[str]]:
    """Keys of each part of the result."""
    out: dict[str, list[str]] = {}
    for element in report["elements"]:
        name, _, key = element["path"].partition("/")
        keys = out.setdefault(name, [])
        if key and "/" not in key:
            keys.append(key)
        elif not key and name == "X":
            keys.append(f"{element['encoding']} {element.get('dtype', '')}".strip())
    return out


def _joined(row: dict[str, Any], axis: str) -> str:
    parts = [f"{row['kept']} of {row['len']} {axis} kept"]
    if row["introduced"]:
        parts.append(f"{row['introduced']} introduced")
    return ", ".join(parts)
