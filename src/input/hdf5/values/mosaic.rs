//! Virtual datasets: arrays that are made of parts of others, which may lie in other files. Every part
//! is read as the array that it is of is read; the library is not asked.

use std::ops::Range;

use super::grid::{Part, Placing, num_elements};
use super::text::each_fetch;
use crate::array::{ArraySource, SharedArray, SharedText, TextBuf, TextSource, zeroed};
use crate::base::{DType, Dims, ReadError, Region};
use crate::input::hdf5::elements::fill;

/// A part is read with all that lies between its elements, if that is less than so many times more, or
/// than so many bytes.
const WIDEST_HULL: u64 = 8;
const SMALL_HULL_BYTES: u64 = 1 << 20;
/// Strings that are put in order at once.
const WINDOW_STRINGS: u64 = 1 << 16;

/// Numbers or booleans.
#[derive(Debug)]
pub struct FixedMosaic {
    dtype: DType,
    shape: Dims,
    /// What no part covers; zeros when it is empty.
    fill: Vec<u8>,
    /// Later ones cover earlier ones.
    tiles: Vec<(SharedArray, Placing)>,
}

impl FixedMosaic {
    /// All parts have the type of the whole, and fit.
    pub const fn new(
        dtype: DType,
        shape: Dims,
        fill: Vec<u8>,
        tiles: Vec<(SharedArray, Placing)>,
    ) -> Self {
        Self { dtype, shape, fill, tiles }
    }

    fn read_part(
        &self,
        (source, placing): (&dyn ArraySource, &Placing),
        part: &Part,
        region: &Region,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let (hull, wanted) = (placing.hull(part), num_elements(part));
        let width = self.dtype.size_bytes();
        let is_wide = hull.num_elements() / wanted >= WIDEST_HULL
            && hull.num_elements().saturating_mul(width as u64) > SMALL_HULL_BYTES;
        if is_wide && let Some((first, second)) = placing.halves(part) {
            self.read_part((source, placing), &first, region, out)?;
            return self.read_part((source, placing), &second, region, out);
        }
        if hull.num_elements() == wanted && region.num_elements() == wanted {
            return source.read_into(&hull, out);
        }
        let mut bytes = zeroed(hull.num_elements(), width)?;
        source.read_into(&hull, &mut bytes)?;
        placing.runs(part, region, &hull, |to, from, len| {
            let (to, from, len) =
                (to as usize * width, from as usize * width, len as usize * width);
            out[to..to + len].copy_from_slice(&bytes[from..from + len]);
        });
        Ok(())
    }
}

impl ArraySource for FixedMosaic {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        if region.is_empty() {
            return Ok(());
        }
        fill(out, &self.fill);
        for (source, placing) in &self.tiles {
            if let Some(part) = placing.within(region) {
                self.read_part((&**source, placing), &part, region, out)?;
            }
        }
        Ok(())
    }
}

/// Text; what no part covers is empty.
#[derive(Debug)]
pub struct TextMosaic {
    shape: Dims,
    /// Later ones cover earlier ones.
    tiles: Vec<(SharedText, Placing)>,
}

impl TextMosaic {
    /// All parts fit.
    pub const fn new(shape: Dims, tiles: Vec<(SharedText, Placing)>) -> Self {
        Self { shape, tiles }
    }

    fn read_region(&self, region: &Region, out: &mut TextBuf) -> Result<(), ReadError> {
        /// No part covers it.
        const NOTHING: usize = usize::MAX;
        let mut places = Vec::new();
        places.resize(region.num_elements() as usize, NOTHING);
        let mut texts = TextBuf::new();
        // From the last on: what others cover is not read.
        for (source, placing) in self.tiles.iter().rev() {
            if texts.len() == places.len() {
                break;
            }
            let Some(part) = placing.within(region) else { continue };
            let whole = Region::whole(source.shape());
            let (mut runs, mut next): (Vec<Range<u64>>, _) = (Vec::new(), texts.len());
            placing.runs(&part, region, &whole, |to, from, len| {
                let covered = &mut places[to as usize..(to + len) as usize];
                for (place, from) in covered.iter_mut().zip(from..) {
                    if *place != NOTHING {
                        continue;
                    }
                    *place = next;
                    next += 1;
                    match runs.last_mut() {
                        Some(run) if run.end == from => run.end += 1,
                        _ => runs.push(from..from + 1),
                    }
                }
            });
            for run in runs {
                source.read_range(run, &mut texts)?;
            }
        }
        for place in places {
            out.push(if place == NOTHING { "" } else { texts.get(place) });
        }
        Ok(())
    }
}

impl TextSource for TextMosaic {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        each_fetch(&self.shape, range, WINDOW_STRINGS, |_, region| self.read_region(region, out))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::array::{MemoryArray, MemoryText};
    use crate::input::hdf5::values::Axis;

    /// Text that counts the strings that are read of it.
    #[derive(Debug)]
    struct Counted {
        text: MemoryText,
        read: Arc<AtomicU64>,
    }

    impl TextSource for Counted {
        fn shape(&self) -> &[u64] {
            self.text.shape()
        }

        fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
            self.read.fetch_add(range.end - range.start, Ordering::SeqCst);
            self.text.read_range(range, out)
        }
    }

    proptest! {
        /// Each place has the string of the last part that covers it, and no other is read.
        #[test]
        fn of_text_only_what_is_not_covered_is_read(
            axes in prop::collection::vec(axis(), 0..8),
        ) {
            const LEN: u64 = 24;
            let read = Arc::new(AtomicU64::new(0));
            let mut expected = vec![String::new(); LEN as usize];
            let tiles = axes.iter().enumerate().map(|(number, axis)| {
                let named = |at: u64| format!("{number} {at}");
                let mut buf = TextBuf::new();
                (0..LEN).for_each(|at| buf.push(&named(at)));
                for (from, to) in indices(axis).into_iter().enumerate() {
                    expected[to as usize] = named(from as u64);
                }
                let &(start, stride, count, block) = axis;
                let target = Axis::new(start, stride, count, block).unwrap();
                let source = Axis::new(0, target.len(), 1, target.len()).unwrap();
                let text = MemoryText::new(&[LEN], buf);
                let tile: SharedText = Arc::new(Counted { text, read: Arc::clone(&read) });
                (tile, Placing::new(vec![target], vec![source]).unwrap())
            });
            let tiles = tiles.collect();
            let mosaic = TextMosaic::new(Dims::from_elem(LEN, 1), tiles);
            let mut out = TextBuf::new();
            mosaic.read_range(0..LEN, &mut out).unwrap();
            prop_assert!(out.iter().eq(expected.iter().map(String::as_str)), "{out:?}");
            let num_covered = expected.iter().filter(|text| !text.is_empty()).count();
            prop_assert_eq!(read.load(Ordering::SeqCst), num_covered as u64);
        }
    }

    /// An axis: of the source its start and stride, its number of blocks and their length.
    fn axis() -> impl Strategy<Value = (u64, u64, u64, u64)> {
        (0_u64..3, 1_u64..4, 1_u64..5, 0_u64..4)
            .prop_map(|(start, block, count, gap)| (start, block + gap, count, block))
    }

    fn indices(&(start, stride, count, block): &(u64, u64, u64, u64)) -> Vec<u64> {
        (0..count).flat_map(|n| (0..block).map(move |at| start + n * stride + at)).collect()
    }

    proptest! {
        /// Any region of parts with gaps is what an index for each axis gives.
        #[test]
        fn a_part_is_what_its_indices_are(
            axes in prop::collection::vec(axis(), 1..6),
            at in prop::collection::vec((0.0..1.0, 0.0..1.0), 6),
        ) {
            let wanted: Vec<Vec<u64>> = axes.iter().map(indices).collect();
            let shape: Dims = wanted.iter().map(|of| of[of.len() - 1] + 2).collect();
            let num_elements = shape.iter().product::<u64>();
            let values: Vec<u8> = (0..num_elements).map(|n| (n % 251) as u8).collect();
            let source: SharedArray = Arc::new(MemoryArray::new(DType::U8, &shape, values.clone()));
            let target: Dims = wanted.iter().map(|of| of.len() as u64).collect();
            let whole: Vec<Axis> =
                target.iter().map(|&len| Axis::new(0, len, 1, len).unwrap()).collect();
            let parts = axes.iter().map(|&(start, stride, count, block)| {
                Axis::new(start, stride, count, block).unwrap()
            });
            let placing = Placing::new(whole, parts.collect()).unwrap();
            prop_assert!(placing.fits(&target, &shape));

            let ranges: Vec<Range<u64>> = target.iter().zip(&at).map(|(&len, &(from, share))| {
                let start = (from * len as f64) as u64;
                start..start + 1 + (share * (len - start - 1) as f64) as u64
            }).collect();
            let region = Region::new(
                ranges.iter().map(|range| range.start).collect::<Dims>(),
                ranges.iter().map(|range| range.end - range.start).collect::<Dims>(),
            );
            let mut expected = vec![0_usize];
            for ((of, range), &extent) in wanted.iter().zip(&ranges).zip(shape.iter()) {
                expected = expected.iter().flat_map(|&row| {
                    range.clone().map(move |at| row * extent as usize + of[at as usize] as usize)
                }).collect();
            }
            let expected: Vec<u8> = expected.into_iter().map(|at| values[at]).collect();
            let mosaic = FixedMosaic::new(DType::U8, target, vec![7], vec![(source, placing.clone())]);
            let mut out = vec![0; expected.len()];
            mosaic.read_into(&region, &mut out).unwrap();
            prop_assert_eq!(&out, &expected);

            // Halves are parts: never empty, and together the whole.
            let mut parts = vec![placing.within(&region).unwrap()];
            while let Some(part) = parts.pop() {
                let Some((first, second)) = placing.halves(&part) else { continue };
                let (one, other) = (super::num_elements(&first), super::num_elements(&second));
                prop_assert!(one > 0 && other > 0);
                prop_assert_eq!(one + other, super::num_elements(&part));
                parts.extend([first, second]);
            }
        }
    }
}
