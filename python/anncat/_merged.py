"""`open`, `concat`, and what they give."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from . import _native
from ._errors import Notice, in_python, left_out_notices, option_name
from ._options import (
    DEFAULT_MEMORY, Axis, Inputs, Join, MissingText, Path, Patterns, SparseFormat, Strategy, count_of, engine_options,
    inputs_of, layout_of, level_of, memory_of, path_of, split_place,
)  # fmt: skip

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from numpy.typing import ArrayLike, NDArray

_SHOWN = 8
_PAGE_CACHES = ("all", "read", "computed")
# Names that zarr holds for sure; of others the engine knows.
_PLAIN_NAME = re.compile(r"(?!zarr)\w[\w .+-]{0,59}")
# Bytes of memory for caches and conversions, and whether files may be read that were not named.
Limits: TypeAlias = tuple[int, bool]


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
    sparse_format: SparseFormat | None = None,
    missing_text: MissingText | None = None,
    drop: Patterns | None = None,
    keep: Patterns | None = None,
    follow_external: bool = False,
    memory: int | str = DEFAULT_MEMORY,
) -> Merged:
    """Opens AnnData files as one. Reads their headers, names and categories, and no matrix.

    Parameters
    ----------
    adatas
        Paths of ``.h5ad`` files and ``.zarr`` directories: a mapping of keys to paths, a sequence, or one path.
        ``PATH::GROUP`` is the AnnData in a group (``x.h5mu::mod/rna``); an open group of h5py or zarr-python means the
        same.
    axis, join, merge, uns_merge, label, keys, index_unique, fill_value, pairwise
        As in `anndata.concat`. A merge strategy is a name here, not a function.
    sparse_format
        Format of sparse results; by default the inputs' own where they agree, else ``"csr"``.
    missing_text
        What text becomes of which some is missing: ``"categorical"`` or ``"nullable"`` strings. By default categorical,
        unless the values are too many to be in memory.
    drop, keep
        Elements of each input that are left out, or that alone are kept, before anything of them is read: paths in
        which ``*`` stands for any part of a name (``"obs/batch*"``, ``"obsm/X_umap"``, ``"uns"``). The names of both
        axes always stay.
    follow_external
        Read files that links out of a ``.zarr``, or external parts of an ``.h5ad``, lead to. They become part of the
        input: a change of one is an error.
    memory
        Bytes that caches and conversions may take, as a number or as text (``"2G"``). A quarter of it keeps what was
        decoded: where batches of rows are read at random from compressed inputs, four times their size in memory lets
        each chunk be decoded only once.

    Raises
    ------
    Error
        An input is missing (also a `FileNotFoundError`), cannot be read, or contradicts another (also a `ValueError`).

    Warns
    -----
    Notice
        For each thing that is dropped, converted or replaced.
    """
    names, sources, integers = _inputs(adatas, keys)
    merged = _opened(
        names, sources, axis=axis, join=join, merge=merge, uns_merge=uns_merge, label=label, label_integers=integers,
        index_unique=index_unique, fill_value=fill_value, pairwise=pairwise, sparse_format=sparse_format,
        missing_text=missing_text, drop=drop, keep=keep, follow_external=follow_external, memory=memory,
    )  # fmt: skip
    merged._warn()
    return merged


def _inputs(adatas: Inputs, keys: Collection[Any] | None) -> tuple[list[str], list[Any], bool]:
    if isinstance(adatas, bytes):
        raise TypeError(f"paths are text or pathlib.Path, not bytes: os.fsdecode({adatas!r}) is one")
    return inputs_of(adatas, keys)


def _opened(
    names: Sequence[str], sources: Sequence[Any], *, follow_external: bool, memory: int | str, **options: Any
) -> Merged:
    """What `open` gives, before it warns."""
    for name in ("label", "index_unique", "sparse_format", "missing_text"):
        if not isinstance(options[name], str | None):
            raise TypeError(f"{name} must be a str or None, was {options[name]!r}")
    inputs = [(name, path_of(source)) for name, source in zip(names, sources, strict=True)]
    limits = (memory_of(memory), bool(follow_external))
    return Merged(_native.Merged.open(inputs, engine_options(**options), *limits), limits)


def open_plan(
    path: Path,
    *,
    relocate: Mapping[Path, Path] | None = None,
    follow_external: bool = False,
    memory: int | str = DEFAULT_MEMORY,
) -> Merged:
    """Opens a plan that ``anncat inspect --save`` or `Merged.plan` wrote: the same inputs, the same options.

    Parameters
    ----------
    path
        The plan's file. Inputs are looked for from its directory.
    relocate
        Directories that inputs lay in, and where they are now.
    follow_external, memory
        As in `open`.

    Raises
    ------
    Error
        An input is not what it was when the plan was written, or the file is no plan.
    """
    moved = [(os.path.abspath(old), os.path.abspath(new)) for old, new in (relocate or {}).items()]
    limits = (memory_of(memory), bool(follow_external))
    merged = Merged(_native.Merged.from_plan_file(os.fspath(path), moved, *limits), limits)
    merged._warn()
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
    force_lazy: bool = False,
    sparse_format: SparseFormat | None = None,
    missing_text: MissingText | None = None,
    drop: Patterns | None = None,
    keep: Patterns | None = None,
    follow_external: bool = False,
    memory: int | str = DEFAULT_MEMORY,
) -> AnnData:
    """`anndata.concat` of files: the same result, read by all cores straight into its place.

    Takes what `open` takes; `merge` and `uns_merge` may be functions, too, as in anndata.

    Parameters
    ----------
    force_lazy
        Only False, as by default: `Merged.to_lazy` opens a result lazily.

    Returns
    -------
    An `anndata.AnnData` in memory.

    Raises
    ------
    Error
        As `open` does.
    TypeError
        `force_lazy` is asked for.
    """
    if force_lazy:
        raise TypeError("force_lazy=True is not for a result in memory: anncat.open(...).to_lazy() opens it lazily")
    functions = {"merge": merge if callable(merge) else None, "uns_merge": uns_merge if callable(uns_merge) else None}
    names, sources, integers = _inputs(adatas, keys)
    places = list(map(path_of, sources))
    merged = _opened(
        names, places, axis=axis, join=join, merge=None if callable(merge) else merge,
        uns_merge=None if callable(uns_merge) else uns_merge, label=label, label_integers=integers,
        index_unique=index_unique, fill_value=fill_value, pairwise=pairwise, sparse_format=sparse_format,
        missing_text=missing_text, drop=drop, keep=keep, follow_external=follow_external, memory=memory,
    )  # fmt: skip
    merged._by_function = {name for name, function in functions.items() if function is not None}
    merged._warn()
    from ._memory import to_memory

    adata = to_memory(merged)
    merged._warn(all=True)
    if merged._by_function:
        # Functions see what anndata would give them: elements of the inputs, read by anndata.
        from ._functions import merged_elements

        made = merged_elements(
            places, axis=axis, join=join, drop=drop, keep=keep, follow_external=follow_external, **functions
        )
        for path, value in made.items():
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

    def __init__(self, native: _native.Merged, limits: Limits) -> None:
        self._native = native
        self._limits = limits
        self._headers: dict[str, Any] | None = None
        # Messages of the notices that were warned of.
        self._told: set[str] = set()
        # Strategies that are functions: what no strategy of the engine keeps is kept by them.
        self._by_function: set[str] = set()
        self._frames: dict[str, pd.DataFrame] = {}
        # For `_memory`: the store it reads, and what that leaves out.
        self._source: tuple[Any, list[dict[str, Any]]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._native.plan(), self._limits, sorted(self._told))

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
        """What is dropped, converted or replaced.

        Whether names are unique takes reading all of them. Up to 20,000 are looked at by `open`, more when this is
        asked for, when `report` is, and at the end of `to_memory` and `write`.
        """
        return tuple(map(_notice, json.loads(self._native.notices(True))))

    @property
    def dropped(self) -> dict[str, list[str]]:
        """The names that an inner join drops, by the element whose names they are (``/var``, ``/raw/var``)."""
        return dict(self._native.dropped())

    def report(self) -> dict[str, Any]:
        """What `anncat inspect --json` says: shape, elements, how the other axis is joined, what is read first, notices."""
        return {**json.loads(self._native.report()), "notices": json.loads(self._native.notices(True))}

    def _known(self) -> dict[str, Any]:
        """The report, as far as headers tell; not to be changed."""
        if self._headers is None:
            self._headers = json.loads(self._native.report())
        return self._headers

    def _are_files(self) -> bool:
        """Whether all inputs are files, and none a directory."""
        return all(os.path.isfile(split_place(row["file"])[0]) for row in self._known()["joined"]["inputs"])

    def _warn(self, *, all: bool = False, stacklevel: int = 3) -> None:
        """Warns of what is known by now, or of all, and was not warned of before."""
        notices = map(_notice, json.loads(self._native.notices(all)))
        kept = [n for n in notices if n.kind != "not-merged" or n.details["option"] not in self._by_function]
        self._tell(kept, stacklevel + 1)

    def _tell(self, notices: Iterable[Notice], stacklevel: int) -> None:
        """Warns of what was not warned of before."""
        for notice in notices:
            if notice.message not in self._told:
                warnings.warn(notice, stacklevel=stacklevel)
                self._told.add(notice.message)

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

        adata = to_memory(self)
        self._warn(all=True)
        return adata

    def to_lazy(self, **kwargs: Any) -> AnnData:
        """`anndata.experimental.read_lazy` of `store()`: dask arrays and lazy tables. Needs dask and xarray.

        Warns
        -----
        Notice
            For each element that zarr cannot hold, which it then lacks, once.
        """
        import anndata.experimental
        import zarr

        group = zarr.open_group(self._store((None, None, None, None)), mode="r")
        return anndata.experimental.read_lazy(group, **kwargs)

    def store(
        self,
        zarr_format: Literal[2, 3] | None = None,
        *,
        chunk_rows: int | None = None,
        chunk_elems: int | None = None,
        shard_size: int | str | None = None,
    ) -> Any:
        """A read-only zarr store of the result, computed from the inputs as it is read. Needs no FUSE.

        Parameters
        ----------
        zarr_format
            Version of the format; by default 3, or 2 where zarr-python is of version 2.
        chunk_rows
            Rows of a chunk of a dense matrix; about 4 MiB of them by default, in shards 256 KiB.
        chunk_elems
            Elements of a chunk of a one-dimensional array, such as the values of a sparse matrix; 2**20 by default,
            in shards 2**16.
            Choose about the entries of a batch of rows when rows are read at random through zarr.
        shard_size
            Puts chunks together into shards of about so many bytes. zarr 3 only.

        Returns
        -------
        A `zarr.abc.store.Store` (with zarr-python 2: a mapping), for `anndata.read_zarr`,
        `anndata.experimental.read_lazy`, ``zarr.open_group(store, mode="r")`` (whose own default is to write). It
        pickles as its plan.

        Loaders that read through zarr (annbatch) read it half as fast again with chunks about as long as a run of rows
        (``chunk_elems=2**16``) and with ``zarr.config.set({"codec_pipeline.path":
        "zarr.core.codec_pipeline.FusedCodecPipeline"})``, where zarr-python has that (3.4). `rows` is several times
        faster than any way through zarr.

        Raises
        ------
        ValueError
            There is no such layout.

        Warns
        -----
        Notice
            For each element that zarr cannot hold, which it then lacks, once.
        """
        return self._store(layout_of(zarr_format, chunk_rows, chunk_elems, shard_size))

    def _store(self, layout: tuple[int | None, int | None, int | None, int | None]) -> Any:
        """What `store` gives; warns the caller of its caller."""
        from ._store import left_out, make_store

        store = make_store(self, layout)
        # To ask the engine takes what reading takes, which may be long.
        if not all(map(_is_plain, self._known()["elements"])):
            self._tell(left_out_notices(left_out(store)), stacklevel=4)
        return store

    def rows(
        self,
        indices: ArrayLike | slice,
        columns: ArrayLike | slice | None = None,
        obs: Sequence[str] | str | None = None,
        *,
        element: str = "X",
    ) -> Any:
        """A batch of rows, in the order asked; a row may be asked for more than once.

        Parameters
        ----------
        indices
            Numbers of rows, a slice, or a boolean mask. Negative ones count from the end.
        columns
            Names of variables, or what `indices` may be; all by default.
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
    def mount(
        self,
        path: Path | None = None,
        *,
        zarr_format: Literal[2, 3] = 3,
        chunk_rows: int | None = None,
        chunk_elems: int | None = None,
        shard_size: int | str | None = None,
        page_cache: Literal["all", "read", "computed"] = "all",
        threads: int | None = None,
        h5ad: bool = True,
        allow_other: bool = False,
    ) -> Iterator[str]:
        """Mounts the result as a directory for other programs; gives the path of ``merged.zarr``.

        Unmounted at the end of the block, at the end of the interpreter, and when the process dies. Needs FUSE.

        Parameters
        ----------
        path
            An empty directory; a temporary one by default.
        zarr_format, chunk_rows, chunk_elems, shard_size
            How ``merged.zarr`` is laid out, as in `store`.
        page_cache
            What the kernel keeps in memory that is free: what was read, and what lies next to scattered reads
            (``"all"``); only what was ``"read"``; only what was ``"computed"``, and not what the inputs hold
            uncompressed.
        threads
            Threads that answer requests; two a core by default, 4 to 16.
        h5ad
            Show ``merged.h5ad`` beside ``merged.zarr``.
        allow_other
            Let other users read the mount, too. Needs a `path` that they can reach.

        Raises
        ------
        Error
            Nothing can be mounted here (`kind` says why), or an input has changed.
        ValueError
            Arguments that contradict each other.

        Warns
        -----
        Notice
            For each element that zarr cannot hold, which ``merged.zarr`` then lacks, once.
        """
        if allow_other and path is None:
            raise ValueError("allow_other=True needs a path: other users cannot enter the temporary directory")
        if page_cache not in _PAGE_CACHES:
            raise ValueError(f"page_cache is one of {', '.join(map(repr, _PAGE_CACHES))}, was {page_cache!r}")
        from ._mount import mounted

        names = ("zarr-format", "chunk-rows", "chunk-elems", "shard-bytes")
        values = layout_of(zarr_format, chunk_rows, chunk_elems, shard_size)
        layout = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        threads = count_of("threads", threads)
        words = ["--page-cache", page_cache]
        words += [] if threads is None else ["--threads", str(threads)]
        words += [] if h5ad else ["--no-h5ad"]
        words += ["--allow-other"] if allow_other else []
        with mounted(self, path, layout, words) as (store, left_out):
            # Past `contextlib`.
            self._tell(left_out_notices(left_out), stacklevel=4)
            yield store

    def write(
        self,
        path: Path,
        *,
        compression: Literal["gzip", "lzf", "zstd"] | None | Literal["default"] = "default",
        level: int | None = None,
        chunk_rows: int | None = None,
        chunk_elems: int | None = None,
        zarr_format: Literal[2, 3] | None = None,
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
        level
            Of gzip 0 to 9 (4 by default), of zstd 1 to 22 (1 by default).
        chunk_rows, shard_size
            As in `store`, of a ``.zarr``.
        chunk_elems
            Elements of a chunk of a compressed ``.h5ad`` (2**16 by default) or of a ``.zarr`` (2**20, in shards 2**16).
        zarr_format
            Version of the format of a ``.zarr``; by default 3.
        overwrite
            Replace what is there. An input is never replaced.
        sync
            Return only when the disk has it.
        max_loaded_elems
            Never hold more elements in flight, beside the bound of `memory`.
        threads
            Threads that read, compress and write; one a core by default.
        progress
            Show a bar (with tqdm, where it is installed) when this takes longer than a moment.

        Raises
        ------
        Error
            The output exists (also a `FileExistsError`), there is no room, or an input failed.
        ValueError
            Arguments that are for another format, or that contradict each other.
        """
        target = os.fspath(path)
        if not target.endswith((".h5ad", ".h5", ".zarr")):
            raise ValueError(f"{target}: the name tells the format, and must end in .h5ad or .zarr")
        is_chosen = compression != "default"
        if not is_chosen:
            compression = "zstd" if target.endswith(".zarr") else None
        layout = layout_of(zarr_format, chunk_rows, chunk_elems, shard_size)
        if not target.endswith(".zarr"):
            for name, value in {"zarr_format": zarr_format, "chunk_rows": chunk_rows, "shard_size": shard_size}.items():
                if value is not None:
                    raise ValueError(f"{name} is for .zarr outputs")
        from ._progress import bar

        options = {
            "overwrite": overwrite,
            "sync": sync,
            "compression": compression,
            "is_compression_chosen": is_chosen,
            "level": level_of(level, compression),
            "zarr_format": layout[0] or 3,
            "chunk_rows": layout[1],
            "chunk_elems": layout[2],
            "shard_bytes": layout[3],
            "memory_bytes": self._limits[0],
            "max_loaded_elems": count_of("max_loaded_elems", max_loaded_elems),
            "threads": count_of("threads", threads),
        }
        with bar(progress) as tell:
            left_out, told = self._native.write(target, options, tell)
        self._warn(all=True)
        for notice in json.loads(told):
            warnings.warn(_notice(notice), stacklevel=2)
        for lost in left_out_notices(left_out):
            warnings.warn(lost, stacklevel=2)

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

    def _known_notices(self) -> list[Notice]:
        return list(map(_notice, json.loads(self._native.notices(False))))

    def __repr__(self) -> str:
        report, notices = self._known(), self._known_notices()
        joined = report["joined"]
        lines = [f"Merged of {len(joined['inputs'])} inputs along {report['axis']}: {self.n_obs} obs × {self.n_vars} vars"]
        for name, keys in _elements(report).items():
            lines.append(f"    {name}: {', '.join(keys)}" if keys else f"    {name}")
        for row in joined["inputs"][:_SHOWN]:
            lines.append(f"  {row['key']}: {row['concatenated']} {report['axis']}, {_joined(row, joined['axis'])}")
        if len(joined["inputs"]) > _SHOWN:
            lines.append(f"  and {len(joined['inputs']) - _SHOWN} more inputs")
        for notice in notices[:_SHOWN]:
            lines.append(f"  note: {str(notice).splitlines()[0]}")
        if len(notices) > _SHOWN:
            lines.append(f"  and {len(notices) - _SHOWN} more notes, in .notices")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        report = self._known()
        joined, axis = report["joined"], report["axis"]
        heads = ["input", axis, f"{joined['axis']} kept", "dropped", "introduced", "file"]
        rows = [
            [row["key"], row["concatenated"], row["kept"], row["dropped"], row["introduced"], row["file"]]
            for row in joined["inputs"][:_SHOWN]
        ]
        elements = "; ".join(f"<b>{html.escape(n)}</b> {html.escape(', '.join(k))}" for n, k in _elements(report).items())
        notices = self._known_notices()
        notes = "".join(f"<li>{html.escape(str(n))}</li>" for n in notices[:_SHOWN])
        more_notes = len(notices) - _SHOWN
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
            + (f"<p>and {more_notes} more notes, in .notices</p>" if more_notes > 0 else "")
        )


def _reopened(plan: str, limits: Limits, told: Iterable[str] = ()) -> Merged:
    merged = Merged(_native.Merged.from_plan(plan, *limits), limits)
    merged._told.update(told)
    return merged


def _is_plain(element: dict[str, Any]) -> bool:
    """Whether an element is surely not left out of zarr, as far as its name and encoding tell."""
    path = element["path"]
    # A table is there as a whole or is an error.
    if path.startswith(("obs/", "var/", "raw/")):
        return True
    return element["encoding"] != "rec-array" and _PLAIN_NAME.fullmatch(path.rpartition("/")[2]) is not None


def _notice(told: dict[str, Any]) -> Notice:
    details = {name: value for name, value in told.items() if name not in ("notice", "message")}
    if "option" in details:
        details["option"] = option_name(details["option"])
    return Notice(in_python(told["message"]), told["notice"], details)


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
