"""Many AnnData files as one, with the semantics of `anndata.concat`, without loading them.

>>> import anncat
>>> merged = anncat.open({"a": "a.h5ad", "b": "b.h5ad"}, join="outer", label="donor")  # doctest: +SKIP
>>> adata = merged.to_memory()  # doctest: +SKIP

`open` reads headers only and gives a `Merged`: what the result is, and every way to have it. `concat`
and `concat_on_disk` have the signatures of anndata's functions of these names.
"""

from __future__ import annotations

import os as _os
from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import _native
from ._errors import Error, Notice
from ._merged import Merged, concat, open, open_plan
from ._program import own_program as _own_program
from ._rows import RowDataset

if _TYPE_CHECKING:
    from ._concat_on_disk import concat_on_disk

__version__: str = _native.__version__

__all__ = ["Error", "Merged", "Notice", "RowDataset", "__version__", "concat", "concat_on_disk", "open", "open_plan"]


def __getattr__(name: str) -> object:
    # Imports anndata, which takes a second.
    if name == "concat_on_disk":
        from ._concat_on_disk import concat_on_disk

        return concat_on_disk
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__]


_os.register_at_fork(before=_native.drain)
if _program := _own_program():
    _native.use_helper(_program)
del _program
