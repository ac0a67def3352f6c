"""Prints a digest of every dataset of an HDF5 file, with whatever h5py (or, with --pyfive, pyfive) this Python has.

The same file has the same digests in all of them; needs nothing of this repository.
"""

import argparse
import hashlib
import os
import sys


def digests(file, is_dataset):
    """Path and digest of each dataset, and of the attributes of everything, in order of their paths."""
    found = {}

    def visit(path, node):
        for name in sorted(node.attrs):
            found[f"{path}@{name}"] = digest(node.attrs[name])
        if is_dataset(node):
            found[path] = "null" if node.shape is None else digest(node[()])
            return
        for name in sorted(node.keys()):
            visit(f"{path}/{name}", node[name])

    visit("", file)
    return found


def digest(value):
    """Of values, without what readers differ in: str or bytes, one element or an array of one."""
    import numpy as np

    array = np.atleast_1d(np.asarray(value))
    if array.dtype.kind in "OSUT":
        texts = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
        data = b"\0".join(texts)
    else:
        data = np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(data).hexdigest()[:16]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--pyfive", action="store_true")
    arguments = parser.parse_args()
    if arguments.pyfive:
        import pyfive

        file, of = pyfive.File(arguments.file), lambda node: isinstance(node, pyfive.Dataset)
        print("pyfive", pyfive.__version__, file=sys.stderr)
    else:
        import h5py

        file, of = h5py.File(arguments.file, "r"), lambda node: isinstance(node, h5py.Dataset)
        print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version, os.environ.get("HDF5_USE_FILE_LOCKING"), file=sys.stderr)
    for path, value in digests(file, of).items():
        print(value, path)


if __name__ == "__main__":
    main()
