//! How one answer is made of many: the part of a model's name behind the colon.

use std::sync::Arc;

use autodidact_core::{Completion, FinishReason, Strategy};
use autodidact_engine::{SessionEvent, SessionRequest};
use autodidact_verify::{final_answer, same_free_answer};
use serde_json::{Value, json};

use crate::embedded::EmbeddedModel;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::reply::{Answer, Usage};

/// Answers that vote where the name does not say how many.
const VOTERS: u32 = 8;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choosing {
    /// What the model does by itself.
    Declared,
    /// Self-consistency, of so many answers if it is said.
    Vote(Option<u32>),
    /// The best of so many answers.
    BestOf(u32),
    /// Another strategy of ensembles.
    Other(Strategy),
}

impl Choosing {
    /// `vote`, `vote-16`, `best-of-8`, `judge`, `weighted`, `fuse`, `cascade`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let count = |digits: &str| digits.parse().ok().filter(|n| (1..=64).contains(n));
        if let Some(digits) = text.strip_prefix("best-of-") {
            return count(digits).map(Self::BestOf);
        }
        if let Some(digits) = text.strip_prefix("vote-") {
            return count(digits).map(|n| Self::Vote(Some(n)));
        }
        match text {
            "vote" => Some(Self::Vote(None)),
            "judge" | "best" => Some(Self::Other(Strategy::Best)),
            "weighted" => Some(Self::Other(Strategy::Weighted)),
            "fuse" => Some(Self::Other(Strategy::Fuse)),
            "cascade" => Some(Self::Other(Strategy::Cascade)),
            _ => None,
        }
    }

    /// The name it is asked for by.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Declared => "declared".to_owned(),
            Self::Vote(None) => "vote".to_owned(),
            Self::Vote(Some(n)) => format!("vote-{n}"),
            Self::BestOf(n) => format!("best-of-{n}"),
            Self::Other(Strategy::Best) => "judge".to_owned(),
            Self::Other(other) => other.as_str().to_owned(),
        }
    }

    /// How many samples an embedded model draws for it.
    pub(crate) fn samples(self) -> Result<u32, ApiError> {
        match self {
            Self::Declared => Ok(1),
            Self::Vote(count) => Ok(count.unwrap_or(VOTERS)),
            Self::BestOf(count) => Ok(count),
            Self::Other(other) => Err(ApiError::unsupported(
                "model",
                format!(
                    "strategy `{}` needs an ensemble; one model alone knows `vote` and `best-of-N`",
                    Self::Other(other).name()
                ),
            )),
        }
    }
}

/// Draws samples from one model and chooses one of them.
pub(crate) async fn choose(
    model: &Arc<EmbeddedModel>,
    request: SessionRequest,
    choosing: Choosing,
    limits: &Limits,
) -> Result<Answer, ApiError> {
    let prompt = request.prompt.len() as u64;
    let wanted = request.seeds.len();
    let mut running = model.submit(vec![request], limits.queue).await?;
    let mut usage = Usage {
        prompt,
        ..Usage::default()
    };
    let mut done: Vec<(usize, Completion)> = Vec::with_capacity(wanted);
    while done.len() < wanted {
        match running.next().await? {
            (_, SessionEvent::Prompt { cached, .. }) => usage.cached = cached as u64,
            (_, SessionEvent::Finished { index, completion }) => {
                usage.completion += u64::from(completion.tokens);
                done.push((index, completion));
            }
            _ => {}
        }
    }
    done.sort_by_key(|(index, _)| *index);
    let completions: Vec<Completion> = done.into_iter().map(|(_, c)| c).collect();
    let votes = match choosing {
        Choosing::Vote(_) => vote(&completions),
        _ => None,
    };
    let best = votes
        .as_ref()
        .map(|v| v.winner)
        .or_else(|| likeliest(&completions));
    let Some(winner) = best.and_then(|at| completions.get(at)) else {
        return Err(ApiError::internal("no sample was drawn"));
    };
    Ok(Answer {
        text: winner.text.clone(),
        finish: winner.finish,
        usage,
        told: told(choosing, completions.len(), votes.as_ref()),
    })
}

