//! Where resolving may put things, and how much of them.

use crate::concat::sparse::served::BlockCache;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::{env, io};

use crate::base::ReadError;
use crate::concat::kept::{CensusKey, CensusStore, Offsets};
use crate::io::spill_failed;

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
            spill_dir: crate::io::temp_dir(),
            memory_bytes: quarter,
            blocks: Arc::new(BlockCache::new(usize::try_from(quarter).unwrap_or(usize::MAX))),
            told_unkept: Arc::new(Once::new()),
        }
    }

    /// What was kept under `key`, of so many entries if that is known.
    pub(in crate::concat) fn kept(
        &self,
        key: Option<CensusKey>,
        num_entries: Option<u64>,
    ) -> Option<Offsets> {
        self.store()?.load(key?, num_entries, &self.spill_dir)
    }

    /// Keeps a census under `key`, if anything is kept.
    pub(in crate::concat) fn keep(&self, key: Option<CensusKey>, census: &Offsets) {
        if let Some((key, store)) = key.zip(self.store())
            && let Err(error) = store.store(key, census)
        {
            self.tell_unkept(&error);
        }
    }

    /// A file of `spill_dir` that cannot be made, written or read.
    pub(in crate::concat) fn spill_failed(&self, error: io::Error) -> ReadError {
        spill_failed(&self.spill_dir, error)
    }

    fn store(&self) -> Option<CensusStore<'_>> {
        let dir = self.cache_dir.as_deref()?;
        CensusStore::open(dir).map_err(|error| self.tell_unkept(&error)).ok()
    }

    fn tell_unkept(&self, error: &io::Error) {
        let dir = self.cache_dir.as_deref().unwrap_or(Path::new(""));
        self.told_unkept.call_once(|| {
            log::warn!(
                "{}: cannot keep what was counted, it will be counted again next time: {error}",
                dir.display()
            );
        });
    }

    /// For matrices that are read once and forgotten.
    pub fn for_one_look() -> Self {
        const MEMORY_BYTES: u64 = 32 << 20;
        Self { cache_dir: None, ..Self::from_environment(MEMORY_BYTES) }
    }
}
