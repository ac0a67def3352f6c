//! Random stacks against a dense reference, and the contract of arrays for every kind of part.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::array::{ArraySource, MemoryArray, cast_bytes, read_all, read_vec};
use crate::base::indexer::MISSING;
use crate::base::{ReadError, Region, Silent};

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

struct Case {
    parts: Vec<SparsePart>,
    expected: Dense,
}

#[derive(Clone, Copy)]
struct Traits<'a> {
    formats: &'a [Option<SparseFormat>],
    axis: Axis,
    fill: f64,
}

/// Parts and the dense meaning of their stack. A format of `None` is a dense part.
fn random_case(rng: &mut Rng, traits: Traits<'_>) -> Case {
    let Traits { formats, axis, fill } = traits;
    let target_len = rng.below(40);
    let mut parts = Vec::new();
    // Collected as slices along the stack axis, each over the other axis.
    let mut slices: Vec<Vec<f64>> = Vec::new();
    for _ in 0..1 + rng.below(4) {
        let extent = rng.below(30);
        if rng.chance(10) {
            slices.extend((0..extent).map(|_| vec![fill; target_len as usize]));
            let other = Indexer::all_missing(target_len);
            parts.push(SparsePart { source: PartSource::Empty, extent, other, origin: origin() });
            continue;
        }
        let source_len = rng.below(40);
        let other = if rng.chance(25) {
            Indexer::identity(target_len)
        } else {
            random_indexer(rng, source_len, target_len)
        };
        let source_len = other.source_len();
        let shape = match axis {
            Axis::Rows => [extent, source_len],
            Axis::Columns => [source_len, extent],
        };
        let dtype =
            rng.pick(&[DType::F32, DType::F64, DType::I32, DType::U8, DType::I64, DType::C128]);
        let format = rng.pick(formats);
        let tidy = format.is_none() || rng.chance(60);
        let by_columns = format == Some(SparseFormat::Csc);
        let (majors, minors) = if by_columns { (shape[1], shape[0]) } else { (shape[0], shape[1]) };
        let entries = random_entries(rng, majors, minors, tidy);
        let mut dense = vec![vec![0.0; shape[1] as usize]; shape[0] as usize];
        for (major, slice) in entries.iter().enumerate() {
            for &(minor, value) in slice {
                let minor = minor as usize;
                let (row, column) = if by_columns { (minor, major) } else { (major, minor) };
                dense[row][column] += value;
            }
        }
        for at in 0..extent {
            let element = |source: u64| match axis {
                Axis::Rows => dense[at as usize][source as usize],
                Axis::Columns => dense[source as usize][at as usize],
            };
            slices.push((0..target_len).map(|t| other.get(t).map_or(fill, element)).collect());
        }
        let source = match format {
            Some(format) => {
                let index_dtype = rng.pick(&[DType::I32, DType::I64, DType::U32]);
                PartSource::Sparse(compress(format, shape, dtype, index_dtype, &entries))
            }
            None => {
                let flat: Vec<f64> = dense.into_iter().flatten().collect();
                PartSource::Dense(MemoryArray::shared(dtype, &shape, encode(&flat, dtype)))
            }
        };
        parts.push(SparsePart { source, extent, other, origin: origin() });
    }
    let expected = match axis {
        Axis::Rows => slices,
        Axis::Columns => (0..target_len as usize)
            .map(|other| slices.iter().map(|slice| slice[other]).collect())
            .collect(),
    };
    Case { parts, expected }
}

fn run_case(seed: u64, formats: &[Option<SparseFormat>], choice: FormatChoice) {
    let rng = &mut Rng(seed);
    let axis = rng.pick(&[Axis::Rows, Axis::Columns]);
    let fill = rng.pick(&[0.0, 0.0, 3.0]);
    let case = random_case(rng, Traits { formats, axis, fill });
    let options = StackOptions { fill: Some(FillValue::Float(fill)), format: choice };
    let planned = plan_stack(case.parts, axis, &options).unwrap();
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    assert_eq!(merged.shape, planned.shape());
    assert_eq!(meaning(&merged), case.expected, "seed {seed}");
    let (data, indices, indptr) = stored(&merged);
    for array in [data, indices, indptr] {
        check_contract(array.as_ref(), rng);
    }
}

#[test]
fn stacks_of_one_format_mean_what_they_should() {
    for seed in 0..400 {
        run_case(seed, &[Some(SparseFormat::Csr)], FormatChoice::Auto);
        run_case(seed, &[Some(SparseFormat::Csc)], FormatChoice::Auto);
    }
}

#[test]
fn mixed_stacks_mean_what_they_should() {
    let formats = [Some(SparseFormat::Csr), Some(SparseFormat::Csc), None];
    for seed in 1000..1300 {
        run_case(seed, &formats, FormatChoice::Auto);
        run_case(seed, &formats, FormatChoice::Always(SparseFormat::Csr));
        run_case(seed, &formats, FormatChoice::Always(SparseFormat::Csc));
    }
}

