//! `status`: where a run stands.

use autodidact_star::status;
use autodidact_store::RunStore;

use crate::arguments::RunReference;
use crate::failure::Failure;
use crate::open::run_directory;
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) async fn execute(
    arguments: &RunReference,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let directory = run_directory(&arguments.run, arguments.runs.as_ref(), settings);
    let store = RunStore::open_reader(&directory).await?;
    let name = run_name(&directory);
    let progress = store.progress().await?;
    printer.status(&status(&store, &name).await?, progress.as_ref())
}

/// The name of the run in a directory.
pub(super) fn run_name(directory: &std::path::Path) -> String {
    directory
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
