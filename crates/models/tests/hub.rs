//! Models from a repository, with a server of a few lines in place of the real one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use autodidact_models::{FetchError, Fetcher};
use common::{Told, fetch, model, names, source, sum};
use tempfile::TempDir;

const SOURCE: &str = "hf:owner/name@v1/sub dir/m.gguf";

/// How the server behaves.
#[derive(Clone)]
struct Script {
    bytes: Vec<u8>,
    tag: Option<&'static str>,
    /// Connections are cut after so many bytes of a body.
    cut: usize,
    /// Answers nothing but this status.
    status: Option<&'static str>,
}

/// First line of a request, and where the range it asks for begins.
type Request = (String, Option<usize>);

struct Server {
    endpoint: String,
    script: Arc<Mutex<Script>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(script));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (scripted, seen) = (script.clone(), requests.clone());
        // Ends with the test program.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let now = scripted.lock().unwrap().clone();
                // A client that hangs up is not the server's problem.
                let _ = answer(stream, &now, &seen);
            }
        });
        Self {
            endpoint,
            script,
            requests,
        }
    }

    fn fetcher(&self, directory: &TempDir) -> Fetcher {
        Fetcher {
            hub: self.endpoint.clone(),
            ..Fetcher::new(directory.path().join("cache"))
        }
    }

    fn ranges(&self) -> Vec<Option<usize>> {
        self.requests.lock().unwrap().iter().map(|r| r.1).collect()
    }
}

fn answer(stream: TcpStream, script: &Script, seen: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().unwrap()?;
    let (mut range, mut unchanged) = (None, true);
    for line in lines {
        let line = line?.to_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(from) = line.strip_prefix("range: bytes=") {
            range = from.trim_end_matches('-').parse().ok();
        }
        if let Some(tag) = line.strip_prefix("if-range: ") {
            unchanged = script.tag == Some(tag);
        }
    }
    seen.lock().unwrap().push((first, range));
    let mut stream = stream;
    if let Some(status) = script.status {
        return write!(
            stream,
            "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
    }
    let size = script.bytes.len();
    let from = range.filter(|_| unchanged).unwrap_or(0);
    let status = if from > size {
        "416 Range Not Satisfiable"
    } else if from > 0 {
        "206 Partial Content"
    } else {
        "200 OK"
    };
    let body = script.bytes.get(from..).unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n",
        body.len()
    )?;
    if from > 0 {
        write!(
            stream,
            "content-range: bytes {from}-{}/{size}\r\n",
            size.max(1) - 1
        )?;
    }
    if let Some(tag) = script.tag {
        write!(stream, "etag: {tag}\r\n")?;
    }
    write!(stream, "connection: close\r\n\r\n")?;
    stream.write_all(&body[..body.len().min(script.cut)])
}

fn script(bytes: &[u8]) -> Script {
    Script {
        bytes: bytes.to_vec(),
        tag: Some("\"first\""),
        cut: usize::MAX,
        status: None,
    }
}

fn place(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("cache/hf/owner/name/v1/sub dir")
}

#[test]
fn a_file_is_downloaded_once() {
    let bytes = model(900_000);
    let server = Server::start(script(&bytes));
    let directory = tempfile::tempdir().unwrap();
    let told = Told::default();
    let fetcher = server.fetcher(&directory);
    let pin = sum(&bytes);
    let fetched = fetcher
        .fetch(&[source(SOURCE)], Some(&pin), Path::new("."), &told)
        .unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(fetched.sha256, pin);
    assert_eq!(
        *told.started.borrow(),
        [("downloading m.gguf".to_owned(), Some(900_000))]
    );
    assert_eq!(told.bytes.get(), 900_000);
    assert_eq!(fetch(&fetcher, SOURCE, None).unwrap(), fetched);
    let requests = server.requests.lock().unwrap().clone();
    let line = "GET /owner/name/resolve/v1/sub%20dir/m.gguf HTTP/1.1";
    assert_eq!(requests, [(line.to_owned(), None)]);
    assert_eq!(
        names(&place(&directory)),
        ["m.gguf", "m.gguf.lock", "m.gguf.sum"]
    );
}

#[test]
fn a_connection_that_is_cut_again_and_again_is_resumed() {
    let bytes = model(500_000);
    let server = Server::start(Script {
        cut: 200_000,
        ..script(&bytes)
    });
    let directory = tempfile::tempdir().unwrap();
    let fetched = fetch(&server.fetcher(&directory), SOURCE, None).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), bytes);
    assert_eq!(server.ranges(), [None, Some(200_000), Some(400_000)]);
}

