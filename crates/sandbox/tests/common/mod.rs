//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::OnceLock;

use autodidact_core::{Verdict, Verification, VerifyLimits};
use autodidact_sandbox::{Launcher, Policy, Sandbox, Surroundings};

/// A sandbox on this machine, started through the launcher of this crate.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(surroundings()))
}

pub(crate) fn surroundings() -> Surroundings {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let environment = vec![
        ("PATH".to_owned(), path.to_string_lossy().into_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ];
    Surroundings {
        launcher: Launcher {
            program: env!("CARGO_BIN_EXE_autodidact-sandbox-launcher").into(),
            arguments: Vec::new(),
        },
        python: "python3".to_owned(),
        environment,
        parallel: 0,
    }
}

/// Little time and little memory.
pub(crate) fn policy() -> Policy {
    Policy {
        limits: VerifyLimits {
            seconds: 10,
            memory_mb: 128,
            output_kb: 256,
        },
        strict: false,
    }
}

/// The same with less time, for what does not end.
pub(crate) fn short() -> Policy {
    let mut policy = policy();
    policy.limits.seconds = 2;
    policy
}

/// False, with a printed reason, where there is no Python or nothing can be started.
pub(crate) fn can_run() -> bool {
    let sandbox = sandbox();
    let ((Err(reason), _) | (_, Err(reason))) = (sandbox.python_version(), sandbox.layers()) else {
        return true;
    };
    tell(&format!("skipped: {reason}"));
    false
}

/// Prints what a test does not check here, and why.
#[allow(clippy::print_stderr, reason = "a skipped check says so")]
pub(crate) fn tell(reason: &str) {
    eprintln!("{reason}");
}

pub(crate) fn code(gold: &str, text: &str) -> Verification {
    sandbox().verify_code(gold, text, &policy())
}

pub(crate) fn sql(gold: &str, text: &str) -> Verification {
    sandbox().verify_sql(gold, text, &policy())
}

#[track_caller]
pub(crate) fn right(found: &Verification) {
    assert_eq!(found.verdict, Verdict::Right, "{}", found.how);
}

#[track_caller]
pub(crate) fn wrong(found: &Verification, told: &str) {
    assert_eq!(found.verdict, Verdict::Wrong, "{}", found.how);
    assert!(found.how.contains(told), "{}", found.how);
}

#[track_caller]
pub(crate) fn cannot_tell(found: &Verification, told: &str) {
    assert!(
        matches!(&found.verdict, Verdict::CannotTell(reason) if reason.contains(told)),
        "{found:?}"
    );
}

/// What a Python function named `attempt` gives, as Python writes it, or how the run ended.
pub(crate) fn observe(program: &str) -> String {
    observe_with(program, &policy())
}

pub(crate) fn observe_with(program: &str, policy: &Policy) -> String {
    let gold = r#"{"entry": "attempt", "tests": [{"args": [], "expected": "never"}]}"#;
    let found = sandbox().verify_code(gold, program, policy);
    assert_eq!(found.verdict, Verdict::Wrong, "{}", found.how);
    let given = found.how.split_once("(gives ");
    let given = given.and_then(|(_, rest)| rest.rsplit_once("); in the sandbox"));
    given.map_or(found.how.clone(), |(value, _)| value.to_owned())
}
