"""Arguments as users write them, checked, and as the engine takes them."""

from __future__ import annotations

import operator
import os
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from ._errors import NoStrategyError

Path: TypeAlias = "str | os.PathLike[str]"
Inputs: TypeAlias = "Mapping[str, Any] | Collection[Any] | Path"
Axis: TypeAlias = Literal["obs", "var", 0, 1]
Join: TypeAlias = Literal["inner", "outer"]
Strategy: TypeAlias = Literal["same", "unique", "first", "only"]
SparseFormat: TypeAlias = Literal["csr", "csc"]
MissingText: TypeAlias = Literal["categorical", "nullable"]
Patterns: TypeAlias = "str | Collection[str]"

DEFAULT_MEMORY = "512MiB"
_STRATEGIES = ("same", "unique", "first", "only")
_SIZE = re.compile(r"\s*([0-9.]+)\s*(?:([kmgt]?)(ib|b)?)\s*", re.IGNORECASE)
_LEAST_MEMORY_BYTES = 2**20


def bytes_of(size: int | str) -> int:
    """A size in bytes: a number, or text such as ``"512MiB"`` or ``"2G"``. Units are powers of 1024, and of 1000
    when they end in a plain ``B`` (``kB``)."""
    if isinstance(size, str):
        wrong = ValueError(f"expected a size such as '512MiB' or '2G', not {size!r}")
        found = _SIZE.fullmatch(size)
        if found is None:
            raise wrong
        number, letter, end = found.groups()
        base = 1000 if letter and (end or "").lower() == "b" else 1024
        try:
            value = int(float(number) * base ** " kmgt".index(letter.lower() or " "))
        except ValueError:
            raise wrong from None
    else:
        value = operator.index(size)
    if value < 1:
        raise ValueError(f"expected a size above zero, not {size!r}")
    return value


def memory_of(size: int | str) -> int:
    """Bytes of memory that may be used."""
    value = bytes_of(size)
    if value < _LEAST_MEMORY_BYTES:
        raise ValueError(f"memory={size!r} is too little: at least '1MiB'")
    return value


_LEVELS = {"gzip": (0, 9), "zstd": (1, 22)}


def count_of(name: str, value: Any) -> int | None:
    """A number of something, from 1 on; None if it was not given."""
    if value is None:
        return None
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} is at least 1, was {value!r}")
    return number


def layout_of(
    zarr_format: int | None, chunk_rows: Any, chunk_elems: Any, shard_size: int | str | None
) -> tuple[int | None, int | None, int | None, int | None]:
    """How a store is laid out: version of the format, rows and elements of a chunk, bytes of a shard."""
    if zarr_format not in (None, 2, 3):
        raise ValueError(f"zarr_format is 2 or 3, was {zarr_format!r}")
    shard_bytes = None if shard_size is None else bytes_of(shard_size)
    if zarr_format == 2 and shard_bytes is not None:
        raise ValueError("zarr 2 has no shards; leave out shard_size, or choose zarr_format=3")
    return zarr_format, count_of("chunk_rows", chunk_rows), count_of("chunk_elems", chunk_elems), shard_bytes


def level_of(level: Any, compression: str | None) -> int | None:
    """The level of a compression; None if it was not given."""
    if level is None:
        return None
    if compression not in _LEVELS:
        raise ValueError(f"level={level} needs a compression with levels: 'gzip', or of a .zarr 'zstd'")
    least, most = _LEVELS[compression]
    if not least <= operator.index(level) <= most:
        raise ValueError(f"{compression} has levels {least} to {most}, not {level!r}")
    return operator.index(level)


def inputs_of(adatas: Inputs, keys: Iterable[Any] | None) -> tuple[list[str], list[Any], bool]:
    """Keys and inputs, in their order, and whether the keys are integers, as which `label` has them then."""
    if isinstance(adatas, str | os.PathLike):
        adatas = [adatas]
    if isinstance(adatas, Mapping):
        if keys is not None:
            raise TypeError("Cannot specify categories in both mapping keys and using `keys`. Only specify this once.")
        keys, listed = list(adatas), list(adatas.values())
    else:
        listed = list(adatas)
    if not listed:
        raise ValueError("No objects to concatenate.")
    given = None if keys is None else list(keys)
    integers = given is not None and all(hasattr(key, "__index__") and not isinstance(key, bool) for key in given)
    names = [str(key) for key in (range(len(listed)) if given is None else given)]
    if len(names) != len(listed):
        raise ValueError(f"there are {len(listed)} inputs and {len(names)} keys")
    return names, listed, integers


