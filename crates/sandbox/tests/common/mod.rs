//! What the tests of this crate share.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::OnceLock;

use autodidact_core::{Verdict, Verification, VerifyLimits};
use autodidact_sandbox::{Launcher, Policy, Sandbox, Surroundings};

/// A sandbox on this machine, started through the launcher of this crate.
pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(surroundings()))
}

pub fn surroundings() -> Surroundings {
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
pub fn policy() -> Policy {
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
pub fn short() -> Policy {
    let mut policy = policy();
    policy.limits.seconds = 2;
    policy
}

/// False, with a printed reason, where there is no Python or nothing can be started.
pub fn can_run() -> bool {
    let sandbox = sandbox();
    let reason = match (sandbox.python_version(), sandbox.layers()) {
        (Err(reason), _) | (_, Err(reason)) => reason,
        _ => return true,
    };
    eprintln!("skipped: {reason}");
    false
}

pub fn code(gold: &str, text: &str) -> Verification {
    sandbox().verify_code(gold, text, &policy())
}

pub fn sql(gold: &str, text: &str) -> Verification {
    sandbox().verify_sql(gold, text, &policy())
}

#[track_caller]
pub fn right(found: &Verification) {
    assert_eq!(found.verdict, Verdict::Right, "{}", found.how);
}

#[track_caller]
pub fn wrong(found: &Verification, told: &str) {
    assert_eq!(found.verdict, Verdict::Wrong, "{}", found.how);
    assert!(found.how.contains(told), "{}", found.how);
}

#[track_caller]
pub fn cannot_tell(found: &Verification, told: &str) {
    assert!(
        matches!(&found.verdict, Verdict::CannotTell(reason) if reason.contains(told)),
        "{found:?}"
    );
}
