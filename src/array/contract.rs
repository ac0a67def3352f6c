//! The contract of every array: any region read alone equals the same slice of the whole.

use std::sync::Arc;

use proptest::prelude::*;

use super::memory::copy_region;
use super::*;
use crate::base::{DType, Dims, Indexer, Region, indexer::MISSING};

fn counting(dtype: DType, shape: &[u64]) -> SharedArray {
    let elements = shape.iter().product::<u64>();
    let ints: Vec<u8> = (0..elements).flat_map(|i| ((i % 120) as i64).to_le_bytes()).collect();
    Cast::shared(MemoryArray::shared(DType::I64, shape, ints), dtype)
}

fn check(array: &dyn ArraySource, seed: u64) {
    let whole = read_all(array).unwrap();
    let mut state = seed | 1;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..20 {
        let start: Dims = array.shape().iter().map(|&extent| next(extent + 1)).collect();
        let len: Dims =
            array.shape().iter().zip(&start).map(|(&extent, &s)| next(extent - s + 1)).collect();
        let region = Region::new(start, len);
        let width = array.dtype().size_bytes();
        let mut expected = vec![0; region.num_elements() as usize * width];
        copy_region(&whole, array.shape(), &region, width, &mut expected);
        assert_eq!(read_vec(array, &region).unwrap(), expected, "{region:?} of {array:?}");
    }
}

fn indexer(source_len: u64) -> impl Strategy<Value = Indexer> {
    prop::collection::vec(prop::option::weighted(0.8, 0..source_len.max(1) as u32), 0..9).prop_map(
        move |positions| {
            let positions: Vec<u32> = positions
                .into_iter()
                .map(|p| p.filter(|_| source_len > 0).unwrap_or(MISSING))
                .collect();
            Indexer::new(source_len, positions)
        },
    )
}

fn dtype() -> impl Strategy<Value = DType> {
    prop::sample::select(DType::ALL.to_vec())
}

proptest! {
    #[test]
    fn stacked(shape in prop::collection::vec(0u64..5, 1..4), extents in prop::collection::vec(0u64..4, 1..4), axis in 0usize..3, dtype in dtype(), seed: u64) {
        let axis = axis % shape.len();
        let parts = extents.iter().map(|&extent| {
            let mut shape = shape.clone();
            shape[axis] = extent;
            counting(dtype, &shape)
        }).collect();
        check(&*Stacked::shared(parts, axis), seed);
    }

    #[test]
    fn gathered((shape, axis, indexer) in (prop::collection::vec(0u64..6, 1..4), 0usize..3).prop_flat_map(|(shape, axis)| {
        let axis = axis % shape.len();
        let len = shape[axis];
        (Just(shape), Just(axis), indexer(len))
    }), dtype in dtype(), seed: u64) {
        let source = counting(dtype, &shape);
        let fill = vec![7; dtype.size_bytes()];
        let array = Gathered::shared(Arc::clone(&source), axis, &indexer, &fill);
        check(&*array, seed);
        for target in 0..indexer.target_len() {
            let column = |array: &dyn ArraySource, at| {
                read_vec(array, &Region::whole(array.shape()).with_range(axis, at..at + 1)).unwrap()
            };
            let got = column(&*array, target);
            match indexer.get(target) {
                Some(position) => prop_assert_eq!(got, column(&*source, position)),
                None => prop_assert!(got.iter().all(|&byte| byte == 7)),
            }
        }
    }

    #[test]
    fn sliced_cast_and_mapped(shape in prop::collection::vec(1u64..6, 1..4), from in dtype(), to in dtype(), seed: u64) {
        let source = counting(from, &shape);
        let window = Region::rows(0..shape[0].div_ceil(2), &shape);
        check(&*Slice::shared(Arc::clone(&source), window), seed);
        check(&*Cast::shared(Arc::clone(&source), to), seed);
        check(&*Filled::shared(to, &shape, &vec![3; to.size_bytes()]), seed);
        let mask = Cast::shared(Arc::clone(&source), DType::Bool);
        check(&*Blanked::shared(Arc::clone(&source), mask, &vec![0; from.size_bytes()]), seed);
        let codes = Shifted::shared(counting(DType::I8, &shape), -3, DType::I16);
        check(&*IsMissing::of_codes(Arc::clone(&codes)), seed);
        check(&*Recoded::shared(codes, (0..200).rev().collect(), DType::I32), seed);
    }

    #[test]
    fn text(lens in prop::collection::vec(0usize..5, 1..4), pick in prop::collection::vec(prop::option::of(0u32..20), 0..8)) {
        let mut count = 0;
        let parts = lens.iter().map(|&len| {
            let buf: TextBuf = (0..len).map(|i| ["a", "", "bé", "long text"][(i + len) % 4]).collect();
            count += len as u64;
            MemoryText::line(buf)
        }).collect();
        let stacked = SuffixedText::shared(StackedText::shared(parts), "-x");
        let positions: Vec<u32> =
            pick.into_iter().map(|p| p.filter(|&p| u64::from(p) < count).unwrap_or(MISSING)).collect();
        let gathered = GatheredText::shared(stacked, &Indexer::new(count, positions), "fill");
        let whole = read_all_text(&*gathered).unwrap();
        prop_assert_eq!(whole.len() as u64, gathered.num_elements());
        for start in 0..whole.len() {
            let mut part = TextBuf::new();
            gathered.read_range(start as u64..whole.len() as u64, &mut part).unwrap();
            let expected: TextBuf = (start..whole.len()).map(|i| whole.get(i)).collect();
            prop_assert_eq!(part, expected);
        }
    }
}

#[test]
fn casts_are_numpys() {
    let cast = |from, bytes: &[u8], to: DType| {
        let mut out = vec![0; bytes.len() / DType::size_bytes(from) * to.size_bytes()];
        cast::cast_bytes(from, bytes, to, &mut out);
        out
    };
    assert_eq!(cast(DType::I32, &(-2i32).to_le_bytes(), DType::F64), (-2f64).to_le_bytes());
    assert_eq!(cast(DType::F64, &0.1f64.to_le_bytes(), DType::F32), 0.1f32.to_le_bytes());
    assert_eq!(
        cast(DType::I64, &i64::MAX.to_le_bytes(), DType::F64),
        (i64::MAX as f64).to_le_bytes()
    );
    assert_eq!(cast(DType::Bool, &[2], DType::I16), [1, 0]);
    assert_eq!(cast(DType::F32, &f32::NAN.to_le_bytes(), DType::Bool), [1]);
    let complex = [1.5f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    assert_eq!(cast(DType::C64, &complex, DType::F64), 1.5f64.to_le_bytes());
    assert_eq!(
        cast(DType::C64, &complex, DType::C128),
        [1.5f64.to_le_bytes(), 2f64.to_le_bytes()].concat()
    );
}

#[test]
fn a_code_past_the_categories_is_an_error() {
    let codes = counting(DType::I8, &[5]);
    let recoded = Recoded::shared(codes, Arc::from([0, 1]), DType::I8);
    assert!(read_all(&*recoded).is_err());
    assert_eq!(read_vec(&*recoded, &Region::line(0..2)).unwrap(), [0, 1]);
}
