//! One answer made of many: by one model, and by an ensemble of mock providers; and what is told about
//! it as spans.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::path::Path;
use std::sync::Arc;

use autodidact_core::EnsembleSpec;
use autodidact_providers::{ApiKey, ChatModel, PriceTable, RemoteModel};
use autodidact_server::{Catalog, EnsembleModel, ServerOptions, TelemetrySettings};
use autodidact_star::{JournaledPurse, Member, Writer};
use autodidact_store::RunStore;
use autodidact_testkit::{Act, Fleet, Reply, Server};
use common::{catalog, start, start_with};
use serde_json::{Value, json};

const CHAT: &str = "/v1/chat/completions";
const LEGACY: &str = "/v1/completions";

#[tokio::test(flavor = "multi_thread")]
async fn one_model_votes_with_itself() {
    let server = start().await;
    let asked = |model: &str| json!({"model": model, "prompt": "the and", "max_tokens": 20, "temperature": 1.5, "seed": 3});
    for (name, samples) in [("tiny:vote", 8), ("tiny:vote-3", 3), ("tiny:best-of-5", 5)] {
        let body = server.good(LEGACY, &asked(name)).await;
        assert_eq!(body["model"], name);
        assert_eq!(body["autodidact"]["samples"], samples);
        assert_eq!(
            body["autodidact"]["strategy"],
            name.split_once(':').unwrap().1
        );
        assert_eq!(body["choices"].as_array().unwrap().len(), 1);
        assert!(body["usage"]["completion_tokens"].as_u64().unwrap() >= samples);
        assert_eq!(
            server.good(LEGACY, &asked(name)).await["choices"],
            body["choices"]
        );
        // The winner is one of the samples.
        let mut all = asked("tiny");
        all["n"] = json!(samples);
        let all = server.good(LEGACY, &all).await;
        let texts: Vec<&Value> = all["choices"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| &c["text"])
            .collect();
        assert!(texts.contains(&&body["choices"][0]["text"]));
        let mut field = asked("tiny");
        field["strategy"] = body["autodidact"]["strategy"].clone();
        assert_eq!(
            server.good(LEGACY, &field).await["choices"],
            body["choices"]
        );
        let mut streamed = asked(name);
        streamed["stream"] = json!(true);
        let events = server.events(LEGACY, &streamed).await;
        assert_eq!(
            events.last().unwrap()["choices"][0]["text"],
            body["choices"][0]["text"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_refuses_what_it_cannot_honour() {
    let server = start().await;
    for (more, param) in [
        (json!({"n": 2}), "n"),
        (json!({"logprobs": 1}), "logprobs"),
        (json!({"echo": true}), "echo"),
        (json!({"prompt": ["a", "b"]}), "prompt"),
        (json!({"strategy": "vote"}), "strategy"),
        (json!({"model": "tiny:judge"}), "model"),
        (json!({"model": "tiny:best-of-65"}), "model"),
    ] {
        let mut asked = json!({"model": "tiny:vote", "prompt": "a", "max_tokens": 2});
        asked
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let (status, body) = server.post(LEGACY, &asked).await;
        assert_eq!(
            (status, body["error"]["param"].as_str()),
            (400, Some(param)),
            "{body}"
        );
    }
}

const ENSEMBLE: &str = r#"
[[models]]
name = "claude"
provider = "anthropic"
model = "claude-sonnet-4-5"
base_url = "URL"
[[models]]
name = "mistral"
provider = "mistral"
model = "mistral-large-latest"
base_url = "URL/v1"
[[judges]]
name = "nemotron"
provider = "nvidia"
model = "nvidia/nemotron-4-340b-reward"
base_url = "URL/v1"
price = { input = 0, output = 0 }
"#;

async fn ensemble(url: &str, directory: &Path, more: &str) -> EnsembleModel {
    let spec = EnsembleSpec::parse(&format!("{more}\n{}", ENSEMBLE.replace("URL", url))).unwrap();
    let (prices, key) = (PriceTable::builtin(), || {
        Some(ApiKey::new("key-of-the-test"))
    });
    let store = Arc::new(RunStore::create(directory, "").await.unwrap());
    let writer = Writer::start(&store);
    let purse = JournaledPurse::open(&store, writer.clone(), spec.budget_usd)
        .await
        .unwrap();
    let purse = Arc::new(purse);
    let member = |model: &autodidact_core::ModelSpec| {
        let model = RemoteModel::new(model.clone(), key(), &prices).unwrap();
        let model: Arc<dyn ChatModel> = Arc::new(model);
        Member {
            model,
            purse: purse.clone(),
            writer: writer.clone(),
        }
    };
    let members = spec.models.iter().map(member).collect();
    let judges = spec.judges.iter();
    let judges = judges.map(|judge| autodidact_judges::open(judge, key(), &prices, None).unwrap());
    let judges = judges.collect();
    EnsembleModel::new("council", spec, members, judges, store, writer, purse, 4)
}

#[expect(clippy::needless_pass_by_value, reason = "a literal of the caller")]
fn question(more: Value) -> Value {
    let mut asked =
        json!({"model": "council", "messages": [{"role": "user", "content": "What is 17 * 23?"}]});
    asked
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ensemble_answers_by_every_strategy() {
    let fleet = Fleet::new()
        .with_accuracy("claude", 1.0)
        .with_accuracy("mistral", 0.0);
    let acting = fleet.clone();
    let providers = Server::start(move |request| acting.act(request))
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let council = ensemble(&providers.url(), &run, "").await;
    let server = start_with(
        Catalog::new().with_ensemble(council),
        ServerOptions::default(),
    )
    .await;
    for (model, strategy) in [
        ("council", "best"),
        ("council:judge", "judge"),
        ("council:vote", "vote"),
        ("council:best-of-4", "best-of-4"),
        ("council:weighted", "weighted"),
        ("council:cascade", "cascade"),
    ] {
        let body = server.good(CHAT, &question(json!({"model": model}))).await;
        assert_eq!(body["autodidact"]["strategy"], strategy, "{body}");
        let text = body["choices"][0]["message"]["content"].as_str().unwrap();
        if strategy != "vote" {
            assert!(text.contains("391"), "the judge knows: {text}");
        }
        let usage = &body["usage"];
        assert!(
            usage["prompt_tokens"].as_u64().unwrap() > 0
                && usage["completion_tokens"].as_u64().unwrap() > 0
        );
    }
    let four = server
        .good(CHAT, &question(json!({"model": "council:best-of-4"})))
        .await;
    assert_eq!(four["autodidact"]["answers"].as_array().unwrap().len(), 4);
    // With a seed the journal answers the second time.
    let asked = question(json!({"seed": 7}));
    let first = server.good(CHAT, &asked).await;
    let count = providers.count();
    let second = server.good(CHAT, &asked).await;
    assert_eq!(first["choices"], second["choices"]);
    assert_eq!(providers.count(), count, "nothing is asked again");
    for (more, param) in [
        (json!({"top_p": 0.5}), "top_p"),
        (json!({"stop": "x"}), "stop"),
        (json!({"logprobs": true}), "logprobs"),
        (json!({"n": 2}), "n"),
        (
            json!({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}),
            "messages",
        ),
    ] {
        let (status, body) = server.post(CHAT, &question(more)).await;
        assert_eq!(
            (status, body["error"]["param"].as_str()),
            (400, Some(param)),
            "{body}"
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up_is_told_as_such() {
    let providers = Server::start({
        let fleet = Fleet::new();
        move |request| fleet.act(request)
    })
    .await
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = directory.path().join("run");
    let council = ensemble(&providers.url(), &run, "budget_usd = 0.0000001").await;
    let server = start_with(
        Catalog::new().with_ensemble(council),
        ServerOptions::default(),
    )
    .await;
    let (status, body) = server.post(CHAT, &question(json!({}))).await;
    assert_eq!(status, 429, "{body}");
    assert_eq!(body["error"]["code"], "insufficient_quota");
    assert_eq!(providers.count(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_hold_counts_and_no_texts() {
    let collector = Server::start(|_| Act::Answer(Reply::new(200, "application/json", "{}")))
        .await
        .unwrap();
    let options = ServerOptions {
        telemetry: Some(TelemetrySettings {
            endpoint: collector.url(),
            headers: Some("x-key=secret".to_owned()),
            service: None,
        }),
        ..ServerOptions::default()
    };
    let server = start_with(
        catalog(autodidact_engine::SessionOptions::default()),
        options,
    )
    .await;
    let asked = json!({"model": "tiny", "prompt": "qqq the", "max_tokens": 3, "temperature": 0.5, "seed": 1});
    let request = server.request(LEGACY, &asked);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(
        request
            .header("traceparent", parent)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let (status, _) = server
        .post(LEGACY, &json!({"model": "nobody", "prompt": "x"}))
        .await;
    assert_eq!(status, 404);
    while collector.received().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let received = collector.received();
    let text = String::from_utf8_lossy(&received[0].body).into_owned();
    assert!(!text.contains("qqq"), "texts stay here");
    let body: Value = serde_json::from_str(&text).unwrap();
    let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"]
        .as_array()
        .unwrap();
    assert_eq!(spans[0]["name"], "text_completion tiny");
    assert_eq!(spans[0]["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(spans[0]["parentSpanId"], "00f067aa0ba902b7");
    let attribute = |span: &Value, key: &str| {
        let found = span["attributes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|a| a["key"] == key);
        found.map(|a| a["value"].clone())
    };
    assert_eq!(
        attribute(&spans[0], "gen_ai.request.seed"),
        Some(json!({"intValue": "1"}))
    );
    assert_eq!(
        attribute(&spans[0], "gen_ai.usage.output_tokens"),
        Some(json!({"intValue": "3"}))
    );
    if let Some(second) = spans.get(1) {
        assert_eq!(
            attribute(second, "error.type"),
            Some(json!({"stringValue": "model_not_found"}))
        );
    }
}
