//! The outer half: namespaces and root first, then a watch over the inner half.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};

use crate::launch::order::Order;
use crate::launch::{namespaces, root};
use crate::layers::{Layer, Layers};

/// Rounds of looking for processes that were left behind; each ends all that are found.
const SWEEPS: usize = 100;

pub(super) fn run(order: Order) -> Result<u8, String> {
    // A session of its own: no terminal to write into, and one group to end. Fails only for a
    // process that leads a group already, which the parent does not make this one.
    setsid().map_err(|e| format!("no session of its own: {e}"))?;
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|e| format!("no death signal: {e}"))?;
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    signals.add(Signal::SIGTERM);
    signals
        .thread_block()
        .map_err(|e| format!("signals cannot be blocked: {e}"))?;
    let watch = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)
        .map_err(|e| format!("signals cannot be watched: {e}"))?;
    let program = std::env::current_exe().map_err(|e| format!("the launcher is lost: {e}"))?;

    let mut layers = Layers::default();
    layers.note(Layer::Namespaces, namespaces::enter());
    let own_root = if layers.holds(Layer::Namespaces) {
        root::enter(&order, &program)
    } else {
        Err("it needs namespaces".to_owned())
    };
    layers.note(Layer::OwnRoot, own_root);
    let own_processes = layers.holds(Layer::Namespaces);
    if !own_processes {
        prctl::set_child_subreaper(true).map_err(|e| format!("cannot adopt orphans: {e}"))?;
    }
    let inner = start(order, layers, program)?;
    let code = watch_over(inner, &watch)?;
    if !own_processes {
        sweep();
    }
    Ok(code)
}

fn start(order: Order, layers: Layers, program: PathBuf) -> Result<Child, String> {
    let own_root = layers.holds(Layer::OwnRoot);
    let program = if own_root {
        PathBuf::from(root::LAUNCHER)
    } else {
        program
    };
    let directory = if own_root {
        PathBuf::from(root::SCRATCH)
    } else {
        order.directory.clone()
    };
    let arguments = order.arguments.clone();
    let inner = Order {
        applied: Some(layers),
        directory: directory.clone(),
        ..order
    };
    let inner = serde_json::to_string(&inner).map_err(|e| e.to_string())?;
    Command::new(program)
        .args(arguments)
        .arg(inner)
        .env_clear()
        .current_dir(directory)
        .process_group(0)
        .spawn()
        .map_err(|e| format!("the inner launcher does not start: {e}"))
}

/// Waits for the inner half to end, or ends it when told to.
fn watch_over(mut inner: Child, watch: &SignalFd) -> Result<u8, String> {
    let group = Pid::from_raw(inner.id() as i32);
    loop {
        let ended = inner.try_wait().map_err(|e| format!("waiting: {e}"))?;
        if let Some(status) = ended {
            // Whoever is left in its group goes with it.
            let _ = killpg(group, Signal::SIGKILL);
            let signal = || 128 + status.signal().unwrap_or(0);
            return Ok(status.code().unwrap_or_else(signal) as u8);
        }
        match watch.read_signal() {
            Ok(Some(info)) if info.ssi_signo == Signal::SIGTERM as u32 => {
                let _ = killpg(group, Signal::SIGKILL);
                let _ = inner.kill();
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(format!("watching: {error}")),
        }
    }
}

/// Ends processes that left the group. Their parents are gone, so they are children of this one.
fn sweep() {
    for _ in 0..SWEEPS {
        let orphans = children();
        for orphan in &orphans {
            let _ = kill(*orphan, Signal::SIGKILL);
        }
        loop {
            match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                    break;
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }
}

/// The children of this process, by the parents that all processes name.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pid = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let pid: i32 = name.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // `pid (name) state parent …`; the name may hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let parent = rest.split_whitespace().nth(1)?;
        (parent == own).then(|| Pid::from_raw(pid))
    };
    processes.flatten().filter_map(pid).collect()
}
