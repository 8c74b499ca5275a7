//! `report`: write a run's report again.

use autodidact_star::report_data;
use autodidact_store::{RunStore, atomic_write};

use super::status::run_name;
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
    let data = report_data(&store, &run_name(&directory)).await?;
    let path = directory.join("report.html");
    atomic_write(&path, autodidact_report::render(&data).as_bytes())?;
    printer.path("report", &path)
}
