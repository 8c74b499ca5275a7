//! Keys that do not show.

use secrecy::{ExposeSecret, SecretString};

/// A provider's key. It is wiped from memory when dropped, and prints as `[REDACTED]`.
#[derive(Clone)]
pub struct ApiKey(SecretString);

impl ApiKey {
    /// A key as it was read from the environment or from a command, without the line's end.
    pub fn new(key: &str) -> Self {
        Self(SecretString::from(key.trim().to_owned()))
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
