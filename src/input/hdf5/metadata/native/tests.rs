//! Our walk compared with the library's: on real files, on odd ones, and on damaged ones.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::hdf5::types::{FixedAscii, VarLenUnicode};
use hdf5_sys::{h5a, h5l, h5p, h5s, h5t};

use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::Unknown;
use crate::input::hdf5::library::{Id, locked};
use crate::input::hdf5::metadata::library;
use crate::input::hdf5::values::{State, is_endless, objects};
use crate::io::{Context, Limits};
use crate::tree::{Attr, Group, Node};

fn open(path: &Path) -> Option<Arc<HdfFile>> {
    let context =
        Context::new(Limits { cache_bytes: 1 << 20, max_open_files: 4, ..Limits::default() });
    HdfFile::open(path, &context).ok().map(Arc::new)
}

/// The tree by the library and by ourselves.
fn both(path: &Path) -> (Result<Group, String>, Result<Group, Unknown>) {
    let theirs = match open(path) {
        Some(file) => {
            locked(|| library::root(&file)).map(|(root, _)| root).map_err(|error| error.to_string())
        }
        None => Err("no HDF5 file".to_owned()),
    };
    let ours = match open(path) {
        Some(file) => super::root(&file),
        None => Err("no HDF5 file".into()),
    };
    (theirs, ours)
}

/// Layouts, types, offsets and values of attributes are all in it.
fn shown(tree: &Group) -> String {
    format!("{tree:#?}")
}

/// Our tree, which must be the library's, or why there is none.
fn compare(path: &Path) -> Result<Group, Unknown> {
    let (theirs, ours) = both(path);
    if let Ok(ours) = &ours {
        let (ours, theirs) = (shown(ours), shown(&theirs.unwrap()));
        let differs = ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
        assert!(ours == theirs, "{}: {differs:?}", path.display());
    }
    ours
}

fn understood(path: &Path) -> Group {
    compare(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "h5ad" || ext == "h5"))
        .collect();
    files.sort();
    files
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

#[test]
fn real_files_are_read_as_the_library_reads_them() {
    let files = files(&data());
    assert!(files.len() > 10);
    for path in files {
        understood(&path);
    }
}

