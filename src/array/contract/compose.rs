//! Draws arrays made of arrays, to any depth, each with what it should hold: said again here,
//! element by element over whole arrays, the slow way that leaves nothing to get wrong.

use std::sync::Arc;

use super::stored::Stored;
use crate::array::cast::{read_i64, write_i64};
use crate::array::*;
use crate::base::dtype::Kind;
use crate::base::indexer::MISSING;
use crate::base::{DType, Dims, Indexer, Region};

const INTEGERS: [DType; 8] =
    [DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64];
const SIGNED: [DType; 4] = [DType::I8, DType::I16, DType::I32, DType::I64];
const FLOATS: [DType; 5] = [DType::F16, DType::F32, DType::F64, DType::C64, DType::C128];

/// A number generator of the test's own, so that a seed is a case for ever.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A number less than `bound`, which must not be 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub(super) fn one<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A region that fits `shape`, empty ones among them.
    pub(super) fn region(&mut self, shape: &[u64]) -> Region {
        let start: Dims = shape.iter().map(|&extent| self.below(extent + 1)).collect();
        let len: Dims =
            shape.iter().zip(&start).map(|(&extent, &at)| self.below(extent - at + 1)).collect();
        Region::new(start, len)
    }

    /// One element of `dtype`: a small number, of floating point ones sometimes NaN.
    fn element(&mut self, dtype: DType) -> Vec<u8> {
        let mut out = vec![0; dtype.size_bytes()];
        let number = if self.below(8) == 0 { f64::NAN } else { self.below(40) as f64 / 2.0 - 2.0 };
        if matches!(dtype.kind(), Kind::Float | Kind::Complex) {
            cast_bytes(DType::F64, &number.to_le_bytes(), dtype, &mut out);
        } else {
            let least = if dtype.kind() == Kind::Signed { -2 } else { 0 };
            let number = least + self.below(20) as i64;
            cast_bytes(DType::I64, &number.to_le_bytes(), dtype, &mut out);
        }
        out
    }

    fn elements(&mut self, dtype: DType, count: u64) -> Vec<u8> {
        (0..count).flat_map(|_| self.element(dtype)).collect()
    }

    /// Positions into a source of this length, some of them missing, in any order.
    pub(super) fn indexer(&mut self, source_len: u64, target_len: u64) -> Indexer {
        let ascending = self.below(2) == 0;
        let mut positions: Vec<u32> = (0..target_len)
            .map(|at| match self.below(5) {
                0 => MISSING,
                _ if source_len == 0 => MISSING,
                _ if ascending => (at % source_len) as u32,
                _ => self.below(source_len) as u32,
            })
            .collect();
        if self.below(8) == 0 {
            positions.fill(MISSING);
        }
        Indexer::new(source_len, positions)
    }
}

/// An array, and all of what it should hold.
pub(super) struct Made {
    pub(super) array: SharedArray,
    pub(super) whole: Vec<u8>,
}

/// Every index of an array of this shape, in row-major order.
fn indices(shape: &[u64]) -> impl Iterator<Item = Dims> + '_ {
    (0..shape.iter().product::<u64>()).map(move |mut flat| {
        let mut index = Dims::from(shape);
        for (at, &extent) in index.iter_mut().zip(shape).rev() {
            (*at, flat) = (flat % extent, flat / extent);
        }
        index
    })
}

/// The element at `index` of a whole array.
fn at<'a>(whole: &'a [u8], shape: &[u64], index: &[u64], width: usize) -> &'a [u8] {
    let flat = index.iter().zip(shape).fold(0, |flat, (at, extent)| flat * extent + at) as usize;
    &whole[flat * width..(flat + 1) * width]
}

