//! Reads through the library: for what the fast path does not know, and to compare it with. In another
//! process where there is one for it.

use std::sync::Arc;

use super::direct;
use super::isolated::wire::{Ask, Question, Spot, StoredChunks, Strings};
use super::isolated::{Processes, processes};
use super::pinned::{Complaint, Pinned};
use crate::array::TextBuf;
use crate::base::{Dims, ReadError, Region};
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::file::HdfFile;

/// A dataset that is read through the library.
#[derive(Debug)]
pub struct Library {
    file: Arc<HdfFile>,
    path: String,
    pub shape: Dims,
    datatype: Datatype,
}

impl Library {
    pub fn new(file: &Arc<HdfFile>, path: &str, shape: &[u64], datatype: &Datatype) -> Self {
        Self {
            file: Arc::clone(file),
            path: path.to_owned(),
            shape: shape.into(),
            datatype: datatype.clone(),
        }
    }

    /// Fills `out` with a region of fixed-width elements: as stored when they are plain, converted
    /// to this machine's type when not.
    pub fn read(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let spot = self.spot(region);
        self.of_unchanged(|file| {
            let Some(processes) = self.processes() else {
                return direct::elements(file, &spot, out);
            };
            let bytes: Vec<u8> = processes.ask(&Question::new(file, Ask::Elements(spot)))?;
            if bytes.len() != out.len() {
                return Err("the size of an element has changed".into());
            }
            out.copy_from_slice(&bytes);
            Ok(())
        })
    }

    /// Appends a region of strings.
    pub fn read_text(&self, region: &Region, out: &mut TextBuf) -> Result<(), ReadError> {
        let spot = self.spot(region);
        self.of_unchanged(|file| {
            let Some(processes) = self.processes() else { return direct::text(file, &spot, out) };
            let strings: Strings = processes.ask(&Question::new(file, Ask::Text(spot)))?;
            let mut rest = strings.joined.as_str();
            for len in strings.lens {
                let (text, after) = rest
                    .split_at_checked(len as usize)
                    .ok_or("the process that runs libhdf5 gave strings that do not fit")?;
                out.push(text);
                rest = after;
            }
            Ok(())
        })
    }

    /// The index of the dataset's chunks.
    pub fn chunks(&self) -> Result<StoredChunks, ReadError> {
        let (element, rank) = (&self.path, self.shape.len());
        self.of_unchanged(|file| {
            let Some(processes) = self.processes() else {
                return direct::chunks(file, element, rank);
            };
            let element = element.clone();
            let chunks: StoredChunks =
                processes.ask(&Question::new(file, Ask::Chunks { element, rank }))?;
            if Some(chunks.origins.len()) != chunks.places.len().checked_mul(rank) {
                return Err("the process that runs libhdf5 gave chunks that do not fit".into());
            }
            Ok(chunks)
        })
    }

    fn processes(&self) -> Option<Processes> {
        processes(&self.file.context)
    }

    fn spot(&self, region: &Region) -> Spot {
        Spot {
            element: self.path.clone(),
            datatype: self.datatype.clone(),
            start: region.start().to_vec(),
            len: region.len().to_vec(),
        }
    }

    /// Runs `work` on the file, and sees to it that it is the one which was opened at first.
    fn of_unchanged<T>(
        &self,
        work: impl FnOnce(&Pinned) -> Result<T, Complaint>,
    ) -> Result<T, ReadError> {
        let source = &self.file.source;
        source.verify()?;
        let outcome = work(&Pinned::of(&**source));
        source.verify()?;
        outcome.map_err(|complaint| complaint.of(source.path(), &self.path))
    }
}
