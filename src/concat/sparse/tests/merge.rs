//! Matrices that are merged, not stacked.

use super::*;

#[test]
fn equality_is_by_value() {
    let same = |a: &Sparse, b: &Sparse| equal((a, &origin()), (b, &origin())).unwrap();
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
        let after = reindexed(&sparse, &rows, &columns, &origin()).unwrap();
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
        assert_eq!(decode(DType::F32, &to_dense(&after, &origin()).unwrap()), flat);
    }
}
