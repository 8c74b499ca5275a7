//! Batches, whoever's they are: their lines are answered at once and shown when the time is up.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::dialect::{Kind, Trouble};
use super::hash::hash;
use super::mocks::{Fleet, now};

/// An uploaded or written file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) filename: String,
    pub(crate) purpose: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) created: u64,
}

/// All files and batches.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    pub(crate) files: HashMap<String, File>,
    pub(crate) batches: BTreeMap<String, Batch>,
}

/// How a line of a batch ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// The body of the answer.
    Answer(Value),
    Refused(Trouble),
    Expired,
}

/// A line of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) custom_id: String,
    pub(crate) outcome: Outcome,
}

/// A batch.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) model: String,
    /// Fields that are only repeated.
    pub(crate) echoed: Value,
    pub(crate) lines: Vec<Line>,
    pub(crate) created: u64,
    /// Files of the answers and of the errors.
    pub(crate) output: Option<String>,
    pub(crate) errors: Option<String>,
    begun: Instant,
    lasts: Duration,
    cancelled: bool,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    Ended,
    Cancelled,
}

impl Batch {
    pub(crate) fn new(fleet: &Fleet, model: &str, echoed: Value, lines: Vec<Line>) -> Self {
        Self {
            model: model.to_owned(),
            echoed,
            lines,
            created: now(),
            output: None,
            errors: None,
            begun: Instant::now(),
            lasts: fleet.batch_time(),
            cancelled: false,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        if self.cancelled {
            Stage::Cancelled
        } else if self.begun.elapsed() >= self.lasts {
            Stage::Ended
        } else {
            Stage::Running
        }
    }

    /// Has no effect on a batch that has ended.
    pub(crate) fn cancel(&mut self) {
        self.cancelled |= self.stage() == Stage::Running;
    }

    /// Lines that have an answer, and that have none.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let answered = self
            .lines
            .iter()
            .filter(|line| matches!(line.outcome, Outcome::Answer(_)))
            .count();
        (answered, self.lines.len() - answered)
    }

    /// The lines in an order that is not that of the questions.
    pub(crate) fn shuffled(&self) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| hash(&[&line.custom_id]));
        lines
    }
}

/// Answers all lines. A custom id with `expire` or `fail` in it gets what it asks for.
pub(crate) fn run(
    fleet: &Fleet,
    path: &str,
    requests: &[(String, Value)],
    answer: impl Fn(&Value) -> Result<(Value, (u64, u64)), Trouble>,
) -> Vec<Line> {
    let one = |(custom_id, body): &(String, Value)| {
        let outcome = if custom_id.contains("expire") {
            Outcome::Expired
        } else if custom_id.contains("fail") {
            Outcome::Refused(Trouble::new(Kind::Server, "Internal server error"))
        } else {
            match answer(body) {
                Ok((reply, paid)) => {
                    let model = body["model"].as_str().unwrap_or_default();
                    fleet.charge(path, model, custom_id, paid);
                    Outcome::Answer(reply)
                }
                Err(trouble) => Outcome::Refused(trouble),
            }
        };
        Line {
            custom_id: custom_id.clone(),
            outcome,
        }
    };
    requests.iter().map(one).collect()
}

/// The custom id that comes more than once, if one does.
pub(crate) fn repeated(requests: &[(String, Value)]) -> Option<&str> {
    let mut ids: Vec<&str> = requests.iter().map(|(id, _)| id.as_str()).collect();
    ids.sort_unstable();
    ids.windows(2)
        .find(|pair| pair[0] == pair[1])
        .map(|pair| pair[0])
}
