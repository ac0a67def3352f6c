//! The loops over sparse entries: the census of an inner join, and rows rewritten while they are
//! read. Throughput counts the bytes of the arrays that come out (indices alone for the census).
//!
//! `cargo bench --bench sparse`

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anncat::anndata::{Sparse, SparseBody, SparseFormat};
use anncat::array::{MemoryArray, read_vec};
use anncat::base::indexer::MISSING;
use anncat::base::{DType, Indexer, Region, Silent};
use anncat::concat::sparse::{
    Axis, BlockCache, CensusEnv, Origin, PartSource, SparsePart, StackOptions, plan_stack, resolve,
};
use divan::Bencher;
use divan::counter::BytesCount;

const CELLS: u64 = 20_000;
const GENES: u32 = 30_000;
const PER_CELL: u32 = 1_000;
const ENTRIES: u64 = CELLS * PER_CELL as u64;

fn main() {
    divan::main();
}

/// A matrix whose cells express every 30th gene or so.
fn matrix() -> &'static Sparse {
    static MATRIX: OnceLock<Sparse> = OnceLock::new();
    MATRIX.get_or_init(|| {
        let mut state = 1_u32;
        let mut indices = Vec::with_capacity(ENTRIES as usize * 4);
        let step = GENES / PER_CELL;
        for entry in 0..ENTRIES as u32 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let gene = entry % PER_CELL * step + state % step;
            indices.extend(gene.to_le_bytes());
        }
        let indptr: Vec<u8> =
            (0..=CELLS).flat_map(|cell| (cell as u32 * PER_CELL).to_le_bytes()).collect();
        let data = vec![0x3F; ENTRIES as usize * 4];
        Sparse {
            format: SparseFormat::Csr,
            shape: [CELLS, u64::from(GENES)],
            dtype: DType::F32,
            body: SparseBody::Stored {
                data: MemoryArray::shared(DType::F32, &[ENTRIES], data),
                indices: MemoryArray::shared(DType::I32, &[ENTRIES], indices),
                indptr: MemoryArray::shared(DType::I32, &[CELLS + 1], indptr),
            },
        }
    })
}

fn env() -> CensusEnv {
    CensusEnv {
        cache_dir: None,
        spill_dir: std::env::temp_dir(),
        memory_bytes: 64 << 20,
        blocks: Arc::new(BlockCache::new(64 << 20)),
        told_unkept: Arc::new(std::sync::Once::new()),
    }
}

fn merged(other: Indexer) -> Sparse {
    let origin = Origin {
        file: Arc::new(PathBuf::from("a.h5ad")),
        element: "/X".into(),
        identity: "".into(),
    };
    let source = PartSource::Sparse(matrix().clone());
    let part = SparsePart { source, extent: CELLS, other, origin };
    plan_stack(vec![part], Axis::Rows, &StackOptions::default())
        .and_then(|planned| resolve(&planned, &env(), &Silent))
        .unwrap_or_else(|error| unreachable!("{error}"))
}

/// Nine of ten genes, in their order.
fn thinned() -> Indexer {
    Indexer::new(u64::from(GENES), (0..GENES).filter(|gene| gene % 10 != 3).collect::<Vec<_>>())
}

/// All genes, far from their order.
fn shuffled() -> Indexer {
    Indexer::new(u64::from(GENES), (0..GENES).map(|gene| gene * 7_919 % GENES).collect::<Vec<_>>())
}

/// All genes in order, among as many others.
fn widened() -> Indexer {
    let among = |target: u32| if target.is_multiple_of(2) { target / 2 } else { MISSING };
    Indexer::new(u64::from(GENES), (0..GENES * 2).map(among).collect::<Vec<_>>())
}

/// Reads both arrays in pieces of `entries`, one after another, as a writer of chunks does.
fn read(bencher: Bencher<'_, '_>, sparse: &Sparse, entries: u64) {
    let SparseBody::Stored { data, indices, .. } = &sparse.body else { return };
    let nnz = data.shape()[0];
    bencher.counter(BytesCount::new(nnz * 8)).bench(|| {
        for start in (0..nnz).step_by(entries as usize) {
            let region = Region::line(start..(start + entries).min(nnz));
            for array in [data, indices] {
                divan::black_box(read_vec(array.as_ref(), &region).is_ok());
            }
        }
    });
}

#[divan::bench(sample_count = 5)]
fn census(bencher: Bencher<'_, '_>) {
    matrix();
    bencher.counter(BytesCount::new(ENTRIES * 4)).bench(|| merged(thinned()));
}

#[divan::bench(sample_count = 5, args = [32 << 10, 1 << 20])]
fn read_identity(bencher: Bencher<'_, '_>, entries: u64) {
    read(bencher, &merged(Indexer::identity(u64::from(GENES))), entries);
}

#[divan::bench(sample_count = 5, args = [32 << 10, 1 << 20])]
fn read_widened(bencher: Bencher<'_, '_>, entries: u64) {
    read(bencher, &merged(widened()), entries);
}

#[divan::bench(sample_count = 5, args = [32 << 10, 1 << 20])]
fn read_thinned(bencher: Bencher<'_, '_>, entries: u64) {
    read(bencher, &merged(thinned()), entries);
}

#[divan::bench(sample_count = 5, args = [32 << 10, 1 << 20])]
fn read_shuffled(bencher: Bencher<'_, '_>, entries: u64) {
    read(bencher, &merged(shuffled()), entries);
}

/// One cell at random through the cache, as a training loader asks for it.
#[divan::bench(sample_count = 5, sample_size = 1000)]
fn random_cell_thinned(bencher: Bencher<'_, '_>) {
    let sparse = merged(thinned());
    let SparseBody::Stored { data, indices, .. } = &sparse.body else { return };
    let nnz = data.shape()[0];
    let mut at = 0;
    bencher.bench_local(|| {
        at = (at + 7_654_321) % (nnz - 1_000);
        let region = Region::line(at..at + 1_000);
        for array in [data, indices] {
            divan::black_box(read_vec(array.as_ref(), &region).is_ok());
        }
    });
}
