//! Kind `command`: a program of the user, with JSON in and out.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::time::{Duration, Instant};

use autodidact_core::{Choice, Verification};
use autodidact_sandbox::CommandInput;
use common::{cannot_tell, right, sandbox, short, wrong};

/// Runs a shell script as the user's program.
fn ask(script: &str) -> Verification {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("check.sh");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    // A link, since a file that is still open for writing in a thread's child cannot be executed.
    std::os::unix::fs::symlink("/bin/sh", directory.path().join("run")).unwrap();
    let choices = [Choice {
        label: "A".into(),
        text: "one".into(),
    }];
    let input = CommandInput {
        gold: "42",
        candidate: "It is \"42\".",
        question: "What?",
        choices: &choices,
    };
    let command = ["./run", "check.sh", "argument"].map(str::to_owned);
    sandbox().verify_command(&command, directory.path(), &input, &short())
}

#[test]
fn its_verdict_counts() {
    let found = ask(r#"echo '{"verdict": "right", "extracted": "42", "how": "as it is"}'"#);
    right(&found);
    assert_eq!(
        (found.extracted.as_deref(), found.how.as_str()),
        (Some("42"), "as it is")
    );
    wrong(&ask(r#"printf '{"verdict":\n "wrong"}'"#), "decided");
    cannot_tell(
        &ask(r#"echo '{"verdict": "cannot-tell", "how": "no idea"}'"#),
        "no idea",
    );
}

#[test]
fn it_reads_everything_as_json_and_stands_in_its_directory() {
    let expected = r#"{"gold":"42","candidate":"It is \"42\".","question":"What?","choices":[{"label":"A","text":"one"}]}"#;
    let found = ask(&format!(
        "read -r line || true\ntest \"$1\" = argument && test -f check.sh && test \"$line\" = '{expected}' && echo '{{\"verdict\": \"right\"}}' || echo '{{\"verdict\": \"wrong\"}}'"
    ));
    right(&found);
}

#[test]
fn it_sees_no_keys() {
    let found = ask(
        "env | grep -q CARGO && echo '{\"verdict\": \"wrong\"}' || echo '{\"verdict\": \"right\"}'",
    );
    right(&found);
}

#[test]
fn anything_else_cannot_be_told() {
    cannot_tell(&ask("echo right"), "something else than a verdict");
    cannot_tell(&ask("true"), "something else than a verdict");
    cannot_tell(
        &ask(r#"echo '{"verdict": "maybe"}'"#),
        "something else than a verdict",
    );
    cannot_tell(
        &ask(r#"echo '{"verdict": "right", "score": 1}'"#),
        "unknown field `score`",
    );
    cannot_tell(
        &ask(r#"echo '{"verdict": "right"}'; echo broken >&2; exit 3"#),
        "broken",
    );
    cannot_tell(&ask("kill -9 $$"), "fails");
    cannot_tell(&ask("yes"), "writes more than 256 KB");
    cannot_tell(&ask("yes >&2"), "writes more than 256 KB");
    let none = sandbox().verify_command(
        &["./none".to_owned()],
        std::path::Path::new("/"),
        &CommandInput {
            gold: "",
            candidate: "",
            question: "",
            choices: &[],
        },
        &short(),
    );
    cannot_tell(&none, "`./none` does not start");
}

#[test]
fn time_ends_it_and_what_it_started() {
    let marker = format!("86400.{}", std::process::id());
    let started = Instant::now();
    let found = ask(&format!(
        "trap '' TERM INT HUP\nsleep {marker} &\nsleep {marker}"
    ));
    cannot_tell(&found, "no verdict within 2 s");
    assert!(started.elapsed() < Duration::from_secs(8));
    assert!(!running(&marker), "a child is left");
    // A verdict that leaves something running is a verdict, and what runs is ended.
    let found = ask(&format!(
        "sleep {marker} >/dev/null 2>&1 &\necho '{{\"verdict\": \"right\"}}'"
    ));
    right(&found);
    assert!(!running(&marker), "a child is left");
}

/// True if a process has this argument.
fn running(argument: &str) -> bool {
    // A killed process may take a moment to go.
    std::thread::sleep(Duration::from_millis(100));
    let Ok(processes) = std::fs::read_dir("/proc") else {
        common::tell("skipped: there is no /proc to look for processes in");
        return false;
    };
    processes.flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|part| part == argument.as_bytes())
    })
}
