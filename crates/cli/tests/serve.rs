//! `serve`: it says where it listens, answers there, and ends in order.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use common::{autodidact, root, run};
use serde_json::{Value, json};

struct Serving {
    child: Child,
    address: String,
    said: Value,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(directory: &std::path::Path, arguments: &[&str]) -> Serving {
    let model = root().join("crates/engine/tests/golden/tiny.gguf");
    let mut command = autodidact(directory);
    command.args([
        "serve",
        model.to_str().unwrap(),
        "--port",
        "0",
        "--output",
        "json",
    ]);
    command
        .args(arguments)
        .env("SERVE_TOKEN", "0123456789abcdef-token");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let url = said["url"].as_str().unwrap();
    let address = url
        .strip_prefix("http://")
        .unwrap()
        .strip_suffix("/v1")
        .unwrap()
        .to_owned();
    Serving {
        child,
        address,
        said,
    }
}

impl Serving {
    fn post(&self, path: &str, headers: &str, body: &Value) -> String {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn a_model_is_served_until_it_is_interrupted() {
    let directory = tempfile::tempdir().unwrap();
    let adapter = root().join("crates/engine/tests/golden/tiny_adapter");
    let mut serving = serve(directory.path(), &["--adapter", adapter.to_str().unwrap()]);
    assert_eq!(serving.said["models"], json!(["tiny_adapter", "tiny"]));
    assert_eq!(serving.said["token"], false);
    let asked = json!({"model": "tiny", "prompt": "the", "max_tokens": 3});
    let answer = serving.post("/v1/completions", "", &asked);
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("text_completion"),
        "{answer}"
    );
    let process = serving.child.id().to_string();
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &process])
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(serving.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_token_is_asked_for_where_one_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let serving = serve(directory.path(), &["--token-env", "SERVE_TOKEN"]);
    assert_eq!(serving.said["token"], true);
    assert!(!serving.said.to_string().contains("0123456789"));
    let asked = json!({"model": "tiny", "prompt": "the", "max_tokens": 3});
    assert!(
        serving
            .post("/v1/completions", "", &asked)
            .starts_with("HTTP/1.1 401")
    );
    let header = "Authorization: Bearer 0123456789abcdef-token\r\n";
    assert!(
        serving
            .post("/v1/completions", header, &asked)
            .starts_with("HTTP/1.1 200")
    );
}

#[test]
fn what_cannot_be_served_is_said_before_anything_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _, err) = run(
        directory.path(),
        &["serve", "nothing.gguf", "--host", "0.0.0.0"],
    );
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("--token-env"), "{err}");
    let (code, _, err) = run(
        directory.path(),
        &["serve", "x.gguf", "--token-env", "NOBODY_SET_THIS"],
    );
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("NOBODY_SET_THIS"), "{err}");
    let (code, _, err) = run(directory.path(), &["serve", "nothing.gguf"]);
    assert_eq!(code, 3, "{err}");
}
