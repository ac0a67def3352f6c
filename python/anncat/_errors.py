"""Exceptions and warnings. What is caught by its Python base (`FileNotFoundError`, `ValueError`, `KeyError`) stays so."""

from __future__ import annotations

import errno
import re
from typing import Any, ClassVar

_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)$")


def _hint_in(message: str) -> str | None:
    """What a message says to do."""
    _, mark, hint = message.partition("\n  hint: ")
    return " ".join(hint.partition("\n  also: ")[0].split()) if mark else None


def _number_in(message: str) -> int | None:
    """The number of the system's error that a message ends with."""
    found = _SYSTEM_ERROR.search(message.partition("\n")[0])
    return int(found[1]) if found else None


class Error(Exception):
    """Any failure of anncat.

    Attributes
    ----------
    kind
        What went wrong, as a stable word (docs/ERRORS.md): ``input-missing``, ``not-anndata``, ``changed``,
        ``corrupt``, ``unsupported``, ``duplicate-name``, ``contradiction``, ``output-exists``, ``no-space``, ...
    file
        Path of the file that is at fault, or None.
    element
        Path of the element in it (``/obs/cell_type``), or None.
    hint
        What to do about it, or None.

    What is an `OSError`, too, has an `errno` by its kind, the first line of the message as `strerror`, and the file as
    `filename`.
    """

    kind: str
    file: str | None
    element: str | None
    hint: str | None
    # Where it is an OSError.
    _errno: ClassVar[int] = errno.EIO

    def __init__(
        self,
        message: str = "",
        kind: str = "defect",
        file: str | None = None,
        element: str | None = None,
    ) -> None:
        if isinstance(self, OSError):
            super().__init__(self._number(kind, message), message.partition("\n")[0], file)
        else:
            super().__init__(message, kind, file, element)
        self.message = message
        self.kind = kind
        self.file = file
        self.element = element
        self.hint = _hint_in(message)

    @classmethod
    def _number(cls, kind: str, message: str) -> int:
        return cls._errno

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError and KeyError would be made of other arguments.
        return type(self), (self.message, self.kind, self.file, self.element), self.__dict__

    def __str__(self) -> str:
        return self.message


class InputMissingError(Error, FileNotFoundError):
    """An input is not there."""

    _errno = errno.ENOENT


class OutputMissingError(Error, FileNotFoundError):
    """The directory of an output is not there."""

    _errno = errno.ENOENT


class OutputExistsError(Error, FileExistsError):
    """The output is there already, or is an input."""

    _errno = errno.EEXIST


class GroupExistsError(OutputExistsError, ValueError):
    """The open group that is to be written holds an AnnData, or parts of one; anndata raises a `ValueError` of it."""


class NoSuchElementError(Error, KeyError):
    """The result has no such element."""

    __str__ = Error.__str__


class NoStrategyError(Error, KeyError, ValueError):
    """A merge strategy that does not exist, which is a `KeyError` in anndata."""

    __str__ = Error.__str__


class OutOfRangeError(Error, IndexError):
    """A row or column that is not there."""


class InputError(Error, ValueError):
    """Inputs that cannot be read as AnnData, or that contradict each other."""


class IOFailedError(Error, OSError):
    """The system could not read or write."""

    @classmethod
    def _number(cls, kind: str, message: str) -> int:
        return _number_in(message) or (errno.ENOSPC if kind == "no-space" else cls._errno)


class NotPermittedError(IOFailedError, PermissionError):
    """The system does not permit reading or writing."""


class InputFailedError(IOFailedError, InputError):
    """An input of `concat_on_disk` is no AnnData or is damaged; anndata raises an `OSError` or a `ValueError` of it."""


class ChangedError(Error, OSError):
    """An input is not what it was."""

    _errno = errno.ESTALE


_CLASSES: dict[str, type[Error]] = {
    "no-element": NoSuchElementError,
    "out-of-range": OutOfRangeError,
    "output-missing": OutputMissingError,
    "input-missing": InputMissingError,
    "input-unreadable": IOFailedError,
    "changed": ChangedError,
    "not-anndata": InputError,
    "corrupt": InputError,
    "unsupported": InputError,
    "duplicate-name": InputError,
    "contradiction": InputError,
    "unrepresentable": InputError,
    "plan": InputError,
    "usage": InputError,
    "output-exists": OutputExistsError,
    "output-refused": OutputExistsError,
    "output-unwritable": IOFailedError,
    "no-space": IOFailedError,
    "system": IOFailedError,
}


