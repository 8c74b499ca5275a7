//! Checkers of answers, with the sandbox of this machine.

use std::path::Path;

use autodidact_core::{TaskSpec, VerifyKind, VerifyLimits};
use autodidact_sandbox::{Launcher, Sandbox, Surroundings};
use autodidact_star::Checker;

use crate::arguments::RunningArguments;
use crate::failure::Failure;
use crate::settings::Settings;

/// The sandbox of this machine; `parallel` answers are run at once, 0 for as many as cores.
pub(crate) fn sandbox(settings: &Settings, parallel: usize) -> Result<Sandbox, Failure> {
    let program = std::env::current_exe().map_err(|e| {
        Failure::Usage(format!(
            "the sandbox starts this program again, and where it stands is not known: {e}"
        ))
    })?;
    Ok(Sandbox::new(Surroundings {
        launcher: Launcher {
            program,
            arguments: vec!["sandbox-launch".to_owned()],
        },
        python: settings.python.clone(),
        environment: settings.harmless.clone(),
        parallel,
    }))
}

/// The checker of a spec that stands in `directory`.
pub(crate) fn of_task(
    task: &TaskSpec,
    directory: &Path,
    settings: &Settings,
    parallel: usize,
) -> Result<Checker, Failure> {
    let sandbox = sandbox(settings, parallel)?;
    Ok(Checker::new(sandbox, task, directory.to_owned()))
}

/// The checker of a command line.
pub(crate) fn of_arguments(
    kind: Option<VerifyKind>,
    arguments: &RunningArguments,
    settings: &Settings,
) -> Result<Checker, Failure> {
    let command = kind == Some(VerifyKind::Command);
    if command == arguments.verify_command.is_empty() {
        return Err(Failure::Usage(
            "comparing by `command` and `--verify-command` go together; give both or neither"
                .to_owned(),
        ));
    }
    let usual = VerifyLimits::default();
    let limits = VerifyLimits {
        seconds: arguments.verify_seconds.unwrap_or(usual.seconds),
        memory_mb: arguments.verify_memory_mb.unwrap_or(usual.memory_mb),
        ..usual
    };
    if limits.seconds == 0 || limits.memory_mb == 0 {
        return Err(Failure::Usage(
            "`--verify-seconds` and `--verify-memory-mb` are at least 1".to_owned(),
        ));
    }
    let task = TaskSpec {
        verify_command: arguments.verify_command.clone(),
        verify_limits: limits,
        verify_strict: arguments.verify_strict,
        ..TaskSpec::default()
    };
    of_task(&task, Path::new(""), settings, 0)
}
