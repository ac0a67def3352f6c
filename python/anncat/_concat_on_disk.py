"""`concat_on_disk`, with the signature of `anndata.experimental.concat_on_disk`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anndata as ad
from anndata._core.merge import _resolve_axis, resolve_merge_strategy

from . import _zarr_files
from ._errors import (
    GroupExistsError, InputError, InputFailedError, InputMissingError, IOFailedError, Notice, OutputExistsError,
)  # fmt: skip
from ._functions import merged_elements, opened
from ._merged import open as open_merged
from ._options import path_of, split_place

if TYPE_CHECKING:
    import h5py
    import zarr
    from zarr.abc.store import Store

    Source: TypeAlias = PathLike[str] | str | h5py.Group | zarr.Group | Store

StrategiesLiteral = Literal["same", "unique", "first", "only"]
# What an AnnData has at its root. What of it a group holds already would become part of the result.
_PARTS = ("X", "layers", "obs", "obsm", "obsp", "raw", "uns", "var", "varm", "varp")
# What anndata says of an input that is none.
_NO_ANNDATA = "All groups must be anndata"


def concat_on_disk(
    in_files: Collection[Source] | Mapping[str, Source],
    out_file: Source,
    *,
    max_loaded_elems: int = 100_000_000,
    axis: Literal["obs", 0, "var", 1] = 0,
    join: Literal["inner", "outer"] = "inner",
    merge: StrategiesLiteral | Callable[[Collection[Mapping]], Mapping] | None = None,
    uns_merge: StrategiesLiteral | Callable[[Collection[Mapping]], Mapping] | None = None,
    label: str | None = None,
    keys: Collection[str] | None = None,
    index_unique: str | None = None,
    fill_value: Any | None = None,
    pairwise: bool = False,
) -> None:
    """Concatenates AnnData files on disk: `anndata.experimental.concat_on_disk`, by anncat.

    Parameters and errors are those of anndata's function. Beyond it, what that leaves out is written as
    `anndata.concat` has it: `raw`, `uns` by `uns_merge`, `obsp` with `pairwise`, and all that an outer join keeps.

    Parameters
    ----------
    in_files
        Paths of ``.h5ad`` files and ``.zarr`` directories (``PATH::GROUP`` is a group in one), or open groups and
        stores; a mapping gives their keys.
    out_file
        A path, which is replaced (a file if it ends in ``.h5ad``, else a zarr directory); a store, which is emptied; or
        an open group that holds no part of an AnnData. An input is never replaced.
    max_loaded_elems
        Never hold more elements than this in flight; any number from 1 on.
    merge, uns_merge
        A strategy's name or a function, which gets what anndata would give it. If it returns None, nothing is merged.

    Raises
    ------
    Error
        The output would take the place of an input, or of what is no AnnData (also a `FileExistsError`). An input is
        missing (also a `FileNotFoundError`), is no AnnData or damaged (also an `OSError` and a `ValueError`), or
        contradicts another (also a `ValueError`). Nothing is written then.
    """
    if len(in_files) == 0:
        raise ValueError("No objects to concatenate.")
    by_function = {
        "merge": merge if callable(merge) else None,
        "uns_merge": uns_merge if callable(uns_merge) else None,
    }
    for strategy in (merge, uns_merge):
        resolve_merge_strategy(strategy)  # raises what anndata raises

    is_path = isinstance(out_file, str | PathLike)
    if is_path and not Path(out_file).parent.exists():
        raise FileNotFoundError(f"Parent directory of {out_file} does not exist.")
    if isinstance(in_files, Mapping):
        if keys is not None:
            raise TypeError(
                "Cannot specify categories in both mapping keys and using `keys`. Only specify this once."
            )
        keys, sources = list(in_files.keys()), list(in_files.values())
    else:
        sources = list(in_files)
    if len(sources) == 1 and isinstance(sources[0], str | PathLike) and is_path and not split_place(str(sources[0]))[1]:
        _copy(Path(sources[0]), Path(out_file))
        return
    _resolve_axis(axis)
    for place in (out_file, *sources):
        if not (isinstance(place, str | PathLike) or _zarr_files.is_group_or_store(place)):
            raise NotImplementedError("This is not yet implemented.")
    max_loaded_elems = _elems(max_loaded_elems)
    _check_fill_value(fill_value)

    with (
        tempfile.TemporaryDirectory(prefix="anncat-") as work,
        warnings.catch_warnings(),
        _errors_of_inputs(sources, work),
    ):
        # anndata's function tells nothing; `anncat.open` does.
        warnings.simplefilter("ignore", Notice)
        paths = [local(source, Path(work, f"{n}.input")) for n, source in enumerate(sources)]
        merged = open_merged(
            paths, axis=axis, join=join, merge=None if callable(merge) else merge,
            uns_merge=None if callable(uns_merge) else uns_merge, label=label, keys=keys,
            index_unique=index_unique, fill_value=fill_value, pairwise=pairwise,
        )  # fmt: skip
        for path in paths:
            _check_encoding(path)
        if is_path:
            merged._native.check_output(os.fspath(out_file), Path(out_file).suffix != ".h5ad", True)
        else:
            _check_group(merged, out_file, sources, paths)
        elements = {}
        if any(by_function.values()):
            elements = merged_elements(
                paths, axis=axis, join=join, merge=by_function["merge"], uns_merge=by_function["uns_merge"]
            )
        if is_path:
            _to_path(merged, Path(out_file), elements, max_loaded_elems)
        else:
            _to_group(merged, out_file, elements, max_loaded_elems)


def _elems(number: float) -> int:
    """A number of elements, which need not be an integer."""
    if not number >= 1:
        raise ValueError(f"max_loaded_elems is at least 1, was {number!r}")
    return int(min(number, sys.maxsize))


def _check_fill_value(value: Any) -> None:
    """Raises the `ValueError` that anndata raises of what fills no matrix; `anncat.open` has a `TypeError`."""
    number = value.item() if hasattr(value, "item") else value
    if not (number is None or isinstance(number, int | float)):
        raise ValueError(f"fill_value must be a number, was {value!r}")


def _copy(source: Path, out: Path) -> None:
    """A single input is copied as it is."""
    if not source.exists():
        raise InputMissingError(f"{source}: there is no such file or directory", "input-missing", str(source))
    if _lies_in(str(out), str(source)):
        raise _overwriting(out, source, str(out))
    (shutil.copytree if source.is_dir() else shutil.copy2)(source, out)


@contextlib.contextmanager
def _errors_of_inputs(sources: Sequence[Any], work: str) -> Iterator[None]:
    """Errors of inputs are also those of anndata's function, and name an input instead of its copy in `work`."""
    try:
        yield
    except InputError as error:
        copy = rf"{re.escape(work)}/(\d+)\.input"
        message = re.sub(copy, lambda n: f"input {n[1]} ({type(sources[int(n[1])]).__name__})", error.message)
        file = None if re.match(copy, error.file or "") else error.file
        if error.kind == "not-anndata":
            message = f"{_NO_ANNDATA}: {message}"
        made = InputFailedError if error.kind in ("not-anndata", "corrupt") else InputError
        raise made(message, error.kind, file, error.element) from None


