//! The words between judges and their callers: a case, an opinion, and why there is none.

use autodidact_core::{JudgeSpec, Message, ScoreError, Scores, Usd};
use autodidact_providers::{ProviderError, Purse};
use futures::future::BoxFuture;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// One question with the answers to compare. Rewards compare answers to the same question only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Turns before the question; usually none.
    pub earlier: Vec<Message>,
    /// The question.
    pub question: String,
    /// The answers, in the order in which opinions come back.
    pub answers: Vec<String>,
}

impl Case {
    /// A question without earlier turns.
    pub fn new(question: impl Into<String>, answers: Vec<String>) -> Self {
        Self {
            earlier: Vec::new(),
            question: question.into(),
            answers,
        }
    }

    /// The conversation that ends with this answer.
    pub fn conversation(&self, answer: &str) -> Vec<Message> {
        let mut messages = self.earlier.clone();
        messages.push(Message::user(self.question.as_str()));
        messages.push(Message::assistant(answer));
        messages
    }

    /// Question and earlier turns as one text, for judges that take no conversation.
    pub fn question_text(&self) -> String {
        let mut text = String::new();
        for message in &self.earlier {
            text.push_str(&format!("{}: {}\n\n", message.role, message.content));
        }
        text.push_str(&self.question);
        text
    }
}

/// Why an answer has no score. In JSON it is its reason as text.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Unscored {
    /// The reply is prose: a chat model was asked by mistake.
    #[error(
        "the reply is no reward but text ({0}); `model` is likely no reward model, or its `kind` is another"
    )]
    NotAReward(String),
    /// A number is missing, not finite, or far outside of what reward models give.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// Question and answer do not fit the judge; nothing was sent.
    #[error("question and answer are about {tokens} tokens, more than the {context} of the judge")]
    TooLong {
        /// An estimate that is rarely too low.
        tokens: u64,
        /// What the judge takes.
        context: u64,
    },
    /// The reply has another shape than the interface promises.
    #[error("the judge's reply cannot be used: {0}")]
    Malformed(String),
    /// The judge gave one and the same score to this many different answers.
    #[error(
        "the judge gave {value} to each of {answers} different answers; it does not tell answers apart"
    )]
    Constant {
        /// The score.
        value: f64,
        /// Different answers so far.
        answers: usize,
    },
    /// The answer has no text; nothing was sent.
    #[error("the answer is empty")]
    Empty,
    /// There is only one answer, and the judge can only compare.
    #[error("a single answer has nothing to be compared with")]
    Alone,
    /// The judge could not be asked.
    #[error(transparent)]
    Unavailable(#[from] ProviderError),
}

impl Unscored {
    /// A one-word name for tables and the store.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotAReward(_) => "not-a-reward",
            Self::Score(_) => "no-score",
            Self::TooLong { .. } => "too-long",
            Self::Malformed(_) => "malformed",
            Self::Constant { .. } => "constant",
            Self::Empty => "empty",
            Self::Alone => "alone",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl Serialize for Unscored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a judge says about one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// The scores, or why there are none.
    pub scores: Result<Scores, Unscored>,
    /// This answer's part of what was paid; `None` where nobody knows.
    pub cost: Option<Usd>,
}

impl Opinion {
    /// No opinion, for which nothing was paid.
    pub fn none(reason: Unscored) -> Self {
        Self {
            scores: Err(reason),
            cost: Some(Usd::ZERO),
        }
    }
}

/// A judge of answers: the seam between whoever needs scores and whoever gives them.
pub trait Judge: Send + Sync {
    /// As it was declared.
    fn spec(&self) -> &JudgeSpec;

    /// What it is called in tables and `--judge`.
    fn name(&self) -> &str {
        &self.spec().name
    }

    /// What judging the case costs at most; `None` where the price is unknown.
    fn most(&self, case: &Case) -> Option<Usd>;

    /// One opinion for each answer, in order. An error only if the judge could not be asked about
    /// any of them.
    fn judge<'a>(
        &'a self,
        case: &'a Case,
        purse: &'a dyn Purse,
    ) -> BoxFuture<'a, Result<Vec<Opinion>, ProviderError>>;
}

/// The opinions, or the error that kept the judge from having any: the first fatal one, otherwise
/// the first.
pub(crate) fn opinions_or_error(opinions: Vec<Opinion>) -> Result<Vec<Opinion>, ProviderError> {
    let mut error: Option<&ProviderError> = None;
    for opinion in &opinions {
        let Err(Unscored::Unavailable(unavailable)) = &opinion.scores else {
            return Ok(opinions);
        };
        if error.is_none_or(|known| !known.class.is_fatal() && unavailable.class.is_fatal()) {
            error = Some(unavailable);
        }
    }
    match error {
        Some(error) => Err(error.clone()),
        None => Ok(opinions),
    }
}

/// Splits a cost evenly; the first parts take what does not divide.
pub(crate) fn share(cost: Option<Usd>, parts: usize) -> Vec<Option<Usd>> {
    let count = parts.max(1) as u64;
    let part = |i: u64| {
        let nano = cost?.nano();
        Some(Usd::from_nano(nano / count + u64::from(i < nano % count)))
    };
    (0..parts as u64).map(part).collect()
}

/// The start of a text for an error message, on one line and without control characters.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 80;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = words.chars().filter(|c| !c.is_control());
    let mut short: String = clean.take(LONGEST + 1).collect();
    if let Some((cut, _)) = short.char_indices().nth(LONGEST) {
        short.truncate(cut);
        short.push('…');
    }
    format!("`{short}`")
}

#[cfg(test)]
mod tests {
    use autodidact_providers::ErrorClass;

    use super::*;

    #[test]
    fn a_split_cost_adds_up() {
        let parts = share(Some(Usd::from_nano(11)), 3);
        assert_eq!(parts.iter().flatten().copied().sum::<Usd>().nano(), 11);
        assert_eq!(parts[0], Some(Usd::from_nano(4)));
        assert_eq!(share(None, 2), [None, None]);
        assert!(share(Some(Usd::from_nano(1)), 0).is_empty());
    }

    #[test]
    fn a_judge_fails_only_if_it_has_no_opinion_at_all() {
        let unavailable =
            |class| Opinion::none(Unscored::Unavailable(ProviderError::new("j", class, "no")));
        let all = vec![
            unavailable(ErrorClass::Timeout),
            unavailable(ErrorClass::Key),
        ];
        assert_eq!(
            opinions_or_error(all).unwrap_err().class,
            ErrorClass::Key,
            "the fatal error is the one to tell"
        );
        let some = vec![unavailable(ErrorClass::Key), Opinion::none(Unscored::Alone)];
        assert_eq!(opinions_or_error(some.clone()).unwrap(), some);
        assert!(opinions_or_error(Vec::new()).unwrap().is_empty());
    }

    #[test]
    fn excerpts_are_short_and_on_one_line() {
        assert_eq!(excerpt("a\n b\u{1b}[31m"), "`a b[31m`");
        assert_eq!(excerpt(&"é".repeat(200)).chars().count(), 83);
    }

    #[test]
    fn reasons_are_text_in_json() {
        let json = serde_json::to_string(&Unscored::Alone).unwrap();
        assert_eq!(json, "\"a single answer has nothing to be compared with\"");
    }
}
