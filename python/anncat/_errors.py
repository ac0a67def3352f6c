"""Exceptions and warnings. What is caught by its Python base (`FileNotFoundError`, `ValueError`, `KeyError`) stays so."""

from __future__ import annotations

import re
from typing import Any


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
    """

    kind: str
    file: str | None
    element: str | None
    hint: str | None

    def __init__(
        self,
        message: str = "",
        kind: str = "defect",
        file: str | None = None,
        element: str | None = None,
    ) -> None:
        # The arguments are all there is, so that the exception survives pickling.
        super().__init__(message, kind, file, element)
        self.message = message
        self.kind = kind
        self.file = file
        self.element = element
        said, mark, hint = message.partition("\n  hint: ")
        self.hint = " ".join(hint.split()) if mark else None

    def __str__(self) -> str:
        return self.message


class InputMissingError(Error, FileNotFoundError):
    """An input is not there."""


class OutputMissingError(Error, FileNotFoundError):
    """The directory of an output is not there."""


class OutputExistsError(Error, FileExistsError):
    """The output is there already, or is an input."""


class NoSuchElementError(Error, KeyError):
    """The result has no such element."""

    __str__ = Error.__str__


class OutOfRangeError(Error, IndexError):
    """A row or column that is not there."""


class InputError(Error, ValueError):
    """Inputs that cannot be read as AnnData, or that contradict each other."""


class IOFailedError(Error, OSError):
    """The system could not read or write."""


class ChangedError(Error, OSError):
    """An input is not what it was."""


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


def in_python(message: str) -> str:
    """Options of the command line, as Python has them."""

    def argument(match: re.Match[str]) -> str:
        name = match[1].replace("-", "_")
        return {"pairwise": "pairwise=True", "force": "overwrite=True"}.get(name, name)

    return re.sub(r"(?<!\S)--([a-z]+(?:-[a-z]+)*)", argument, message)


def make(kind: str, message: str, file: Any, element: str | None, of: str | None = None) -> Error:
    """The exception of a failure of the engine; called by it. `of` names a class that is narrower than the kind's."""
    made = _CLASSES.get(of or kind, Error)
    return made(in_python(message), kind, None if file is None else str(file), element)


class Notice(UserWarning):
    """Something that the concatenation drops, converts or replaces.

    Attributes
    ----------
    kind
        What is told, as a stable word.
    details
        What it is told of: elements, dtypes, files, as in ``anncat inspect --json``.
    """

    def __init__(self, message: str, kind: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message, kind, details)
        self.message = message
        self.kind = kind
        self.details = details or {}

    def __str__(self) -> str:
        return self.message
