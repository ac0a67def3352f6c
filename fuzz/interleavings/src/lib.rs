//! Modules of anncat that wait for each other's threads, compiled once more with shuttle's primitives
//! in place of std's (`base::sync`), so that tests try the orders in which threads can run, and a
//! thread that waits for ever is a failure.
//!
//! The folders here have the names that the modules know: `crate::base`, `super::sync`. What they need
//! besides is a stand-in as small as can be.

#![allow(dead_code, reason = "whole modules, of which tests use a part")]

pub mod base;
pub mod face;
pub mod fuse;
pub mod io;
