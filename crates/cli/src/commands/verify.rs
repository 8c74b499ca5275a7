//! `verify`: compare an answer with a gold answer, or all answers of a file.

use std::collections::BTreeMap;

use autodidact_core::{Answer, Choice, Problem, ProblemId, Split, VerifyKind};
use autodidact_star::{Checker, StarError};
use autodidact_verify::{Explanation, Policies, Request, explain, parse_tolerance};

use super::verify_file::{self, Rules};
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
    let policies = policies(arguments)?;
    let first = arguments.gold.as_ref().or(arguments.first.as_ref());
    let second = arguments.candidate.as_ref().or(match arguments.gold {
        Some(_) => arguments.first.as_ref(),
        None => arguments.second.as_ref(),
    });
    let file = arguments
        .gold
        .is_none()
        .then(|| verify_file::place(first, second))
        .flatten();
    if let Some(path) = file {
        // Lines may be of any kind; a program is there for those that need one.
        let command = !arguments.running.verify_command.is_empty();
        let kind = if command {
            VerifyKind::Command
        } else {
            arguments.kind
        };
        let rules = Rules {
            kind: arguments.kind,
            policies,
            checker: checkers::of_arguments(Some(kind), &arguments.running, settings)?,
        };
        let printer = printer.clone();
        let verified =
            tokio::task::spawn_blocking(move || verify_file::execute(&path, &rules, &printer));
        return verified.await.map_err(|_| StarError::Worker)?;
    }
    let (Some(gold), Some(candidate)) = (first, second) else {
        return Err(Failure::Usage(
            "give `--gold` and `--candidate`, or the name of a file of JSON lines (`-` for standard input)"
                .to_owned(),
        ));
    };
    let explained = one(arguments, gold, candidate, &policies, settings).await?;
    printer.explanation(&explained)?;
    if explained.verification.verdict.is_right() {
        Ok(())
    } else {
        Err(Failure::No)
    }
}

async fn one(
    arguments: &VerifyArguments,
    gold: &str,
    candidate: &str,
    policies: &Policies,
    settings: &Settings,
) -> Result<Explanation, Failure> {
    let labels = ('A'..='Z').map(String::from);
    let choices: Vec<Choice> = labels
        .zip(&arguments.choice)
        .map(|(label, text)| Choice {
            label,
            text: text.clone(),
        })
        .collect();
    let checker = checkers::of_arguments(Some(arguments.kind), &arguments.running, settings)?;
    if !Checker::runs(arguments.kind) {
        let request = Request {
            choices: &choices,
            prompt: arguments.question.as_deref(),
            ..Request::new(arguments.kind, gold, candidate)
        };
        return Ok(explain(&request, policies));
    }
    let problem = Problem {
        id: ProblemId("1".to_owned()),
        question: arguments.question.clone().unwrap_or_default(),
        gold: Some(Answer(gold.to_owned())),
        choices,
        solution: None,
        split: Split::Evaluate,
        meta: BTreeMap::new(),
    };
    let (kind, candidate) = (arguments.kind, candidate.to_owned());
    let verified = tokio::task::spawn_blocking(move || checker.verify(kind, &problem, &candidate));
    let verification = verified.await.map_err(|_| StarError::Worker)?;
    Ok(Explanation {
        steps: vec![verification.how.clone()],
        verification,
    })
}

fn policies(arguments: &VerifyArguments) -> Result<Policies, Failure> {
    let tolerance = arguments.tolerance.as_deref().map(parse_tolerance);
    Ok(Policies {
        symmetric: arguments.symmetric,
        tolerance: tolerance.transpose().map_err(Failure::Usage)?,
        number_format: arguments.number_format.into(),
        accept_missing_unit: !arguments.strict_units,
        gold_unit: arguments.unit.clone(),
        ..Policies::default()
    })
}
