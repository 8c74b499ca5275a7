//! `run`: teach a student, or go on with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_star::{ReportData, Run, report_data, validate};
use autodidact_store::{Opened, RunStore, StoreError, atomic_write};

use crate::arguments::RunArguments;
use crate::failure::Failure;
use crate::interrupt;
use crate::open;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::spec_changes::changes;
use crate::watcher::Watcher;

pub(crate) async fn execute(
    arguments: &RunArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let open = open::spec(&arguments.spec, &arguments.overrides)?;
    let task = open.task()?;
    let name = open.spec.run.name.as_str().to_owned();
    let directory = arguments
        .runs
        .as_ref()
        .unwrap_or(&settings.runs)
        .join(&name);
    let spec_text = toml::to_string_pretty(&open.spec)
        .map_err(|e| Failure::Usage(format!("the spec cannot be written down: {e}")))?;
    validate(&open.spec, &task)?;
    // Before the run exists, so that a model that cannot be had leaves no run behind.
    let fetched = open.fetch(settings, &arguments.machine, printer)?;
    let student = open::student(&fetched, &arguments.machine)?;
    if arguments.new {
        put_aside(&directory, printer).await?;
    }
    let Opened { store, resumed } = RunStore::open_or_create(&directory, &spec_text).await?;
    if resumed {
        refuse_changes(&store.spec().await?, &spec_text, &name)?;
        printer.note(&format!(
            "going on with the run `{name}` in {}",
            directory.display()
        ));
    } else {
        printer.note(&format!(
            "starting the run `{name}` in {}",
            directory.display()
        ));
    }
    if task.dropped_overlap > 0 {
        printer.note(&format!(
            "{} training problems are also evaluated on and were left out",
            task.dropped_overlap
        ));
    }
    let stop = interrupt::watch(printer);
    let watcher = Arc::new(Watcher::new(printer.clone()));
    let run = Run::new(
        open.spec,
        task,
        store,
        fetched.sha256,
        student,
        watcher,
        stop,
    )?;
    let outcome = run.star().await;
    let report = write_report(&run, &directory, &name).await;
    match outcome {
        Ok(status) => printer.run_finished(&status, &report?, &directory),
        Err(error) => {
            if let Err(failure) = report {
                printer.note(&format!("no report was written: {failure}"));
            }
            if error.is_interruption() {
                printer.note("parked; the same command (without `--new`) goes on where it stopped");
            }
            Err(error.into())
        }
    }
}

/// The report shows whatever is there, so an interrupted run has one too.
async fn write_report(run: &Run, directory: &Path, name: &str) -> Result<ReportData, Failure> {
    let data = report_data(run.store(), name).await?;
    let page = autodidact_report::render(&data);
    atomic_write(&directory.join("report.html"), page.as_bytes())?;
    Ok(data)
}

/// A run goes on only with the spec it was started with.
fn refuse_changes(recorded: &str, now: &str, name: &str) -> Result<(), Failure> {
    let changed = changes(recorded, now);
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "the run `{name}` was started with another spec:\n  {}\ngive `--new` to put it aside and start afresh, or `--name` to start another run beside it",
        changed.join("\n  ")
    )))
}

/// Renames a run's directory to the first free `<name>.<number>`, after making sure that nobody
/// works on it.
async fn put_aside(directory: &Path, printer: &Printer) -> Result<(), Failure> {
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
