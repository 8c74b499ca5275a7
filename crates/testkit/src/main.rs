//! The mock fleet as a program, for people and for clients in other languages.
#![allow(
    clippy::print_stdout,
    reason = "it tells on standard output where it listens"
)]

mod options;

use std::io::Write;
use std::sync::Mutex;

use autodidact_testkit::{Act, Received, Reply, Server};
use clap::Parser;

use crate::options::{Command, Options, ServeOptions};

type Failure = Box<dyn std::error::Error>;

// One thread: the machine belongs to what is tested.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let server = match Options::parse().command {
        Command::Serve(options) => serve(&options).await?,
        Command::MockBench { port } => bench(port).await?,
    };
    let url = server.url();
    println!("openai, mistral, vllm, nvidia  {url}/v1");
    println!("together                       {url}/together/v1");
    println!("anthropic, gemini, ollama, tei {url}");
    println!("ledger                         {url}/testkit/requests");
    println!("ready {url}");
    std::io::stdout().flush()?;
    tokio::signal::ctrl_c().await?;
    Ok(())
}

async fn serve(options: &ServeOptions) -> Result<Server, Failure> {
    let fleet = options.fleet()?;
    let Some(path) = &options.record else {
        return Ok(
            Server::start_unrecorded(options.port, move |request| fleet.act(request)).await?,
        );
    };
    let file = Mutex::new(std::fs::File::create(path)?);
    let act = move |request: &Received| {
        let line = serde_json::json!({
            "number": request.number, "method": request.method, "path": request.path,
            "headers": request.headers, "body": String::from_utf8_lossy(&request.body),
        });
        if let Ok(mut file) = file.lock() {
            // A record that cannot be written must not disturb what is recorded.
            let _ = writeln!(file, "{line}");
        }
        fleet.act(request)
    };
    Ok(Server::start_unrecorded(options.port, act).await?)
}

/// The same short answer to everything, made once.
async fn bench(port: u16) -> Result<Server, Failure> {
    let reply = Reply::json(
        200,
        &serde_json::json!({
            "id": "chatcmpl-bench", "object": "chat.completion", "created": 1, "model": "bench",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant",
                "content": "17 times 20 is 340, and 17 times 3 is 51. The answer is 391."}}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 25, "total_tokens": 45},
        }),
    );
    Ok(Server::start_unrecorded(port, move |_| Act::Answer(reply.clone())).await?)
}
