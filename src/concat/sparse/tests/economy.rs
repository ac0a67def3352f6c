//! What reading costs: a plan reads nothing, and a region only what it needs, on as many threads as it
//! may.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;

use super::*;

/// An array that counts the elements read from it.
#[derive(Debug)]
struct Metered {
    array: SharedArray,
    elements: Arc<AtomicU64>,
}

impl ArraySource for Metered {
    fn dtype(&self) -> DType {
        self.array.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.array.shape()
    }

    /// As if ten elements were decoded at once.
    fn decoded_with(&self, element: u64) -> Option<std::ops::Range<u64>> {
        let start = element / 10 * 10;
        Some(start..(start + 10).min(self.shape()[0]))
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.elements.fetch_add(region.num_elements(), Ordering::SeqCst);
        self.array.read_into(region, out)
    }
}

/// Counts what is read of `data`, `indices` and `indptr`.
#[derive(Default)]
struct Meters([Arc<AtomicU64>; 3]);

impl Meters {
    fn over(&self, sparse: &Sparse) -> Sparse {
        let (data, indices, indptr) = stored(sparse);
        let metered = |array: &SharedArray, meter: usize| -> SharedArray {
            let elements = Arc::clone(&self.0[meter]);
            Arc::new(Metered { array: Arc::clone(array), elements })
        };
        let body = SparseBody::Stored {
            data: metered(data, 0),
            indices: metered(indices, 1),
            indptr: metered(indptr, 2),
        };
        Sparse { body, ..sparse.clone() }
    }

    /// Elements read since the last call.
    fn take(&self) -> [u64; 3] {
        [0, 1, 2].map(|meter| self.0[meter].swap(0, Ordering::SeqCst))
    }
}

/// Cells that express every other gene.
fn striped(cells: u64, genes: u64) -> Sparse {
    let cell: Vec<(u64, f64)> = (0..genes).step_by(2).map(|gene| (gene, 1.0)).collect();
    let entries = vec![cell; cells as usize];
    compress(SparseFormat::Csr, [cells, genes], DType::F32, DType::I32, &entries)
}

fn read(array: &SharedArray, range: std::ops::Range<u64>) {
    read_vec(array.as_ref(), &Region::line(range)).unwrap();
}

#[test]
fn a_thousand_inputs_cost_one_number_each() {
    let (meters, single) = (Meters::default(), Meters::default());
    let sparse = striped(10, 8);
    let parts = (0..1000)
        .map(|at| {
            let meters = if at == 500 { &single } else { &meters };
            part(meters.over(&sparse), Indexer::identity(8))
        })
        .collect();
    let planned = plan_stack(parts, Axis::Rows, &StackOptions::default()).unwrap();
    assert_eq!((meters.take(), single.take()), ([0; 3], [0; 3]));
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    assert_eq!((meters.take(), single.take()), ([0, 0, 999], [0, 0, 1]));
    let (data, indices, indptr) = stored(&merged);
    read(data, 20_004..20_008);
    read(indices, 20_004..20_008);
    read(indptr, 5_001..5_003);
    assert_eq!((meters.take(), single.take()), ([0; 3], [4, 4, 2]));
}

#[test]
fn a_census_reads_indices_once_and_no_values() {
    let meters = Meters::default();
    let thinned = Indexer::new(8, vec![0, 1, 2, 6, 7]);
    let parts = vec![part(meters.over(&striped(100, 8)), thinned)];
    let planned = plan_stack(parts, Axis::Rows, &StackOptions::default()).unwrap();
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    assert_eq!(meters.take(), [0, 400, 102]);
    // Both halves of a block come from one reading of its source.
    let (data, indices, _) = stored(&merged);
    read(data, 0..30);
    assert_eq!(meters.take()[..2], [400, 400]);
    read(indices, 0..30);
    assert_eq!(meters.take()[..2], [0, 0]);
}

