//! Where resolving may put things, and how much of them.

use crate::concat::sparse::served::BlockCache;
use std::env;
use std::path::PathBuf;
use std::sync::{Arc, Once};

/// What resolving may use.
#[derive(Debug, Clone)]
pub struct CensusEnv {
    /// Where censuses are kept between runs; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Where conversions and unkept censuses put their unlinked files.
    pub spill_dir: PathBuf,
    /// Bytes that a conversion may hold in memory.
    pub memory_bytes: u64,
    /// Blocks of rewritten rows.
    pub blocks: Arc<BlockCache>,
    /// That a census could not be kept is told once.
    pub told_unkept: Arc<Once>,
}

impl CensusEnv {
    /// The user's cache directory (`ANNCAT_CACHE_DIR`, else `XDG_CACHE_HOME/anncat`, else
    /// `~/.cache/anncat`), the system's temporary one, and a quarter of `memory_bytes` for each of
    /// conversions and kept blocks.
    #[must_use]
    pub fn from_environment(memory_bytes: u64) -> Self {
        let set = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let cache_dir = set("ANNCAT_CACHE_DIR")
            .or_else(|| Some(set("XDG_CACHE_HOME")?.join("anncat")))
            .or_else(|| Some(set("HOME")?.join(".cache").join("anncat")));
        let quarter = memory_bytes / 4;
        Self {
            cache_dir,
            spill_dir: set("ANNCAT_TEMP_DIR").unwrap_or_else(env::temp_dir),
            memory_bytes: quarter,
            blocks: Arc::new(BlockCache::new(usize::try_from(quarter).unwrap_or(usize::MAX))),
            told_unkept: Arc::new(Once::new()),
        }
    }

    /// For matrices that are read once and forgotten.
    pub fn for_one_look() -> Self {
        const MEMORY_BYTES: u64 = 32 << 20;
        Self { cache_dir: None, ..Self::from_environment(MEMORY_BYTES) }
    }
}
