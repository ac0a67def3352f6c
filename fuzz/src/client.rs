//! What a client does with inputs: opens, reads, merges.

use std::path::PathBuf;
use std::sync::Once;

use anncat::anndata;
use anncat::array::{ArraySource, TextBuf, TextSource};
use anncat::base::{Region, Silent};
use anncat::concat::{self, CensusEnv, ConcatOptions};
use anncat::input::{Helper, hdf5, use_helper, zarr};
use anncat::io::Identity;
use anncat::tree::{ArrayNode, Data, Group, Node};

use crate::memory;

/// More elements of one array are not read.
const MOST_READ: u64 = 1 << 14;

/// Once a process: no libhdf5, which has fuzzers of its own and a process to die in (it is not asked
/// either under `cfg(fuzzing)`); and all work on this thread, so that no time goes into waking others and
/// what a target does is the same each time.
fn set_up() {
    static SET_UP: Once = Once::new();
    SET_UP.call_once(|| {
        use_helper(Helper { program: PathBuf::from("/nonexistent"), arguments: Vec::new() });
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
        // Only fails where there is a pool already, which does as well.
        let _ = pool.build_global();
    });
}

/// Opens an HDF5 file by our own walk and reads it by our own code.
pub fn read_hdf5(bytes: &[u8]) {
    set_up();
    if let Ok(source) = hdf5::open(memory::path(), &memory::with_file(bytes)) {
        read_all(&source.root);
    }
}

/// Opens a zarr store of these documents, whose chunks all have the same bytes, and reads it.
pub fn read_zarr(documents: &[(&str, &[u8])], chunk: &[u8]) {
    set_up();
    let context = memory::with_directory(documents, chunk);
    if let Ok(source) = zarr::open(memory::path(), &context) {
        read_all(&source.root);
    }
}

/// Reads a part of every array of a tree.
pub fn read_all(group: &Group) {
    for node in group.children.values() {
        match node {
            Node::Group(group) => read_all(group),
            Node::Array(ArrayNode { data: Data::Fixed(array), .. }) => read_fixed(array.as_ref()),
            Node::Array(ArrayNode { data: Data::Text(text), .. }) => read_text(text.as_ref()),
            Node::Array(_) => {}
        }
    }
}

fn read_fixed(array: &dyn ArraySource) {
    let shape = array.shape();
    let mut left = MOST_READ;
    let mut len = Vec::new();
    for &extent in shape {
        let taken = extent.min(left.max(1));
        len.push(taken);
        left /= taken.max(1);
    }
    for at_end in [false, true] {
        let start: Vec<u64> = shape
            .iter()
            .zip(&len)
            .map(|(extent, taken)| if at_end { extent - taken } else { 0 })
            .collect();
        let region = Region::new(start.as_slice(), len.as_slice());
        let mut out = vec![0; region.num_elements() as usize * array.dtype().size_bytes()];
        let _ = array.read_into(&region, &mut out);
        let _ = array.stored_chunk(&region);
    }
    if let [extent] = *shape
        && extent > 0
    {
        let _ = array.decoded_with(extent - 1);
    }
}

fn read_text(text: &dyn TextSource) {
    let count = text.num_elements();
    for start in [0, count.saturating_sub(MOST_READ)] {
        let end = count.min(start.saturating_add(MOST_READ));
        let _ = text.read_range(start..end, &mut TextBuf::new());
    }
}

/// Plans, compiles, encodes and reads the concatenation of trees.
///
/// # Errors
/// Why there is none.
pub fn merge(trees: &[Group], options: &ConcatOptions) -> Result<(), String> {
    set_up();
    let mut inputs = Vec::new();
    for (number, tree) in trees.iter().enumerate() {
        let path = PathBuf::from(format!("{number}.h5ad"));
        let adata = anndata::decode(tree, &path).map_err(|error| error.to_string())?;
        let identity = Identity {
            path: path.clone(),
            dev: 0,
            ino: number as u64,
            len: 0,
            mtime_ns: 0,
            ctime_ns: 0,
            digest: 0,
            others: Vec::new(),
        };
        let (key, notices) = (number.to_string(), Vec::new());
        inputs.push(concat::Input { key, path, identity, notices, adata });
    }
    let plan = concat::plan(&inputs, options).map_err(|error| error.to_string())?;
    let _ = plan.report();
    plan.notices.iter().for_each(|notice| drop(notice.to_string()));
    let env = CensusEnv { cache_dir: None, ..CensusEnv::from_environment(16 << 20) };
    let compiled = plan.compile(&env, &Silent).map_err(|error| error.to_string())?;
    let tree = anndata::encode(&compiled.merged).map_err(|error| error.to_string())?;
    read_all(&tree);
    Ok(())
}
