//! `verify`: compare an answer with a gold answer.

use std::collections::BTreeMap;

use autodidact_core::{Answer, Choice, Problem, ProblemId, Split};
use autodidact_star::StarError;

use crate::arguments::VerifyArguments;
use crate::checkers;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

pub(crate) async fn execute(
    arguments: &VerifyArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let labels = ('A'..='Z').map(String::from);
    let choices: Vec<Choice> = labels
        .zip(&arguments.choice)
        .map(|(label, text)| Choice {
            label,
            text: text.clone(),
        })
        .collect();
    let problem = Problem {
        id: ProblemId("1".to_owned()),
        question: String::new(),
        gold: Some(Answer(arguments.gold.clone())),
        choices,
        solution: None,
        split: Split::Evaluate,
        meta: BTreeMap::new(),
    };
    let checker = checkers::of_arguments(Some(arguments.kind), &arguments.running, settings)?;
    let (kind, candidate) = (arguments.kind, arguments.candidate.clone());
    let verified = tokio::task::spawn_blocking(move || checker.verify(kind, &problem, &candidate));
    let verification = verified.await.map_err(|_| StarError::Worker)?;
    printer.verification(&verification)?;
    if verification.verdict.is_right() {
        Ok(())
    } else {
        Err(Failure::No)
    }
}
