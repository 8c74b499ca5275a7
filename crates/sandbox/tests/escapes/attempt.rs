//! An attempt, and what must come of it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use autodidact_sandbox::Layer;

use crate::common::{self, can_run, observe, sandbox};

/// Every layer that keeps files away.
pub(crate) const FILES: &[Layer] = &[Layer::OwnRoot, Layer::Landlock];
pub(crate) const CALLS: &[Layer] = &[Layer::Seccomp];

/// Imports, numbers of system calls, and a function that makes one and names its error.
const PRELUDE: &str = r"
import ctypes, errno, gc, os, platform, signal, socket, struct, sys, time
ARM = platform.machine() == 'aarch64'
def call(x86, arm, *args):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    got = libc.syscall(ctypes.c_long(arm if ARM else x86), *args)
    number = ctypes.get_errno()
    if got == -1:
        name = errno.errorcode[number]
        return 'refused ' + name if name in ('EPERM', 'ENOSYS', 'EACCES') else 'reached ' + name
    return 'escaped'
def attempt():
    try:
        return inner()
    except MemoryError:
        return 'refused MemoryError'
    except OSError as error:
        return 'refused ' + errno.errorcode.get(error.errno, str(error.errno))
";

/// Runs a body of Python that gives a text; true if a layer of `layers` holds here.
pub(crate) fn tried(layers: &[Layer], body: &str) -> (String, bool) {
    let body: Vec<String> = body
        .trim()
        .lines()
        .map(|line| format!("    {line}"))
        .collect();
    let program = format!("{PRELUDE}\ndef inner():\n{}\n", body.join("\n"));
    let found = observe(&program);
    let held = sandbox().layers().unwrap();
    let stopped = layers.iter().any(|layer| held.holds(*layer));
    if !stopped {
        common::tell(&format!(
            "not stopped here: this machine has none of {layers:?}; seen: {found}"
        ));
    }
    (found, stopped)
}

/// The attempt must end in a refusal where one of `layers` holds.
#[track_caller]
pub(crate) fn refused(layers: &[Layer], body: &str) {
    if !can_run() {
        return;
    }
    let (found, stopped) = tried(layers, body);
    if stopped {
        assert!(found.starts_with("'refused"), "{found}");
    }
}

/// A file that everybody on this machine may read, with a secret in it.
pub(crate) fn canary() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(directory.path(), 0o777);
    let file = directory.path().join("secret");
    std::fs::write(&file, "the secret").unwrap();
    open(&file, 0o666);
    (directory, file)
}
