//! The `anncat` command.

fn main() {}
