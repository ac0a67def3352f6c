//! Stacks against another library's: `sprs` checks that the structure is canonical, and stacks the
//! same matrices its own way.

use sprs::{CsMat, CsMatI};

use super::*;

fn library(sparse: &Sparse) -> CsMat<f64> {
    let (data, indices, indptr) = stored(sparse);
    let integers = |array: &SharedArray| -> Vec<usize> {
        let numbers = decode(array.dtype(), &read_all(array.as_ref()).unwrap());
        numbers.into_iter().map(|number| number as usize).collect()
    };
    let shape = (sparse.shape[0] as usize, sparse.shape[1] as usize);
    let values = decode(data.dtype(), &read_all(data.as_ref()).unwrap());
    let (indptr, indices) = (integers(indptr), integers(indices));
    // Refuses indices that are unsorted, stand twice or are out of range.
    match sparse.format {
        SparseFormat::Csr => CsMatI::try_new(shape, indptr, indices, values),
        SparseFormat::Csc => CsMatI::try_new_csc(shape, indptr, indices, values),
    }
    .map_err(|(.., error)| error)
    .unwrap()
}

#[test]
fn stacks_are_those_of_sprs() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let axis = rng.pick(&[Axis::Rows, Axis::Columns]);
        let other = 1 + rng.below(20);
        let parts: Vec<SparsePart> = (0..1 + rng.below(4))
            .map(|_| {
                let extent = 1 + rng.below(15);
                let (shape, format) = match axis {
                    Axis::Rows => ([extent, other], SparseFormat::Csr),
                    Axis::Columns => ([other, extent], SparseFormat::Csc),
                };
                let format = if seed % 3 == 0 { SparseFormat::Csr } else { format };
                let [majors, minors] = match format {
                    SparseFormat::Csr => shape,
                    SparseFormat::Csc => [shape[1], shape[0]],
                };
                let entries = random_entries(&mut rng, majors, minors, true);
                let sparse = compress(format, shape, DType::F32, DType::I32, &entries);
                SparsePart {
                    source: PartSource::Sparse(sparse),
                    extent,
                    other: Indexer::identity(other),
                    origin: origin(),
                }
            })
            .collect();
        let theirs: Vec<CsMat<f64>> = parts
            .iter()
            .map(|part| match &part.source {
                PartSource::Sparse(sparse) => library(sparse),
                _ => unreachable!(),
            })
            .collect();
        let views: Vec<_> = theirs.iter().map(|matrix| matrix.view()).collect();
        let expected = match axis {
            Axis::Rows => sprs::vstack(&views),
            Axis::Columns => sprs::hstack(&views),
        };
        let planned = plan_stack(parts, axis, &StackOptions::default()).unwrap();
        let merged = resolve(&planned, &env(), &Silent).unwrap();
        assert_eq!(library(&merged).to_csr(), expected.to_csr(), "seed {seed}");
    }
}
