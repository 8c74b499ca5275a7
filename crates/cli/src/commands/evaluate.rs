//! `evaluate`: measure a model on a task.

use autodidact_star::{Measurement, StarError, measure_once};

use crate::arguments::EvaluateArguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::watcher::Watcher;
use crate::{checkers, interrupt, open};

pub(crate) async fn execute(
    arguments: &EvaluateArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let open = open::spec(&arguments.spec, &arguments.overrides)?;
    let task = open.task()?;
    let fetched = open.fetch(settings, &arguments.machine, printer)?;
    let student = open::student(&fetched, &arguments.machine)?;
    let threads = open::threads(&arguments.machine);
    let checker = checkers::of_task(&open.spec.task, &open.directory, settings, threads)?;
    let stop = interrupt::watch(printer);
    let watcher = Watcher::new(printer.clone());
    let measurement = Measurement {
        adapter: arguments.adapter.clone(),
        few_shot: arguments.few_shot,
    };
    let measured = tokio::task::spawn_blocking(move || {
        measure_once(
            &open.spec,
            &task,
            &*student,
            &checker,
            &measurement,
            &watcher,
            &stop,
        )
    });
    printer.measured(&measured.await.map_err(|_| StarError::Worker)??)
}
