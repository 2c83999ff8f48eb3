//! Where the programs under test are.

use std::path::PathBuf;
use std::process::Command;

/// The program `name` of the same build as this test.
///
/// # Panics
/// Where it was not built, saying how to build it.
pub fn path(name: &str) -> PathBuf {
    // A test lies in `<target>/<profile>/deps`, programs in `<target>/<profile>`.
    let test = std::env::current_exe().expect("a process knows its program");
    let folder = test.ancestors().nth(2).expect("a test lies in a deps folder");
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} is not built: run `cargo build --bins` (with --release where the tests have it) before these tests",
        program.display()
    );
    program
}

/// The program, ready for arguments.
///
/// # Panics
/// As [`path`].
pub fn command(name: &str) -> Command {
    Command::new(path(name))
}
