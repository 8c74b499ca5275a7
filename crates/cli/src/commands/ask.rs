//! `ask`: one question, several models, one answer.

use std::sync::Arc;

use autodidact_core::{EnsembleSpec, Problem, ProblemId, Split};
use autodidact_star::{Ensemble, JournaledPurse, Member, Writer, check_declarations};
use autodidact_store::{Opened, RunStore};

use crate::ensemble_arguments::AskArguments;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::{interrupt, journals, members};

pub(crate) async fn execute(
    arguments: &AskArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let question = arguments.question.trim();
    if question.is_empty() {
        return Err(Failure::Usage("the question is empty".to_owned()));
    }
    let open = members::resolve(&arguments.ensemble, settings, printer)?;
    if open.spec.models.is_empty() {
        return Err(Failure::Usage(
            "there is no model to ask; name some with `--models` or `--config`".to_owned(),
        ));
    }
    let problem = problem(question);
    let name = format!("ask-{}", problem.id);
    let (store, resumed) =
        open_journal(&open.spec, &arguments.ensemble, &name, settings, printer).await?;
    let stop = interrupt::watch(printer);
    let mut fleet = Fleet::new(settings, &arguments.machine, printer, &open.directory, stop)?;
    let models = fleet.models(&open.spec.models);
    let judges = fleet.judges(&open.spec.judges);
    for failed in models.failed.iter().chain(&judges.failed) {
        printer.failed(failed);
    }
    let writer = Writer::start(&store);
    let budget = open.spec.budget_usd;
    let purse = Arc::new(JournaledPurse::open(&store, writer.clone(), budget).await?);
    let member = |model| Member {
        model,
        purse: purse.clone(),
        writer: writer.clone(),
    };
    let asked: Vec<Member> = models.ready.into_iter().map(member).collect();
    let wait = printer.waiting(&format!("asking {} models", asked.len()));
    let ensemble = Ensemble::new(
        open.spec,
        asked,
        judges.ready,
        store,
        writer,
        purse,
        resumed,
    );
    let combined = ensemble.answer(&problem, None).await;
    drop(wait);
    ensemble.flush().await?;
    let mut combined = combined?;
    for failed in &combined.failures {
        printer.failed(failed);
    }
    combined
        .failures
        .splice(..0, models.failed.into_iter().chain(judges.failed));
    printer.combined(&combined)?;
    match combined.no_winner {
        Some(reason) => Err(Failure::NoWinner(reason)),
        None => Ok(()),
    }
}

/// Opens the journal of a question; asking again shows what is there and asks for the rest.
async fn open_journal(
    spec: &EnsembleSpec,
    arguments: &crate::ensemble_arguments::EnsembleArguments,
    name: &str,
    settings: &Settings,
    printer: &Printer,
) -> Result<(Arc<RunStore>, bool), Failure> {
    let directory = journals::directory(arguments, name, settings);
    if arguments.new {
        journals::put_aside(&directory, printer).await?;
    }
    let text = journals::text(spec)?;
    let Opened { store, resumed } = RunStore::open_or_create(&directory, &text).await?;
    check_declarations(&store, spec).await?;
    Ok((Arc::new(store), resumed))
}

/// A question of the command line; its id is a hash of it.
fn problem(question: &str) -> Problem {
    let hash = blake3::hash(question.as_bytes()).to_hex();
    Problem {
        id: ProblemId(hash[..12].to_owned()),
        question: question.to_owned(),
        gold: None,
        choices: Vec::new(),
        solution: None,
        split: Split::Evaluate,
        meta: std::collections::BTreeMap::new(),
    }
}
