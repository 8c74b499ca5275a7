//! A server over a real socket with the tiny model behind it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of this, and a failed test panics"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use autodidact_engine::{Adapter, Model, SessionOptions};
use autodidact_server::{Catalog, EmbeddedModel, Limits, Server, ServerOptions, Token};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const TOKEN: &str = "0123456789abcdef-a-token";

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../engine/tests/golden")
        .join(name)
}

/// The tiny model.
pub fn model() -> Arc<Model> {
    Arc::new(Model::open(&golden("tiny.gguf")).unwrap())
}

/// The tiny model and the same with an adapter.
pub fn catalog(session: SessionOptions) -> Catalog {
    let model = model();
    let adapter = Adapter::open(&golden("tiny_adapter"), model.config()).unwrap();
    let embedded = |name| EmbeddedModel::new(name, model.clone(), 1).with_session(session);
    Catalog::new()
        .with_model(embedded("student").with_adapter(adapter, "tiny"))
        .with_model(embedded("tiny"))
}

/// A server that runs until it is dropped.
pub struct Running {
    pub url: String,
    pub port: u16,
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// A client of plain HTTP that keeps no connections.
pub fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

pub async fn start() -> Running {
    start_with(catalog(SessionOptions::default()), ServerOptions::default()).await
}

pub async fn start_limited(session: SessionOptions, limits: Limits) -> Running {
    let options = ServerOptions {
        limits,
        ..ServerOptions::default()
    };
    start_with(catalog(session), options).await
}

pub async fn start_with_token() -> Running {
    let options = ServerOptions {
        token: Some(Token::new(TOKEN).unwrap()),
        ..ServerOptions::default()
    };
    start_with(catalog(SessionOptions::default()), options).await
}

pub async fn start_with(catalog: Catalog, options: ServerOptions) -> Running {
    let address = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(address, catalog, options).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let port = server.address().port();
    let task = tokio::spawn(async move {
        server.run(async { drop(stopped.await) }).await;
    });
    Running {
        url: format!("http://127.0.0.1:{port}"),
        port,
        client: client(),
        stop: Some(stop),
        task,
    }
}

impl Running {
    pub fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.url));
        request
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    pub async fn send(&self, path: &str, body: &Value) -> Response {
        self.request(path, body).send().await.unwrap()
    }

    /// Status and body.
    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        json(self.send(path, body).await).await
    }

    /// The body of an answer that must be good.
    #[track_caller]
    pub fn good(&self, path: &str, body: &Value) -> impl Future<Output = Value> {
        let request = self.request(path, body);
        async move {
            let (status, body) = json(request.send().await.unwrap()).await;
            assert_eq!(status, 200, "{body}");
            body
        }
    }

    pub async fn get(&self, path: &str) -> String {
        let response = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        response.text().await.unwrap()
    }

    /// All events of a stream, which must end with its mark.
    pub async fn events(&self, path: &str, body: &Value) -> Vec<Value> {
        let response = self.send(path, body).await;
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        let text = response.text().await.unwrap();
        let mut lines: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .collect();
        assert_eq!(lines.pop(), Some("[DONE]"), "{text}");
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The value of a metric whose line begins so; 0 if there is none.
    pub async fn metric(&self, begins: &str) -> f64 {
        let text = self.get("/metrics").await;
        let line = text.lines().find(|line| line.starts_with(begins));
        line.map_or(0.0, |line| {
            line.rsplit(' ').next().unwrap().parse().unwrap()
        })
    }

    /// Waits until a metric has a value.
    pub async fn wait_for(&self, begins: &str, holds: impl Fn(f64) -> bool) {
        let started = Instant::now();
        loop {
            let value = self.metric(begins).await;
            if holds(value) {
                return;
            }
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "{begins} stays at {value}"
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Stops the server and waits until it has.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn json(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

/// A reply with what changes from run to run made equal, and numbers shortened to what every
/// processor agrees on.
pub fn shown(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(map) => {
                for (key, value) in map.iter_mut() {
                    match key.as_str() {
                        "id" if value.as_str().is_some_and(|id| id.contains("cmpl-")) => {
                            *value = "ID".into();
                        }
                        "created" if *value != 0 => *value = "TIME".into(),
                        _ => walk(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(walk),
            Value::Number(number) if number.is_f64() => {
                let rounded = (number.as_f64().unwrap() * 100.0).round() / 100.0;
                *value = rounded.into();
            }
            _ => {}
        }
    }
    walk(&mut value);
    value
}
