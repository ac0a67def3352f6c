//! What is read, how often, and what becomes of a read that fails: for every read of a small merge, by
//! every way out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::face::zarr::ZarrFace;
use crate::face::{EntryId, EntryKind, Face};
use crate::fuse::{self, Export, MountOptions};
use crate::io::testing::{Fault, Meter};
use crate::materialize::{h5ad, zarr};

/// The ways out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// Every file of a virtual store is read.
    Face,
    H5ad,
    Zarr,
}

const ALL: [Fault; 4] = [Fault::Fails, Fault::IsShort, Fault::Changes, Fault::IsSlow];

/// Two inputs as `.h5ad` or `.zarr`: one compressed and with records for frames, one with columns.
fn inputs(dir: &Path, suffix: &str) -> Recipe {
    let names = [("a", "scvi_TM_droplet.h5ad"), ("b", "cxgschema_example_valid.h5ad")];
    let inputs = names.map(|(key, name)| {
        let path = dir.join(key).with_extension(suffix);
        if suffix == "h5ad" {
            fs::copy(data(name), &path).unwrap();
        } else {
            let alone = Recipe { inputs: vec![Input::new(key, data(name))], ..Recipe::default() };
            let root = open(&alone).unwrap().root;
            zarr::write(&root, &path, &zarr::ZarrWriteOptions::default(), &Silent).unwrap();
        }
        Input::new(key, path)
    });
    // An inner join would keep what it counted, and read less the next time.
    let options = ConcatOptions { join: concat::Join::Outer, ..ConcatOptions::default() };
    Recipe { inputs: inputs.into(), options, ..Recipe::default() }
}

fn opened(recipe: &Recipe, meter: &Arc<Meter>) -> Result<Merged, String> {
    let limits = Limits { memory_bytes: 4 << 20, ..Limits::default() };
    Planned::open_in(recipe, limits, &meter.context(limits.io()))
        .and_then(|planned| planned.compile(&Silent))
        .map_err(|error| error.to_string())
}

/// Files of a face, with their ids.
fn files(face: &dyn Face) -> BTreeMap<String, EntryId> {
    fn walk(face: &dyn Face, dir: EntryId, path: &str, out: &mut BTreeMap<String, EntryId>) {
        for listed in face.list(dir, 0).unwrap() {
            let path = format!("{path}/{}", listed.name);
            match listed.entry.kind {
                EntryKind::Directory { .. } => walk(face, listed.entry.id, &path, out),
                EntryKind::File { .. } => drop(out.insert(path, listed.entry.id)),
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(face, face.root(), "", &mut out);
    out
}

fn read_file(face: &dyn Face, file: EntryId) -> Result<Vec<u8>, crate::base::ReadError> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 100_000];
    loop {
        let read = face.read_at(file, bytes.len() as u64, &mut piece)?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&piece[..read]);
    }
}

/// A merge by one way out.
fn merge(recipe: &Recipe, meter: &Arc<Meter>, out: Out, target: &Path) -> Result<(), String> {
    let root = opened(recipe, meter)?.root;
    match out {
        Out::Face => {
            let face = ZarrFace::new(&root, &recipe.layout).map_err(|error| error.to_string())?;
            files(&face)
                .into_values()
                .try_for_each(|file| read_file(&face, file).map(drop))
                .map_err(|error| error.to_string())
        }
        Out::H5ad => h5ad::write(&root, target, &h5ad::H5adOptions::default(), &Silent)
            .map_err(|error| error.to_string()),
        Out::Zarr => zarr::write(&root, target, &zarr::ZarrWriteOptions::default(), &Silent)
            .map(drop)
            .map_err(|error| error.to_string()),
    }
}

/// Every read of a merge fails once, is short, finds a changed file, or is slow.
fn every_read_fails(suffix: &str, out: Out) {
    let dir = tempfile::tempdir().unwrap();
    let recipe = inputs(dir.path(), suffix);
    let into = tempfile::tempdir().unwrap();
    let target = into.path().join("out");
    let meter = Arc::<Meter>::default();
    merge(&recipe, &meter, out, &target).unwrap();
    let (num_reads, names) = (meter.reads(), meter.by_file());
    assert!(num_reads > 30 && names.len() == 2, "{names:?}");
    let remove = || match out {
        Out::Face => {}
        Out::H5ad => fs::remove_file(&target).unwrap(),
        Out::Zarr => fs::remove_dir_all(&target).unwrap(),
    };
    remove();
    for fault in ALL {
        for at in 0..num_reads {
            let meter = Arc::<Meter>::default();
            meter.set_fault(at, fault);
            let outcome = merge(&recipe, &meter, out, &target);
            // What is kept between reads depends on who comes first.
            if meter.reads() <= at || fault == Fault::IsSlow {
                outcome.unwrap();
                remove();
                continue;
            }
            let Err(error) = outcome else {
                panic!("{fault:?} at {at} of {num_reads} goes unnoticed")
            };
            assert!(
                names.keys().any(|name| error.contains(&*name.to_string_lossy())),
                "{fault:?} at {at}: {error}"
            );
            let left: Vec<_> = fs::read_dir(into.path()).unwrap().collect();
            assert!(left.is_empty(), "{fault:?} at {at} left {left:?}");
        }
    }
}

