//! The contract of every array: any region read alone equals the same slice of the whole. It holds
//! for each combinator alone and for compositions drawn at random, which also hold what they should.

mod compose;
mod compose_text;
mod stored;

use std::sync::Arc;

use proptest::prelude::*;

use self::compose::{Dice, made};
use self::compose_text::made_text;
use super::memory::copy_region;
use super::*;
use crate::base::{DType, Dims, Indexer, Region, indexer::MISSING};

fn counting(dtype: DType, shape: &[u64]) -> SharedArray {
    let elements = shape.iter().product::<u64>();
    let ints: Vec<u8> = (0..elements).flat_map(|i| ((i % 120) as i64).to_le_bytes()).collect();
    Cast::shared(MemoryArray::shared(DType::I64, shape, ints), dtype)
}

/// Regions of an array equal the same slices of the whole; so do the bytes of stored chunks; and
/// what it says of how it is stored is possible.
fn check(array: &dyn ArraySource, seed: u64) {
    let whole = read_all(array).unwrap();
    let mut dice = Dice::new(seed);
    let (shape, width) = (array.shape(), array.dtype().size_bytes());
    for _ in 0..20 {
        let region = dice.region(shape);
        let mut expected = vec![0; region.num_elements() as usize * width];
        copy_region(&whole, shape, &region, width, &mut expected);
        // Not zeros: every byte of `out` must be written.
        let mut out = vec![0xa5; expected.len()];
        array.read_into(&region, &mut out).unwrap();
        assert_eq!(out, expected, "{region:?} of {array:?}");
    }
    if let Some(grain) = array.grain() {
        assert_eq!(grain.len(), shape.len(), "grain of {array:?}");
        assert!(grain.iter().all(|&extent| extent > 0), "grain of {array:?}");
        check_stored_chunks(array, &whole, grain);
    }
    if let [extent] = shape
        && *extent > 0
    {
        let element = dice.below(*extent);
        if let Some(together) = array.decoded_with(element) {
            assert!(together.contains(&element) && together.end <= *extent, "{array:?}");
        }
    }
}

/// Where an array gives the bytes of a stored chunk, they are the elements of that region.
fn check_stored_chunks(array: &dyn ArraySource, whole: &[u8], grain: &[u64]) {
    let width = array.dtype().size_bytes();
    let starts = |axis: usize| 0..=array.shape()[axis].saturating_sub(grain[axis]);
    let mut regions = vec![Dims::new()];
    for axis in 0..grain.len() {
        regions = regions
            .iter()
            .flat_map(|start| {
                starts(axis).map(|at| start.iter().copied().chain([at]).collect::<Dims>())
            })
            .collect();
    }
    for start in regions {
        let region = Region::new(start, grain);
        if !region.fits(array.shape()) {
            continue;
        }
        if let Some(chunk) = array.stored_chunk(&region).unwrap() {
            let mut expected = vec![0; region.num_elements() as usize * width];
            copy_region(whole, array.shape(), &region, width, &mut expected);
            assert_eq!(chunk.bytes, expected, "stored chunk {region:?} of {array:?}");
        }
    }
}

/// Ranges of a text array equal the same slices of the whole, and are appended.
fn check_text(text: &dyn TextSource, seed: u64) {
    let whole = read_all_text(text).unwrap();
    assert_eq!(whole.len() as u64, text.num_elements(), "{text:?}");
    let mut dice = Dice::new(seed);
    for _ in 0..20 {
        let range = dice.region(&[text.num_elements()]).range(0);
        let mut out: TextBuf = ["before"].into_iter().collect();
        text.read_range(range.clone(), &mut out).unwrap();
        let expected: TextBuf = std::iter::once("before")
            .chain((range.start..range.end).map(|at| whole.get(at as usize)))
            .collect();
        assert_eq!(out, expected, "{range:?} of {text:?}");
        if let Some(bounds) = text.len_bounds(range.clone()).unwrap() {
            let texts: Vec<&str> = out.iter().skip(1).collect();
            assert_eq!(bounds.len(), texts.len(), "{range:?} of {text:?}");
            for (&bound, text) in bounds.iter().zip(texts) {
                assert!(text.len() as u64 <= bound && !text.contains('\0'), "{text:?}: {bound}");
            }
        }
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
    #![proptest_config(ProptestConfig::with_cases(1000))]

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
    fn text(lens in prop::collection::vec(0usize..5, 1..4), pick in prop::collection::vec(prop::option::of(0u32..20), 0..8), seed: u64) {
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
        check_text(&*gathered, seed);
    }

    #[test]
    fn composed(shape in prop::collection::vec(0u64..5, 0..4), depth in 0u32..5, dtype in dtype(), seed: u64) {
        let made = made(&mut Dice::new(seed), dtype, &shape, depth);
        prop_assert_eq!(read_all(&*made.array).unwrap(), made.whole, "{:?}", made.array);
        check(&*made.array, seed);
    }

    #[test]
    fn composed_text(shape in prop::collection::vec(0u64..5, 1..4), depth in 0u32..5, seed: u64) {
        let made = made_text(&mut Dice::new(seed), &shape, depth);
        let whole = read_all_text(&*made.text).unwrap();
        prop_assert_eq!(whole.iter().collect::<Vec<_>>(), made.whole, "{:?}", made.text);
        check_text(&*made.text, seed);
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

/// What is read in several batches, and by several threads, is right where they meet.
#[test]
fn regions_of_several_batches() {
    let (rows, width) = (4u64, 1_200_000u64);
    let value = |at: u64| (at % 251) as u8;
    let hidden = |at: u64| at % 7 == 3;
    let part = |rows: std::ops::Range<u64>| {
        let bytes: Vec<u8> = (rows.start * width..rows.end * width).map(value).collect();
        MemoryArray::shared(DType::U8, &[rows.end - rows.start, width], bytes)
    };
    let stacked = Stacked::shared(vec![part(0..1), part(1..3), part(3..rows)], 0);
    let mask: Vec<u8> = (0..rows * width).map(|at| u8::from(hidden(at))).collect();
    let mask = MemoryArray::shared(DType::Bool, &[rows, width], mask);
    let blanked = Blanked::shared(stacked, mask, &[255]);
    let expected: Vec<u8> =
        (0..rows * width).map(|at| if hidden(at) { 255 } else { value(at) }).collect();
    assert!(read_all(&*blanked).unwrap() == expected);
    let array = Cast::shared(blanked, DType::I16);
    let expected: Vec<u8> =
        expected.iter().flat_map(|&byte| i16::from(byte).to_le_bytes()).collect();
    assert!(read_all(&*array).unwrap() == expected);
    let inner = Region::whole(array.shape()).with_range(1, 1..width);
    let without_first: Vec<u8> =
        expected.chunks_exact(2 * width as usize).flat_map(|row| row[2..].to_vec()).collect();
    assert!(read_vec(&*array, &inner).unwrap() == without_first);
}
