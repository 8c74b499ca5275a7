//! Planted keys turn up nowhere: not in the journal, not in rows, not in what is printed, not in the
//! most talkative log, whatever goes wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test panics, and figures are shown"
)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use autodidact_testkit::{Act, Fleet, Received, Reply};
use common::fleet::{Rig, sums};
use serde_json::json;

/// What every planted key has in it.
const PLANTED: &str = "planted-7f3a9c51e2d84b60";

const ENSEMBLE: &str = r#"
[[models]]
name = "claude"
provider = "anthropic"
model = "claude-sonnet-4-5"
base_url = "URL"
limits = { attempts = 2 }
[[models]]
name = "gemini"
provider = "gemini"
model = "gemini-2.5-pro"
base_url = "URL"
max_tokens = 4096
limits = { attempts = 2 }
[[models]]
name = "mistral"
provider = "mistral"
model = "mistral-large-latest"
base_url = "URL/v1"
limits = { attempts = 2 }
[[models]]
name = "own"
provider = "openai-compatible"
model = "mock-small"
base_url = "URL/v1"
key_command = "cat KEYFILE"
limits = { attempts = 2 }
[[judges]]
name = "nemotron"
provider = "nvidia"
model = "nvidia/nemotron-4-340b-reward"
base_url = "URL/v1"
price = { input = 0, output = 0 }
limits = { attempts = 2 }
"#;

fn key_of(request: &Received) -> String {
    let headers = ["x-api-key", "x-goog-api-key", "authorization"];
    let given = headers.iter().find_map(|name| request.header(name));
    given.unwrap_or_default().to_owned()
}

/// What goes wrong, with the key in every part of it that a server can choose.
fn trouble(kind: usize, key: &str) -> Option<Act> {
    let said = format!("Incorrect API key provided: {key}. You can find yours at https://x/{key}");
    let error = json!({"error": {"message": said, "type": said, "code": said}, "message": said});
    let with = |status| Act::Answer(Reply::json(status, &error).header("x-request-id", key));
    Some(match kind {
        0 => return None,
        1 => with(401),
        2 => with(400),
        3 => with(429),
        4 => with(500),
        5 => Act::Answer(Reply::new(200, "text/html", format!("<html>{said}</html>"))),
        6 => Act::Reset,
        7 => Act::Answer(
            Reply::new(302, "text/plain", said.clone()).header("location", format!("/?key={key}")),
        ),
        _ => with(403),
    })
}

/// Files below a directory that hold the text.
fn holding(directory: &Path, text: &str, files: &mut usize) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text, files));
            continue;
        }
        *files += 1;
        let bytes = fs::read(&path).unwrap();
        if bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn planted_keys_are_found_nowhere() {
    let (kind, shown) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, seen) = (kind.clone(), shown.clone());
    let fleet = Fleet::new();
    let acting = fleet.clone();
    let mut rig = Rig::scripted(fleet, move |request| {
        let key = key_of(request);
        seen.fetch_add(usize::from(key.contains(PLANTED)), Ordering::Relaxed);
        trouble(now.load(Ordering::Relaxed), &key).unwrap_or_else(|| acting.act(request))
    })
    .with_variable("AUTODIDACT_LOG", "trace");
    for name in ["ANTHROPIC", "GEMINI", "MISTRAL", "NVIDIA"] {
        let key = format!("sk-{}-{PLANTED}", name.to_ascii_lowercase());
        rig = rig.with_variable(&format!("{name}_API_KEY"), &key);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let key_file = elsewhere.path().join("key");
    fs::write(&key_file, format!("sk-own-{PLANTED}\n")).unwrap();
    let ensemble = ENSEMBLE.replace("KEYFILE", key_file.to_str().unwrap());
    rig.write("data.jsonl", &sums(3));
    let (mut found, mut files, mut bytes, mut runs) = (Vec::new(), 0, 0, 0);
    for trouble in 0..9 {
        kind.store(trouble, Ordering::Relaxed);
        rig.write("e.toml", &ensemble);
        let name = format!("trouble-{trouble}");
        for verb in [["ask", "What is 17 * 23?"], ["sample", "data.jsonl"]] {
            for output in ["text", "json"] {
                let run = format!("{name}-{}-{output}", verb[0]);
                let usual = ["--config", "e.toml", "--name", &run, "--output", output];
                let done = rig.run(&[&verb[..], &usual[..]].concat());
                assert!([0, 6].contains(&done.code), "{trouble}: {}", done.err);
                bytes += done.out.len() + done.err.len();
                runs += 1;
                for (what, text) in [("standard output", done.out), ("standard error", done.err)] {
                    if text.contains(PLANTED) {
                        found.push(format!("{what} of {run}"));
                    }
                }
            }
        }
    }
    found.extend(holding(rig.directory.path(), PLANTED, &mut files));
    let shown = shown.load(Ordering::Relaxed);
    println!(
        "planted keys found: {} in {runs} runs, {files} files and {bytes} bytes of output; keys were sent {shown} times",
        found.len()
    );
    assert!(shown > 50, "the keys were sent {shown} times only");
    assert_eq!(found, Vec::<String>::new());
}
