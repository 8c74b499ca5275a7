//! `sample`: a whole data set, several models, judged and combined, without training.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_core::{EnsembleSpec, ModelSpec, Prompt, Strategy};
use autodidact_star::{
    Attempt, DataSet, DataSetProgress, Ensemble, Estimate, Estimator, JournaledPurse, Lines,
    Member, Writer, check_choosing, check_declarations, ensemble_prompt, read_batch_file,
    write_batch_file,
};
use autodidact_store::{Opened, RunStore};
use autodidact_tasks::Fields;

use crate::ensemble_arguments::SampleArguments;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::members::{self, OpenEnsemble};
use crate::printer::Printer;
use crate::settings::Settings;
use crate::watcher::ProblemBar;
use crate::{checkers, interrupt, journals};

pub(crate) async fn execute(
    arguments: &SampleArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let data = data_set(arguments);
    // Before anything is paid: every line is read, and the file is told from others.
    let scanned = scan(&data).await?;
    let open = members::resolve(&arguments.ensemble, settings, printer)?;
    let OpenEnsemble { spec, directory } = open;
    if spec.models.is_empty() {
        return Err(Failure::Usage(
            "there is no model to ask; name some with `--models` or `--config`".to_owned(),
        ));
    }
    if arguments.check {
        let estimates = estimates(&spec, &data, settings).await?;
        return printer.estimates(&estimates, spec.budget_usd);
    }
    let (store, resumed) = open_journal(&spec, arguments, &scanned, settings, printer).await?;
    let stop = interrupt::watch(printer);
    let mut fleet = Fleet::new(
        settings,
        &arguments.machine,
        printer,
        &directory,
        stop.clone(),
    )?;
    if let Some(out) = &arguments.write_batch {
        let model = fleet.remote(&spec.models[0])?;
        let lines = write_batch_file(&spec, model, &store, &data, out).await?;
        printer.note(&format!("{lines} requests"));
        return printer.path("batch", out);
    }
    if let Some(file) = &arguments.read_batch {
        let model = fleet.remote(&spec.models[0])?;
        let found = read_batch_file(&spec, model, &store, &data, file).await?;
        printer.note(&format!("{found} answers from {}", file.display()));
    }
    let (models, judges) = fleet.all(&spec.models, &spec.judges)?;
    let writer = Writer::start(&store);
    let purse = Arc::new(JournaledPurse::open(&store, writer.clone(), spec.budget_usd).await?);
    let member = |model| Member {
        model,
        purse: purse.clone(),
        writer: writer.clone(),
    };
    let asked: Vec<Member> = models.into_iter().map(member).collect();
    let spent = purse.clone();
    let resumed = resumed || arguments.read_batch.is_some();
    let checker = checkers::of_arguments(arguments.verify, &arguments.running, settings)?;
    let ensemble =
        Ensemble::new(spec, asked, judges, store, writer, purse, resumed).with_checker(checker);

    let bar = ProblemBar::new(printer, scanned.problems);
    let observer = |progress: &DataSetProgress| bar.show(progress);
    let committed = || spent.committed();
    let attempt = ensemble.answer_all(&data, &committed, &observer, &stop);
    let attempt = attempt.await;
    bar.finish();
    ensemble.flush().await?;
    if attempt
        .as_ref()
        .is_err_and(autodidact_star::StarError::is_interruption)
    {
        printer.note("parked; the same command (without `--new`) goes on where it stopped");
    }
    finish(arguments, &ensemble, &data, &attempt?, printer).await
}

/// Writes the data set and says what is left to do.
async fn finish(
    arguments: &SampleArguments,
    ensemble: &Ensemble,
    data: &DataSet,
    attempt: &Attempt,
    printer: &Printer,
) -> Result<(), Failure> {
    for failed in &attempt.failures {
        printer.failed(failed);
    }
    let out = out_file(arguments);
    let lines = if arguments.chosen {
        Lines::Chosen
    } else {
        Lines::All
    };
    let summary = ensemble.write_rows(data, lines, Some(&out)).await?;
    printer.data_set(&summary, &out)?;
    let left = summary.problems - summary.answered;
    if left == 0 {
        return Ok(());
    }
    let first = attempt.failures.first();
    let why = first.map_or_else(String::new, |failed| format!(": {}", failed.error));
    Err(Failure::Unfinished(format!(
        "{left} of {} problems have no answer yet{why}\nthe same command goes on with them",
        summary.problems
    )))
}

