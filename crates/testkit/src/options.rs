//! The command line of the mock fleet.

use std::path::PathBuf;
use std::time::Duration;

use autodidact_testkit::{Fault, Fleet, KnownProblem};
use clap::{Args, Parser, Subcommand};

/// Mock model providers on this computer, for tests and for trying things out without keys.
#[derive(Debug, Parser)]
#[command(name = "autodidact-testkit", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All providers on one port, until it is interrupted.
    Serve(ServeOptions),
    /// One fixed answer to every request, as fast as possible.
    MockBench {
        /// Port of 127.0.0.1; 0 takes any free one.
        #[arg(long, default_value_t = 8700)]
        port: u16,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Port of 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8700)]
    pub(crate) port: u16,
    /// Questions the models know: JSON lines with `question`, `answer` and perhaps `rationale`.
    #[arg(long, value_name = "FILE")]
    problems: Option<PathBuf>,
    /// How often models with this in their name are right, from 0 to 1; may be repeated.
    #[arg(long, value_name = "MODEL=SHARE", value_parser = share)]
    accuracy: Vec<(String, f64)>,
    /// How long every answer takes.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    latency_ms: u64,
    /// Probability of rate429, overloaded, money, server500, truncated, garbage200, slow, reset or
    /// silence; may be repeated.
    #[arg(long, value_name = "KIND=SHARE", value_parser = fault)]
    fault: Vec<(Fault, f64)>,
    /// Accepts only this key; may be repeated. Without it every key is right.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// How long a batch takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    batch_seconds: f64,
    /// How long a 429 asks to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    retry_after: u64,
    /// Writes every request to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}

impl ServeOptions {
    pub(crate) fn fleet(&self) -> Result<Fleet, Box<dyn std::error::Error>> {
        let mut fleet = Fleet::new()
            .with_latency(Duration::from_millis(self.latency_ms))
            .with_batch_time(Duration::try_from_secs_f64(self.batch_seconds)?)
            .with_retry_after(Duration::from_secs(self.retry_after))
            .with_keys(self.key.clone());
        if let Some(path) = &self.problems {
            let lines = std::fs::read_to_string(path)?;
            let problems: Result<Vec<KnownProblem>, _> = lines
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(serde_json::from_str)
                .collect();
            fleet = fleet.with_problems(problems?);
        }
        for (model, accuracy) in &self.accuracy {
            fleet = fleet.with_accuracy(model, *accuracy);
        }
        for (kind, probability) in &self.fault {
            fleet = fleet.with_faults(*probability, &[*kind]);
        }
        Ok(fleet)
    }
}

fn share(text: &str) -> Result<(String, f64), String> {
    let wanted = "write NAME=SHARE with a share from 0 to 1";
    let (name, share) = text.rsplit_once('=').ok_or(wanted)?;
    let share: f64 = share.parse().map_err(|_| wanted)?;
    if (0.0..=1.0).contains(&share) {
        Ok((name.to_owned(), share))
    } else {
        Err(wanted.to_owned())
    }
}

fn fault(text: &str) -> Result<(Fault, f64), String> {
    let (name, share) = share(text)?;
    Fault::from_name(&name).map_or_else(
        || Err(format!("there is no fault {name}")),
        |fault| Ok((fault, share)),
    )
}
