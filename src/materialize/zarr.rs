//! Writes a tree as a real `.zarr` directory: the files of the zarr face, each chunk compressed.
//!
//! What a store looks like is the face's business ([`crate::face::zarr`]). Its chunks are plain;
//! here they are encoded as they are written, and the codec is added to the metadata.

use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::pieces::write_at;
use super::schedule::run;
use super::target::Staged;
use super::{Cancel, Limits, MaterializeError, OutputRules, TargetKind};
use crate::base::{Progress, zarr_documents};
use crate::face::FaceError;
use crate::face::zarr::{Geometry, ZarrFace, ZarrFormat, ZarrOptions, encode_index};
use crate::face::{EntryId, EntryKind, Face};
use crate::tree::{ElementError, Group};

/// How chunks are compressed. For a level that there is not stands the nearest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, at a level of 0 to 9.
    Gzip {
        /// Compression level.
        level: u8,
    },
    /// Zstandard, at a level of 1 to 22.
    Zstd {
        /// Compression level.
        level: u8,
    },
}

impl Compression {
    /// The same, at a level that there is.
    fn in_range(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Gzip { level } => Self::Gzip { level: level.min(9) },
            Self::Zstd { level } => Self::Zstd { level: level.clamp(1, 22) },
        }
    }
}

impl Default for Compression {
    /// Zstandard, fast.
    fn default() -> Self {
        Self::Zstd { level: 1 }
    }
}

/// How a `.zarr` is written.
#[derive(Debug, Clone, Default)]
pub struct ZarrWriteOptions {
    /// Version of the format.
    pub format: ZarrFormat,
    /// Compression of chunks, also of those in shards.
    pub compression: Compression,
    /// Chunk sizes; what is left out is chosen.
    pub geometry: Geometry,
    /// What may be in flight.
    pub limits: Limits,
    /// What may be overwritten.
    pub rules: OutputRules,
    /// Stops the work.
    pub cancel: Cancel,
}

/// Writes `tree` to `path`: beside it first, then renamed. On any failure nothing is left behind.
/// Returns what zarr cannot hold and was left out.
///
/// # Errors
/// The target may not be written, a source fails, the disk is full, zarr cannot express the tree,
/// or `options.cancel` is set.
pub fn write(
    tree: &Group,
    path: &Path,
    options: &ZarrWriteOptions,
    progress: &dyn Progress,
) -> Result<Vec<FaceError>, MaterializeError> {
    let zarr_options = ZarrOptions {
        format: options.format,
        geometry: bounded(options.geometry, &options.limits),
    };
    let mut face = ZarrFace::new(tree, &zarr_options)?;
    let left_out = face.take_left_out();
    let compression = options.compression.in_range();
    let staged = Staged::new(path, TargetKind::Directory, &options.rules)?;
    let total_bytes = face.total_bytes();
    if compression == Compression::None {
        staged.require_space(total_bytes)?;
    }
    let cancel = &options.cancel;
    let store = Store { face: &face, target: path, total_bytes, compression, progress, cancel };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    progress.begin(&format!("writing {name}"), total_bytes);
    let files = Files::new(&store, staged.path().to_owned());
    let block = options.limits.block_bytes(1) as usize;
    let written = run(files, options.limits.threads, cancel, Buffers::default, |buffers, file| {
        store.write_file(buffers, &file?, block)
    });
    progress.end();
    written?;
    staged.commit()?;
    Ok(left_out)
}

/// Chunks no larger than a worker may hold at once, unless the caller chose them.
fn bounded(mut geometry: Geometry, limits: &Limits) -> Geometry {
    const LARGEST_ELEMENT_BYTES: u64 = 8;
    const USUAL_ELEMS: u64 = 1 << 20;
    let elems = limits.block_bytes(LARGEST_ELEMENT_BYTES) / LARGEST_ELEMENT_BYTES;
    if geometry.elems.is_none() && geometry.shard_bytes.is_none() && elems < USUAL_ELEMS {
        geometry.elems = std::num::NonZeroU64::new(elems);
    }
    geometry
}

struct Store<'a> {
    face: &'a ZarrFace,
    target: &'a Path,
    total_bytes: u64,
    compression: Compression,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

/// A file to write.
struct StoreFile {
    id: EntryId,
    path: PathBuf,
    /// The path in the store, for messages.
    element: String,
}

