//! What the launcher is told, as JSON in its argument.

use std::path::PathBuf;

use autodidact_core::VerifyLimits;
use serde::{Deserialize, Serialize};

use crate::layers::Layers;

/// An order of the parent to the launcher, and of its outer half to its inner half.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The inner half: the layers that hold already. Absent for the outer half.
    pub(crate) applied: Option<Layers>,
    /// What to do once all layers are applied.
    pub(crate) job: Job,
    /// Refuse unless every layer holds.
    pub(crate) strict: bool,
    /// Time, memory and output.
    pub(crate) limits: VerifyLimits,
    /// An empty directory to work in; the own root is built on it.
    pub(crate) directory: PathBuf,
    /// How the launcher is started again: arguments before the order.
    pub(crate) arguments: Vec<String>,
}

/// What runs in the sandbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Job {
    /// Nothing; writes down which layers hold.
    Probe,
    /// Two queries on a database in memory.
    Sql,
    /// Python.
    Python {
        /// The interpreter, without symbolic links.
        executable: PathBuf,
        /// Files and directories it reads.
        readable: Vec<PathBuf>,
        /// Which side.
        side: Side,
    },
}

/// The two processes that verify code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    /// Runs the candidate's code.
    Candidate,
    /// Runs the tests.
    Tests,
}

impl Side {
    /// The Python program.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "nothing is launched")
    )]
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Candidate => concat!(
                include_str!("../python/peer.py"),
                include_str!("../python/candidate.py")
            ),
            Self::Tests => concat!(
                include_str!("../python/peer.py"),
                include_str!("../python/tests.py")
            ),
        }
    }
}

/// The launcher refuses or cannot start; the reason is on its standard error.
pub(crate) const REFUSED: u8 = 121;
