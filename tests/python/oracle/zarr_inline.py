"""Lets zarr-python run in the calling thread, which is several times faster for tiny stores.

zarr-python hands each operation to an event loop in another thread, and each file and chunk from
there to a third; on stores of a few bytes an element nearly all of the time is waiting for those.
Within `inline()` what would go to a thread is called, and what would be gathered is awaited in turn,
so that no coroutine of zarr ever suspends and one step runs it to its end. What is read and written
stays the same. Only tools that make many small stores use this; tests of how readers behave on a
mount do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import sys
import types
from unittest import mock

import anndata  # noqa: F401 (what is replaced in it must be there)
import zarr.core.sync


def sync(coro, loop=None, timeout=None):
    """`zarr.core.sync.sync`, in this thread."""
    try:
        coro.send(None)
    except StopIteration as done:
        return done.value
    coro.close()
    raise RuntimeError("a coroutine of zarr waits for something: oracle/zarr_inline.py does not know it")


async def to_thread(function, /, *args, **kwargs):
    """`asyncio.to_thread` without the thread."""
    return function(*args, **kwargs)


async def gather(*awaitables, return_exceptions: bool = False):
    """`asyncio.gather`, one after another; all are run even when one fails."""
    results, failed = [], None
    for awaitable in awaitables:
        try:
            results.append(await awaitable)
        except Exception as error:
            results.append(error)
            failed = failed or error
    if failed is not None and not return_exceptions:
        raise failed
    return results


def _as_is(coro, **_):
    return coro


@functools.cache
def _patches() -> list[tuple[types.ModuleType, str, object]]:
    """What is to be put where: (module, name, replacement)."""
    inline = types.ModuleType("asyncio")
    inline.__dict__.update(
        asyncio.__dict__,
        to_thread=to_thread,
        gather=gather,
        create_task=_as_is,
        ensure_future=_as_is,
        as_completed=iter,
    )
    # anndata asks which zarr there is with every array it writes; the answer stays the same.
    version = functools.cache(importlib.metadata.version)
    replaced = {
        "zarr": {"sync": (zarr.core.sync.sync, sync), "asyncio": (asyncio, inline), "gather": (asyncio.gather, gather)},
        "anndata": {"version": (importlib.metadata.version, version)},
    }
    return [
        (module, name, new)
        for full_name, module in list(sys.modules.items())
        for name, (old, new) in replaced.get(full_name.split(".")[0], {}).items()
        if getattr(module, name, None) is old
    ]


@contextlib.contextmanager
def inline():
    """In this context, zarr-python does everything in the calling thread."""
    with contextlib.ExitStack() as stack:
        for module, name, new in _patches():
            stack.enter_context(mock.patch.object(module, name, new))
        yield
