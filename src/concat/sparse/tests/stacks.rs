//! Stacks of every kind against a dense reference.

use super::*;

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
    check_in_step(data, indices, rng);
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
        check_in_step(data, indices, rng);
        for array in [data, indices, indptr] {
            check_contract(array.as_ref(), rng);
        }
    }
}

/// A worker of a writer reads values and indices of the same entries one after the other.
fn check_in_step(data: &SharedArray, indices: &SharedArray, rng: &mut Rng) {
    let wholes = [data, indices].map(|array| read_all(array.as_ref()).unwrap());
    let len = data.shape()[0];
    let block = 100_000 + rng.below(200_000);
    crate::base::parallel::sequentially(|| {
        for start in (0..len).step_by(block as usize) {
            let end = (start + block).min(len);
            for (array, whole) in [data, indices].into_iter().zip(&wholes) {
                let unit = array.dtype().size_bytes();
                let part = read_vec(array.as_ref(), &Region::line(start..end)).unwrap();
                let expected = &whole[start as usize * unit..end as usize * unit];
                assert!(part == expected, "{start}..{end}");
            }
        }
    });
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
