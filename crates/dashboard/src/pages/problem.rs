//! One problem: everything that was written for it, and what was said about that.

use askama::Template;
use autodidact_core::{Attribute, FinishReason, Flag, HandMark, Mode, Verdict};
use autodidact_store::{HistoryEntry, Scored};
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::frame::Frame;
use super::problems::{Mark, mark, parse};
use crate::answer::{Page, page};
use crate::error::PageError;
use crate::routes::App;
use crate::words::{mode, number, refusal, short, text};

/// Answers on one page.
const ANSWERS: u32 = 40;
/// Pages that an address can name.
const PAGES: u32 = 100_000;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    page: u32,
}

#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct Problem {
    frame: Frame,
    run: String,
    number: i64,
    id: String,
    side: &'static str,
    question: String,
    choices: Vec<(String, String)>,
    gold: String,
    solution: String,
    meta: Vec<(String, String)>,
    marks: Vec<Mark>,
    entries: Vec<Entry>,
    answers: String,
    page: u32,
    before: Option<u32>,
    after: Option<u32>,
}

/// One answer.
#[derive(Debug, Template)]
#[template(path = "entry.html")]
pub(crate) struct Entry {
    run: String,
    secret: String,
    number: i64,
    title: String,
    text: String,
    verdict: &'static str,
    verdict_class: &'static str,
    how: String,
    extracted: String,
    false_step: String,
    flags: Vec<String>,
    fate: String,
    kept: bool,
    facts: Vec<(&'static str, String)>,
    reasoning: String,
    scores: Vec<(String, String)>,
    mark: &'static str,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path((run, number_text)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Page {
    let store = app.catalog().read(&run).await?;
    let found = store.problem_by_number(parse(&number_text)?).await?;
    let found = found.ok_or(PageError::NotFound("problem"))?;
    let problem = &found.problem;
    let at = wanted.page.min(PAGES);
    let all = store.problem_answer_count(&problem.id).await?;
    let entries = store
        .problem_answers(&problem.id, at * ANSWERS, ANSWERS)
        .await?;
    let askings = store.problem_askings(&[&problem.id]).await?;
    let secret = app.access().form_secret();
    let optional = |value: Option<&str>| value.map_or_else(String::new, text);
    page(&Problem {
        frame: Frame::of_run(&run, "problems", &short(&problem.id.0, 60)),
        number: found.number,
        id: text(&problem.id.0),
        side: match problem.split {
            autodidact_core::Split::Train => "training problem",
            autodidact_core::Split::Evaluate => "held-out problem",
        },
        question: text(&problem.question),
        choices: problem
            .choices
            .iter()
            .map(|choice| (text(&choice.label), text(&choice.text)))
            .collect(),
        gold: optional(problem.gold.as_ref().map(|gold| gold.0.as_str())),
        solution: optional(problem.solution.as_deref()),
        meta: problem
            .meta
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        marks: askings.iter().map(mark).collect(),
        entries: entries.iter().map(|one| entry(&run, secret, one)).collect(),
        answers: number(all),
        page: at,
        before: at.checked_sub(1),
        after: (u64::from(at + 1) * u64::from(ANSWERS) < all).then_some(at + 1),
        run,
    })
}

/// An answer as it is shown.
pub(crate) fn entry(run: &str, secret: &str, entry: &HistoryEntry) -> Entry {
    let key = &entry.sample.key;
    let verified = entry.verified.as_ref();
    let verification = verified.map(|verified| &verified.verification);
    let (verdict, verdict_class) = match verification.map(|v| &v.verdict) {
        Some(Verdict::Right) => ("right", "right"),
        Some(Verdict::Wrong) => ("wrong", "wrong"),
        Some(Verdict::CannotTell(_)) => ("undecided", "undecided"),
        None => ("not verified yet", "undecided"),
    };
    let found = verification.iter().flat_map(|v| &v.flags);
    let compared = entry.selection.iter().flat_map(|s| &s.flags);
    let selection = entry.selection.as_ref();
    Entry {
        run: run.to_owned(),
        secret: secret.to_owned(),
        number: entry.number.0,
        title: format!(
            "loop {}, {}, {} {}",
            key.iteration,
            text(&key.sampler.0),
            mode(key.mode),
            key.index + 1
        ),
        text: text(&entry.sample.completion.text),
        verdict,
        verdict_class,
        how: verification.map_or_else(String::new, |v| text(&v.how)),
        extracted: verification
            .and_then(|v| v.extracted.as_deref())
            .map_or_else(String::new, text),
        false_step: verified
            .and_then(|v| v.false_step.as_deref())
            .map_or_else(String::new, text),
        flags: found.chain(compared).map(flag).collect(),
        fate: match selection.map(|s| s.refused) {
            None => String::new(),
            Some(None) => "kept for training".to_owned(),
            Some(Some(reason)) => refusal(reason),
        },
        kept: selection.is_some_and(|s| s.refused.is_none()),
        facts: facts(entry),
        reasoning: entry
            .provenance
            .as_ref()
            .and_then(|p| p.reasoning.as_deref())
            .map_or_else(String::new, text),
        scores: entry.scores.iter().map(score).collect(),
        mark: match entry.mark {
            Some(HandMark::Good) => "good",
            Some(HandMark::Bad) => "bad",
            None => "none",
        },
    }
}

/// A flag with what it was found in.
fn flag(flag: &Flag) -> String {
    let name = autodidact_report::plots::reason(flag.as_str());
    match flag {
        Flag::HintLeak { phrase: text }
        | Flag::FalseEquation { text }
        | Flag::AnswerBeforeDerivation { text } => format!("{name}: {}", short(text, 120)),
        Flag::DuplicateReasoning { of } => format!(
            "{name} as {} {} by {}",
            mode(of.mode),
            of.index + 1,
            short(&of.sampler.0, 40)
        ),
        Flag::ExtractorsDisagree { other } => {
            format!("{name}: the other reads {}", short(other, 120))
        }
        Flag::HintText | Flag::NoReasoning => name.to_owned(),
    }
}

fn facts(entry: &HistoryEntry) -> Vec<(&'static str, String)> {
    let completion = &entry.sample.completion;
    let ended = match completion.finish {
        FinishReason::EndOfText => "by itself",
        FinishReason::Stop => "at a stop string",
        FinishReason::Length => "at the token limit",
    };
    let mut facts = vec![
        ("tokens", number(completion.tokens.into())),
        ("ended", ended.to_owned()),
    ];
    if completion.logprob < 0.0 && completion.tokens > 0 {
        let mean = completion.logprob / f64::from(completion.tokens);
        facts.push(("log-probability a token", format!("{mean:.3}")));
    }
    if entry.sample.key.mode == Mode::Rationalization {
        facts.push(("asked", "with the answer as a hint".to_owned()));
    }
    if let Some(provenance) = &entry.provenance {
        facts.push(("provider", text(&provenance.provider)));
        facts.push(("model", text(&provenance.model)));
        facts.push(("terms", text(&provenance.terms)));
        let cost = provenance.cost;
        facts.push((
            "cost",
            cost.map_or_else(|| "unknown".to_owned(), |c| c.to_string()),
        ));
    }
    facts
}

fn score(scored: &Scored) -> (String, String) {
    let words = match &scored.scores {
        Err(refused) => format!("no score: {}", short(refused, 200)),
        Ok(scores) => {
            let attributes = Attribute::ALL.iter().filter_map(|attribute| {
                let value = scores.attribute(*attribute)?;
                Some(format!("{} {value:.3}", attribute.as_str()))
            });
            let all: Vec<String> = attributes.collect();
            let overall = format!("overall {:.3}", scores.overall());
            [vec![overall], all].concat().join(", ")
        }
    };
    (text(&scored.judge), words)
}
