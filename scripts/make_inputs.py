#!/usr/bin/env python3
"""Makes AnnData files that behave like real ones: counts with the sparsity and the skew of
single-cell data, genes most of which the files share, categories that overlap.

The content depends on --cells, --genes, --universe, --nnz, --seed and the number of the file alone,
not on its format or compression.
"""

import argparse
import warnings
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import zarr
from scipy import sparse

warnings.filterwarnings("ignore")


def genes_of(number, args):
    """The genes of one file (nine tenths of them in every file), and how abundant each is."""
    shared = np.random.default_rng([args.seed, 10**6])
    core = np.sort(shared.choice(args.universe, size=int(args.genes * 0.9), replace=False))
    others = np.setdiff1d(np.arange(args.universe), core)
    abundance = shared.lognormal(0, 2.0, args.universe)
    rng = np.random.default_rng([args.seed, number, 1])
    own = rng.choice(others, size=args.genes - len(core), replace=False)
    genes = np.sort(np.concatenate([core, own]))
    if args.shuffle_var:
        genes = rng.permutation(genes)
    return genes, abundance[genes] / abundance[genes].sum()


def depth_for(weights, nnz):
    """The depth of a cell at which `nnz` genes are seen on average."""
    low, high = 1.0, 1e9
    for _ in range(60):
        middle = np.sqrt(low * high)
        if (1 - np.exp(-middle * weights)).sum() < nnz:
            low = middle
        else:
            high = middle
    return low


def counts(rng, weights, args):
    """A CSR matrix of counts, made a block of rows at a time."""
    depth = depth_for(weights, args.nnz) * rng.lognormal(0, 0.35, args.cells)
    data, indices, lengths = [], [], []
    step = max(1, 20_000_000 // args.genes)
    for start in range(0, args.cells, step):
        rate = np.outer(depth[start : start + step].astype(np.float32), weights.astype(np.float32))
        seen = rng.random(rate.shape, dtype=np.float32) < -np.expm1(-rate)
        row, column = np.nonzero(seen)
        noise = rng.lognormal(0, 0.6, len(row)).astype(np.float32)
        data.append(np.maximum(1, np.rint(rate[row, column] * noise)).astype(args.dtype))
        indices.append(column.astype(np.int32))
        lengths.append(seen.sum(1))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int32)
    parts = (np.concatenate(data), np.concatenate(indices), indptr)
    return sparse.csr_matrix(parts, shape=(args.cells, args.genes))


def make(number, args):
    """The AnnData object of one file."""
    rng = np.random.default_rng([args.seed, number])
    genes, weights = genes_of(number, args)
    if args.dense:
        x = rng.poisson(0.3, (args.cells, args.genes)).astype(args.dtype)
        lengths, totals, means = (x > 0).sum(1), x.sum(1), x.mean(0)
    else:
        x = counts(rng, weights, args)
        lengths, totals, means = np.diff(x.indptr), np.asarray(x.sum(1)).ravel(), np.asarray(x.mean(0)).ravel()
    n = args.cells
    categories = {
        "sample_id": (rng.integers(0, 8, n), [f"S{number}_{k}" for k in range(8)]),
        "donor": (rng.integers(0, 4, n), [f"D{(number + k) % 6}" for k in range(4)]),
        # With missing values.
        "cell_type": (rng.integers(-1, 24, n), [f"celltype_{k}" for k in range(number, number + 24)]),
        "phase": (rng.integers(0, 3, n), ["G1", "S", "G2M"]),
        "leiden": (rng.integers(0, 20, n), [str(k) for k in range(20)]),
    }
    obs = {name: pd.Categorical.from_codes(codes, names) for name, (codes, names) in categories.items()}
    obs |= {
        "n_genes": lengths.astype(np.int32),
        "total_counts": totals.astype(np.float32),
        "pct_mito": rng.beta(2, 40, n),
        "is_doublet": rng.random(n) < 0.05,
        "barcode_raw": [f"BC{k:08d}" for k in rng.integers(0, 10**8, n)],
    }
    var = {
        "gene_symbol": [f"GENE{g}" for g in genes],
        "highly_variable": rng.random(args.genes) < 0.1,
        "mean": means,
    }
    return ad.AnnData(
        x,
        obs=pd.DataFrame(obs, index=[f"f{number}_cell{k:06d}-1" for k in range(n)]),
        var=pd.DataFrame(var, index=[f"ENSG{g:011d}" for g in genes]),
        obsm={"X_pca": rng.standard_normal((n, 50), dtype=np.float32)},
        uns={
            "title": f"synthetic {number}",
            "schema_version": "5.0.0",
            "neighbors": {"params": {"n_neighbors": 15}},
        },
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="directory to write in0, in1, ... to")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--cells", type=int, default=50_000, help="cells a file")
    parser.add_argument("--genes", type=int, default=20_000, help="genes a file")
    parser.add_argument("--universe", type=int, default=25_000, help="genes that there are")
    parser.add_argument("--nnz", type=int, default=1_000, help="genes seen in a cell, on average")
    parser.add_argument("--dense", action="store_true", help="a dense X")
    parser.add_argument("--shuffle-var", action="store_true", help="genes in another order in each file")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", choices=["h5ad", "zarr"], default="h5ad")
    parser.add_argument("--zarr-format", type=int, choices=[2, 3], default=2, help="of zarr without shards")
    parser.add_argument("--shard", action="store_true", help="zarr v3 in shards of a gigabyte, as anndata 0.13 writes it")
    parser.add_argument("--compression", default="none", help="of an h5ad: none, gzip, lzf; or several, with commas")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for number in range(args.files):
        adata = make(number, args)
        if args.format == "zarr":
            path = args.out / f"in{number}.zarr"
            ad.settings.zarr_write_format = 3 if args.shard else args.zarr_format
            if args.shard:
                zarr.config.set({"array.target_shard_size_bytes": 1_000_000_000})
                ad.settings.auto_shard_zarr_v3 = True
            adata.write_zarr(path)
            print(path, adata.shape, flush=True)
            continue
        for compression in args.compression.split(","):
            path = args.out / f"in{number}.{compression}.h5ad"
            adata.write_h5ad(path, compression=None if compression == "none" else compression)
            print(path, adata.shape, flush=True)


if __name__ == "__main__":
    main()
