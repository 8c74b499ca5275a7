//! What the tests of the command share.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a failed test panics; not every test uses all"
)]

pub(crate) mod fleet;
pub(crate) mod school;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The command in a directory of its own; models are cached beside the build, so that they are
/// fetched once.
pub(crate) fn autodidact(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_autodidact"));
    command
        .current_dir(directory)
        .env("AUTODIDACT_CACHE", root().join("target/models"))
        .env_remove("AUTODIDACT_RUNS")
        .env_remove("AUTODIDACT_OFFLINE");
    command
}

/// Exit code, standard output and standard error.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = autodidact(directory).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}
