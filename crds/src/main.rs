//! `cargo run -p real-crds`: writes the custom resource definitions and their reference. `--check` only says what is stale.

use std::{path::Path, process::ExitCode};

use real_crds::generate;
use real_terminal::{errln, outln};

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    real_terminal::finish(match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => match generate::write(&root) {
            Ok(written) => {
                for path in &written {
                    outln!("wrote {}", path.display());
                }
                if written.is_empty() {
                    outln!("nothing to write: all generated files are fresh");
                }
                ExitCode::SUCCESS
            }
            Err(error) => {
                errln!("error: cannot write the generated files: {error}");
                ExitCode::FAILURE
            }
        },
        ["--check"] => {
            let stale = generate::stale(&root);
            for file in &stale {
                errln!("stale: {}; run `cargo run -p real-crds`", file.path.display());
            }
            if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => {
            errln!("usage: real-crds [--check]");
            ExitCode::from(2)
        }
    })
}
