//! The journals of commands: where they are, and putting one aside.

use std::path::{Path, PathBuf};

use autodidact_core::EnsembleSpec;
use autodidact_store::{RunStore, StoreError};

use crate::ensemble_arguments::EnsembleArguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

/// The directory of a command's journal: as named, or `usual`.
pub(crate) fn directory(
    arguments: &EnsembleArguments,
    usual: &str,
    settings: &Settings,
) -> PathBuf {
    let runs = arguments.runs.as_ref().unwrap_or(&settings.runs);
    runs.join(arguments.name.as_deref().unwrap_or(usual))
}

/// An ensemble as its journal keeps it.
pub(crate) fn text(spec: &EnsembleSpec) -> Result<String, Failure> {
    toml::to_string_pretty(&spec.without_key_commands())
        .map_err(|e| Failure::Usage(format!("the ensemble cannot be written down: {e}")))
}

/// Renames a journal's directory to the first free `<name>.<number>`, after making sure that nobody
/// works on it.
pub(crate) async fn put_aside(directory: &Path, printer: &Printer) -> Result<(), Failure> {
    if !directory.exists() {
        return Ok(());
    }
    match RunStore::open(directory).await {
        Ok(store) => store.close().await,
        // Killed before it had begun: nobody owns it and nothing is in it.
        Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let aside = |n: u32| {
        let mut name = directory.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    };
    let mut number = 1;
    while aside(number).exists() {
        number += 1;
    }
    let target = aside(number);
    std::fs::rename(directory, &target).map_err(|source| Failure::Write {
        path: target.clone(),
        source,
    })?;
    printer.note(&format!("the earlier run is now {}", target.display()));
    Ok(())
}
