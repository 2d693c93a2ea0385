//! The `acervo` binary; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    acervo::cli::main()
}
