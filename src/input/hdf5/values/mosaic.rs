//! Virtual datasets: arrays that are made of parts of others, which may lie in other files. Every part
//! is read as the array that it is of is read; the library is not asked.

use std::ops::Range;

use super::grid::{Part, Placing, num_elements};
use crate::array::{ArraySource, SharedArray, SharedText, TextBuf, TextSource, zeroed};
use crate::base::{DType, Dims, ReadError, Region};
use crate::input::hdf5::elements::{fill, regions};

/// A part that is read with all that lies between its elements, if that is at most so many times more.
const WIDEST_HULL: u64 = 8;

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
        if hull.num_elements() / wanted >= WIDEST_HULL && wanted > 1 {
            let (first, second) = placing.halves(part);
            self.read_part((source, placing), &first, region, out)?;
            return self.read_part((source, placing), &second, region, out);
        }
        if hull.num_elements() == wanted && placing.fills(part, region) {
            return source.read_into(&hull, out);
        }
        let width = self.dtype.size_bytes();
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
        for (source, placing) in &self.tiles {
            let Some(part) = placing.within(region) else { continue };
            let whole = Region::whole(source.shape());
            let (mut runs, mut next): (Vec<Range<u64>>, _) = (Vec::new(), texts.len());
            placing.runs(&part, region, &whole, |to, from, len| {
                match runs.last_mut() {
                    Some(run) if run.end == from => run.end += len,
                    _ => runs.push(from..from + len),
                }
                for place in &mut places[to as usize..(to + len) as usize] {
                    *place = next;
                    next += 1;
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
        regions(&self.shape, range).iter().try_for_each(|region| self.read_region(region, out))
    }
}
