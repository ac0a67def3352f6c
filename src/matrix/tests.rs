//! Whole elements and batches of rows equal the same slices of what the tree holds.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use sprs::CsMatI;

use super::*;
use crate::array::{MemoryArray, SharedArray};
use crate::base::DType;
use crate::tree::{ArrayNode, Attr, Attrs, Data, Group, Node};

fn node(dtype: DType, shape: &[u64], bytes: Vec<u8>) -> Node {
    let array: SharedArray = Arc::new(MemoryArray::new(dtype, shape, bytes));
    Node::Array(ArrayNode { attrs: Attrs::new(), data: Data::Fixed(array) })
}

fn bytes_of<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

/// A tree with the rows as the csr matrix `X` (`csc` of the transposed), and as the dense `D`.
fn tree(rows: &[Vec<(i32, f32)>], columns: u64, encoding: &str) -> Group {
    let mut indptr = vec![0i32];
    for row in rows {
        indptr.push(indptr[indptr.len() - 1] + row.len() as i32);
    }
    let (indices, data): (Vec<i32>, Vec<f32>) = rows.iter().flatten().copied().unzip();
    let mut dense = vec![0f32; rows.len() * columns as usize];
    for (at, row) in rows.iter().enumerate() {
        for &(column, value) in row {
            dense[at * columns as usize + column as usize] = value;
        }
    }
    let num_rows = rows.len() as u64;
    let mut x = Group::default();
    x.attrs.insert("encoding-type".into(), Attr::Str(encoding.into()));
    x.attrs.insert("shape".into(), Attr::IntList(vec![num_rows as i64, columns as i64]));
    let nnz = data.len() as u64;
    x.insert("data", node(DType::F32, &[nnz], bytes_of(&data))).unwrap();
    x.insert("indices", node(DType::I32, &[nnz], bytes_of(&indices))).unwrap();
    x.insert("indptr", node(DType::I32, &[num_rows + 1], bytes_of(&indptr))).unwrap();
    let mut root = Group::default();
    root.insert("X", Node::Group(x)).unwrap();
    root.insert("D", node(DType::F32, &[num_rows, columns], bytes_of(&dense))).unwrap();
    root
}

fn whole(root: &Group, element: &str) -> Matrix {
    Matrix::read(root, element, &AtomicBool::new(false)).unwrap()
}

fn sparse(matrix: Matrix) -> CsMatI<f32, i32> {
    let Matrix::Sparse(matrix) = matrix else { panic!("dense") };
    matrix.into_csmat().unwrap()
}

fn dense(matrix: Matrix) -> ndarray::Array2<f32> {
    let Matrix::Dense(matrix) = matrix else { panic!("sparse") };
    matrix.into_array2().unwrap()
}

const COLUMNS: u64 = 6;

fn random_rows() -> impl Strategy<Value = Vec<Vec<(i32, f32)>>> {
    let row = prop::collection::btree_map(0..COLUMNS as i32, 1u8..9, 0..COLUMNS as usize)
        .prop_map(|row| row.into_iter().map(|(c, v)| (c, f32::from(v))).collect());
    prop::collection::vec(row, 1..20)
}

proptest! {
    #[test]
    fn a_batch_is_the_same_rows_of_the_whole(
        rows in random_rows(),
        wanted in prop::collection::vec(0usize..1000, 0..40),
        columns in Just((0..COLUMNS).collect::<Vec<_>>()).prop_shuffle(),
        num_columns in 0..=COLUMNS as usize,
    ) {
        let root = tree(&rows, COLUMNS, "csr_matrix");
        let wanted: Vec<u64> = wanted.iter().map(|at| (at % rows.len()) as u64).collect();
        let all = dense(whole(&root, "D"));
        prop_assert_eq!(&sparse(whole(&root, "/X")).to_dense(), &all);
        let at: Vec<usize> = wanted.iter().map(|&row| row as usize).collect();
        let expected = all.select(ndarray::Axis(0), &at);
        let columns = &columns[..num_columns];
        let at: Vec<usize> = columns.iter().map(|&column| column as usize).collect();
        let chosen = expected.select(ndarray::Axis(1), &at);
        let batch = RowReader::new(&root, "X").unwrap().read(&wanted).unwrap();
        prop_assert_eq!(sparse(batch.clone()).to_dense(), expected.clone());
        prop_assert_eq!(sparse(batch.columns(columns).unwrap()).to_dense(), chosen.clone());
        let batch = RowReader::new(&root, "D").unwrap().read(&wanted).unwrap();
        prop_assert_eq!(dense(batch.clone()), expected);
        prop_assert_eq!(dense(batch.columns(columns).unwrap()), chosen);
    }
}

#[test]
fn long_arrays_are_read_in_pieces_that_meet() {
    let values: Vec<i64> = (0..2_000_003).collect();
    let mut root = Group::default();
    root.insert("A", node(DType::I64, &[2_000_003], bytes_of(&values))).unwrap();
    let Matrix::Dense(read) = whole(&root, "A") else { panic!() };
    assert_eq!(read.into_array::<i64>().unwrap().into_raw_vec_and_offset().0, values);
}

#[test]
fn what_cannot_be_is_an_error_that_names_the_element() {
    let root = tree(&[vec![(0, 1.0)], vec![]], COLUMNS, "csr_matrix");
    let message = |error: MatrixError| error.to_string();
    let reader = RowReader::new(&root, "X").unwrap();
    assert_eq!(message(reader.read(&[2]).unwrap_err()), "X: row 2 is out of range, there are 2");
    let columns = |columns: &[u64]| message(whole(&root, "X").columns(columns).unwrap_err());
    assert_eq!(columns(&[6]), "X: column 6 is out of range, there are 6");
    assert!(columns(&[1, 1]).contains("asked for twice"));
    assert!(message(RowReader::new(&root, "layers/a").unwrap_err()).contains("no such element"));
    let csc = tree(&vec![Vec::new(); 6], 6, "csc_matrix");
    assert!(message(RowReader::new(&csc, "X").unwrap_err()).contains("compressed by columns"));
    let Matrix::Sparse(matrix) = whole(&root, "X") else { panic!() };
    let error = matrix.into_csmat::<f64, i32>().unwrap_err();
    assert!(message(error).starts_with("X: its values are float32, not float64"));
    let stopped = Matrix::read(&root, "X", &AtomicBool::new(true)).unwrap_err();
    assert!(matches!(stopped, MatrixError::Cancelled));
}

#[test]
fn unsorted_entries_are_sorted_for_sprs_and_doubled_ones_refused() {
    let root = tree(&[vec![(3, 1.0), (0, 2.0)]], COLUMNS, "csr_matrix");
    let matrix = sparse(whole(&root, "X"));
    assert_eq!((matrix.indices(), matrix.data()), (&[0, 3][..], &[2.0, 1.0][..]));
    let root = tree(&[vec![(3, 1.0), (3, 2.0)]], COLUMNS, "csr_matrix");
    let Matrix::Sparse(matrix) = whole(&root, "X") else { panic!() };
    assert!(matches!(matrix.into_csmat::<f32, i32>(), Err(MatrixError::Unfit { .. })));
}