/// Leaves a partial file behind, as a process does that is killed: the server goes away for good.
fn interrupted(server: &Server, directory: &TempDir) -> Fetcher {
    let place = place(directory);
    fs::create_dir_all(&place).unwrap();
    let script = server.script.lock().unwrap();
    fs::write(place.join("m.gguf.partial"), &script.bytes[..100_000]).unwrap();
    if let Some(tag) = script.tag {
        fs::write(place.join("m.gguf.tag"), tag).unwrap();
    }
    server.fetcher(directory)
}

#[test]
fn a_later_run_goes_on_where_an_earlier_one_was_killed() {
    let bytes = model(300_000);
    let server = Server::start(script(&bytes));
    let directory = tempfile::tempdir().unwrap();
    let fetcher = interrupted(&server, &directory);
    let fetched = fetch(&fetcher, SOURCE, Some(&sum(&bytes))).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), bytes);
    assert_eq!(server.ranges(), [Some(100_000)]);
}

#[test]
fn a_file_that_changed_meanwhile_is_downloaded_from_the_start() {
    let server = Server::start(script(&model(300_000)));
    let directory = tempfile::tempdir().unwrap();
    let fetcher = interrupted(&server, &directory);
    let mut other = model(250_000);
    other[10] ^= 1;
    {
        let mut script = server.script.lock().unwrap();
        script.bytes.clone_from(&other);
        script.tag = Some("\"second\"");
    }
    let fetched = fetch(&fetcher, SOURCE, None).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), other);
}

#[test]
fn without_a_tag_only_a_pinned_file_is_resumed_and_a_misfit_starts_over() {
    let bytes = model(300_000);
    let untagged = Script {
        tag: None,
        ..script(&bytes)
    };
    for (pin, ranges) in [(None, None), (Some(sum(&bytes)), Some(100_000))] {
        let server = Server::start(untagged.clone());
        let directory = tempfile::tempdir().unwrap();
        let fetcher = interrupted(&server, &directory);
        let fetched = fetch(&fetcher, SOURCE, pin.as_deref()).unwrap();
        assert_eq!(fs::read(fetched.path).unwrap(), bytes);
        assert_eq!(server.ranges(), [ranges]);
    }
    // The server's file is shorter than what is there.
    let short = model(50_000);
    let server = Server::start(untagged);
    let directory = tempfile::tempdir().unwrap();
    let fetcher = interrupted(&server, &directory);
    server.script.lock().unwrap().bytes.clone_from(&short);
    let fetched = fetch(&fetcher, SOURCE, Some(&sum(&short))).unwrap();
    assert_eq!(fs::read(fetched.path).unwrap(), short);
    assert_eq!(server.ranges(), [Some(100_000), None]);
}

#[test]
fn refusals_and_wrong_files_are_told_and_nothing_is_published() {
    let bytes = model(1000);
    let server = Server::start(script(&bytes));
    let directory = tempfile::tempdir().unwrap();
    let fetcher = server.fetcher(&directory);
    for (status, expected) in [
        ("404 Not Found", "check the owner"),
        ("401 Unauthorized", "account"),
        ("410 Gone", "by hand"),
    ] {
        server.script.lock().unwrap().status = Some(status);
        let message = fetch(&fetcher, SOURCE, None).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(&status[..3]), "{message}");
    }
    server.script.lock().unwrap().status = None;
    let pin = "e".repeat(64);
    let error = fetch(&fetcher, SOURCE, Some(&pin)).unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error}");
    let small = Fetcher {
        largest: 999,
        ..fetcher.clone()
    };
    let message = fetch(&small, SOURCE, None).unwrap_err().to_string();
    assert!(message.contains("1000"), "{message}");
    assert_eq!(names(&place(&directory)), ["m.gguf.lock"]);

    // A server that only ever answers with its own troubles is given up after a few attempts.
    server.script.lock().unwrap().status = Some("503 Service Unavailable");
    server.requests.lock().unwrap().clear();
    let message = fetch(&fetcher, SOURCE, None).unwrap_err().to_string();
    assert!(message.contains("503"), "{message}");
    assert_eq!(server.ranges().len(), 3);
}
