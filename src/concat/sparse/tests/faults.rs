//! Sources that contradict themselves, and censuses that were damaged.

use super::*;

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