/// The files of a store in order. Directories are made as they are come upon.
struct Files<'a> {
    store: &'a Store<'a>,
    /// The directories that are being listed, innermost last: where each is, what it is called in
    /// messages, its id, and how many of its entries are done.
    open: Vec<(PathBuf, String, EntryId, u64)>,
}

impl<'a> Files<'a> {
    fn new(store: &'a Store<'a>, root: PathBuf) -> Self {
        Self { store, open: vec![(root, String::new(), store.face.root(), 0)] }
    }
}

impl Iterator for Files<'_> {
    type Item = Result<StoreFile, MaterializeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (dir, shown, id, done) = self.open.last_mut()?;
            let Some(listed) = self.store.face.list(*id, *done).and_then(|mut list| list.next())
            else {
                self.open.pop();
                continue;
            };
            *done += 1;
            let path = dir.join(&listed.name);
            let element = format!("{shown}/{}", listed.name);
            match listed.entry.kind {
                EntryKind::File { .. } => {
                    return Some(Ok(StoreFile { id: listed.entry.id, path, element }));
                }
                EntryKind::Directory { .. } => {
                    if let Err(error) = fs::create_dir(&path) {
                        return Some(Err(self.store.write_failed(&element, error)));
                    }
                    self.open.push((path, element, listed.entry.id, 0));
                }
            }
        }
    }
}

/// A worker's buffers; they only grow.
#[derive(Default)]
struct Buffers {
    plain: Vec<u8>,
    encoded: Vec<u8>,
    encoder: Option<Encoder>,
}

enum Encoder {
    Gzip(libdeflater::Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Store<'_> {
    fn write_failed(&self, element: &str, source: std::io::Error) -> MaterializeError {
        MaterializeError::write(self.target, element, self.total_bytes, source)
    }

    fn write_file(
        &self,
        buffers: &mut Buffers,
        file: &StoreFile,
        block: usize,
    ) -> Result<(), MaterializeError> {
        let read_failed = || ElementError::read(&file.element);
        let entry = self.face.entry(file.id).map_err(read_failed())?;
        let Some(EntryKind::File { len_bytes }) = entry.map(|entry| entry.kind) else {
            return Ok(());
        };
        let len = len_bytes.unwrap_or(0);
        let failed = |error| self.write_failed(&file.element, error);
        let out = File::create(&file.path).map_err(failed)?;
        let name = file.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_meta = zarr_documents::ALL.contains(&name);
        if self.compression == Compression::None {
            let mut at = 0;
            while at < len {
                let part = (len - at).min(block as u64) as usize;
                self.read(buffers, file, at, part)?;
                write_at(&out, &buffers.plain[..part], at).map_err(failed)?;
                at += part as u64;
                self.progress.advance(part as u64);
            }
            return Ok(());
        }
        if let Some(chunks) = self.face.shard_chunks(file.id).map_err(read_failed())? {
            return self.write_shard(buffers, file, &out, &chunks);
        }
        self.read(buffers, file, 0, len as usize)?;
        if is_meta {
            let document = with_codec(name, &buffers.plain[..len as usize], self.compression);
            write_at(&out, &document, 0).map_err(failed)?;
        } else {
            self.encode(buffers, len as usize).map_err(failed)?;
            write_at(&out, &buffers.encoded, 0).map_err(failed)?;
        }
        self.progress.advance(len);
        Ok(())
    }

    /// Writes the chunks of a shard, each encoded, and where they lie now.
    fn write_shard(
        &self,
        buffers: &mut Buffers,
        file: &StoreFile,
        out: &File,
        chunks: &[Option<Range<u64>>],
    ) -> Result<(), MaterializeError> {
        let failed = |error| self.write_failed(&file.element, error);
        let mut written = Vec::with_capacity(chunks.len());
        let mut end = 0;
        for chunk in chunks {
            let Some(chunk) = chunk else {
                written.push(None);
                continue;
            };
            let len_bytes = chunk.end - chunk.start;
            self.read(buffers, file, chunk.start, len_bytes as usize)?;
            self.encode(buffers, len_bytes as usize).map_err(failed)?;
            write_at(out, &buffers.encoded, end).map_err(failed)?;
            let start = end;
            end += buffers.encoded.len() as u64;
            written.push(Some(start..end));
            self.progress.advance(len_bytes);
        }
        let index = encode_index(&written);
        write_at(out, &index, end).map_err(failed)?;
        self.progress.advance(index.len() as u64);
        Ok(())
    }

    fn read(
        &self,
        buffers: &mut Buffers,
        file: &StoreFile,
        at: u64,
        len: usize,
    ) -> Result<(), MaterializeError> {
        // A file may be a shard of many chunks.
        if self.cancel.is_cancelled() {
            return Err(MaterializeError::Cancelled);
        }
        if buffers.plain.len() < len {
            buffers.plain.resize(len, 0);
        }
        let out = &mut buffers.plain[..len];
        self.face.read_at(file.id, at, out).map_err(ElementError::read(&file.element))?;
        Ok(())
    }

    /// Encodes the first `len` plain bytes.
    fn encode(&self, buffers: &mut Buffers, len: usize) -> std::io::Result<()> {
        let Buffers { plain, encoded, encoder } = buffers;
        let encoder = match encoder {
            Some(encoder) => encoder,
            slot => slot.insert(Encoder::new(self.compression)?),
        };
        encoder.encode(&plain[..len], encoded)
    }
}

impl Encoder {
    fn new(compression: Compression) -> std::io::Result<Self> {
        Ok(match compression {
            Compression::Zstd { level } => {
                Self::Zstd(zstd::bulk::Compressor::new(i32::from(level))?)
            }
            Compression::Gzip { level } => {
                let level = libdeflater::CompressionLvl::new(i32::from(level));
                Self::Gzip(libdeflater::Compressor::new(level.unwrap_or_default()))
            }
            Compression::None => return Err(std::io::Error::other("nothing to encode with")),
        })
    }

