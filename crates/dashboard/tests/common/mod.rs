//! What the tests of the dashboard share: a dashboard on a real socket, and a client that says exactly
//! what it is told to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "a failed test panics; not every test uses all"
)]

pub(crate) mod journal;
pub(crate) mod payloads;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use autodidact_dashboard::{Dashboard, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take at most; a bound against hanging, not a measurement.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A dashboard that answers until the test ends.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) url: String,
}

pub(crate) async fn serve(runs: &Path) -> Served {
    let options = Options {
        runs: runs.to_owned(),
        host: "127.0.0.1".parse().unwrap(),
        port: 0,
        names: Vec::new(),
        token: false,
    };
    serve_with(options).await
}

pub(crate) async fn serve_with(options: Options) -> Served {
    let dashboard = Dashboard::open(options).await.unwrap();
    let (address, url) = (dashboard.address(), dashboard.url());
    tokio::spawn(dashboard.serve(std::future::pending()));
    Served { address, url }
}

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Served {
    /// Sends bytes and reads until the other side closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            // A server that refuses a body may close before it has read it all.
            let _ = stream.write_all(request).await;
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
            bytes
        };
        let bytes = tokio::time::timeout(PATIENCE, exchange)
            .await
            .expect("no answer");
        let text = String::from_utf8(bytes).expect("an answer is text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        Answer {
            status: status.unwrap_or(0),
            body: if chunked {
                unchunk(body)
            } else {
                body.to_owned()
            },
            head: head.to_owned(),
        }
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = self.address.to_string();
        let mut lines = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            lines += &format!("Host: {host}\r\n");
        }
        for (name, value) in headers {
            lines += &format!("{name}: {value}\r\n");
        }
        self.raw(format!("{lines}\r\n").as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// A page that has to be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        form: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut lines = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            self.address,
            form.len()
        );
        for (name, value) in headers {
            lines += &format!("{name}: {value}\r\n");
        }
        self.raw(format!("{lines}\r\n{form}").as_bytes()).await
    }

    /// A form as our own page would send it.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        self.post_with(path, form, &[("Origin", &origin)]).await
    }
}

/// The secret in the forms of a page.
pub(crate) fn secret(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"secret\" value=\"").expect("a form");
    rest.split('"').next().unwrap().to_owned()
}

fn unchunk(body: &str) -> String {
    let mut out = Vec::new();
    let mut rest = body.as_bytes();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap_or("0");
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let (from, to) = (end + 2, end + 2 + size);
        if size == 0 || to > rest.len() {
            break;
        }
        out.extend_from_slice(&rest[from..to]);
        rest = rest.get(to + 2..).unwrap_or_default();
    }
    String::from_utf8_lossy(&out).into_owned()
}
