//! A run that is killed again and again ends as if it had not been: the same training sets, the
//! same adapters and the same status, byte for byte. Nothing is sampled twice.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{autodidact, root, run};
use serde_json::Value;

/// Kills in the default test run; `AUTODIDACT_KILLS=20` asks for more.
const KILLS: u32 = 4;

fn kills() -> u32 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may ask how thorough to be"
    )]
    let wanted = std::env::var("AUTODIDACT_KILLS").ok();
    wanted.and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

/// Status without what may differ: the seconds.
fn status(directory: &Path) -> Value {
    let (code, out, err) = run(directory, &["status", "resume-check", "--output", "json"]);
    assert_eq!(code, 0, "{err}");
    let mut status: Value = serde_json::from_str(&out).unwrap();
    for iteration in status["iterations"].as_array_mut().unwrap() {
        let seconds = iteration
            .as_object_mut()
            .unwrap()
            .remove("seconds")
            .unwrap();
        for stage in ["sample", "rationalize", "train", "evaluate"] {
            assert!(
                seconds[stage].is_number(),
                "{stage} is missing in {seconds}"
            );
        }
    }
    status
}

fn read(directory: &Path, file: &str) -> Vec<u8> {
    let path = directory.join("runs/resume-check").join(file);
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A number in 0..1 from a hash of the wall clock: a different moment in every run of the test.
fn random_fraction() -> f64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let hash = blake3::hash(&now.as_nanos().to_le_bytes());
    f64::from(u32::from_le_bytes(hash.as_bytes()[..4].try_into().unwrap())) / f64::from(u32::MAX)
}

#[test]
fn a_run_killed_at_random_moments_ends_like_an_undisturbed_one() {
    let spec = root().join("examples/resume-check.toml");
    let command = ["run", spec.to_str().unwrap()];
    let (undisturbed, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());

    let started = Instant::now();
    let (code, out, err) = run(undisturbed.path(), &command);
    assert_eq!(code, 0, "{out}\n{err}");
    let whole = started.elapsed();

    let mut interrupted = 0;
    for n in 0..kills() {
        let mut child = autodidact(killed.path())
            .args(command)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // Each attempt is given a random part of what one kill in `kills` would leave it.
        let share = whole.as_secs_f64() * 1.5 / f64::from(kills());
        let moment = Duration::from_secs_f64(share * random_fraction());
        std::thread::sleep(moment);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        interrupted += u32::from(!status.success());
        println!("kill {n} after {moment:.1?}: {status}");
    }
    assert!(interrupted > 0, "no attempt was killed before it ended");
    let (code, out, err) = run(killed.path(), &command);
    assert_eq!(code, 0, "{out}\n{err}");

    let expected = status(undisturbed.path());
    assert_eq!(status(killed.path()), expected);
    assert_eq!(expected["state"], "finished");
    assert_eq!(expected["iterations"].as_array().unwrap().len(), 2);
    let mut compared = 0;
    for name in ["warm-start", "1", "2"] {
        let mut files = vec![format!("training/{name}.jsonl")];
        for file in [
            "adapter.gguf",
            "adapter_model.safetensors",
            "adapter_config.json",
        ] {
            files.push(format!("adapters/{name}/{file}"));
        }
        for file in files {
            assert!(
                read(undisturbed.path(), &file) == read(killed.path(), &file),
                "{file} differs after the kills"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}