fn told(choosing: Choosing, samples: usize, votes: Option<&Votes>) -> Value {
    json!({
        "strategy": choosing.name(),
        "samples": samples,
        "answer": votes.map(|v| v.answer.as_str()),
        "confidence": votes.map(|v| v.share),
    })
}

/// What a vote came to.
struct Votes {
    winner: usize,
    answer: String,
    share: f64,
}

/// The final answer given most often, the first of those among equals; the text shown is its first one
/// that was not cut. None if no text states a final answer.
fn vote(completions: &[Completion]) -> Option<Votes> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (at, completion) in completions.iter().enumerate() {
        let Some(answer) = final_answer(&completion.text) else {
            continue;
        };
        match groups
            .iter_mut()
            .find(|(known, _)| same_free_answer(known, &answer))
        {
            Some((_, members)) => members.push(at),
            None => groups.push((answer, vec![at])),
        }
    }
    let votes: usize = groups.iter().map(|(_, members)| members.len()).sum();
    let most = |best: (String, Vec<usize>), next: (String, Vec<usize>)| {
        if next.1.len() > best.1.len() {
            next
        } else {
            best
        }
    };
    let (answer, members) = groups.into_iter().reduce(most)?;
    let whole = |at: &&usize| {
        let completion = completions.get(**at);
        completion.is_some_and(|c| c.finish != FinishReason::Length)
    };
    let winner = members.iter().find(whole).or(members.first())?;
    Some(Votes {
        winner: *winner,
        share: members.len() as f64 / votes.max(1) as f64,
        answer,
    })
}

/// The text with the highest mean log probability of its tokens, whole ones before those that were cut.
fn likeliest(completions: &[Completion]) -> Option<usize> {
    let rank = |c: &Completion| {
        let mean = c.logprob / f64::from(c.tokens.max(1));
        (c.finish != FinishReason::Length, mean)
    };
    let ranked = completions.iter().map(rank).enumerate();
    let best = ranked.reduce(|best, next| {
        let order = next.1.0.cmp(&best.1.0).then(next.1.1.total_cmp(&best.1.1));
        if order.is_gt() { next } else { best }
    });
    best.map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(text: &str, logprob: f64, finish: FinishReason) -> Completion {
        Completion {
            text: text.into(),
            finish,
            tokens: 4,
            logprob,
        }
    }

    #[test]
    fn names_are_read_and_written() {
        for name in [
            "vote",
            "vote-3",
            "best-of-8",
            "judge",
            "weighted",
            "fuse",
            "cascade",
        ] {
            assert_eq!(Choosing::parse(name).unwrap().name(), name);
        }
        for name in ["", "vote-0", "best-of-65", "best-of-x", "Vote", "best-of-"] {
            assert_eq!(Choosing::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_majority_is_shown_by_its_first_whole_text() {
        let end = FinishReason::EndOfText;
        let all = [
            completion("The answer is 7.", -1.0, end),
            completion("The answer is 8.", -1.0, FinishReason::Length),
            completion("So the answer is 8.0.", -1.0, end),
            completion("", -1.0, end),
        ];
        let votes = vote(&all).unwrap();
        assert_eq!(votes.winner, 2);
        assert!((votes.share - 2.0 / 3.0).abs() < 1e-9);
        assert!(vote(&all[3..]).is_none());
    }

    #[test]
    fn the_likeliest_whole_text_is_the_best() {
        let end = FinishReason::EndOfText;
        let all = [
            completion("a", -3.0, end),
            completion("b", -1.0, FinishReason::Length),
            completion("c", -2.0, end),
        ];
        assert_eq!(likeliest(&all), Some(2));
    }
}
