//! What can be wrong with a spec, said so that it can be mended.

use thiserror::Error;

/// A spec that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The text is not the TOML that was expected.
    #[error("{message}")]
    Toml {
        /// What is wrong, with line and, for an unknown key, the nearest known one.
        message: String,
        /// Byte range in the text.
        span: Option<std::ops::Range<usize>>,
    },
    /// A value that has the right type and still makes no sense.
    #[error("`{key}` {problem}")]
    Invalid {
        /// The key, dotted.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl SpecError {
    /// Wraps a TOML error, adding the nearest known key to "unknown field".
    pub(crate) fn from_toml(error: &toml::de::Error) -> Self {
        let mut message = error.to_string().trim_end().to_owned();
        if let Some(hint) = nearest_key(error.message()) {
            message.push_str("\ndid you mean `");
            message.push_str(hint);
            message.push_str("`?");
        }
        Self::Toml {
            message,
            span: error.span(),
        }
    }
}

/// From serde's "unknown field `x`, expected one of `a`, `b`" the known key nearest to `x`, if it
/// is near enough to be a slip of the finger.
fn nearest_key(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    let mut quoted = rest.split('`').step_by(2);
    let unknown = quoted.next()?;
    quoted
        .map(|known| (strsim::levenshtein(unknown, known), known))
        .min()
        .filter(|(distance, known)| *distance <= known.len().max(3) / 2)
        .map(|(_, known)| known)
}
