//! The cache of blocks.

#[path = "../../../src/io/blocks.rs"]
pub mod blocks;
#[path = "../../../src/io/sync.rs"]
mod sync;

/// The cache with one mistake each.
pub mod variants {
    use super::sync;

    /// Of those who wait for a load, one is woken.
    pub mod blocks_one_is_woken {
        include!(concat!(env!("OUT_DIR"), "/blocks_one_is_woken.rs"));
    }

    /// A load that panics leaves those who wait as they are.
    pub mod blocks_a_panic_is_not_told {
        include!(concat!(env!("OUT_DIR"), "/blocks_a_panic_is_not_told.rs"));
    }

    /// For a moment a block is neither being loaded nor kept.
    pub mod blocks_landed_before_kept {
        include!(concat!(env!("OUT_DIR"), "/blocks_landed_before_kept.rs"));
    }
}