def _check_encoding(path: str) -> None:
    """Refuses what only the engine takes for an AnnData, as anndata's function does."""
    try:
        with opened(path) as group:
            encoding = group.attrs.get("encoding-type")
    except (OSError, KeyError, ValueError) as error:
        raise IOFailedError(f"{path}: cannot be read: {error}", "input-unreadable", path) from error
    if encoding != "anndata":
        raise InputError(
            f'{path}: it does not say that its encoding-type is "anndata"\n'
            "  hint: read it with anndata and write it again; or use anncat.open and write, which take it",
            "not-anndata",
            path,
        )


def local(source: Any, place: Path) -> str:
    """The path of an input; what is in no directory of its own is copied to `place`."""
    import h5py

    if isinstance(source, str | PathLike):
        try:
            return path_of(source)
        except ValueError as error:
            raise InputMissingError(str(error), "input-missing", os.fspath(source)) from None
    if isinstance(source, h5py.Group):
        if _file_of(source) is not None:
            return path_of(source)
        with h5py.File(place, "w") as file:
            _copy_h5(source, file)
        return str(place)
    directory = _zarr_files.directory_of(source)
    if directory is not None:
        return directory
    _zarr_files.to_directory(source, place)
    return str(place)


def _file_of(group: Any) -> str | None:
    """The file of an open group of h5py, or None when it is in memory."""
    name = os.fspath(group.file.filename)
    return name if group.file.driver != "core" and os.path.exists(name) else None


def _write(merged: Any, place: Path, elements: dict[str, Any], max_loaded_elems: int, options: dict[str, Any]) -> None:
    merged.write(place, max_loaded_elems=max_loaded_elems, progress=False, **options)
    if not elements:
        return
    import h5py

    if place.suffix == ".h5ad":
        with h5py.File(place, "r+") as file:
            _put(file, elements)
    else:
        _put(_zarr_files.edit_directory(place), elements)
        _zarr_files.consolidate(place)


def _put(group: Any, elements: dict[str, Any]) -> None:
    for path, value in elements.items():
        # anndata 0.13 takes no paths.
        parent, _, key = path.rpartition("/")
        if parent and parent not in group:
            ad.io.write_elem(group, parent, {})
        ad.io.write_elem(group[parent] if parent else group, key, value)


