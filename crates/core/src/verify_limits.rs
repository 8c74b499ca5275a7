//! What a program that is run to verify an answer may use.

use serde::{Deserialize, Serialize};

/// Limits of one verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyLimits {
    /// Time, on the clock.
    pub seconds: u32,
    /// Memory of each process, in megabytes.
    pub memory_mb: u32,
    /// What it may write, in kilobytes.
    pub output_kb: u32,
}

impl Default for VerifyLimits {
    fn default() -> Self {
        Self {
            seconds: 10,
            memory_mb: 512,
            output_kb: 1024,
        }
    }
}

impl VerifyLimits {
    /// True if nothing was changed.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
