//! A planted key is found nowhere but in the one header it belongs in.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autodidact_providers::{ApiKey, Auth, Endpoint};
use autodidact_testkit::{Act, End, Received, Reply, Server, refused_url};
use serde_json::json;
use support::{limits, post, stream, unlimited};
use tracing_subscriber::fmt::MakeWriter;

/// Like no provider's key, so that only knowing it can hide it.
const KEY: &str = "Plant3d.Secret+Zq/x";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Says the key back in every way there is.
fn echo(received: &Received) -> Act {
    let header = |name| received.header(name);
    let sent = header("authorization")
        .or(header("x-api-key"))
        .or(header("x-goog-api-key"));
    let said = sent.unwrap_or_default().to_owned();
    let error =
        json!({"error": {"message": format!("wrong key {said}"), "code": said, "type": said}});
    let event = format!("data: {error}\n\n");
    match received.number % 12 {
        0 => Act::json(401, &error),
        1 => Act::json(403, &json!({"detail": said})),
        2 => Act::json(400, &json!({"detail": [{"loc": [said], "msg": said}]})),
        3 => Act::Answer(Reply::new(
            502,
            "text/html",
            format!("<title>{said}</title>"),
        )),
        4 => Act::Answer(Reply::new(404, "text/plain", said)),
        5 => Act::Answer(
            Reply::json(429, &error)
                .header("retry-after", said.clone())
                .header("x-request-id", said),
        ),
        6 => Act::Answer(Reply::new(307, "text/plain", "").header("location", format!("/{said}"))),
        7 => Act::Raw {
            bytes: vec![(
                Duration::ZERO,
                format!("HTTP/1.1 200 {said}\u{1}\r\n{said}\r\n\r\n").into_bytes(),
            )],
            then: End::Close,
        },
        8 => Act::stream([event]),
        9 => Act::json(200, &error),
        10 => Act::Answer(Reply::new(200, "text/html", said)),
        _ => Act::Reset,
    }
}

/// Makes all kinds of errors, writes down everything they show, and counts them.
async fn provoke(url: &str, auth: Auth, rounds: usize, text: &mut String) -> usize {
    let key = ApiKey::new(KEY);
    text.push_str(&format!("{key:?}"));
    let endpoint = Endpoint::new("m", &[url.to_owned()], auth, Some(key), &limits(1, 1)).unwrap();
    let budget = unlimited();
    let mut errors = 0;
    for _ in 0..rounds {
        // A body that repeats the key is the adapter's; only what the transport says counts.
        let whole = post(&endpoint, &budget).await.err();
        let pieces = stream(&endpoint, "/stream", &budget).await.err();
        for error in whole.into_iter().chain(pieces) {
            text.push_str(&format!("{error} {error:?}\n"));
            errors += 1;
        }
    }
    text.push_str(&format!("{endpoint:?} {:?}\n", endpoint.statistics()));
    errors
}

#[tokio::test]
async fn planted_keys_are_found_in_no_error_no_debug_output_and_no_log() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(log.clone())
        .finish();
    tracing_subscriber::util::SubscriberInitExt::init(subscriber);
    let server = Server::start(echo).await.unwrap();
    let urls = [
        server.url(),
        refused_url().await,
        server.url().replace("http:", "https:"),
    ];
    let mut text = String::new();
    let mut errors = 0;
    for url in urls {
        // Servers that never answer would be left alone for a while after eight failures.
        let rounds = if url == server.url() { 12 } else { 3 };
        for auth in [Auth::Bearer, Auth::XApiKey, Auth::XGoogApiKey] {
            errors += provoke(&url, auth, rounds, &mut text).await;
        }
    }
    let bad = Endpoint::new(
        "m",
        &[server.url()],
        Auth::Bearer,
        Some(ApiKey::new(&format!("{KEY}\n{KEY}"))),
        &limits(1, 1),
    );
    text.push_str(&format!("{bad:?}"));
    let arrived = server
        .received()
        .iter()
        .filter(|r| r.headers.iter().any(|(_, v)| v.contains(KEY)))
        .count();
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    // A cut or escaped key would still hold one of its parts.
    let found: usize = ["Plant3d", "Secret+", "Zq/x"]
        .iter()
        .map(|part| text.matches(part).count() + log.matches(part).count())
        .sum();
    println!(
        "{errors} errors, {} bytes of log, keys that arrived {arrived}, planted keys found {found}",
        log.len()
    );
    for line in log
        .lines()
        .chain(text.lines())
        .filter(|line| line.contains("Plant3d"))
        .take(5)
    {
        println!("{line}");
    }
    assert!(
        log.contains("attempt failed") && log.contains("hyper"),
        "the log is a real one"
    );
    assert!(errors > 70 && arrived > 60, "the keys were really sent");
    assert_eq!(found, 0);
}

#[tokio::test]
async fn keys_do_not_follow_redirects_to_another_host() {
    let canary = Server::start(|_| support::answer()).await.unwrap();
    let target = format!("{}/v1/chat", canary.url());
    for status in [301, 302, 303, 307, 308] {
        let target = target.clone();
        let server = Server::start(move |_| {
            Act::Answer(Reply::new(status, "text/plain", "").header("location", target.clone()))
        })
        .await
        .unwrap();
        let endpoint = support::endpoint(&[server.url()], &limits(1, 3));
        post(&endpoint, &unlimited()).await.unwrap_err();
        assert_eq!(server.count(), 1);
    }
    println!("requests to the canary: {}", canary.count());
    assert_eq!(canary.count(), 0);
}
