"""The `anncat` program that is installed with this package."""

from __future__ import annotations

import os
import sysconfig


def own_program() -> str | None:
    """Its path, or None where the package was not installed from a wheel (as in a source tree).

    `ANNCAT_BIN` names another. One that is merely on the PATH may be of another version.
    """
    site = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    places = (
        os.environ.get("ANNCAT_BIN"),
        # PREFIX/lib/python3.x/site-packages, in an environment and for a user; DIR of `pip install --target DIR`.
        os.path.join(site, "..", "..", "..", "bin", "anncat"),
        os.path.join(site, "bin", "anncat"),
        os.path.join(sysconfig.get_path("scripts"), "anncat"),
    )
    paths = (os.path.abspath(place) for place in places if place)
    return next((path for path in paths if os.access(path, os.X_OK)), None)
