//! Gold in, a process in the sandbox, a verdict out.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use autodidact_core::Verification;
use serde::{Deserialize, Serialize};

use crate::fence;
use crate::launch::Job;
use crate::process::{Event, next_event};
use crate::sandbox::{Policy, Sandbox, cannot_tell, decided, scratch};

/// What marks a fence of SQL.
const LANGUAGES: &[&str] = &["sql", "sqlite", "sqlite3"];

/// What the process in the sandbox is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) gold: Gold,
    pub(super) candidate: String,
}

/// The gold answer of a problem.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Gold {
    /// Statements that make tables and fill them.
    pub(super) schema: String,
    /// The right query; absent: the last query among the statements.
    #[serde(default)]
    pub(super) query: Option<String>,
    /// Whether the order of rows counts; absent: if the query has ORDER BY.
    #[serde(default)]
    pub(super) ordered: Option<bool>,
}

/// What it answers, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// Gold ran; the candidate is next.
    GoldRan,
    /// Nothing can be told.
    CannotTell(String),
    /// The same rows.
    Right(String),
    /// Other rows, or none.
    Wrong(String),
}

impl Sandbox {
    /// Runs the last query in `text` and gold's query on the same tables and compares the rows: in
    /// order if gold orders them, as multisets otherwise.
    pub fn verify_sql(&self, gold: &str, text: &str, policy: &Policy) -> Verification {
        let query = fence::program(text, LANGUAGES).trim();
        if query.is_empty() {
            return cannot_tell("the text holds no query", None);
        }
        let _slot = self.slot();
        match self.judge_sql(gold, query, policy) {
            Ok((right, how)) => decided(right, query, how),
            Err(reason) => cannot_tell(reason, Some(query.to_owned())),
        }
    }

    fn judge_sql(
        &self,
        gold: &str,
        query: &str,
        policy: &Policy,
    ) -> Result<(bool, String), String> {
        let gold = read(gold)?;
        let layers = self.permitted(policy)?.summary();
        let directory = scratch()?;
        let (sender, events) = mpsc::channel();
        let mut process = self.start(Job::Sql, policy, directory.path(), 0, &sender)?;
        let question = Question {
            gold,
            candidate: query.to_owned(),
        };
        process.send(serde_json::to_vec(&question).map_err(|e| e.to_string())?);
        process.close_input();
        // Both queries have their time inside; this is for a process that does not come back.
        let seconds = 2 * u64::from(policy.limits.seconds) + 5;
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut gold_ran = false;
        loop {
            let reply = match next_event(&events, deadline) {
                Some((_, Event::Line(line))) => serde_json::from_slice(&line)
                    .map_err(|e| format!("the queries' process says nothing readable: {e}"))?,
                _ if gold_ran => Reply::Wrong("the query takes too much time or memory".to_owned()),
                _ => Reply::CannotTell(format!("the queries do not run: {}", process.errors())),
            };
            match reply {
                Reply::GoldRan => gold_ran = true,
                Reply::CannotTell(reason) => return Err(reason),
                Reply::Right(how) => return Ok((true, format!("{how}; {layers}"))),
                Reply::Wrong(how) => return Ok((false, format!("{how}; {layers}"))),
            }
        }
    }
}

fn read(gold: &str) -> Result<Gold, String> {
    let gold = gold.trim();
    if gold.starts_with('{') {
        return serde_json::from_str(gold).map_err(|e| format!("gold cannot be read: {e}"));
    }
    Ok(Gold {
        schema: gold.to_owned(),
        query: None,
        ordered: None,
    })
}
