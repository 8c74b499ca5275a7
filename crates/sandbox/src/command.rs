//! Kind `command`: a program of the user decides.
//!
//! It is not in the sandbox, since it is the user's own. It gets no keys, a limited time, and is
//! ended with its whole process group.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use autodidact_core::{Choice, Verdict, Verification};
use serde::{Deserialize, Serialize};

use crate::process::{Ending, Event, Watched, next_event};
use crate::sandbox::{Policy, Sandbox, cannot_tell};

/// What the program reads on standard input, as JSON.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CommandInput<'a> {
    /// The gold answer.
    pub gold: &'a str,
    /// What the model wrote.
    pub candidate: &'a str,
    /// The question; empty where none is known.
    pub question: &'a str,
    /// The choices, for multiple choice.
    pub choices: &'a [Choice],
}

/// What the program writes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    verdict: Word,
    extracted: Option<String>,
    how: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Right,
    Wrong,
    CannotTell,
}

impl Sandbox {
    /// Asks the program `command` (with its arguments), which works in `directory`; a path with a
    /// slash in it is relative to that.
    pub fn verify_command(
        &self,
        command: &[String],
        directory: &Path,
        input: &CommandInput<'_>,
        policy: &Policy,
    ) -> Verification {
        let _slot = self.slot();
        match self.ask_command(command, directory, input, policy) {
            Ok(reply) => verification(reply),
            Err(reason) => cannot_tell(format!("`verify_command` {reason}"), None),
        }
    }

    fn ask_command(
        &self,
        command: &[String],
        directory: &Path,
        input: &CommandInput<'_>,
        policy: &Policy,
    ) -> Result<Reply, String> {
        let Some((program, arguments)) = command.split_first() else {
            return Err("is empty".to_owned());
        };
        let limits = &policy.limits;
        let mut process = Command::new(located(program, directory));
        process
            .args(arguments)
            .env_clear()
            .envs(self.surroundings.environment.iter().cloned());
        if !directory.as_os_str().is_empty() {
            process.current_dir(directory);
        }
        let (sender, events) = mpsc::channel();
        let limit = limits.output_kb as usize * 1024;
        let mut child = Watched::start(process, Ending::Group, limit, 0, &sender)
            .map_err(|e| format!("`{program}` does not start: {e}"))?;
        child.send(serde_json::to_vec(input).map_err(|e| e.to_string())?);
        child.close_input();
        let deadline = Instant::now() + Duration::from_secs(u64::from(limits.seconds));
        let late = || format!("gives no verdict within {} s", limits.seconds);
        let mut output = Vec::new();
        loop {
            match next_event(&events, deadline) {
                Some((_, Event::Line(line))) => output.extend(line),
                Some((_, Event::End)) => break,
                Some((_, Event::TooMuch)) => {
                    return Err(format!("writes more than {} KB", limits.output_kb));
                }
                None => return Err(late()),
            }
        }
        let status = child.wait_until(deadline).ok_or_else(late)?;
        if !status.success() {
            let errors = child.errors();
            let last = errors.lines().last().unwrap_or("it says nothing");
            return Err(format!("fails ({status}): {last}"));
        }
        serde_json::from_slice(&output)
            .map_err(|e| format!("writes something else than a verdict: {e}"))
    }
}

/// A program by its path, which does not depend on where this process stands.
fn located(program: &str, directory: &Path) -> PathBuf {
    let path = Path::new(program);
    if program.contains('/') && path.is_relative() {
        let joined = directory.join(path);
        return std::path::absolute(&joined).unwrap_or(joined);
    }
    path.to_owned()
}

fn verification(reply: Reply) -> Verification {
    let how = reply
        .how
        .unwrap_or_else(|| "`verify_command` decided".to_owned());
    match reply.verdict {
        Word::CannotTell => cannot_tell(how, reply.extracted),
        Word::Right | Word::Wrong => Verification {
            verdict: if matches!(reply.verdict, Word::Right) {
                Verdict::Right
            } else {
                Verdict::Wrong
            },
            extracted: reply.extracted,
            how,
            flags: Vec::new(),
        },
    }
}
