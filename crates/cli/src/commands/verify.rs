//! `verify`: compare an answer with a gold answer.

use autodidact_core::Choice;
use autodidact_verify::verify_answer;

use crate::arguments::VerifyArguments;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn execute(arguments: &VerifyArguments, printer: &Printer) -> Result<(), Failure> {
    let labels = ('A'..='Z').map(String::from);
    let choices: Vec<Choice> = labels
        .zip(&arguments.choice)
        .map(|(label, text)| Choice {
            label,
            text: text.clone(),
        })
        .collect();
    let verification = verify_answer(
        arguments.kind,
        &arguments.gold,
        &choices,
        &arguments.candidate,
    );
    printer.verification(&verification)?;
    if verification.verdict.is_right() {
        Ok(())
    } else {
        Err(Failure::No)
    }
}
