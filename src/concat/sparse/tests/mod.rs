//! Random matrices, what they mean, and the contract of arrays; the tests themselves are below.

mod economy;
mod faults;
mod library;
mod merge;
mod stacks;

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::{ArraySource, MemoryArray, SharedArray, cast_bytes, read_all, read_vec};
use crate::base::indexer::MISSING;
use crate::base::{DType, Indexer, ReadError, Region, Silent};
use crate::concat::numpy::FillValue;

/// A small generator of numbers (splitmix64), so that a failing seed can be run again.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// Rows of values; what the matrix means.
type Dense = Vec<Vec<f64>>;

fn env() -> CensusEnv {
    CensusEnv {
        cache_dir: None,
        spill_dir: std::env::temp_dir(),
        memory_bytes: 1 << 20,
        blocks: Arc::new(BlockCache::new(1 << 20)),
        told_unkept: Arc::new(std::sync::Once::new()),
    }
}

fn origin() -> Origin {
    Origin { file: Arc::new(PathBuf::from("a.h5ad")), element: "/X".into(), identity: "".into() }
}

fn encode(numbers: &[f64], dtype: DType) -> Vec<u8> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut out = vec![0; numbers.len() * dtype.size_bytes()];
    cast_bytes(DType::F64, &bytes, dtype, &mut out);
    out
}

fn decode(dtype: DType, bytes: &[u8]) -> Vec<f64> {
    let mut out = vec![0; bytes.len() / dtype.size_bytes() * 8];
    cast_bytes(dtype, bytes, DType::F64, &mut out);
    out.as_chunks::<8>().0.iter().map(|raw| f64::from_le_bytes(*raw)).collect()
}

fn line(numbers: &[f64], dtype: DType) -> SharedArray {
    MemoryArray::shared(dtype, &[numbers.len() as u64], encode(numbers, dtype))
}

/// A sparse matrix from (major, minor, value) triplets in any order within a major slice.
fn compress(
    format: SparseFormat,
    shape: [u64; 2],
    dtype: DType,
    index_dtype: DType,
    entries: &[Vec<(u64, f64)>],
) -> Sparse {
    let (mut data, mut indices, mut indptr) = (Vec::new(), Vec::new(), vec![0.0]);
    for major in entries {
        for &(minor, value) in major {
            indices.push(minor as f64);
            data.push(value);
        }
        indptr.push(data.len() as f64);
    }
    Sparse {
        format,
        shape,
        dtype,
        body: SparseBody::Stored {
            data: line(&data, dtype),
            indices: line(&indices, index_dtype),
            indptr: line(&indptr, index_dtype),
        },
    }
}

fn stored(sparse: &Sparse) -> (&SharedArray, &SharedArray, &SharedArray) {
    match &sparse.body {
        SparseBody::Stored { data, indices, indptr } => (data, indices, indptr),
        SparseBody::Planned(_) => panic!("still planned"),
    }
}

/// What a matrix means; duplicates add up.
fn meaning(sparse: &Sparse) -> Dense {
    let (data, indices, indptr) = stored(sparse);
    assert_eq!(data.dtype(), sparse.dtype);
    assert_eq!(indices.dtype(), indptr.dtype());
    let values = decode(data.dtype(), &read_all(data.as_ref()).unwrap());
    let minors = decode(indices.dtype(), &read_all(indices.as_ref()).unwrap());
    let offsets = decode(indptr.dtype(), &read_all(indptr.as_ref()).unwrap());
    let [rows, columns] = sparse.shape;
    let num_major = if sparse.format == SparseFormat::Csr { rows } else { columns };
    assert_eq!(offsets.len() as u64, num_major + 1);
    assert_eq!(offsets.last().copied().unwrap() as usize, values.len());
    let mut dense = vec![vec![0.0; columns as usize]; rows as usize];
    for major in 0..num_major as usize {
        for entry in offsets[major] as usize..offsets[major + 1] as usize {
            let minor = minors[entry] as usize;
            let (row, column) = match sparse.format {
                SparseFormat::Csr => (major, minor),
                SparseFormat::Csc => (minor, major),
            };
            dense[row][column] += values[entry];
        }
    }
    dense
}

/// Any region equals the same slice of the whole.
fn check_contract(array: &dyn ArraySource, rng: &mut Rng) {
    let whole = read_all(array).unwrap();
    let unit = array.dtype().size_bytes();
    let len = array.shape()[0];
    for _ in 0..6 {
        let start = rng.below(len + 1);
        let end = start + rng.below(len - start + 1);
        let part = read_vec(array, &Region::line(start..end)).unwrap();
        assert_eq!(part, whole[start as usize * unit..end as usize * unit], "{start}..{end}");
    }
}

fn random_entries(rng: &mut Rng, majors: u64, minors: u64, tidy: bool) -> Vec<Vec<(u64, f64)>> {
    let percent = rng.pick(&[0, 5, 40, 90]);
    let mut entries = Vec::new();
    for _ in 0..majors {
        let mut slice: Vec<(u64, f64)> = Vec::new();
        for minor in 0..minors {
            if rng.chance(percent) {
                slice.push((minor, rng.below(9) as f64));
                if !tidy && rng.chance(5) {
                    slice.push((minor, 1.0));
                }
            }
        }
        if !tidy {
            rng.shuffle(&mut slice);
        }
        entries.push(slice);
    }
    entries
}

/// An indexer between axes, injective, with or without loss, introduction and order.
fn random_indexer(rng: &mut Rng, source_len: u64, target_len: u64) -> Indexer {
    let mut sources: Vec<u32> = (0..source_len as u32).collect();
    let ordered = rng.chance(50);
    rng.shuffle(&mut sources);
    sources.resize(sources.len().max(target_len as usize), MISSING);
    sources.truncate(target_len as usize);
    if ordered {
        sources.sort_unstable();
        // Missing positions anywhere, the others rising.
        let mut gaps: Vec<bool> = sources.iter().map(|&source| source == MISSING).collect();
        rng.shuffle(&mut gaps);
        let mut present = sources.into_iter();
        sources = gaps
            .into_iter()
            .map(|gap| if gap { MISSING } else { present.next().unwrap() })
            .collect();
    } else {
        rng.shuffle(&mut sources);
    }
    Indexer::new(source_len, sources)
}

fn csr(shape: [u64; 2], data: &[f64], indices: &[f64], indptr: &[f64]) -> Sparse {
    Sparse {
        format: SparseFormat::Csr,
        shape,
        dtype: DType::F32,
        body: SparseBody::Stored {
            data: line(data, DType::F32),
            indices: line(indices, DType::I32),
            indptr: line(indptr, DType::I32),
        },
    }
}

fn part(sparse: Sparse, other: Indexer) -> SparsePart {
    let extent = sparse.shape[0];
    SparsePart { source: PartSource::Sparse(sparse), extent, other, origin: origin() }
}

/// Reads everything; the first error.
fn read_through(parts: Vec<SparsePart>) -> Result<(), ReadError> {
    let planned = plan_stack(parts, Axis::Rows, &StackOptions::default())?;
    let merged = resolve(&planned, &env(), &Silent)?;
    let (data, indices, indptr) = stored(&merged);
    [indptr, indices, data].into_iter().try_for_each(|array| read_all(array.as_ref()).map(drop))
}
