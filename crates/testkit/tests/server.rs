//! The server does with each request exactly what its script says.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use autodidact_testkit::{Act, End, Reply, Server, refused_url};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.url().trim_start_matches("http://"))
        .await
        .unwrap()
}

async fn ask(stream: &mut TcpStream, body: &str) {
    let request = format!(
        "POST /a?b HTTP/1.1\r\nhost: x\r\nX-Name: v\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// Reads until the bytes end so, which must happen before the connection does.
async fn read_until(stream: &mut TcpStream, ending: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(ending.as_bytes()) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "{bytes:?}");
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::start(|request| {
        Act::json(200, &json!({"n": request.number, "echo": request.json()}))
    })
    .await
    .unwrap();
    let mut stream = connect(&server).await;
    ask(&mut stream, r#"{"k":1}"#).await;
    let first = read_until(&mut stream, r#"{"n":0,"echo":{"k":1}}"#).await;
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    ask(&mut stream, "2").await;
    read_until(&mut stream, r#"{"n":1,"echo":2}"#).await;

    let received = server.received();
    assert_eq!(received.len(), 2);
    assert!(received.iter().all(|request| request.connection == 0));
    assert!(received[0].at <= received[1].at);
    assert_eq!(received[1].header("x-name"), Some("v"));
    assert_eq!(
        (received[1].path.as_str(), received[1].route()),
        ("/a?b", "/a")
    );
    server.forget();
    assert_eq!((server.count(), server.received().len()), (0, 0));
}

#[tokio::test]
async fn requests_sent_together_and_in_chunks_are_answered_in_order() {
    let server =
        Server::start(|request| Act::Answer(Reply::new(200, "text/plain", request.body.clone())))
            .await
            .unwrap();
    let mut stream = connect(&server).await;
    let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
    let plain = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nzz";
    stream
        .write_all(format!("{chunked}{plain}").as_bytes())
        .await
        .unwrap();
    let both = read_until(&mut stream, "zz").await;
    assert!(both.contains("\r\n\r\nabc0123456789HTTP/1.1"), "{both}");
}

#[tokio::test]
async fn pieces_come_one_by_one_after_their_waits() {
    let wait = Duration::from_millis(40);
    let server = Server::start(move |_| Act::Pieces {
        status: 200,
        headers: vec![("x".into(), "y".into())],
        pieces: vec![(Duration::ZERO, b"one".to_vec()), (wait, b"two".to_vec())],
        then: End::KeepAlive,
    })
    .await
    .unwrap();
    let mut stream = connect(&server).await;
    ask(&mut stream, "").await;
    let head = read_until(&mut stream, "3\r\none\r\n").await;
    assert!(
        head.contains("transfer-encoding: chunked\r\n\r\n"),
        "{head}"
    );
    let begun = Instant::now();
    read_until(&mut stream, "3\r\ntwo\r\n0\r\n\r\n").await;
    assert!(begun.elapsed() + Duration::from_millis(15) >= wait);
    ask(&mut stream, "").await;
    read_until(&mut stream, "0\r\n\r\n").await;
    assert_eq!(server.received()[1].connection, 0);
}

async fn rest(server: &Server) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = connect(server).await;
    ask(&mut stream, "").await;
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    (bytes, ended.err().map(|error| error.kind()))
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_a_close() {
    let server = Server::start(|request| match request.number {
        0 => Act::Reset,
        1 => Act::Raw {
            bytes: vec![(Duration::ZERO, b"HTTP/1.1 200".to_vec())],
            then: End::Reset,
        },
        2 => Act::Raw {
            bytes: vec![(Duration::ZERO, b"not HTTP".to_vec())],
            then: End::Close,
        },
        3 => cut(End::CutChunked),
        _ => cut(End::Close),
    })
    .await
    .unwrap();
    assert_eq!(
        rest(&server).await,
        (vec![], Some(ErrorKind::ConnectionReset))
    );
    let (bytes, error) = rest(&server).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(b"HTTP/1.1 200".starts_with(&bytes));
    assert_eq!(rest(&server).await, (b"not HTTP".to_vec(), None));
    let (bytes, error) = rest(&server).await;
    assert!(bytes.ends_with(b"2\r\nab\r\n") && error.is_none());
    let (bytes, error) = rest(&server).await;
    assert!(bytes.ends_with(b"2\r\nab\r\n0\r\n\r\n") && error.is_none());
    assert_eq!(server.received().last().unwrap().connection, 4);
}

fn cut(then: End) -> Act {
    Act::Pieces {
        status: 200,
        headers: vec![],
        pieces: vec![(Duration::ZERO, b"ab".to_vec())],
        then,
    }
}

#[tokio::test]
async fn silence_lasts_and_open_requests_are_counted() {
    let server = Server::start(|_| Act::Silence).await.unwrap();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&server).await;
        ask(&mut stream, "").await;
        streams.push(stream);
    }
    let mut byte = [0];
    let read = streams[0].read(&mut byte);
    let waited = tokio::time::timeout(Duration::from_millis(80), read).await;
    assert!(waited.is_err(), "the server said something");
    assert_eq!(server.in_flight_peak(), 3);
}

#[tokio::test]
async fn a_request_given_up_is_no_longer_in_flight() {
    let server = Server::start(|_| {
        Act::Answer(Reply::new(200, "text/plain", "late").after(Duration::from_mins(1)))
    })
    .await
    .unwrap();
    for _ in 0..3 {
        let mut stream = connect(&server).await;
        ask(&mut stream, "").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        drop(stream);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.count(), server.in_flight_peak()), (3, 1));
}

#[tokio::test]
async fn a_dropped_server_is_gone_and_its_port_free() {
    let server = Server::start(|_| Act::Silence).await.unwrap();
    let port = server.port();
    let mut stream = connect(&server).await;
    drop(server);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap_or_default();
    assert_eq!(bytes, b"");
    let again = Server::start_on(port, |_| Act::Reset).await.unwrap();
    assert_eq!(again.port(), port);
}

#[tokio::test]
async fn nobody_listens_on_the_refused_url() {
    let url = refused_url().await;
    let refused = TcpStream::connect(url.trim_start_matches("http://")).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_server_in_a_thread_needs_no_runtime() {
    use std::io::{Read, Write};

    let server = Server::start_in_thread(|_| Act::json(200, &json!("hello"))).unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("\r\n\r\n\"hello\""), "{text}");
    assert_eq!(server.count(), 1);
}
