//! The `anncat` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    anncat::cli::main()
}
