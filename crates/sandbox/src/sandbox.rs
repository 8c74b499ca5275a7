//! The sandbox as the rest of the program sees it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use autodidact_core::{Verdict, Verification, VerifyLimits};

use crate::launch::{Job, Order};
use crate::layers::Layers;
use crate::process::{Ending, Event, Watched, next_event};
use crate::python::{self, Python};
use crate::slots::{Slot, Slots};

/// How long the layers may take to be tried.
const PROBE: VerifyLimits = VerifyLimits {
    seconds: 10,
    memory_mb: 512,
    output_kb: 64,
};

/// How this program is started again as a launcher: with an order as its last argument it calls
/// [`launch`](crate::launch()).
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The program.
    pub program: PathBuf,
    /// Arguments before the order.
    pub arguments: Vec<String>,
}

/// What a verification may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// Time, memory and output.
    pub limits: VerifyLimits,
    /// Run nothing unless all layers hold.
    pub strict: bool,
}

/// What of the machine is used.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// How the sandbox starts.
    pub launcher: Launcher,
    /// The Python interpreter, by name or path.
    pub python: String,
    /// The environment of the user's own programs, and of finding Python: a few harmless variables.
    /// What runs in the sandbox sees none of it.
    pub environment: Vec<(String, String)>,
    /// Verifications at once; 0: as many as there are cores.
    pub parallel: usize,
}

/// Runs answers.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) surroundings: Surroundings,
    slots: Slots,
    parallel: usize,
    layers: OnceLock<Result<Layers, String>>,
    python: OnceLock<Result<Python, String>>,
}

impl Sandbox {
    /// Starts nothing yet.
    pub fn new(surroundings: Surroundings) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let parallel = match surroundings.parallel {
            0 => cores(),
            some => some,
        };
        Self {
            surroundings,
            slots: Slots::new(parallel),
            parallel,
            layers: OnceLock::new(),
            python: OnceLock::new(),
        }
    }

    /// How many verifications run at once.
    pub fn parallel(&self) -> usize {
        self.parallel
    }

    /// Which layers hold on this machine, found by applying them once; or why nothing can be
    /// started at all.
    pub fn layers(&self) -> Result<&Layers, &str> {
        let layers = self.layers.get_or_init(|| self.probe());
        layers.as_ref().map_err(String::as_str)
    }

    /// The version of the Python that runs code, or why there is none.
    pub fn python_version(&self) -> Result<&str, &str> {
        self.python().map(|python| python.version.as_str())
    }

    pub(crate) fn python(&self) -> Result<&Python, &str> {
        let Surroundings {
            python,
            environment,
            ..
        } = &self.surroundings;
        let found = self
            .python
            .get_or_init(|| python::find(python, environment));
        found.as_ref().map_err(String::as_str)
    }

    /// Waits until one more verification may run.
    pub(crate) fn slot(&self) -> Slot<'_> {
        self.slots.take()
    }

    /// Layers that hold, unless some are missing and the policy is strict.
    pub(crate) fn permitted(&self, policy: &Policy) -> Result<&Layers, String> {
        let layers = self
            .layers()
            .map_err(|reason| format!("the sandbox does not start: {reason}"))?;
        let missing = layers.missing();
        if policy.strict && !missing.is_empty() {
            let missing: Vec<&str> = missing.iter().map(|layer| layer.as_str()).collect();
            return Err(format!(
                "this machine has no {} for the sandbox, and `verify_strict` asks for all layers; `autodidact doctor` tells why",
                missing.join(", no ")
            ));
        }
        Ok(layers)
    }

    fn probe(&self) -> Result<Layers, String> {
        let directory = scratch()?;
        let (sender, events) = mpsc::channel();
        let policy = Policy {
            limits: PROBE,
            strict: false,
        };
        let started = self.start(Job::Probe, &policy, directory.path(), 0, &sender);
        let mut child = started?;
        let deadline = Instant::now() + Duration::from_secs(u64::from(PROBE.seconds));
        let mut found = None;
        while let Some((_, event)) = next_event(&events, deadline) {
            match event {
                Event::Line(line) => found = serde_json::from_slice(&line).ok(),
                Event::End | Event::TooMuch => break,
            }
        }
        child.wait_until(deadline);
        found.ok_or_else(|| format!("the launcher says: {}", child.errors()))
    }

    /// Starts a launcher with an order.
    pub(crate) fn start(
        &self,
        job: Job,
        policy: &Policy,
        directory: &std::path::Path,
        id: usize,
        events: &mpsc::Sender<(usize, Event)>,
    ) -> Result<Watched, String> {
        let Launcher { program, arguments } = &self.surroundings.launcher;
        let order = Order {
            applied: None,
            job,
            strict: policy.strict,
            limits: policy.limits,
            directory: directory.to_owned(),
            arguments: arguments.clone(),
        };
        let order = serde_json::to_string(&order).map_err(|e| e.to_string())?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(order)
            .env_clear()
            .current_dir(directory);
        let limit = policy.limits.output_kb as usize * 1024;
        Watched::start(command, Ending::Launcher, limit, id, events)
            .map_err(|e| format!("{} does not start: {e}", program.display()))
    }
}

/// An empty directory that is removed afterwards.
pub(crate) fn scratch() -> Result<tempfile::TempDir, String> {
    tempfile::Builder::new()
        .prefix("autodidact-sandbox-")
        .tempdir()
        .map_err(|e| format!("no temporary directory can be made: {e}"))
}

/// A verification that could not be decided.
pub(crate) fn cannot_tell(reason: impl Into<String>, extracted: Option<String>) -> Verification {
    let reason = reason.into();
    Verification {
        how: reason.clone(),
        verdict: Verdict::CannotTell(reason),
        extracted,
        flags: Vec::new(),
    }
}

/// A verification that was decided.
pub(crate) fn decided(right: bool, extracted: &str, how: String) -> Verification {
    Verification {
        verdict: if right {
            Verdict::Right
        } else {
            Verdict::Wrong
        },
        extracted: Some(extracted.to_owned()),
        how,
        flags: Vec::new(),
    }
}