#[test]
fn a_writer_reads_indices_once_for_both_halves() {
    let meters = Meters::default();
    // Reversed, so that values move too; long enough for reads past the cache.
    let reversed = Indexer::new(8, vec![7, 6, 5, 4, 3, 2, 1, 0]);
    let parts = vec![part(meters.over(&striped(100_000, 8)), reversed)];
    let planned = plan_stack(parts, Axis::Rows, &StackOptions::default()).unwrap();
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    let (data, indices, _) = stored(&merged);
    meters.take();
    crate::base::parallel::sequentially(|| {
        read(data, 0..400_000);
        assert_eq!(meters.take()[..2], [400_000, 400_000]);
        read(indices, 0..400_000);
        assert_eq!(meters.take()[..2], [0, 0]);
    });
}

#[test]
fn a_rising_map_leaves_the_values_alone() {
    let meters = Meters::default();
    let widened = Indexer::prefix(8, 10);
    let parts = vec![part(meters.over(&striped(100, 8)), widened)];
    let planned = plan_stack(parts, Axis::Rows, &StackOptions::default()).unwrap();
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    assert_eq!(meters.take(), [0, 0, 1]);
    let (data, indices, _) = stored(&merged);
    read(data, 100..105);
    read(indices, 100..105);
    assert_eq!(meters.take(), [5, 5, 0]);
}

#[test]
fn what_is_decoded_together_is_numbered_along_the_stack() {
    let meters = Meters::default();
    let part = || part(meters.over(&striped(3, 8)), Indexer::prefix(8, 10));
    let planned = plan_stack(vec![part(), part()], Axis::Rows, &StackOptions::default()).unwrap();
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    let (data, indices, _) = stored(&merged);
    for array in [data, indices] {
        let told = [0, 11, 12, 23, 24].map(|entry| array.decoded_with(entry));
        assert_eq!(told, [Some(0..10), Some(10..12), Some(12..22), Some(22..24), None]);
    }
}

/// An array that notes by which threads it is read.
#[derive(Debug)]
struct Watched {
    array: SharedArray,
    threads: Arc<Mutex<HashSet<ThreadId>>>,
}

impl ArraySource for Watched {
    fn dtype(&self) -> DType {
        self.array.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.array.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.threads.lock().unwrap().insert(std::thread::current().id());
        self.array.read_into(region, out)
    }
}

#[test]
fn a_sequential_read_stays_on_its_thread() {
    let reversed = || Indexer::new(8, vec![7, 6, 5, 4, 3, 2, 1, 0]);
    let identity = || Indexer::identity(8);
    for (format, other) in [
        (SparseFormat::Csr, identity as fn() -> Indexer),
        (SparseFormat::Csr, reversed),
        (SparseFormat::Csc, identity),
        (SparseFormat::Csc, reversed),
    ] {
        let threads = Arc::<Mutex<HashSet<ThreadId>>>::default();
        let watched = |array: &SharedArray| -> SharedArray {
            Arc::new(Watched { array: Arc::clone(array), threads: Arc::clone(&threads) })
        };
        // Enough entries for many blocks, which are spread over threads otherwise.
        let entries: Vec<Vec<(u64, f64)>> = match format {
            SparseFormat::Csr => vec![(0..8).map(|gene| (gene, 1.0)).collect(); 50_000],
            SparseFormat::Csc => vec![(0..50_000).map(|cell| (cell, 1.0)).collect(); 8],
        };
        let sparse = compress(format, [50_000, 8], DType::F32, DType::I32, &entries);
        let (data, indices, indptr) = stored(&sparse);
        let body = SparseBody::Stored {
            data: watched(data),
            indices: watched(indices),
            indptr: watched(indptr),
        };
        let sparse = Sparse { body, ..sparse.clone() };
        let parts = (0..6)
            .map(|_| SparsePart {
                source: PartSource::Sparse(sparse.clone()),
                extent: 50_000,
                other: other(),
                origin: origin(),
            })
            .collect();
        let planned = plan_stack(parts, Axis::Rows, &StackOptions::default()).unwrap();
        let merged = resolve(&planned, &env(), &Silent).unwrap();
        threads.lock().unwrap().clear();
        let (data, indices, indptr) = stored(&merged);
        crate::base::parallel::sequentially(|| {
            for array in [data, indices, indptr] {
                read_all(array.as_ref()).unwrap();
            }
        });
        let this = std::thread::current().id();
        assert_eq!(*threads.lock().unwrap(), HashSet::from([this]), "{format:?}");
    }
}