#[test]
fn long_parts_are_read_in_blocks_and_tasks() {
    // Enough entries for many blocks, so that long reads take the path past the cache.
    for (format, axis) in [
        (SparseFormat::Csr, Axis::Rows),
        (SparseFormat::Csr, Axis::Columns),
        (SparseFormat::Csc, Axis::Rows),
    ] {
        let rng = &mut Rng(7);
        let parts: Vec<SparsePart> = (0..3)
            .map(|_| {
                let (extent, source_len) = (3000, 400);
                let shape = match axis {
                    Axis::Rows => [extent, source_len],
                    Axis::Columns => [source_len, extent],
                };
                let (majors, minors) = match format {
                    SparseFormat::Csr => (shape[0], shape[1]),
                    SparseFormat::Csc => (shape[1], shape[0]),
                };
                let entries: Vec<Vec<(u64, f64)>> = (0..majors)
                    .map(|_| {
                        (0..minors)
                            .filter(|_| rng.chance(30))
                            .map(|m| (m, 1.0 + m as f64))
                            .collect()
                    })
                    .collect();
                let sparse = compress(format, shape, DType::F32, DType::I32, &entries);
                let other = random_indexer(rng, source_len, 350);
                SparsePart { source: PartSource::Sparse(sparse), extent, other, origin: origin() }
            })
            .collect();
        let planned = plan_stack(parts, axis, &StackOptions::default()).unwrap();
        let merged = resolve(&planned, &env(), &Silent).unwrap();
        let (data, indices, indptr) = stored(&merged);
        assert!(data.shape()[0] > 500_000);
        for array in [data, indices, indptr] {
            check_contract(array.as_ref(), rng);
        }
    }
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

#[test]
fn sources_that_contradict_themselves_are_errors() {
    let reversed = || Indexer::new(3, vec![2, 1, 0]);
    let thinned = || Indexer::new(3, vec![2, 0]);
    let bad = [
        csr([2, 3], &[1.0, 2.0], &[0.0, 3.0], &[0.0, 1.0, 2.0]),
        csr([2, 3], &[1.0, 2.0], &[0.0, -1.0], &[0.0, 1.0, 2.0]),
        csr([2, 3], &[1.0, 2.0], &[0.0, 1.0], &[0.0, 2.0, 1.0]),
        csr([2, 3], &[1.0, 2.0], &[0.0, 1.0], &[0.0, 1.0, 3.0]),
        csr([2, 3], &[1.0, 2.0], &[0.0, 1.0], &[1.0, 1.0, 2.0]),
        csr([2, 3], &[1.0, 2.0], &[0.0, 1.0], &[0.0, 2.0]),
        csr([2, 3], &[1.0], &[0.0, 1.0], &[0.0, 1.0, 2.0]),
        csr([2, 3], &[1.0, 2.0], &[0.0, 1.0], &[0.0, -5.0, 2.0]),
    ];
    for (case, sparse) in bad.into_iter().enumerate() {
        for other in [Indexer::identity(3), reversed(), thinned()] {
            let error = read_through(vec![part(sparse.clone(), other)]);
            assert!(matches!(error, Err(ReadError::Corrupt { .. })), "case {case}: {error:?}");
        }
    }
    let wrong_shape = part(csr([2, 3], &[], &[], &[0.0, 0.0, 0.0]), Indexer::identity(4));
    assert!(read_through(vec![wrong_shape]).is_err());
}

#[test]
fn rows_come_out_sorted() {
    let sparse = csr([1, 3], &[1.0, 2.0, 3.0], &[0.0, 1.0, 2.0], &[0.0, 3.0]);
    let other = Indexer::new(3, vec![2, 0, MISSING, 1]);
    let options = StackOptions::default();
    let planned = plan_stack(vec![part(sparse, other)], Axis::Rows, &options).unwrap();
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    let (data, indices, _) = stored(&merged);
    assert_eq!(decode(DType::F32, &read_all(data.as_ref()).unwrap()), [3.0, 1.0, 2.0]);
    assert_eq!(decode(DType::I32, &read_all(indices.as_ref()).unwrap()), [0.0, 1.0, 3.0]);
}

#[test]
fn dtypes_follow_anndata() {
    let one = || csr([1, 2], &[1.0], &[0.0], &[0.0, 1.0]);
    let plan = |parts, fill| {
        let options = StackOptions { fill, ..StackOptions::default() };
        plan_stack(parts, Axis::Rows, &options).unwrap().dtype()
    };
    let identity = || part(one(), Indexer::identity(2));
    let widened = || part(one(), Indexer::prefix(2, 3));
    let missing = || SparsePart {
        source: PartSource::Empty,
        extent: 2,
        other: Indexer::all_missing(2),
        origin: origin(),
    };
    assert_eq!(plan(vec![identity()], None), DType::F32);
    assert_eq!(plan(vec![widened()], None), DType::F32);
    assert_eq!(plan(vec![widened()], Some(FillValue::Int(1))), DType::F64);
    assert_eq!(plan(vec![identity(), missing()], None), DType::F64);
}

#[test]
fn diagonals_keep_dense_zeros() {
    let dense = MemoryArray::shared(DType::I32, &[2, 2], encode(&[0.0, 1.0, 2.0, 0.0], DType::I32));
    let block = |source, extent| SparsePart {
        source,
        extent,
        other: Indexer::identity(extent),
        origin: origin(),
    };
    let entries = vec![vec![(1, 7.0)], vec![(0, 8.0)]];
    let csc = compress(SparseFormat::Csc, [2, 2], DType::F32, DType::I64, &entries);
    let parts = vec![
        block(PartSource::Dense(dense), 2),
        block(PartSource::Empty, 1),
        block(PartSource::Sparse(csc), 2),
    ];
    let planned = plan_pairwise(parts).unwrap();
    assert_eq!(planned.dtype(), DType::F64);
    let merged = resolve(&planned, &env(), &Silent).unwrap();
    let (data, ..) = stored(&merged);
    assert_eq!(data.shape(), [6]);
    assert_eq!(
        meaning(&merged),
        [
            [0.0, 1.0, 0.0, 0.0, 0.0],
            [2.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 8.0],
            [0.0, 0.0, 0.0, 7.0, 0.0],
        ]
    );
}

#[test]
fn censuses_are_kept_and_damaged_ones_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let env = CensusEnv { cache_dir: Some(dir.path().join("anncat")), ..env() };
    let run = || {
        let sparse = csr([2, 3], &[1.0, 2.0, 3.0], &[0.0, 2.0, 1.0], &[0.0, 2.0, 3.0]);
        let mut part = part(sparse, Indexer::new(3, vec![1, 2]));
        part.origin.identity = "this file".into();
        let planned = plan_stack(vec![part], Axis::Rows, &StackOptions::default()).unwrap();
        assert_eq!(planned.report().census_bytes(), 12);
        meaning(&resolve(&planned, &env, &Silent).unwrap())
    };
    let expected = [[0.0, 2.0], [3.0, 0.0]];
    assert_eq!(run(), expected);
    let files = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(env.cache_dir.as_ref().unwrap()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(files().len(), 1);
    let whole = std::fs::read(&files()[0]).unwrap();
    assert_eq!(run(), expected);
    for damage in [0, 9, 30, 35, 41, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[damage] ^= 1;
        std::fs::write(&files()[0], &bytes).unwrap();
        assert_eq!(run(), expected);
        assert_eq!(std::fs::read(&files()[0]).unwrap(), whole);
    }
    std::fs::write(&files()[0], &whole[..20]).unwrap();
    assert_eq!(run(), expected);
}

#[test]
fn equality_is_by_value() {
    let same = |a: &Sparse, b: &Sparse| equal(a, b).unwrap();
    let a = csr([2, 3], &[1.0, f64::NAN, 3.0], &[0.0, 2.0, 1.0], &[0.0, 2.0, 3.0]);
    assert!(same(&a, &a.clone()));
    // Another order, a duplicate that adds up, an explicit zero.
    let data = [f64::NAN, 0.5, 0.5, 0.0, 3.0];
    let b = csr([2, 3], &data, &[2.0, 0.0, 0.0, 0.0, 1.0], &[0.0, 3.0, 5.0]);
    assert!(same(&a, &b));
    let columns = [vec![(0, 1.0)], vec![(1, 3.0)], vec![(0, f64::NAN)]];
    let c = compress(SparseFormat::Csc, [2, 3], DType::F64, DType::I64, &columns);
    assert!(same(&a, &c));
    assert!(same(&c, &b));
    let d = csr([2, 3], &[1.0, f64::NAN, 4.0], &[0.0, 2.0, 1.0], &[0.0, 2.0, 3.0]);
    assert!(!same(&a, &d));
    let e = csr([2, 3], &[1.0, 3.0], &[0.0, 1.0], &[0.0, 1.0, 2.0]);
    assert!(!same(&a, &e));
    assert!(!same(&e, &csr([2, 4], &[1.0, 3.0], &[0.0, 1.0], &[0.0, 1.0, 2.0])));
}

#[test]
fn reindexing_either_axis_keeps_the_format() {
    for seed in 0..100 {
        let rng = &mut Rng(seed);
        let format = rng.pick(&[SparseFormat::Csr, SparseFormat::Csc]);
        let entries = random_entries(rng, 7, 9, true);
        let shape = if format == SparseFormat::Csr { [7, 9] } else { [9, 7] };
        let sparse = compress(format, shape, DType::F32, DType::I32, &entries);
        let before = meaning(&sparse);
        let rows = random_indexer(rng, shape[0], 6);
        let columns = random_indexer(rng, shape[1], 8);
        let after = reindexed(&sparse, &rows, &columns).unwrap();
        assert_eq!((after.format, after.shape, after.dtype), (format, [6, 8], DType::F32));
        let expected: Dense = (0..6)
            .map(|row| {
                let element =
                    |column| Some(before[rows.get(row)? as usize][columns.get(column)? as usize]);
                (0..8).map(|column| element(column).unwrap_or(0.0)).collect()
            })
            .collect();
        assert_eq!(meaning(&after), expected, "seed {seed}");
        let flat: Vec<f64> = expected.into_iter().flatten().collect();
        assert_eq!(decode(DType::F32, &to_dense(&after).unwrap()), flat);
    }
}