def path_of(source: Any) -> str:
    """The path of an input: a path (with ``::GROUP``, of a group in it), or an open group of a file or directory."""
    if isinstance(source, str | os.PathLike):
        path = os.fspath(source)
        if "://" in path and not os.path.exists(path):
            raise ValueError(f"{path}: inputs are read from this machine's files only; download it first")
        return path
    if hasattr(source, "file") and hasattr(source, "name"):  # h5py.Group
        if source.file.mode != "r":
            source.file.flush()
        path, group = os.fspath(source.file.filename), source.name.strip("/")
        return f"{path}::{group}" if group else path
    store = getattr(source, "store", source)  # zarr.Group
    root = getattr(store, "root", None) or getattr(store, "dir_path", lambda: None)()
    if root is not None:
        return os.path.join(os.fspath(root), getattr(source, "path", "")).rstrip("/")
    raise TypeError(
        f"inputs are paths of .h5ad files and .zarr directories, not {type(source).__name__}; "
        "objects in memory are concatenated by anndata.concat"
    )


def split_place(place: str) -> tuple[str, str | None]:
    """A path, and the group in it that is meant: ``x.h5mu::mod/rna``. What exists under all of it is a path."""
    path, mark, group = place.rpartition("::")
    if not mark or not path or os.path.exists(place):
        return place, None
    return path, group.strip("/") or None


def patterns(name: str, value: Patterns | None) -> list[str]:
    """Paths of elements, in which ``*`` stands for any part of a name."""
    listed = [] if value is None else [value] if isinstance(value, str) else list(value)
    for pattern in listed:
        if not isinstance(pattern, str):
            raise TypeError(f"{name} takes paths of elements such as 'obsm/X_umap', not {pattern!r}")
    return listed


def axis_name(axis: Any) -> Literal["obs", "var"]:
    """``obs`` or ``var``."""
    if axis in ("obs", 0):
        return "obs"
    if axis in ("var", 1):
        return "var"
    raise ValueError(f"`axis` must be either 0, 1, 'obs', or 'var', was {axis}")


def strategy(name: str, value: Any) -> str | None:
    """A merge strategy that the engine knows."""
    if value is None or value in _STRATEGIES:
        return value
    if callable(value):
        raise TypeError(
            f"{name} cannot be a function here, since a plan cannot hold one; "
            "anncat.concat and anncat.concat_on_disk take functions"
        )
    raise NoStrategyError(f"{name} must be None or one of {', '.join(map(repr, _STRATEGIES))}, was {value!r}", "usage")


def engine_options(
    *,
    axis: Any,
    join: Any,
    merge: Any,
    uns_merge: Any,
    label: Any,
    label_integers: bool,
    index_unique: Any,
    fill_value: Any,
    pairwise: bool,
    sparse_format: str | None,
    missing_text: str | None,
    drop: Patterns | None,
    keep: Patterns | None,
) -> dict[str, Any]:
    """All options, as the engine takes them."""
    if join not in ("inner", "outer"):
        raise ValueError(f"`join` must be one of 'inner' or 'outer', got {join!r}")
    if fill_value is not None:
        if hasattr(fill_value, "item"):
            fill_value = fill_value.item()
        if not isinstance(fill_value, int | float):
            raise TypeError(f"fill_value must be a number, was {fill_value!r}")
    return {
        "axis": axis_name(axis),
        "join": join,
        "merge": strategy("merge", merge),
        "uns_merge": strategy("uns_merge", uns_merge),
        "label": label,
        "label_integers": label_integers,
        "index_unique": index_unique,
        "fill_value": fill_value,
        "pairwise": bool(pairwise),
        "sparse_format": sparse_format,
        "missing_text": missing_text,
        "drop": patterns("drop", drop),
        "keep": patterns("keep", keep),
    }
