//! The conversation of the tests with the code: lines of JSON from one process to the other.
//!
//! What is expected is in the tests' process only, and only that process says how the tests ended.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::gold::Gold;
use super::{Outcome, header};
use crate::launch::{Job, Side};
use crate::process::{Event, Watched, next_event};
use crate::sandbox::{Policy, Sandbox, scratch};

/// The numbers of the two processes in the events.
const CODE: usize = 0;
const TESTS: usize = 1;

/// What the tests' process says at the end.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Passed {
        passed: usize,
        classes: bool,
    },
    Failed {
        failed: usize,
        test: String,
        why: String,
    },
    Gold {
        gold: String,
    },
}

/// Runs the tests of `gold` on a program. An error is a reason why nothing can be told.
pub(super) fn run(
    sandbox: &Sandbox,
    gold: &Gold,
    program: &str,
    policy: &Policy,
) -> Result<Outcome, String> {
    let directories = [scratch()?, scratch()?];
    let (sender, events) = mpsc::channel();
    let python = sandbox.python()?;
    let start = |side, id: usize, directory: &tempfile::TempDir| {
        let job = Job::Python {
            executable: python.executable.clone(),
            readable: python.readable.clone(),
            side,
        };
        sandbox.start(job, policy, directory.path(), id, &sender)
    };
    let [first, second] = &directories;
    let code = start(Side::Candidate, CODE, first)?;
    let tests = start(Side::Tests, TESTS, second)?;
    code.send(header(&json!({ "script": false, "code": program })));
    tests.send(header(&json!({
        "tests": gold.tests,
        "setup": gold.setup,
        "prompt": gold.prompt,
        "entry": gold.entry,
    })));
    let mut relay = Relay {
        code,
        tests,
        started: [false; 2],
        ready: false,
        policy: *policy,
    };
    let deadline = Instant::now() + Duration::from_secs(u64::from(policy.limits.seconds));
    loop {
        let Some((id, event)) = next_event(&events, deadline) else {
            return relay.late();
        };
        if let Some(outcome) = relay.on(id, event)? {
            return Ok(outcome);
        }
    }
}

struct Relay {
    code: Watched,
    tests: Watched,
    /// Python runs, for the two processes.
    started: [bool; 2],
    /// The code was loaded.
    ready: bool,
    policy: Policy,
}

impl Relay {
    fn on(&mut self, id: usize, event: Event) -> Result<Option<Outcome>, String> {
        let failed = |text: String| Ok(Some(Outcome::Failed(text)));
        let started = self.started.get(id).copied().unwrap_or_default();
        match event {
            Event::Line(line) if !started => self.starts(id, &line).map(|()| None),
            Event::End if !started => Err(self.did_not_start(id)),
            Event::Line(line) if id == CODE => Ok(self.hear_code(line)),
            Event::Line(line) => self.hear_tests(&line),
            Event::End if id == CODE => {
                failed("the code's process ended before the tests did".to_owned())
            }
            Event::TooMuch if id == CODE => failed(format!(
                "the code writes more than {} KB",
                self.policy.limits.output_kb
            )),
            Event::End => Err(told("the tests' process ended", &self.tests)),
            Event::TooMuch => Err("the tests write too much".to_owned()),
        }
    }

    /// The first line of a process says that Python runs our part of the program.
    fn starts(&mut self, id: usize, line: &[u8]) -> Result<(), String> {
        if line != b"started\n" {
            return Err(self.did_not_start(id));
        }
        if let Some(started) = self.started.get_mut(id) {
            *started = true;
        }
        Ok(())
    }

    fn did_not_start(&self, id: usize) -> String {
        let process = if id == CODE { &self.code } else { &self.tests };
        told("the sandbox does not start", process)
    }

    fn hear_code(&mut self, line: Vec<u8>) -> Option<Outcome> {
        if !self.ready {
            #[derive(Deserialize)]
            struct Failed {
                failed: String,
            }
            if let Ok(Failed { failed }) = serde_json::from_slice(&line) {
                return Some(Outcome::Failed(format!("the code fails: {failed}")));
            }
            self.ready = true;
        }
        self.tests.send(line);
        None
    }

    fn hear_tests(&mut self, line: &[u8]) -> Result<Option<Outcome>, String> {
        match line.split_first() {
            Some((b'>', question)) => {
                self.code.send(question.to_vec());
                Ok(None)
            }
            Some((b'=', said)) => {
                let said = serde_json::from_slice(said).map_err(|e| {
                    format!("the tests' process says nothing that can be read: {e}")
                })?;
                outcome(said).map(Some)
            }
            _ => Err("the tests' process says nothing that can be read".to_owned()),
        }
    }

    /// Time is up.
    fn late(&self) -> Result<Outcome, String> {
        if self.started == [true; 2] {
            let seconds = self.policy.limits.seconds;
            return Ok(Outcome::Failed(format!("no result after {seconds} s")));
        }
        let late = usize::from(self.started == [true, false]);
        Err(self.did_not_start(late))
    }
}

fn outcome(said: Said) -> Result<Outcome, String> {
    match said {
        Said::Passed { passed, classes } => {
            let tests = if passed == 1 {
                "test passes"
            } else {
                "tests pass"
            };
            let trusted = if classes {
                ", which trust the methods of the code's own classes"
            } else {
                ""
            };
            Ok(Outcome::Passed(format!("{passed} {tests}{trusted}")))
        }
        Said::Failed { failed, test, why } => {
            let place = if failed == 0 {
                "the tests cannot use the code".to_owned()
            } else {
                format!("test {failed} fails: {test}")
            };
            let why = if why.is_empty() {
                why
            } else {
                format!(" ({why})")
            };
            Ok(Outcome::Failed(format!("{place}{why}")))
        }
        Said::Gold { gold } => Err(gold),
    }
}

fn told(what: &str, process: &Watched) -> String {
    let errors = process.errors();
    match errors.lines().last() {
        Some(last) => format!("{what}: {last}"),
        None => what.to_owned(),
    }
}