/// An array of this type and shape, of at most `depth` combinators one over another.
pub(super) fn made(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Made {
    if depth == 0 {
        return leaf(dice, dtype, shape);
    }
    // Not every combinator can make every array: draw until one can.
    loop {
        let made = match dice.below(12) {
            0 | 1 => stacked(dice, dtype, shape, depth),
            2 | 3 => gathered(dice, dtype, shape, depth),
            4 => Some(cast(dice, dtype, shape, depth)),
            5 => Some(slice(dice, dtype, shape, depth)),
            6 => Some(unit_axis(dice, dtype, shape, depth)),
            7 => Some(blanked(dice, dtype, shape, depth)),
            8 => Some(lookup(dice, dtype, shape, depth)),
            9 => recoded(dice, dtype, shape, depth),
            10 => shifted(dice, dtype, shape, depth),
            _ if dtype == DType::Bool => Some(is_missing(dice, shape, depth)),
            _ => checked_codes(dice, dtype, shape, depth),
        };
        if let Some(made) = made {
            assert_eq!((made.array.dtype(), made.array.shape()), (dtype, shape));
            return made;
        }
    }
}

fn leaf(dice: &mut Dice, dtype: DType, shape: &[u64]) -> Made {
    let count = shape.iter().product::<u64>();
    match dice.below(4) {
        0 => {
            let element = dice.element(dtype);
            let whole = element.repeat(count as usize);
            Made { array: Filled::shared(dtype, shape, &element), whole }
        }
        1 => {
            let whole = dice.elements(dtype, count);
            Made { array: MemoryArray::shared(dtype, shape, whole.clone()), whole }
        }
        _ => {
            let whole = dice.elements(dtype, count);
            let chunk = shape.iter().map(|&extent| 1 + dice.below(extent.clamp(1, 2))).collect();
            let stored = Stored { dtype, shape: shape.into(), chunk, whole: whole.clone() };
            Made { array: Arc::new(stored), whole }
        }
    }
}

fn stacked(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Option<Made> {
    let axis = axis_of(dice, shape)?;
    let mut parts = Vec::new();
    let mut left = shape[axis];
    while left > 0 || parts.is_empty() {
        let mut part = Dims::from(shape);
        part[axis] = dice.below(left + 1);
        left -= part[axis];
        parts.push(made(dice, dtype, &part, depth - 1));
        if parts.len() == 5 && left > 0 {
            part[axis] = left;
            parts.push(made(dice, dtype, &part, depth - 1));
            left = 0;
        }
    }
    let width = dtype.size_bytes();
    let owner: Vec<(usize, u64)> = parts
        .iter()
        .enumerate()
        .flat_map(|(part, made)| (0..made.array.shape()[axis]).map(move |at| (part, at)))
        .collect();
    let whole = indices(shape)
        .flat_map(|mut index| {
            let (part, position) = owner[index[axis] as usize];
            index[axis] = position;
            at(&parts[part].whole, parts[part].array.shape(), &index, width).to_vec()
        })
        .collect();
    let parts = parts.into_iter().map(|part| part.array).collect();
    Some(Made { array: Stacked::shared(parts, axis), whole })
}

fn gathered(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Option<Made> {
    let axis = axis_of(dice, shape)?;
    let mut from = Dims::from(shape);
    from[axis] = dice.below(7);
    let indexer = dice.indexer(from[axis], shape[axis]);
    let (source, fill) = (made(dice, dtype, &from, depth - 1), dice.element(dtype));
    let whole = indices(shape)
        .flat_map(|mut index| match indexer.get(index[axis]) {
            None => fill.clone(),
            Some(position) => {
                index[axis] = position;
                at(&source.whole, &from, &index, fill.len()).to_vec()
            }
        })
        .collect();
    Some(Made { array: Gathered::shared(source.array, axis, &indexer, &fill), whole })
}

fn cast(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Made {
    let from = dice.one(&DType::ALL);
    let source = made(dice, from, shape, depth - 1);
    let mut whole = vec![0; source.whole.len() / from.size_bytes() * dtype.size_bytes()];
    cast_bytes(from, &source.whole, dtype, &mut whole);
    Made { array: Cast::shared(source.array, dtype), whole }
}

fn slice(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Made {
    let start: Dims = shape.iter().map(|_| dice.below(3)).collect();
    let from: Dims =
        shape.iter().zip(&start).map(|(extent, at)| extent + at + dice.below(2)).collect();
    let source = made(dice, dtype, &from, depth - 1);
    let whole = indices(shape)
        .flat_map(|index| {
            let outer: Dims = index.iter().zip(&start).map(|(at, base)| at + base).collect();
            at(&source.whole, &from, &outer, dtype.size_bytes()).to_vec()
        })
        .collect();
    Made { array: Slice::shared(source.array, Region::new(start, shape)), whole }
}

fn unit_axis(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Made {
    let mut from = Dims::from(shape);
    let unit = shape.iter().position(|&extent| extent == 1);
    match unit.filter(|_| dice.below(3) > 0) {
        Some(axis) => {
            from.remove(axis);
            let source = made(dice, dtype, &from, depth - 1);
            Made { array: UnitAxis::insert(source.array, axis), whole: source.whole }
        }
        None => {
            let axis = dice.below(shape.len() as u64 + 1) as usize;
            from.insert(axis, 1);
            let source = made(dice, dtype, &from, depth - 1);
            Made { array: UnitAxis::drop(source.array, axis), whole: source.whole }
        }
    }
}

fn blanked(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Made {
    let values = made(dice, dtype, shape, depth - 1);
    let mask = made(dice, DType::Bool, shape, depth - 1);
    let fill = dice.element(dtype);
    let elements = values.whole.chunks_exact(fill.len()).zip(&mask.whole);
    let whole =
        elements.flat_map(|(value, &hidden)| if hidden != 0 { &fill } else { value }).copied();
    let whole = whole.collect();
    Made { array: Blanked::shared(values.array, mask.array, &fill), whole }
}

/// Codes that can stand for categories, and how many categories there must be.
pub(super) fn codes(dice: &mut Dice, shape: &[u64], depth: u32) -> (Made, Vec<i64>, usize) {
    let dtype = dice.one(&SIGNED);
    let mut source = made(dice, dtype, shape, depth);
    let mut values: Vec<i64> = read_i64(dtype, &source.whole).collect();
    if values.iter().any(|&value| value > 1000) {
        source = leaf(dice, dtype, shape);
        values = read_i64(dtype, &source.whole).collect();
    }
    let categories = values.iter().max().map_or(0, |&most| (most + 1).max(0) as usize);
    (source, values, categories + dice.below(3) as usize)
}

fn lookup(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Made {
    let (codes, values, categories) = codes(dice, shape, depth - 1);
    let (table, missing) = (dice.elements(dtype, categories as u64), dice.element(dtype));
    let whole = values
        .iter()
        .flat_map(|&code| match usize::try_from(code) {
            Ok(code) => &table[code * missing.len()..(code + 1) * missing.len()],
            Err(_) => &missing[..],
        })
        .copied()
        .collect();
    Made { array: Lookup::shared(codes.array, dtype, table, &missing), whole }
}

fn recoded(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Option<Made> {
    if dtype.kind() != Kind::Signed {
        return None;
    }
    let (codes, values, categories) = codes(dice, shape, depth - 1);
    let table: Arc<[i64]> = (0..categories).map(|_| dice.below(100) as i64 - 1).collect();
    let recoded = values.iter().map(|&code| usize::try_from(code).map_or(-1, |code| table[code]));
    let whole = written(dtype, recoded)?;
    Some(Made { array: Recoded::shared(codes.array, table, dtype), whole })
}

fn shifted(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Option<Made> {
    if !dtype.is_integer() {
        return None;
    }
    let from = dice.one(&INTEGERS);
    let source = made(dice, from, shape, depth - 1);
    let offset = dice.below(9) as i64 - 3;
    let sums: Option<Vec<i64>> =
        read_i64(from, &source.whole).map(|value| value.checked_add(offset)).collect();
    let whole = written(dtype, sums?.into_iter())?;
    Some(Made { array: Shifted::shared(source.array, offset, dtype), whole })
}

fn checked_codes(dice: &mut Dice, dtype: DType, shape: &[u64], depth: u32) -> Option<Made> {
    if dtype.kind() != Kind::Signed {
        return None;
    }
    let (codes, values, categories) = codes(dice, shape, depth - 1);
    if values.iter().any(|&code| code < -1) {
        return None;
    }
    let whole = written(dtype, values.into_iter())?;
    let checked = CheckedCodes::shared(codes.array, categories as u64, dtype, "a.h5ad", "/obs/a");
    Some(Made { array: checked, whole })
}

fn is_missing(dice: &mut Dice, shape: &[u64], depth: u32) -> Made {
    if dice.below(2) == 0 {
        let (codes, values, _) = codes(dice, shape, depth - 1);
        let whole = values.iter().map(|&code| u8::from(code < 0)).collect();
        return Made { array: IsMissing::of_codes(codes.array), whole };
    }
    let dtype = dice.one(&FLOATS);
    let source = made(dice, dtype, shape, depth - 1);
    let mut wide = vec![0; source.whole.len() / dtype.size_bytes() * 16];
    cast_bytes(dtype, &source.whole, DType::C128, &mut wide);
    let is_nan = |half: &[u8]| f64::from_le_bytes(half.try_into().unwrap()).is_nan();
    let whole = wide
        .chunks_exact(16)
        .map(|both| u8::from(is_nan(&both[..8]) || is_nan(&both[8..])))
        .collect();
    Made { array: IsMissing::of_numbers(source.array), whole }
}

/// Integers as elements of `dtype`; nothing where it cannot hold one.
fn written(dtype: DType, values: impl Iterator<Item = i64>) -> Option<Vec<u8>> {
    let values: Vec<i64> = values.collect();
    let mut out = vec![0; values.len() * dtype.size_bytes()];
    write_i64(dtype, values.into_iter().map(Some), &mut out).ok()?;
    Some(out)
}

fn axis_of(dice: &mut Dice, shape: &[u64]) -> Option<usize> {
    (!shape.is_empty()).then(|| dice.below(shape.len() as u64) as usize)
}