/// What asking will take, at most.
async fn estimates(
    spec: &EnsembleSpec,
    data: &DataSet,
    settings: &Settings,
) -> Result<Vec<Estimate>, Failure> {
    let prices = crate::fleet::prices(settings)?;
    let (spec, data) = (spec.clone(), data.clone());
    let counted = tokio::task::spawn_blocking(move || {
        let of = |model: &ModelSpec, samples, max_tokens| {
            let read = prices.read_on(model).map(str::to_owned);
            Estimator::new(model, samples, max_tokens, prices.price(model), read)
        };
        let models = spec
            .models
            .iter()
            .map(|m| of(m, m.samples * times(&spec, m), spec.max_tokens));
        // Fusing adds the layers' answers.
        let layers = match spec.strategy {
            Strategy::Fuse => spec.fuse.layers,
            _ => 0,
        };
        let each = spec.models.iter().map(|m| m.samples).sum::<u32>();
        let answers = each * layers.max(1) + u32::from(layers > 0);
        let judges = spec.judges.iter().map(|judge| {
            let model = judge.as_model();
            let read = prices.read_on(&model).map(str::to_owned);
            Estimator::for_judge(judge, answers, prices.price(&model), read)
        });
        let mut models: Vec<Estimator> = models.collect();
        let mut judges: Vec<Estimator> = judges.collect();
        let mut left = data.limit.unwrap_or(u64::MAX);
        // A judge reads the question and an answer, which is as long as one may be.
        let answer = "x".repeat(4 * spec.max_tokens as usize);
        autodidact_tasks::for_each_problem(&data.path, &data.fields, |problem| {
            let prompt = ensemble_prompt(&spec, &problem);
            for model in &mut models {
                model.add(&prompt);
            }
            let judged = Prompt::Text(format!("{}{answer}", problem.question));
            for judge in &mut judges {
                judge.add(&judged);
            }
            left -= 1;
            left > 0
        })?;
        let all = models.into_iter().chain(judges);
        Ok::<_, autodidact_tasks::TaskError>(all.map(Estimator::finish).collect())
    });
    Ok(counted
        .await
        .map_err(|_| autodidact_star::StarError::Worker)??)
}

/// How often a model is asked about a problem: once, and again in each layer of fusing.
fn times(spec: &EnsembleSpec, model: &ModelSpec) -> u32 {
    if spec.strategy != Strategy::Fuse {
        return 1;
    }
    let named = spec.fuse.aggregator.as_deref();
    let first = spec.models.first().map(|m| m.name.as_str());
    let aggregates = named.or(first) == Some(model.name.as_str());
    spec.fuse.layers + u32::from(aggregates)
}

fn data_set(arguments: &SampleArguments) -> DataSet {
    DataSet {
        path: arguments.data.clone(),
        fields: Fields {
            question: arguments.question.clone(),
            answer: arguments.answer.clone(),
            choices: arguments.choices.clone(),
            id: arguments.id.clone(),
        },
        verify: arguments.verify,
        limit: arguments.limit,
    }
}

/// What is known of a file before anything is asked.
struct Scanned {
    problems: u64,
    hash: String,
}

async fn scan(data: &DataSet) -> Result<Scanned, Failure> {
    let data = data.clone();
    let scanned = tokio::task::spawn_blocking(move || {
        let mut problems = 0;
        let limit = data.limit.unwrap_or(u64::MAX);
        let mut hasher = blake3::Hasher::new();
        autodidact_tasks::for_each_problem(&data.path, &data.fields, |problem| {
            problems += 1;
            hasher.update(problem.id.0.as_bytes());
            hasher.update(problem.question.as_bytes());
            true
        })?;
        Ok::<_, autodidact_tasks::TaskError>(Scanned {
            problems: limit.min(problems),
            hash: hasher.finalize().to_hex().to_string(),
        })
    });
    let scanned = scanned
        .await
        .map_err(|_| autodidact_star::StarError::Worker)??;
    if scanned.problems == 0 {
        return Err(Failure::Usage("the data set holds no problems".to_owned()));
    }
    Ok(scanned)
}

fn out_file(arguments: &SampleArguments) -> PathBuf {
    arguments.out.clone().unwrap_or_else(|| {
        let stem = arguments.data.file_stem().unwrap_or_default();
        PathBuf::from(format!("{}.answers.jsonl", stem.to_string_lossy()))
    })
}

async fn open_journal(
    spec: &EnsembleSpec,
    arguments: &SampleArguments,
    scanned: &Scanned,
    settings: &Settings,
    printer: &Printer,
) -> Result<(Arc<RunStore>, bool), Failure> {
    let stem = arguments
        .data
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy();
    let usual = format!("sample-{stem}");
    let directory = journals::directory(&arguments.ensemble, &usual, settings);
    if arguments.ensemble.new {
        journals::put_aside(&directory, printer).await?;
    }
    let text = journals::text(spec)?;
    let Opened { store, resumed } = RunStore::open_or_create(&directory, &text).await?;
    check_declarations(&store, spec).await?;
    check_data(&store, &scanned.hash, &directory).await?;
    if check_choosing(&store, spec, arguments.verify).await? {
        printer.note("winners are chosen in another way than before, so they are chosen again from the answers that are there");
    }
    if resumed {
        printer.note(&format!("going on with {}", directory.display()));
    }
    Ok((Arc::new(store), resumed))
}

/// A journal belongs to one data set.
async fn check_data(store: &RunStore, hash: &str, directory: &Path) -> Result<(), Failure> {
    let before: Option<String> = store.stage(0, "data set").await?;
    match before {
        None => {
            store.finish_stage(0, "data set", hash).await?;
            Ok(())
        }
        Some(before) if before == hash => Ok(()),
        Some(_) => Err(Failure::Usage(format!(
            "{} is the journal of another data set, or of an earlier version of this one; give `--name` to start another beside it, or `--new` to put it aside",
            directory.display()
        ))),
    }
}
