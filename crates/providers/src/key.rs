//! Keys that do not show.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use crate::redact::shown;
use crate::{ErrorClass, ProviderError};

/// How long a command may take to print a key; some ask a person for a touch or a password.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
/// More than any key, or any error worth reading.
const LARGEST_OUTPUT: u64 = 64 * 1024;

/// A provider's key. It is wiped from memory when dropped, and prints as `[REDACTED]`.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// A key as it was read from the environment or from a command, without the line's end.
    pub fn new(key: &str) -> Self {
        Self(SecretString::from(key.trim().to_owned()))
    }

    /// The key that a shell command prints: one line, within 30 seconds. Blocks until then.
    ///
    /// Errors are of class [`ErrorClass::Declaration`] and show what the command said on its error
    /// stream, never what it printed.
    pub fn from_command(command: &str) -> Result<Self, ProviderError> {
        Self::from_command_within(command, COMMAND_LIMIT)
    }

    fn from_command_within(command: &str, limit: Duration) -> Result<Self, ProviderError> {
        let refused =
            |message: String| ProviderError::new("key_command", ErrorClass::Declaration, message);
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| refused(format!("`sh` could not be started: {error}")))?;
        let output = collect(child.stdout.take());
        let complaints = collect(child.stderr.take());
        let status = wait(&mut child, limit).map_err(refused)?;
        // A process that the command left behind may hold the streams open; it is not waited for.
        let grace = Duration::from_secs(1);
        if !status.success() {
            let said = complaints.recv_timeout(grace).unwrap_or_default();
            let said = shown(&String::from_utf8_lossy(&said), None);
            return Err(refused(format!("the command failed ({status}): {said}")));
        }
        let output = output.recv_timeout(grace).unwrap_or_default();
        match String::from_utf8(output).as_deref().map(str::trim) {
            Ok("") => Err(refused("the command printed nothing".to_owned())),
            Ok(key) if key.contains(['\n', '\r']) => Err(refused(
                "the command printed more than one line; let it print the key alone".to_owned(),
            )),
            Ok(key) => Ok(Self::new(key)),
            Err(_) => Err(refused("the command printed no text".to_owned())),
        }
    }

    /// The key itself, for the one header it belongs in.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// Reads a stream on a thread of its own, so that neither of two full pipes stops the command.
fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What was read before an error is enough to say what went wrong.
            let _ = stream.take(LARGEST_OUTPUT).read_to_end(&mut bytes);
        }
        let _ = send.send(bytes);
    });
    receive
}

fn wait(child: &mut Child, limit: Duration) -> Result<std::process::ExitStatus, String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if start.elapsed() < limit => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                // It may have ended in between; then there is nothing to kill.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the command took longer than {limit:?}"));
            }
            Err(error) => return Err(format!("the command could not be waited for: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_a_key_in_one_line_or_is_refused() {
        assert_eq!(
            ApiKey::from_command("echo '  abc def '").unwrap().expose(),
            "abc def"
        );
        for (command, reason) in [
            ("true", "printed nothing"),
            ("echo secret-1; echo secret-2", "more than one line"),
            ("echo secret-1; echo locked >&2; exit 3", "locked"),
            ("printf 'secret-1\\377'", "no text"),
        ] {
            let error = ApiKey::from_command(command).unwrap_err();
            assert!(error.message.contains(reason), "{command}: {error}");
            assert!(!error.to_string().contains("secret-"), "{error}");
            assert_eq!(error.class, ErrorClass::Declaration);
        }
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let limit = Duration::from_millis(100);
        let error = ApiKey::from_command_within("sleep 20", limit).unwrap_err();
        assert!(error.message.contains("longer than"), "{error}");
    }
}
