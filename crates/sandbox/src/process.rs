//! A child process that is watched: its output is counted, its end is waited for up to a deadline,
//! and whatever happens it is gone when the watching ends.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is kept of standard error.
const TAIL: usize = 4096;
/// How long the launcher has to end its inner half before it is ended itself.
const GRACE: Duration = Duration::from_secs(2);
/// How long the end of standard error is waited for.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often an ending process is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// Something a child did.
#[derive(Debug)]
pub(crate) enum Event {
    /// Wrote a line to standard output; without its end, if the output ended there.
    Line(Vec<u8>),
    /// Closed its standard output.
    End,
    /// Wrote more than it may, to standard output or standard error.
    TooMuch,
}

/// How a child is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The launcher is asked, and ends all of its own.
    Launcher,
    /// Its process group is killed.
    Group,
}

/// A child, with its number in the events.
#[derive(Debug)]
pub(crate) struct Watched {
    child: Child,
    ending: Ending,
    input: Option<Sender<Vec<u8>>>,
    errors: Arc<Mutex<Vec<u8>>>,
    errors_read: Arc<AtomicBool>,
    ended: bool,
}

impl Watched {
    /// Starts a command with pipes; what happens is sent to `events` with the number `id`.
    pub(crate) fn start(
        mut command: Command,
        ending: Ending,
        output_limit: usize,
        id: usize,
        events: &Sender<(usize, Event)>,
    ) -> std::io::Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if ending == Ending::Group {
            own_group(&mut command);
        }
        let mut child = command.spawn()?;
        let errors = Arc::new(Mutex::new(Vec::new()));
        let errors_read = Arc::new(AtomicBool::new(false));
        if let Some(out) = child.stdout.take() {
            let events = events.clone();
            std::thread::spawn(move || read_lines(out, output_limit, id, &events));
        }
        if let Some(err) = child.stderr.take() {
            let (events, errors, read) = (events.clone(), errors.clone(), errors_read.clone());
            std::thread::spawn(move || {
                read_tail(err, output_limit, id, &events, &errors);
                read.store(true, Ordering::Release);
            });
        }
        // A thread of its own: a child that does not read must not stop whoever writes.
        let (input, inputs) = mpsc::channel::<Vec<u8>>();
        if let Some(pipe) = child.stdin.take() {
            std::thread::spawn(move || write_all(pipe, &inputs));
        }
        Ok(Self {
            child,
            ending,
            input: Some(input),
            errors,
            errors_read,
            ended: false,
        })
    }

    /// Writes to its standard input, some time.
    pub(crate) fn send(&self, bytes: Vec<u8>) {
        if let Some(input) = &self.input {
            // A child that is gone is told of by its own event.
            drop(input.send(bytes));
        }
    }

    /// Closes its standard input after what was sent.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// The end of what it wrote to standard error. What it wrote last may still be on its way.
    pub(crate) fn errors(&self) -> String {
        let patience = Instant::now() + PATIENCE;
        while !self.errors_read.load(Ordering::Acquire) && Instant::now() < patience {
            std::thread::sleep(GLANCE);
        }
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&errors).trim().to_owned()
    }

    /// How it ended, if it does before `deadline`.
    pub(crate) fn wait_until(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.ended = true;
                    return Some(status);
                }
                Ok(None) if Instant::now() < deadline => std::thread::sleep(GLANCE),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Ends it and whatever it started.
    fn end(&mut self) {
        self.close_input();
        if self.ending == Ending::Launcher && !self.ended {
            signal(&self.child, false);
            self.wait_until(Instant::now() + GRACE);
        }
        if !self.ended || self.ending == Ending::Group {
            signal(&self.child, true);
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.end();
    }
}

/// The next event before `deadline`.
pub(crate) fn next_event(
    events: &Receiver<(usize, Event)>,
    deadline: Instant,
) -> Option<(usize, Event)> {
    let left = deadline.saturating_duration_since(Instant::now());
    events.recv_timeout(left).ok()
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

/// Asks a launcher to end (`all` false), or kills a child's whole group.
#[cfg(unix)]
fn signal(child: &Child, all: bool) {
    use nix::sys::signal::{Signal, kill, killpg};
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    // Either fails only if nobody is there any more.
    let _ = if all {
        killpg(pid, Signal::SIGKILL)
    } else {
        kill(pid, Signal::SIGTERM)
    };
}

#[cfg(not(unix))]
fn signal(_: &Child, _: bool) {}

fn read_lines(mut out: impl Read, limit: usize, id: usize, events: &Sender<(usize, Event)>) {
    let (mut line, mut total) = (Vec::new(), 0);
    let mut buffer = [0; 8192];
    loop {
        let count = match out.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        total += count;
        if total > limit {
            drop(events.send((id, Event::TooMuch)));
            return;
        }
        for part in buffer
            .get(..count)
            .unwrap_or_default()
            .split_inclusive(|b| *b == b'\n')
        {
            line.extend_from_slice(part);
            let whole = line.ends_with(b"\n");
            if whole
                && events
                    .send((id, Event::Line(std::mem::take(&mut line))))
                    .is_err()
            {
                return;
            }
        }
    }
    if !line.is_empty() {
        drop(events.send((id, Event::Line(line))));
    }
    drop(events.send((id, Event::End)));
}

fn read_tail(
    mut err: impl Read,
    limit: usize,
    id: usize,
    events: &Sender<(usize, Event)>,
    errors: &Mutex<Vec<u8>>,
) {
    let mut total = 0;
    let mut buffer = [0; 4096];
    while let Ok(count) = err.read(&mut buffer) {
        if count == 0 {
            return;
        }
        total += count;
        let mut kept = errors.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let surplus = kept.len().saturating_sub(TAIL);
        kept.drain(..surplus);
        drop(kept);
        if total > limit {
            drop(events.send((id, Event::TooMuch)));
            return;
        }
    }
}

fn write_all(mut pipe: impl Write, inputs: &Receiver<Vec<u8>>) {
    for bytes in inputs {
        if pipe.write_all(&bytes).and_then(|()| pipe.flush()).is_err() {
            return;
        }
    }
}
