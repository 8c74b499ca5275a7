//! Makes a large run and measures pages and report on it: `benches/dashboard.py` uses this.
//!
//! `large_run write RUNS SAMPLES` makes `RUNS/large`; `large_run pages RUNS` asks for its pages over a
//! socket; `large_run report RUNS` renders its report. Results are JSON lines on standard output.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a tool for measuring"
)]

#[path = "../tests/common/journal.rs"]
mod journal;

use std::path::Path;
use std::time::Instant;

use autodidact_dashboard::{Dashboard, Options};
use autodidact_star::report_data;
use autodidact_store::RunStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Pages that are asked for, each this often.
const TIMES: usize = 7;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", runs, samples] => write(Path::new(runs), samples.parse().unwrap()).await,
        ["pages", runs] => pages(Path::new(runs)).await,
        ["report", runs] => report(&Path::new(runs).join("large")).await,
        _ => panic!("large_run write RUNS SAMPLES | pages RUNS | report RUNS"),
    }
}

/// Ten loops of twenty rationales for each problem, and a thousand held-out problems.
async fn write(runs: &Path, samples: u32) {
    let started = Instant::now();
    let shape = journal::Shape {
        loops: 10,
        train: samples / 200,
        evaluate: 1000,
        per_problem: 20,
        finished: false,
        teacher: true,
        word: &str::to_owned,
    };
    let store = journal::write(&runs.join("large"), "large", &shape).await;
    let tallies = store.sampler_tallies().await.unwrap();
    let written: u64 = tallies.iter().map(|tally| tally.samples).sum();
    store.close().await;
    let seconds = started.elapsed().as_secs_f64();
    println!("{{\"samples\":{written},\"seconds\":{seconds:.1}}}");
}

async fn pages(runs: &Path) {
    let options = Options {
        runs: runs.to_owned(),
        host: "127.0.0.1".parse().unwrap(),
        port: 0,
        names: Vec::new(),
        token: false,
    };
    for path in [
        "/runs/large",
        "/",
        "/runs/large/loops",
        "/runs/large/problems",
        "/runs/large/problems?filter=forgotten",
        "/runs/large/problems/7",
        "/runs/large/models",
        "/runs/large/difficulty",
        "/runs/large/training",
        "/compare?a=large&b=large",
    ] {
        // A dashboard of its own for each, so that the first time is the first paint of a fresh one.
        let dashboard = Dashboard::open(options.clone()).await.unwrap();
        let address = dashboard.address();
        let served = tokio::spawn(dashboard.serve(std::future::pending()));
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..TIMES {
            let started = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}");
            times.push(1e3 * started.elapsed().as_secs_f64());
            bytes = answer.len();
        }
        served.abort();
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let median = times[TIMES / 2];
        println!(
            "{{\"page\":\"{path}\",\"first_ms\":{first:.1},\"median_ms\":{median:.1},\"bytes\":{bytes}}}"
        );
    }
}

async fn report(directory: &Path) {
    let started = Instant::now();
    let store = RunStore::open_reader(directory).await.unwrap();
    let data = report_data(&store, "large").await.unwrap();
    let page = autodidact_report::render(&data);
    let seconds = started.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|text| {
        text.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<f64>()
            .ok()
    });
    println!(
        "{{\"report_seconds\":{seconds:.2},\"peak_mb\":{:.0},\"bytes\":{}}}",
        peak.unwrap_or(0.0) / 1024.0,
        page.len()
    );
}
