//! Namespaces of its own: no network, no other processes, no privileges outside.

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};

/// Who the sandboxed process is inside. Not 0, so that starting a program drops all capabilities.
const INSIDE: u32 = 1000;

/// Leaves the namespaces of the machine. Its children will be in the new process namespace.
pub(super) fn enter() -> Result<String, String> {
    let (user, group) = (getuid(), getgid());
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    unshare(all).map_err(|e| format!("the kernel refuses them: {}", e.desc()))?;
    let write = |file: &str, text: String| {
        std::fs::write(file, text).map_err(|e| format!("{file} cannot be written: {e}"))
    };
    write("/proc/self/setgroups", "deny".to_owned())?;
    write("/proc/self/uid_map", format!("{INSIDE} {user} 1"))?;
    write("/proc/self/gid_map", format!("{INSIDE} {group} 1"))?;
    Ok("user, process, network, IPC, host name, mount".to_owned())
}