/// `ANNCAT_HDF5_FILES=DIRECTORY cargo test -- --ignored other_files --nocapture`
#[test]
#[ignore = "reads the directory that ANNCAT_HDF5_FILES names"]
fn other_files_are_read_as_the_library_reads_them() {
    let directory = std::env::var_os("ANNCAT_HDF5_FILES").unwrap();
    for path in files(Path::new(&directory)) {
        match compare(&path) {
            Ok(_) => println!("{}: equal", path.display()),
            Err(why) => println!("{}: left to the library: {why}", path.display()),
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

#[test]
fn a_heap_is_searched_as_far_as_the_library_goes() {
    for (number, size, state) in
        [(0, 32, State::Endless), (1, u64::MAX, State::Endless), (0, 9000, State::Damaged)]
    {
        let mut bytes = vec![0; 4096];
        bytes[16] = number;
        bytes[24..32].copy_from_slice(&u64::to_le_bytes(size));
        assert_eq!(objects(&bytes).1, state, "{number} {size}");
    }
}

#[test]
fn a_heap_without_end_is_not_left_to_the_library() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    new_format(&path);
    assert!(!is_endless(&open(&path).unwrap()).unwrap());
    let sound = std::fs::read(&path).unwrap();
    let mut bytes = sound.clone();
    let heap = bytes.windows(4).position(|window| window == b"GCOL").unwrap();
    let used = objects(&bytes[heap..heap + 4096]).0.iter().map(|range| range.end).max().unwrap();
    let free = heap + used.next_multiple_of(8);
    assert_eq!(bytes[free..free + 2], [0, 0]);
    bytes[free + 8..free + 16].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert!(is_endless(&open(&path).unwrap()).unwrap());
    let root = super::root(&open(&path).unwrap()).unwrap();
    let attrs = root.get("a").unwrap().attrs();
    assert_eq!(attrs.get("text"), Some(&Attr::Json(serde_json::Value::Null)));
    assert_eq!(attrs.get("flag"), Some(&Attr::Bool(true)));

    // Nor is one whose file only the library knows, or whose end is an overflow.
    let mut wraps = sound;
    wraps[free] = 1;
    wraps[free + 8..free + 16].copy_from_slice(&(u64::MAX - 15).to_le_bytes());
    for bytes in [bytes, wraps] {
        std::fs::write(&path, &bytes).unwrap();
        let file = ::hdf5::File::append(&path).unwrap();
        file.link_soft("/b", "soft").unwrap();
        file.close().unwrap();
        let context =
            Context::new(Limits { cache_bytes: 1 << 20, max_open_files: 4, ..Limits::default() });
        let error = crate::input::hdf5::open(&path, &context).unwrap_err().to_string();
        assert!(error.contains("a heap of strings contradicts itself"), "{error}");
    }
}

/// Changes bytes of a file at random places, and compares what both make of it.
fn mutate(path: &Path, seeds: std::ops::Range<u64>) -> Vec<String> {
    let mut wrong = Vec::new();
    let sound = std::fs::read(path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for seed in seeds {
        let mut random = Random(seed);
        let mut bytes = sound.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = match random.below(4) {
                0 => 0,
                1 => 0xff,
                2 => bytes[at] ^ (1 << random.below(8)),
                _ => random.below(256) as u8,
            };
        }
        if random.below(20) == 0 {
            bytes.truncate(random.below(bytes.len()));
        }
        let damaged = directory.path().join(format!("{seed}.h5"));
        std::fs::write(&damaged, &bytes).unwrap();
        if let Some(file) = open(&damaged).filter(|file| is_endless(file).unwrap()) {
            // The library's walk would not end.
            let _ours = super::root(&file);
            continue;
        }
        let (theirs, ours) = both(&damaged);
        if let Ok(ours) = ours {
            let ours = shown(&ours);
            let theirs = theirs.map_or_else(|why| why, |theirs| shown(&theirs));
            if ours != theirs {
                let differs =
                    ours.lines().zip(theirs.lines()).find(|(ours, theirs)| ours != theirs);
                let name = path.file_name().unwrap().display();
                wrong.push(format!("{name}, seed {seed}: {differs:?}"));
            }
        }
        std::fs::remove_file(damaged).unwrap();
    }
    wrong
}

/// `ANNCAT_HDF5_SEEDS=100000` for many more.
#[test]
fn damaged_files_are_never_read_as_anything_else() {
    let seeds = std::env::var("ANNCAT_HDF5_SEEDS").map_or(60, |seeds| seeds.parse().unwrap());
    let mut wrong = Vec::new();
    for path in files(&data()) {
        if std::fs::metadata(&path).unwrap().len() < 80 << 10 {
            wrong.extend(mutate(&path, 0..seeds));
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let new = directory.path().join("new.h5");
    new_format(&new);
    wrong.extend(mutate(&new, 0..seeds));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn old_groups_nearly_empty() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    let file = ::hdf5::File::with_options().with_fapl(|list| list.libver_earliest()).create(&path);
    let file = file.unwrap();
    file.create_group("empty").unwrap();
    file.create_group("emptied").unwrap().create_group("gone").unwrap();
    file.unlink("emptied/gone").unwrap();
    file.close().unwrap();
    let root = understood(&path);
    assert_eq!(root.children.len(), 2);
}

/// A file of the newest format with a little of everything.
fn new_format(path: &Path) {
    let file = ::hdf5::File::with_options().with_fapl(|list| list.libver_latest()).create(path);
    let file = file.unwrap();
    for name in ["b", "a"] {
        let group = file.create_group(name).unwrap();
        let text: VarLenUnicode = "é".parse().unwrap();
        group.new_attr::<VarLenUnicode>().create("text").unwrap().write_scalar(&text).unwrap();
        let none: VarLenUnicode = "".parse().unwrap();
        group.new_attr::<VarLenUnicode>().create("none").unwrap().write_scalar(&none).unwrap();
        group.new_attr::<bool>().create("flag").unwrap().write_scalar(&true).unwrap();
        let builder = group.new_dataset_builder();
        builder.with_data(&[1_i32, 2, 3]).create("plain").unwrap();
        let builder = group.new_dataset_builder().chunk([2]).deflate(1);
        builder.with_data(&[1.5_f64, 2.0, 3.0]).create("gzip").unwrap();
    }
    file.close().unwrap();
}

#[test]
fn the_newest_format() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    new_format(&path);
    let root = understood(&path);
    assert_eq!(root.children.len(), 2);
}

#[test]
fn a_user_block_and_orders_of_creation() {
    let directory = tempfile::tempdir().unwrap();
    for latest in [false, true] {
        let path = directory.path().join("a.h5");
        let file = ::hdf5::File::with_options()
            .with_fapl(|list| if latest { list.libver_latest() } else { list.libver_earliest() })
            .with_fcpl(|list| {
                use ::hdf5::plist::file_create::{AttrCreationOrder, LinkCreationOrder};
                list.userblock(1024)
                    .link_creation_order(LinkCreationOrder::Tracked)
                    .attr_creation_order(AttrCreationOrder::Tracked)
            })
            .create(&path)
            .unwrap();
        for name in ["z", "b", "y"] {
            file.new_attr::<i32>().create(name).unwrap().write_scalar(&1).unwrap();
            file.new_dataset_builder().with_data(&[1_u8, 2]).create(name).unwrap();
        }
        file.close().unwrap();
        let root = understood(&path);
        assert!(root.children.keys().eq(["z", "b", "y"]));
        assert!(root.attrs.keys().eq(["z", "b", "y"]));
    }
}

#[test]
fn groups_and_headers_that_grew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    let file = ::hdf5::File::with_options().with_fapl(|list| list.libver_earliest()).create(&path);
    let file = file.unwrap();
    let wide = file.create_group("wide").unwrap();
    // Enough for a B-tree of three levels.
    for number in 0..12_000 {
        let name = format!("{}-{number}", "n".repeat(number % 7));
        link(&wide, "/empty", &name);
        if number == 0 {
            file.create_group("empty").unwrap();
            link(&wide, "/empty", &name);
        }
    }
    let grown = file.create_group("grown").unwrap();
    for number in 0..300 {
        // Attributes one by one: the header goes on elsewhere, again and again.
        let name = format!("{number}{}", "long".repeat(number % 50));
        let text: VarLenUnicode = name.parse().unwrap();
        grown.new_attr::<VarLenUnicode>().create(&*name).unwrap().write_scalar(&text).unwrap();
        if number % 3 == 0 {
            let text = FixedAscii::<20>::from_ascii("some text").unwrap();
            let name = format!("f{number}");
            grown.new_attr::<FixedAscii<20>>().create(&*name).unwrap().write_scalar(&text).unwrap();
        }
    }
    drop((wide, grown));
    file.close().unwrap();
    let root = understood(&path);
    assert_eq!(root.get("wide").map(|node| matches!(node, Node::Group(_))), Some(true));
    assert_eq!(root.get("grown").unwrap().attrs().len(), 400);
}

/// A hard link to what lies at `target`; does nothing when that is not there.
fn link(group: &::hdf5::Group, target: &str, name: &str) {
    let (target, name) = (CString::new(target).unwrap(), CString::new(name).unwrap());
    locked(|| unsafe {
        if h5l::H5Lexists(group.id(), target.as_ptr(), h5p::H5P_DEFAULT) > 0 {
            let plain = h5p::H5P_DEFAULT;
            h5l::H5Lcreate_hard(
                group.id(),
                target.as_ptr(),
                group.id(),
                name.as_ptr(),
                plain,
                plain,
            );
        }
    });
}

#[test]
fn what_is_left_to_the_library() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    let odd = |latest: bool, make: &dyn Fn(&::hdf5::File)| {
        let file = ::hdf5::File::with_options()
            .with_fapl(|list| if latest { list.libver_latest() } else { list.libver_earliest() })
            .create(&path);
        let file = file.unwrap();
        make(&file);
        file.close().unwrap();
        compare(&path).map(|_| ()).unwrap_err().to_string()
    };
    let name = |text: &str| CString::new(text).unwrap();
    let soft = |file: &::hdf5::File| {
        let (to, from) = (name("/nowhere"), name("soft"));
        let plain = h5p::H5P_DEFAULT;
        locked(|| unsafe {
            h5l::H5Lcreate_soft(to.as_ptr(), file.id(), from.as_ptr(), plain, plain)
        });
    };
    assert!(odd(false, &soft).contains("hard"));
    assert!(odd(true, &soft).contains("hard"));
    let dense_links = |file: &::hdf5::File| {
        for number in 0..20 {
            file.create_group(&number.to_string()).unwrap();
        }
    };
    assert!(odd(true, &dense_links).contains("links"));
    let dense_attributes = |file: &::hdf5::File| {
        for number in 0..20 {
            file.new_attr::<u8>().create(&*number.to_string()).unwrap();
        }
    };
    assert!(odd(true, &dense_attributes).contains("attributes"));
}

#[test]
fn links_in_circles_and_named_types() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let group = file.create_group("a").unwrap().create_group("b").unwrap();
    link(&group, "/a", "up");
    link(&group, "/", "root");
    file.new_dataset_builder().with_data(&[1_u8, 2]).create("x").unwrap();
    link(&group, "/x", "twice");
    let named = CString::new("named").unwrap();
    locked(|| unsafe {
        let plain = h5p::H5P_DEFAULT;
        let copy = Id::new(h5t::H5Tcopy(*h5t::H5T_NATIVE_INT)).unwrap();
        h5t::H5Tcommit2(file.id(), named.as_ptr(), copy.raw(), plain, plain, plain);
    });
    let mut deep = file.create_group("deep").unwrap();
    for _ in 0..70 {
        deep = deep.create_group("er").unwrap();
    }
    drop((group, deep));
    file.close().unwrap();
    understood(&path);
}

#[test]
fn references_are_paths() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let group = file.create_group("g").unwrap();
    group.new_dataset_builder().with_data(&[1_u8, 2]).create("x").unwrap();
    locked(|| unsafe {
        let (x, name) = (CString::new("/g/x").unwrap(), CString::new("to").unwrap());
        let space = Id::new(h5s::H5Screate(h5s::H5S_SCALAR)).unwrap();
        let plain = h5p::H5P_DEFAULT;
        let kind = *h5t::H5T_STD_REF_OBJ;
        let attribute =
            Id::new(h5a::H5Acreate2(group.id(), name.as_ptr(), kind, space.raw(), plain, plain));
        let mut reference = 0_u64;
        let at = (&raw mut reference).cast();
        hdf5_sys::h5r::H5Rcreate(at, file.id(), x.as_ptr(), hdf5_sys::h5r::H5R_OBJECT1, -1);
        h5a::H5Awrite(attribute.unwrap().raw(), kind, at.cast());
    });
    drop(group);
    file.close().unwrap();
    let root = understood(&path);
    let to = root.get("g").unwrap().attrs().get("to").cloned();
    assert_eq!(to, Some(Attr::Reference("/g/x".to_owned())));
}
