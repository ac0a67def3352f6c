"""annbatch in a process of its own (it wants Python 3.12), over its own copy, `Merged.store` or a mount.

usage: annbatch_loader.py build COPY INPUT...           makes the copy that annbatch recommends
       annbatch_loader.py own|mount ORDER PATH          ORDER: sequence, shuffled
       annbatch_loader.py store ORDER INPUT...

Prints batches a second of the first epoch, opening included, up to some seconds. A batch is 1,024 rows in 16 runs of 64.
"""

import shutil
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
SECONDS = 8.0
BATCH, RUN = 1024, 64


def build(copy, inputs):
    import zarr
    from annbatch import DatasetCollection

    shutil.rmtree(copy, ignore_errors=True)
    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})
    DatasetCollection(Path(copy) / "collection.zarr").add_adatas(inputs)


def groups_of(over, words):
    """The groups to read, and whether they lie in files."""
    import zarr

    match over:
        case "own":
            from annbatch import DatasetCollection

            return list(DatasetCollection(Path(words[0]) / "collection.zarr", mode="r")), True
        case "mount":
            return [zarr.open_group(words[0], mode="r")], True
        case "store":
            import anncat

            # zarr-python reads whole chunks, so that they should be about as long as a run of rows.
            return [zarr.open_group(anncat.open(words, join="outer").store(chunk_elems=2**16), mode="r")], False


def rate(over, order, words):
    """Batches a second."""
    import anndata as ad
    import numpy as np
    import pandas as pd
    import zarr
    from annbatch import Loader

    # What annbatch asks for; it reads files only.
    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": 4})
    start = time.perf_counter()
    groups, are_files = groups_of(over, words)
    if not are_files:
        zarr.config.set({"codec_pipeline.path": "zarr.core.codec_pipeline.FusedCodecPipeline"})
        groups = [zarr.open_group(group.store, mode="r") for group in groups]
    shuffled = {"shuffle": True, "rng": np.random.default_rng(1)} if order == "shuffled" else {}
    loader = Loader(batch_size=BATCH, chunk_size=RUN, preload_nchunks=BATCH // RUN, preload_to_gpu=False, **shuffled)
    for group in groups:
        x = ad.io.sparse_dataset(group["X"])
        loader.add_adata(ad.AnnData(X=x, obs=pd.DataFrame(index=pd.RangeIndex(x.shape[0]).astype(str))))
    batches = 0
    for _ in loader:
        batches += 1
        if time.perf_counter() - start > SECONDS:
            break
    return batches / (time.perf_counter() - start)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "build":
        build(words[0], words[1:])
        print("null")
    else:
        print(rate(what, words[0], words[1:]))
