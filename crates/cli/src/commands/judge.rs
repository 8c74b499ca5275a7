//! `judge`: scores for the answers in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_star::{ScoredAnswers, check_declarations, judge_file};
use autodidact_store::{Opened, RunStore};

use crate::ensemble_arguments::JudgeArguments;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::watcher::ProblemBar;
use crate::{checkers, interrupt, journals, members};

pub(crate) async fn execute(
    arguments: &JudgeArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let mut open = members::resolve(&arguments.ensemble, settings, printer)?;
    // Only judges are asked here.
    open.spec.models.clear();
    open.spec.fuse.aggregator = None;
    open.spec.strategy = autodidact_core::Strategy::Best;
    if open.spec.judges.is_empty() {
        return Err(Failure::Usage(
            "there is no judge to ask; name one with `--judge` or `--config`".to_owned(),
        ));
    }
    let lines = count(&arguments.data).await?;
    let stem = arguments.data.file_stem().unwrap_or_default();
    let usual = format!("judge-{}", stem.to_string_lossy());
    let directory = journals::directory(&arguments.ensemble, &usual, settings);
    if arguments.ensemble.new {
        journals::put_aside(&directory, printer).await?;
    }
    let text = journals::text(&open.spec)?;
    let Opened { store, resumed } = RunStore::open_or_create(&directory, &text).await?;
    check_declarations(&store, &open.spec).await?;
    if resumed {
        printer.note(&format!("going on with {}", directory.display()));
    }
    let stop = interrupt::watch(printer);
    let mut fleet = Fleet::new(
        settings,
        &arguments.machine,
        printer,
        &open.directory,
        stop.clone(),
    )?;
    let (_, judges) = fleet.all(&[], &open.spec.judges)?;
    let answers = ScoredAnswers {
        path: arguments.data.clone(),
        question: arguments.question.clone(),
        text: arguments.text.clone(),
        gold: arguments.gold.clone(),
        verify: arguments.verify,
        checker: checkers::of_arguments(Some(arguments.verify), &arguments.running, settings)?,
    };
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{}.scored.jsonl", stem.to_string_lossy())));
    let bar = ProblemBar::new(printer, lines);
    let on_line = |done| bar.at(done);
    let budget = open.spec.budget_usd;
    let store = Arc::new(store);
    let judged = judge_file(&answers, &out, judges, &store, budget, &on_line, &stop).await;
    bar.finish();
    let judged = judged?;
    for failed in &judged.failures {
        printer.failed(failed);
    }
    printer.judged(&judged, &out)?;
    if judged.unscored == judged.lines {
        return Err(Failure::NoWinner(format!(
            "no judge is left: none of {} answers could be scored; see the reasons above",
            judged.lines
        )));
    }
    if judged.failures.is_empty() {
        return Ok(());
    }
    Err(Failure::Unfinished(format!(
        "{} of {} answers have no score; the same command asks again where a judge failed",
        judged.unscored, judged.lines
    )))
}

/// Reads the whole file once, so that a bad line is known before anything is paid.
async fn count(path: &Path) -> Result<u64, Failure> {
    let path = path.to_owned();
    let counted = tokio::task::spawn_blocking(move || {
        let mut lines = 0;
        autodidact_tasks::for_each_record(&path, |_, _| {
            lines += 1;
            Ok(true)
        })?;
        Ok::<u64, autodidact_tasks::TaskError>(lines)
    });
    let lines = counted
        .await
        .map_err(|_| autodidact_star::StarError::Worker)??;
    if lines == 0 {
        return Err(Failure::Usage("the file holds no answers".to_owned()));
    }
    Ok(lines)
}
