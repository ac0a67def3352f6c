"""A progress bar, where there is tqdm; silent where not, and when told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

Tell = Callable[[str, int, int], None]


@contextlib.contextmanager
def bar(shown: bool = True) -> Iterator[Tell | None]:
    """A function that shows how far work is."""
    if not shown:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield None
        return
    bars: dict[str, Any] = {}

    def tell(what: str, done: int, total: int) -> None:
        for other in [name for name in bars if name != what]:
            bars.pop(other).close()
        if what not in bars:
            bars[what] = tqdm(total=total, desc=what, unit="B", unit_scale=True, leave=False)
        bars[what].total = total
        bars[what].update(done - bars[what].n)

    try:
        yield tell
    finally:
        for shown_bar in bars.values():
            shown_bar.close()