    fn encode(&mut self, plain: &[u8], encoded: &mut Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::Zstd(zstd) => {
                encoded.clear();
                encoded.reserve(zstd::zstd_safe::compress_bound(plain.len()));
                zstd.compress_to_buffer(plain, encoded).map(|_| ())
            }
            Self::Gzip(gzip) => {
                encoded.resize(gzip.gzip_compress_bound(plain.len()), 0);
                let len = gzip.gzip_compress(plain, encoded).map_err(std::io::Error::other)?;
                encoded.truncate(len);
                Ok(())
            }
        }
    }
}

/// A metadata document with the codec added to every array that it describes. What is no such
/// document is returned as it is.
fn with_codec(name: &str, document: &[u8], compression: Compression) -> Vec<u8> {
    let (v3, v2) = match compression {
        Compression::None => return document.to_vec(),
        Compression::Gzip { level } => (
            json!({ "name": "gzip", "configuration": { "level": level } }),
            json!({ "id": "gzip", "level": level }),
        ),
        Compression::Zstd { level } => (
            json!({ "name": "zstd", "configuration": { "level": level, "checksum": false } }),
            json!({ "id": "zstd", "level": level }),
        ),
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(document) else {
        return document.to_vec();
    };
    match name {
        "zarr.json" => {
            add_v3(&mut value, &v3);
            if let Some(nodes) = value.pointer_mut("/consolidated_metadata/metadata") {
                for node in nodes.as_object_mut().into_iter().flat_map(|nodes| nodes.values_mut()) {
                    add_v3(node, &v3);
                }
            }
        }
        ".zarray" => value["compressor"] = v2,
        ".zmetadata" => {
            if let Some(nodes) = value.get_mut("metadata").and_then(Value::as_object_mut) {
                for (path, node) in nodes {
                    if path == ".zarray" || path.ends_with("/.zarray") {
                        node["compressor"] = v2.clone();
                    }
                }
            }
        }
        _ => {}
    }
    serde_json::to_vec(&value).unwrap_or_else(|_| document.to_vec())
}

/// Adds to the codecs of an array, or of the chunks in its shards.
fn add_v3(node: &mut Value, codec: &Value) {
    const IN_SHARDS: &str = "/codecs/0/configuration/codecs";
    let at = if node.pointer(IN_SHARDS).is_some() { IN_SHARDS } else { "/codecs" };
    if let Some(codecs) = node.pointer_mut(at).and_then(Value::as_array_mut) {
        codecs.push(codec.clone());
    }
}

#[cfg(test)]
mod tests;