#[test]
fn every_read_of_h5ad_fails_through_a_store() {
    every_read_fails("h5ad", Out::Face);
}

#[test]
fn every_read_of_h5ad_fails_as_h5ad_is_written() {
    every_read_fails("h5ad", Out::H5ad);
}

#[test]
fn every_read_of_h5ad_fails_as_zarr_is_written() {
    every_read_fails("h5ad", Out::Zarr);
}

#[test]
fn every_read_of_zarr_fails_through_a_store() {
    every_read_fails("zarr", Out::Face);
}

#[test]
fn every_read_of_zarr_fails_as_h5ad_is_written() {
    every_read_fails("zarr", Out::H5ad);
}

#[test]
fn every_read_of_zarr_fails_as_zarr_is_written() {
    every_read_fails("zarr", Out::Zarr);
}

#[test]
fn looking_reads_nothing_and_a_chunk_reads_one_input() {
    for suffix in ["h5ad", "zarr"] {
        let dir = tempfile::tempdir().unwrap();
        let mut recipe = inputs(dir.path(), suffix);
        recipe.layout.geometry.elems = std::num::NonZeroU64::new(50);
        recipe.layout.geometry.rows = std::num::NonZeroU64::new(5);
        let meter = Arc::<Meter>::default();
        let root = opened(&recipe, &meter).unwrap().root;
        let face = ZarrFace::new(&root, &recipe.layout).unwrap();
        meter.reset();
        let files = files(&face);
        // Text has a length that only its content tells.
        for (_, file) in files.iter().filter(|(name, _)| !is_text(&root, name)) {
            let kind = face.entry(*file).unwrap().map(|entry| entry.kind);
            assert!(matches!(kind, Some(EntryKind::File { len_bytes: Some(_) })));
        }
        assert_eq!(meter.reads(), 0, "{suffix}");
        let first = files.iter().find(|(name, _)| is_chunk_of_x(name));
        let (name, first) = first.unwrap();
        read_file(&face, *first).unwrap();
        assert_eq!(meter.by_file().len(), 1, "{name}: {:?}", meter.by_file());
        assert!(meter.bytes() > 0);
    }
}

fn is_chunk_of_x(file: &str) -> bool {
    file.starts_with("/X/") && file.contains("/c/")
}

/// True for a chunk of text.
fn is_text(root: &crate::tree::Group, file: &str) -> bool {
    use crate::tree::{Data, Node};
    let mut group = root;
    for name in file.split('/').filter(|name| !name.is_empty()) {
        match group.children.get(name) {
            Some(Node::Group(below)) => group = below,
            Some(Node::Array(array)) => return matches!(array.data, Data::Text(_)),
            None => return false,
        }
    }
    false
}

#[test]
fn a_mount_tells_of_faults_and_goes_on() {
    if !Path::new("/dev/fuse").exists() {
        eprintln!("there is no /dev/fuse here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let recipe = inputs(dir.path(), "h5ad");
    let meter = Arc::<Meter>::default();
    let root = opened(&recipe, &meter).unwrap().root;
    let face = Arc::new(ZarrFace::new(&root, &recipe.layout).unwrap());
    let mountpoint = tempfile::tempdir().unwrap();
    let export = Export { name: "merged.zarr".to_owned(), face: face.clone() };
    let mounted = fuse::mount(mountpoint.path(), vec![export], &MountOptions::default()).unwrap();
    let store = mountpoint.path().join("merged.zarr");
    let chunks: Vec<PathBuf> = files(&*face)
        .keys()
        .filter(|name| is_chunk_of_x(name))
        .map(|name| store.join(&name[1..]))
        .collect();
    meter.reset();
    for chunk in &chunks {
        assert!(fs::metadata(chunk).unwrap().len() > 0);
    }
    assert_eq!(meter.reads(), 0, "stat reads nothing");
    let read =
        |path: &Path| fs::read(path).map(drop).map_err(|error| error.raw_os_error().unwrap());
    // (What fails once only, the kernel reads again.)
    meter.set_fault(0, Fault::Breaks);
    assert_eq!(read(&chunks[0]), Err(libc::EIO));
    meter.heal();
    assert_eq!(read(&chunks[0]), Ok(()), "a failure is not kept");
    meter.set_fault(0, Fault::Changes);
    assert_eq!(read(&chunks[1]), Err(libc::ESTALE));
    mounted.unmounter().unmount().unwrap();
    mounted.wait().unwrap();
}
