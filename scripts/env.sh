# Sourced by the other scripts: where things are, and which cmake builds HDF5.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=${ANNCAT_VENV:-$ROOT/.venv}
PYTHON=$VENV/bin/python
# The second oracle: the newest anndata.
VENV_NEXT=${ANNCAT_VENV_NEXT:-$ROOT/.venv-next}
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
die() { printf 'error: %s\n' "$1" >&2; shift; for hint in "$@"; do printf '  hint: %s\n' "$hint" >&2; done; exit 1; }

# HDF5 2 is compiled into anncat and wants cmake >= 3.26, which many distributions do not have yet.
if [ -z "${CMAKE:-}" ] && [ -x "$VENV/bin/cmake" ]; then export CMAKE=$VENV/bin/cmake; fi
