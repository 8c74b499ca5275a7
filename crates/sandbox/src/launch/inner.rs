//! The inner half: gives up what it can, then becomes the sandboxed process.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::execve;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::launch::order::{Job, Order, Side};
use crate::launch::{landlock, root, seccomp};
use crate::layers::{Layer, Layers};
use crate::sql;

/// Processes and threads, where the kernel counts them.
const PROCESSES: u64 = 64;
/// Open files.
const FILES: u64 = 64;
/// Bytes of the largest file in the scratch directory. Without a root of its own nothing is written.
const FILE_BYTES: u64 = 16 << 20;
/// What an interpreter needs beside the memory that is asked for.
const OVERHEAD: u64 = 64 << 20;

pub(super) fn run(order: &Order, mut layers: Layers) -> Result<u8, String> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| format!("no death signal: {e}"))?;
    prctl::set_no_new_privs().map_err(|e| format!("privileges can be gained: {e}"))?;
    umask(Mode::from_bits_truncate(0o077));
    limit(order, layers.holds(Layer::OwnRoot))?;
    layers.note(Layer::Capabilities, drop_capabilities());
    let writable = layers
        .holds(Layer::OwnRoot)
        .then(|| Path::new(root::SCRATCH));
    layers.note(
        Layer::Landlock,
        landlock::apply(&readable(&order.job), writable),
    );
    layers.note(Layer::Seccomp, seccomp::apply());
    let missing = layers.missing();
    if order.strict && !missing.is_empty() {
        let told = layers.findings.iter().filter(|f| !f.holds);
        let told: Vec<String> = told.map(|f| format!("{}: {}", f.layer, f.detail)).collect();
        return Err(told.join("; "));
    }
    match &order.job {
        Job::Probe => crate::write_json(&layers),
        Job::Sql => sql::serve(&order.limits),
        Job::Python {
            executable, side, ..
        } => python(executable, *side),
    }
}

/// Limits that every kernel has. They hold for whatever is started from here.
fn limit(order: &Order, scratch: bool) -> Result<(), String> {
    let memory = (u64::from(order.limits.memory_mb) << 20) + OVERHEAD;
    let seconds = u64::from(order.limits.seconds) + 1;
    let limits = [
        (Resource::RLIMIT_AS, memory),
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_FSIZE, if scratch { FILE_BYTES } else { 0 }),
        (Resource::RLIMIT_NOFILE, FILES),
        (Resource::RLIMIT_NPROC, PROCESSES),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ];
    for (resource, value) in limits {
        // A machine that allows less keeps its own limit.
        let (_, hard) = nix::sys::resource::getrlimit(resource).unwrap_or((value, value));
        let value = value.min(hard);
        setrlimit(resource, value, value).map_err(|e| format!("{resource:?}: {e}"))?;
    }
    Ok(())
}

fn drop_capabilities() -> Result<String, String> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).map_err(|e| format!("they cannot be given up: {e}"))?;
    Ok("none, and none to be gained".to_owned())
}

fn readable(job: &Job) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = root::LIBRARIES.iter().map(PathBuf::from).collect();
    if let Job::Python {
        executable,
        readable,
        ..
    } = job
    {
        paths.push(executable.clone());
        paths.extend(readable.iter().cloned());
    }
    paths
}

/// Becomes Python. Not with `-I`: that would ignore `PYTHONHASHSEED`, and the same code would be
/// judged on another order of sets each time. The environment holds nothing else.
fn python(executable: &Path, side: Side) -> Result<u8, String> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| "a path holds a zero".to_owned());
    let executable = text(executable.as_os_str().as_bytes())?;
    let flags = ["-s", "-S", "-B", "-u", "-X", "utf8", "-c", side.program()];
    let mut arguments = vec![executable.clone()];
    for flag in flags {
        arguments.push(text(flag.as_bytes())?);
    }
    let environment = [
        text(b"PYTHONHASHSEED=0")?,
        text(b"PYTHONSAFEPATH=1")?,
        text(b"LANG=C.UTF-8")?,
        text(b"HOME=/nonexistent")?,
        text(format!("TMPDIR={}", root::SCRATCH).as_bytes())?,
    ];
    match execve(&executable, &arguments, &environment) {
        Ok(never) => match never {},
        Err(error) => Err(format!(
            "{} does not start: {}",
            executable.to_string_lossy(),
            error.desc()
        )),
    }
}