def _check_group(merged: Any, out: Any, sources: Collection[Any], paths: Collection[str]) -> None:
    """Refuses an open group or a store that would harm an input, or whose members would mix with the result's."""
    import h5py

    is_h5 = isinstance(out, h5py.Group)
    is_store = not is_h5 and not _zarr_files.is_group(out)
    place = path_of(out) if is_h5 else _zarr_files.directory_of(out)
    if out.file.mode == "r" if is_h5 else getattr(out, "read_only", False):
        raise IOFailedError(f"{place or out}: it was opened for reading only", "output-unwritable", place)
    if is_store and place is not None and os.path.exists(place):
        # It is emptied, as what is at a path.
        merged._native.check_output(place, True, True)
    for source, path in zip(sources, paths, strict=True):
        is_emptied = is_store and _zarr_files.lies_in_store(source, out)
        if is_emptied or (place is not None and _lies_in(place, path)):
            raise _overwriting(place or out, source if is_emptied else path, place)
    taken = [] if is_store else [name for name in _PARTS if name in out]
    if taken:
        raise GroupExistsError(
            f"{place or out}: the group holds {', '.join(taken)} already, which would mix with the result\n"
            "  hint: choose an empty group",
            "output-exists",
            place,
        )


def _overwriting(out: Any, source: Any, place: str | None) -> OutputExistsError:
    return OutputExistsError(
        f"{out}: the output would overwrite the input {source}\n"
        "  hint: choose another output; an input is never overwritten",
        "output-refused",
        place,
    )


def _lies_in(place: str, other: str) -> bool:
    """Whether the group at a place is another one, or lies in it."""
    (path, group), (other_path, other_group) = split_place(place), split_place(other)
    if os.path.exists(path) and os.path.samefile(path, other_path):
        other_path = path
    here, there = (Path(os.path.realpath(p), g or "") for p, g in ((path, group), (other_path, other_group)))
    return here.is_relative_to(there)


def _to_path(merged: Any, out: Path, elements: dict[str, Any], max_loaded_elems: int) -> None:
    is_h5ad = out.suffix == ".h5ad"
    options = {} if is_h5ad else _zarr_files.settings()
    if not elements and out.suffix in (".h5ad", ".zarr"):
        _write(merged, out, {}, max_loaded_elems, {**options, "overwrite": True})
        return
    # A link stays one.
    out = Path(os.path.realpath(out))
    # Beside its place until it is complete.
    with _beside(out) as name:
        staged = Path(name) / ("out.h5ad" if is_h5ad else "out.zarr")
        _write(merged, staged, elements, max_loaded_elems, options)
        # Something may have come to stand there meanwhile.
        merged._native.check_output(os.fspath(out), not is_h5ad, True)
        former = Path(name) / "former"
        if out.is_dir():
            os.rename(out, former)
        try:
            os.replace(staged, out)
        except BaseException:
            if former.exists():
                os.rename(former, out)
            raise


def _to_group(merged: Any, out: Any, elements: dict[str, Any], max_loaded_elems: int) -> None:
    import h5py

    is_h5 = isinstance(out, h5py.Group)
    options = {} if is_h5 else _options_of(out)
    with _stage(_file_of(out) if is_h5 else _zarr_files.root_of(out)) as name:
        staged = Path(name) / ("out.h5ad" if is_h5 else "out.zarr")
        _write(merged, staged, elements, max_loaded_elems, options)
        if is_h5:
            with h5py.File(staged) as file:
                _copy_h5(file, out)
        else:
            # A store is emptied only now that there is what takes its place.
            _zarr_files.into_group(staged, _zarr_files.as_new_group(out))


def _options_of(out: Any) -> dict[str, Any]:
    """How a group or store of zarr-python is written."""
    options = _zarr_files.settings()
    if _zarr_files.is_group(out):
        options["zarr_format"] = _zarr_files.format_of(out)
    if options["zarr_format"] == 2:
        options["shard_size"] = None
    return options


def _stage(place: str | None) -> tempfile.TemporaryDirectory[str]:
    """A directory on the disk of a place, for what is copied there when complete; in $TMPDIR where there is none."""
    if place is not None:
        # There may be no right to write beside it.
        with contextlib.suppress(OSError):
            return _beside(Path(os.path.realpath(place)))
    return tempfile.TemporaryDirectory(prefix="anncat-")


def _beside(place: Path) -> tempfile.TemporaryDirectory[str]:
    """A directory beside a place, or above it as far as there are directories yet."""
    above = next((parent for parent in place.parents if parent.is_dir()), place)
    return tempfile.TemporaryDirectory(prefix=f".{place.name[:60]}.anncat-", suffix=".tmp", dir=above)


def _copy_h5(source: Any, target: Any) -> None:
    for key in source:
        source.copy(source[key], target, name=key)
    for key, value in source.attrs.items():
        target.attrs[key] = value
