//! What the tests of the journal share: made-up answers, and children that can be killed.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::path::Path;
use std::process::{Child, Command, Stdio};

use autodidact_core::{Completion, FinishReason, Mode, ProblemId, Sample, SampleKey, SamplerId};

/// A child only acts where it finds this file, so that running the ignored tests by hand does
/// nothing instead of never ending.
pub(crate) const CHILD_MARK: &str = "child-may-act";

pub(crate) fn key(problem: u32, index: u32) -> SampleKey {
    SampleKey {
        iteration: 1,
        problem: ProblemId(format!("p{problem:05}")),
        sampler: SamplerId("student/1".into()),
        mode: Mode::Rationale,
        index,
    }
}

pub(crate) fn sample(problem: u32, index: u32) -> Sample {
    Sample {
        key: key(problem, index),
        completion: Completion {
            text: format!("{problem} + {index} = {}. ", problem + index).repeat(20),
            finish: FinishReason::Stop,
            tokens: 100 + index,
            logprob: -0.1 - f64::from(problem),
        },
    }
}

pub(crate) fn batch(problem: u32, size: u32) -> Vec<Sample> {
    (0..size).map(|index| sample(problem, index)).collect()
}

/// Runs one ignored test of the calling test program as a process of its own in `directory`.
pub(crate) fn child(directory: &Path, test: &str) -> Child {
    std::fs::write(directory.join(CHILD_MARK), "").unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
