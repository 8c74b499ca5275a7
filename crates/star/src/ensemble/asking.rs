//! What a model is asked, and what an answer to it states.

use std::collections::BTreeMap;

use autodidact_core::{
    EnsembleSpec, Message, Mode, Problem, Prompt, Sample, SamplerId, Verification, VerifyKind,
};
use autodidact_store::Provenance;
use autodidact_verify::{final_answer, verify_answer};

use crate::StarError;
use crate::checker::{Checker, Item};
use crate::ensemble::candidate::Candidate;
use crate::ensemble::member::Asking;

/// What a model is asked about a problem in a layer.
pub(crate) fn asking(
    spec: &EnsembleSpec,
    model: &str,
    problem: &Problem,
    layer: u32,
    shown: &[Candidate],
    samples: u32,
) -> Asking {
    Asking {
        iteration: 0,
        problem: problem.id.clone(),
        sampler: sampler(model, layer),
        mode: Mode::Rationale,
        prompt: prompt(spec, problem, shown),
        samples,
        temperature: spec.temperature,
        max_tokens: spec.max_tokens,
        stop: Vec::new(),
        seed: spec.seed,
    }
}

/// The question with its choices, after the instruction and, in later layers, with the answers of the
/// layer before.
fn prompt(spec: &EnsembleSpec, problem: &Problem, shown: &[Candidate]) -> Prompt {
    let mut messages = Vec::new();
    let instruction = spec.instruction.trim();
    if !instruction.is_empty() {
        messages.push(Message {
            role: "system".into(),
            content: instruction.to_owned(),
        });
    }
    let question = question_text(problem);
    messages.push(Message::user(if shown.is_empty() {
        question
    } else {
        crate::ensemble::fuse::prompt(&question, shown)
    }));
    Prompt::Chat(messages)
}

/// What a problem is asked as before any model has answered.
pub fn ensemble_prompt(spec: &EnsembleSpec, problem: &Problem) -> Prompt {
    prompt(spec, problem, &[])
}

/// The name in the journal of a model's answers in a layer.
pub(crate) fn sampler(model: &str, layer: u32) -> SamplerId {
    SamplerId(if layer == 0 {
        model.to_owned()
    } else {
        format!("{model}/layer-{layer}")
    })
}

/// The question, with its choices below it.
pub(crate) fn question_text(problem: &Problem) -> String {
    let mut text = problem.question.clone();
    for choice in &problem.choices {
        text += &format!("\n({}) {}", choice.label, choice.text);
    }
    text
}

/// Answers as candidates, compared with gold where there is gold.
pub(crate) async fn candidates(
    checker: &Checker,
    model: &str,
    answers: Vec<(Sample, Provenance)>,
    problem: &Problem,
    kind: Option<VerifyKind>,
) -> Result<Vec<Candidate>, StarError> {
    let verifications = match kind_of(problem, kind) {
        Some(kind) => {
            let items: Vec<Item<'_>> = answers
                .iter()
                .map(|(sample, _)| Item {
                    kind,
                    problem,
                    text: &sample.completion.text,
                })
                .collect();
            let verified = checker.verify_many(&items).await?;
            verified.into_iter().map(Some).collect()
        }
        None => vec![None; answers.len()],
    };
    Ok(answers
        .into_iter()
        .zip(verifications)
        .map(|((sample, provenance), verified)| candidate(model, sample, provenance, verified))
        .collect())
}

fn candidate(
    model: &str,
    sample: Sample,
    provenance: Provenance,
    verification: Option<Verification>,
) -> Candidate {
    let Sample { key, completion } = sample;
    let extracted = verification.as_ref().and_then(|v| v.extracted.clone());
    Candidate {
        key,
        model: model.to_owned(),
        answer: extracted.or_else(|| final_answer(&completion.text)),
        right: verification.map(|v| v.verdict.is_right()),
        text: completion.text,
        finish: completion.finish,
        tokens: completion.tokens,
        provenance,
        scores: None,
        opinions: BTreeMap::new(),
    }
}

/// How answers are compared with gold, where there is gold: as declared, or else by what gold is.
fn kind_of(problem: &Problem, declared: Option<VerifyKind>) -> Option<VerifyKind> {
    let gold = problem.gold.as_ref()?;
    Some(declared.unwrap_or_else(|| {
        let stated = format!("The answer is {gold}.");
        let number = || verify_answer(VerifyKind::Number, &gold.0, &[], &stated);
        if !problem.choices.is_empty() {
            VerifyKind::Choice
        } else if number().verdict.is_right() {
            VerifyKind::Number
        } else {
            VerifyKind::Exact
        }
    }))
}
