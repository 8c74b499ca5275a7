//! Whole programs: standard input in, standard output compared here, outside the sandbox.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::gold::Script;
use super::{Outcome, header};
use crate::launch::{Job, Side};
use crate::process::{Event, next_event};
use crate::sandbox::{Policy, Sandbox, scratch};

/// Runs a program once for each pair, until one fails.
pub(super) fn run_all(
    sandbox: &Sandbox,
    scripts: &[Script],
    program: &str,
    policy: &Policy,
) -> Result<Outcome, String> {
    for (at, script) in scripts.iter().enumerate() {
        if let Some(why) = run(sandbox, script, program, policy)? {
            return Ok(Outcome::Failed(format!("run {} fails: {why}", at + 1)));
        }
    }
    Ok(Outcome::Passed(match scripts.len() {
        1 => "1 run writes what is expected".to_owned(),
        n => format!("{n} runs write what is expected"),
    }))
}

/// Gives what is wrong with one run.
fn run(
    sandbox: &Sandbox,
    script: &Script,
    program: &str,
    policy: &Policy,
) -> Result<Option<String>, String> {
    let directory = scratch()?;
    let (sender, events) = mpsc::channel();
    let python = sandbox.python()?;
    let job = Job::Python {
        executable: python.executable.clone(),
        readable: python.readable.clone(),
        side: Side::Candidate,
    };
    let mut process = sandbox.start(job, policy, directory.path(), 0, &sender)?;
    process.send(header(&json!({ "script": true, "code": program })));
    process.send(script.stdin.clone().into_bytes());
    process.close_input();
    let deadline = Instant::now() + Duration::from_secs(u64::from(policy.limits.seconds));
    let (mut started, mut output) = (false, Vec::new());
    let late = || Some(format!("no end after {} s", policy.limits.seconds));
    loop {
        match next_event(&events, deadline) {
            Some((_, Event::Line(line))) if started => output.extend(line),
            Some((_, Event::Line(line))) if line == b"started\n" => started = true,
            None if started => return Ok(late()),
            Some((_, Event::TooMuch)) if started => {
                return Ok(Some(format!("more than {} KB", policy.limits.output_kb)));
            }
            Some((_, Event::End)) if started => break,
            _ => {
                return Err(format!("the sandbox does not start: {}", process.errors()));
            }
        }
    }
    let Some(status) = process.wait_until(deadline) else {
        return Ok(late());
    };
    if !status.success() {
        let errors = process.errors();
        let last = errors.lines().last().unwrap_or("without a word");
        return Ok(Some(format!("the program fails: {last}")));
    }
    let output = String::from_utf8_lossy(&output);
    Ok((!same(&output, &script.stdout)).then(|| "another output than expected".to_owned()))
}

/// White space at the ends of lines and of the text makes no difference.
fn same(one: &str, other: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        let lines = text.trim_end().lines();
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    lines(one) == lines(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_at_ends_is_forgiven() {
        assert!(same("1 2 \n3\n\n", "1 2\n3"));
        assert!(same("a\r\nb", "a\nb"));
        assert!(!same("1  2", "1 2") && !same("\n1", "1") && !same("", "0"));
    }
}
