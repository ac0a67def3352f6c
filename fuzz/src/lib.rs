//! What the fuzz targets share: sources in memory ([`memory`]), AnnData-like trees that are drawn from
//! bytes ([`draw`]), and what a client does with them ([`client`]). Nothing here checks values: a
//! target fails by a panic, by taking too long, or by taking too much memory.

pub mod client;
pub mod draw;
pub mod memory;
