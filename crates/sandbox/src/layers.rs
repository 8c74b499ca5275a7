//! The layers of the sandbox, and which of them hold on this machine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A layer that a kernel may refuse. A process of its own, resource limits, an empty environment,
/// and limits of time and output do not depend on the kernel and are always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// User, process, network, IPC, host name and mount namespaces.
    Namespaces,
    /// A root directory with nothing in it but Python and libraries, read-only.
    OwnRoot,
    /// No capability, and none to be gained.
    Capabilities,
    /// Landlock: files, TCP, abstract sockets and signals.
    Landlock,
    /// A list of allowed system calls.
    Seccomp,
}

impl Layer {
    /// All of them, in the order they are applied.
    pub const ALL: [Self; 5] = [
        Self::Namespaces,
        Self::OwnRoot,
        Self::Capabilities,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// The name people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::OwnRoot => "own root",
            Self::Capabilities => "no capabilities",
            Self::Landlock => "Landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of a layer when it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFinding {
    /// Which.
    pub layer: Layer,
    /// The kernel took it.
    pub holds: bool,
    /// Why it does not hold, or what of it does.
    pub detail: String,
}

/// What became of all layers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layers {
    /// One finding for each layer that was tried.
    pub findings: Vec<LayerFinding>,
}

impl Layers {
    /// Notes that a layer holds, or why it does not.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "nothing is applied")
    )]
    pub(crate) fn note(&mut self, layer: Layer, outcome: Result<String, String>) {
        let holds = outcome.is_ok();
        let (Ok(detail) | Err(detail)) = outcome;
        self.findings.push(LayerFinding {
            layer,
            holds,
            detail,
        });
    }

    /// True if a layer was applied and the kernel took it.
    pub fn holds(&self, layer: Layer) -> bool {
        self.findings.iter().any(|f| f.layer == layer && f.holds)
    }

    /// The layers that do not hold.
    pub fn missing(&self) -> Vec<Layer> {
        Layer::ALL
            .into_iter()
            .filter(|layer| !self.holds(*layer))
            .collect()
    }

    /// `all layers hold`, or which do not.
    pub fn summary(&self) -> String {
        let missing = self.missing();
        if missing.is_empty() {
            return "in the sandbox".to_owned();
        }
        let missing: Vec<&str> = missing.into_iter().map(Layer::as_str).collect();
        format!("in the sandbox without {}", missing.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_does_not_hold() {
        let mut layers = Layers::default();
        layers.note(Layer::Seccomp, Ok(String::new()));
        layers.note(Layer::Landlock, Err("not supported".into()));
        assert!(layers.holds(Layer::Seccomp));
        let summary = "in the sandbox without namespaces, own root, no capabilities, Landlock";
        assert_eq!(layers.summary(), summary);
    }
}
