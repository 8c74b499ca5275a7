//! How fast is the mock server, and what does a request cost it?
//!
//! `load PORT PID CONNECTIONS SECONDS` sends the same request over and over to a running
//! `autodidact-testkit mock-bench` and reads its processor time from `/proc/PID/stat`.
#![allow(clippy::print_stdout, reason = "a measurement prints its figures")]

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse())
        .collect::<Result<_, _>>()?;
    let [port, pid, connections, seconds] = arguments.as_slice() else {
        return Err("load PORT PID CONNECTIONS SECONDS".into());
    };
    let before = processor_time(*pid)?;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..*connections {
        tasks.spawn(ask_until(
            *port as u16,
            begun + Duration::from_secs(*seconds),
        ));
    }
    let mut requests = 0;
    while let Some(task) = tasks.join_next().await {
        requests += task??;
    }
    let spent = processor_time(*pid)?.saturating_sub(before);
    let per_second = requests as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{requests} requests, {per_second:.0} a second, {:.1} µs of the server's processor each",
        spent.as_secs_f64() * 1e6 / requests as f64
    );
    Ok(())
}

async fn ask_until(port: u16, end: Instant) -> Result<u64, Failure> {
    let body = r#"{"model":"bench","messages":[{"role":"user","content":"What is 17 * 23?"}],"max_tokens":256,"temperature":0.7,"seed":1}"#;
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer k\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut reply = Vec::new();
    let mut count = 0;
    while Instant::now() < end {
        stream.write_all(request.as_bytes()).await?;
        reply.clear();
        // The fixed answer ends like this and is read in one go.
        while !reply.ends_with(b"}}") {
            if stream.read_buf(&mut reply).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        count += 1;
    }
    Ok(count)
}

/// User and system time of a process; Linux counts them in hundredths of a second.
fn processor_time(pid: u64) -> Result<Duration, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields
        .get(11..13)
        .ok_or("no times in stat")?
        .iter()
        .map(|field| field.parse::<u64>())
        .sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}