# Options of the command line that have other names here.
_NAMES = {"force": "overwrite", "list-dropped": ".dropped"}
_FLAGS = ("allow-other", "follow-external", "force", "pairwise", "sync")
_VALUED = (
    "chunk-elems", "chunk-rows", "compression", "drop", "fill-value", "index-unique", "join", "keep", "keys", "label",
    "level", "list-dropped", "memory", "merge", "missing-text", "page-cache", "shard-size", "sparse-format", "threads",
    "uns-merge", "zarr-format",
)  # fmt: skip
_WORDS = "csr|csc|gzip|lzf|zstd|inner|outer|categorical|nullable|same|unique|first|only|[A-Z]{3,}|[0-9.]+"
_OPTION = re.compile(
    rf"(`[^`]*`)|(?<!\S)(\(?)--({'|'.join((*_FLAGS, *_VALUED))})\b(?![-\w])(?: ('[^']*'|(?:{_WORDS})(?:\|(?:{_WORDS}))*)(?![-\w]))?"
)


# What to do, in words of the command line, and in Python's.
_ADVICE = {
    "start again; a mount has to be made anew": "open the inputs anew",
    "plan the inputs as they are now with `anncat inspect --save`": "open the inputs anew; plan() gives a new plan",
    "`inspect` lists what there is": "Merged.report() lists what there is",
    "`anncat inspect` lists the elements by their paths": "report() of the opened inputs lists the elements by their paths",
    "merge with the sparse format csr": 'open the inputs with sparse_format="csr"',
    "`anncat materialize`, which needs no mount": "Merged.store() or write(), which need no mount",
    "`anncat materialize` needs no mount": "Merged.store() needs no mount",
    "an .h5ad file can hold it (merged.h5ad of a mount, anncat materialize)": "to_memory() has it, and an .h5ad file can hold it",
    "or write an .h5ad file (anncat materialize)": "or take to_memory() or an .h5ad file, which have it",
}


def in_python(message: str) -> str:
    """What a message says of the command line, as Python has it; other commands (in backticks) stay."""
    for theirs, ours in _ADVICE.items():
        message = message.replace(theirs, ours)

    def argument(match: re.Match[str]) -> str:
        command, opened, option, value = match.groups()
        if command:
            return command
        name = opened + _NAMES.get(option, option.replace("-", "_"))
        if option in _FLAGS:
            return f"{name}=True"
        if value is None or option == "list-dropped":
            return name
        said = "|".join(word if word[0].isdigit() else f'"{word}"' for word in value.strip("'").split("|"))
        return f"{name}={said}"

    return _OPTION.sub(argument, message)


def make(kind: str, message: str, file: Any, element: str | None, of: str | None = None) -> Error:
    """The exception of a failure of the engine; called by it. `of` names a class that is narrower than the kind's."""
    made = _CLASSES.get(of or kind, Error)
    if made is IOFailedError and _number_in(message) in (errno.EACCES, errno.EPERM):
        made = NotPermittedError
    return made(in_python(message), kind, None if file is None else str(file), element)


def option_name(option: str) -> str:
    """The argument that an option of the command line is."""
    return option.removeprefix("--").replace("-", "_")


class Notice(UserWarning):
    """Something that the concatenation drops, converts or replaces.

    Attributes
    ----------
    kind
        What is told, as a stable word.
    details
        What it is told of: elements, dtypes, files, as in ``anncat inspect --json``. An `option` is the name of an
        argument.
    hint
        What changes it, or None.
    """

    def __init__(self, message: str, kind: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message, kind, details)
        self.message = message
        self.kind = kind
        self.details = details or {}
        self.hint = _hint_in(message)

    def __str__(self) -> str:
        return self.message


def left_out_notices(sentences: list[str]) -> list[Notice]:
    """What zarr cannot hold."""
    return [Notice(f"left out: {in_python(sentence)}", "left-out-of-zarr") for sentence in sentences]
