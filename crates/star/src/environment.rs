//! Where a run was started: the program and the machine.

use serde::{Deserialize, Serialize};

/// The stage under which it is kept.
pub(crate) const STAGE: &str = "environment";

/// The program and the machine a run was started with. No result depends on the machine, except as
/// `ARCHITECTURE.md` says about adapters' bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The version of this program.
    pub version: String,
    /// The operating system.
    pub system: String,
    /// The architecture of the processor.
    pub architecture: String,
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// Its cores, as far as this process may use them.
    pub cores: u32,
    /// Memory in bytes, where the system tells.
    pub memory: Option<u64>,
}

impl Environment {
    /// That of this process.
    pub fn here() -> Self {
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (processors, memory) = (file("/proc/cpuinfo"), file("/proc/meminfo"));
        let processor = field(&processors, "model name");
        let kilobytes = field(&memory, "MemTotal").and_then(|total| {
            let number = total.split_whitespace().next()?;
            number.parse::<u64>().ok()
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            system: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            processor: processor.map(str::to_owned),
            cores: std::thread::available_parallelism().map_or(1, usize::from) as u32,
            memory: kilobytes.map(|n| n.saturating_mul(1024)),
        }
    }
}

/// The first value of a field in lines such as `MemTotal:  24 kB`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    });
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let text = "MemTotal:       24 kB\nmodel name\t: A B\nempty:\n";
        assert_eq!(field(text, "MemTotal"), Some("24 kB"));
        assert_eq!(field(text, "model name"), Some("A B"));
        assert_eq!(field(text, "empty"), None);
        assert_eq!(field(text, "other"), None);
        assert!(Environment::here().cores > 0);
    }
}
