//! `run`: teach a student, or go on with it.

use std::path::Path;
use std::sync::Arc;

use autodidact_core::{RunSpec, RunStatus};
use autodidact_star::{
    Faculty, Observer, Parts, ReportData, Run, StarError, report_data, started_without_search,
    validate,
};
use autodidact_store::{Opened, RunStore, atomic_write};
use autodidact_track::Ending;

use crate::arguments::RunArguments;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::overlap_tables::Overlaps;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::spec_changes::changes;
use crate::tracking::Observers;
use crate::watcher::Watcher;
use crate::{checkers, interrupt, journals, open, tracking};

pub(crate) async fn execute(
    arguments: &RunArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let open = open::spec(&arguments.spec, &arguments.overrides)?;
    let mut task = open.task()?;
    let name = open.spec.run.name.as_str().to_owned();
    let directory = arguments
        .runs
        .as_ref()
        .unwrap_or(&settings.runs)
        .join(&name);
    let spec_text = toml::to_string_pretty(&open.spec.without_key_commands())
        .map_err(|e| Failure::Usage(format!("the spec cannot be written down: {e}")))?;
    validate(&open.spec, &task)?;
    // Before the run exists, so that a model that cannot be had leaves no run behind.
    let fetched = open.fetch(settings, &arguments.machine, printer)?;
    let student = open::student(&fetched, &arguments.machine)?;
    let stop = interrupt::watch(printer);
    let machine = &arguments.machine;
    let threads = open::threads(machine);
    let checker = checkers::of_task(&open.spec.task, &open.directory, settings, threads)?;
    let mut fleet = Fleet::new(settings, machine, printer, &open.directory, stop.clone())?;
    let (teachers, judges) = fleet.all(&open.spec.teachers, &open.spec.judges)?;
    if arguments.new {
        journals::put_aside(&directory, printer).await?;
    }
    let Opened { store, resumed } = RunStore::open_or_create(&directory, &spec_text).await?;
    if resumed {
        refuse_changes(&store.spec().await?, &spec_text, &name)?;
        if started_without_search(&store).await? {
            task = open.task_without_search()?;
        }
    }
    let begins = if resumed { "going on with" } else { "starting" };
    printer.note(&format!(
        "{begins} the run `{name}` in {}",
        directory.display()
    ));
    if let Some(overlaps) = Overlaps::first(&task.overlaps) {
        printer.note(&overlaps.text());
    }
    let store = Arc::new(store);
    let faculty = Faculty::open(&store, teachers, judges, open.spec.run.budget_usd).await?;
    let tracker = tracking::start(&open.spec, &store, &faculty, settings, printer).await?;
    let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Watcher::new(printer.clone()))];
    if let Some(tracker) = &tracker {
        observers.push(tracker.clone());
    }
    let parts = Parts {
        store,
        faculty,
        model: fetched.sha256,
        checker,
        student,
        observer: Arc::new(Observers(observers)),
        stop,
    };
    let run = Run::new(open.spec, task, parts)?;
    let outcome = run.star().await;
    if let Some(tracker) = tracker {
        tracker.finish(ending(&outcome));
    }
    let report = write_report(&run, &directory, &name).await;
    finish(outcome, report, &directory, printer)
}

/// What is told to whoever tracks a run.
fn ending(outcome: &Result<RunStatus, StarError>) -> Ending {
    match outcome {
        Ok(_) => Ending::Finished,
        Err(error) if error.is_interruption() => Ending::Parked,
        Err(_) => Ending::Failed,
    }
}

/// Prints what a run came to.
fn finish(
    outcome: Result<RunStatus, StarError>,
    report: Result<ReportData, Failure>,
    directory: &Path,
    printer: &Printer,
) -> Result<(), Failure> {
    match outcome {
        Ok(status) => printer.run_finished(&status, &report?, directory),
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
    let changed = changes(&identity(recorded), &identity(now));
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "the run `{name}` was started with another spec:\n  {}\ngive `--new` to put it aside and start afresh, or `--name` to start another run beside it",
        changed.join("\n  ")
    )))
}

/// A spec as text without what may change while the run goes on; as it is, if it cannot be read.
fn identity(text: &str) -> String {
    let spec = RunSpec::parse(text).map(|spec| spec.identity());
    let text_of = |spec: RunSpec| toml::to_string_pretty(&spec).ok();
    spec.ok()
        .and_then(text_of)
        .unwrap_or_else(|| text.to_owned())
}
