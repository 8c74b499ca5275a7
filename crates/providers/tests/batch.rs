//! Batches: one result for each request, whatever order, files and failures they come in.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use autodidact_core::{Message, ModelSpec, OneOrMany, Prompt, ProviderKind, Usd};
use autodidact_providers::{
    BatchClient, BatchId, BatchState, ChatModel, ChatRequest, ErrorClass, PriceTable, RemoteModel,
    read_offline, write_offline,
};
use autodidact_testkit::{Act, Fleet, Received, Reply, Server};
use serde_json::{Value, json};

const MODELS: [(ProviderKind, &str, &str); 4] = [
    (ProviderKind::Openai, "gpt-4o-mini", "/v1"),
    (ProviderKind::Anthropic, "claude-haiku-4-5", ""),
    (ProviderKind::Gemini, "gemini-2.5-flash", ""),
    (ProviderKind::Mistral, "mistral-small-2506", "/v1"),
];

async fn fleet(time: Duration) -> Server {
    let fleet = Fleet::new().with_batch_time(time);
    fleet.start().await.unwrap()
}

#[tokio::test]
async fn anthropic_is_told_its_version_with_every_request() {
    let server = Server::start(|_: &Received| {
        let shown = json!({"id": "msgbatch_1", "processing_status": "in_progress"});
        Act::Answer(Reply::json(200, &shown))
    })
    .await
    .unwrap();
    let model = model(&server, MODELS[1]);
    let client = BatchClient::new(&model).unwrap();
    let id = client.submit(&requests(&["a"])).await.unwrap();
    client.poll(&id).await.unwrap();
    client.cancel(&id).await.unwrap();
    for request in server.received() {
        let version = request.header("anthropic-version");
        assert_eq!(
            version,
            Some("2023-06-01"),
            "{} {}",
            request.method,
            request.path
        );
    }
}

fn model(server: &Server, (provider, name, path): (ProviderKind, &str, &str)) -> RemoteModel {
    let mut spec = ModelSpec::new("m", provider, name);
    spec.base_url = OneOrMany::One(format!("{}{path}", server.url()));
    RemoteModel::new(spec, None, &PriceTable::builtin()).unwrap()
}

fn question(number: u64) -> ChatRequest {
    let text = format!("What is {number} * 23?");
    ChatRequest::new(Prompt::Chat(vec![Message::user(text)]), number, 256)
}

fn requests(names: &[&str]) -> Vec<(String, ChatRequest)> {
    let numbered = names.iter().zip(10..);
    numbered
        .map(|(name, number)| ((*name).to_owned(), question(number)))
        .collect()
}

async fn ended(client: &BatchClient<'_>, id: &BatchId) {
    for _ in 0..200 {
        if client.poll(id).await.unwrap() == BatchState::Ended {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("the batch never ends");
}

#[tokio::test]
async fn every_request_gets_its_own_result() {
    let server = fleet(Duration::from_millis(60)).await;
    let names: Vec<String> = (0..40).map(|at| format!("q{at}-s0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut lost = 0;
    for entry in MODELS {
        let model = model(&server, entry);
        let client = BatchClient::new(&model).unwrap();
        let requests = requests(&names);
        let id = client.submit(&requests).await.unwrap();
        let state = client.poll(&id).await.unwrap();
        assert!(
            matches!(state, BatchState::InProgress { .. }),
            "{}: {state:?}",
            entry.0
        );
        ended(&client, &id).await;
        let results = client.results(&id, &requests).await.unwrap();
        let mut cost = Usd::ZERO;
        for ((name, request), (named, result)) in requests.iter().zip(&results) {
            assert_eq!(name, named);
            let Ok(parsed) = result else {
                lost += 1;
                continue;
            };
            assert!(
                parsed.replies[0].text.contains("The answer is"),
                "{}",
                entry.0
            );
            let Prompt::Chat(messages) = &request.prompt else {
                continue;
            };
            // The mock's rationale repeats the numbers of the question it was asked.
            let number = messages[0].content.split(' ').nth(2).unwrap().to_owned();
            assert!(
                parsed.replies[0].text.contains(&number),
                "{}: {parsed:?}",
                entry.0
            );
            cost += client.cost(request, parsed).unwrap();
        }
        assert!(cost > Usd::ZERO && cost <= client.most(&requests).unwrap());
    }
    println!("batches: {}, requests lost: {lost}", MODELS.len());
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn expired_and_failed_requests_are_typed_and_the_others_answered() {
    let server = fleet(Duration::ZERO).await;
    for entry in MODELS {
        let model = model(&server, entry);
        let client = BatchClient::new(&model).unwrap();
        let requests = requests(&["good-1", "expire-1", "fail-1", "good-2"]);
        let id = client.submit(&requests).await.unwrap();
        ended(&client, &id).await;
        let results = client.results(&id, &requests).await.unwrap();
        let class = |at: usize| results[at].1.as_ref().map_err(|error| error.class);
        assert!(
            class(0).is_ok() && class(3).is_ok(),
            "{}: {results:?}",
            entry.0
        );
        let expired = class(1).unwrap_err();
        // Mistral says why in words of its own; either way it is worth another request.
        assert!(
            expired == ErrorClass::Timeout
                || (entry.0 == ProviderKind::Mistral && expired.is_retried()),
            "{}: {results:?}",
            entry.0
        );
        assert!(class(2).is_err(), "{}", entry.0);
    }
}

#[tokio::test]
async fn a_cancelled_batch_says_so_for_each_request() {
    let server = fleet(Duration::from_mins(10)).await;
    for entry in MODELS {
        let model = model(&server, entry);
        let client = BatchClient::new(&model).unwrap();
        let requests = requests(&["a", "b"]);
        let id = client.submit(&requests).await.unwrap();
        client.cancel(&id).await.unwrap();
        ended(&client, &id).await;
        for (_, result) in client.results(&id, &requests).await.unwrap() {
            assert_eq!(
                result.unwrap_err().class,
                ErrorClass::Interrupted,
                "{}",
                entry.0
            );
        }
    }
}

#[tokio::test]
async fn names_that_cannot_be_told_apart_or_sent_are_refused_before_sending() {
    let server = fleet(Duration::ZERO).await;
    let model = model(&server, MODELS[0]);
    let client = BatchClient::new(&model).unwrap();
    let long = "x".repeat(65);
    for names in [
        vec![],
        vec!["a", "a"],
        vec![""],
        vec!["a b"],
        vec![long.as_str()],
    ] {
        let refused = client.submit(&requests(&names)).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::BadRequest, "{names:?}");
    }
    for id in ["", "../files", "a?b", "a b"] {
        let refused = client.poll(&BatchId(id.to_owned())).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::BadRequest, "{id}");
    }
    assert_eq!(server.count(), 0);
    let ollama = ModelSpec::new("m", ProviderKind::Ollama, "x");
    let ollama = RemoteModel::new(ollama, None, &PriceTable::builtin()).unwrap();
    let none = BatchClient::new(&ollama).unwrap_err();
    assert_eq!(none.class, ErrorClass::Declaration);
}

#[tokio::test]
async fn a_batch_that_is_refused_as_a_whole_fails_as_a_whole() {
    let server = Server::start(|_: &Received| {
        Act::Answer(Reply::json(200, &json!({"id": "batch_1", "status": "failed",
            "errors": {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "enqueued token limit"}]}})))
    })
    .await
    .unwrap();
    let model = model(&server, MODELS[0]);
    let client = BatchClient::new(&model).unwrap();
    let id = BatchId("batch_1".into());
    assert_eq!(client.poll(&id).await.unwrap(), BatchState::Ended);
    let error = client.results(&id, &requests(&["a"])).await.unwrap_err();
    assert!(
        error.to_string().contains("enqueued token limit"),
        "{error}"
    );
}

#[tokio::test]
async fn together_wraps_the_job_and_shouts_its_status() {
    let server = Server::start(|request: &Received| {
        let line = json!({"custom_id": "a", "response": {"status_code": 200, "body": {"choices":
            [{"message": {"content": "42"}, "finish_reason": "eos"}]}}, "error": null});
        let value = match request.path.as_str() {
            "/v1/files/upload" => json!({"id": "file-1"}),
            "/v1/files/file-2/content" => line,
            "/v1/batches" => json!({"job": {"id": "b-1", "status": "VALIDATING"}}),
            _ => json!({"id": "b-1", "status": "COMPLETED", "output_file_id": "file-2", "progress": 100.0}),
        };
        Act::Answer(Reply::json(200, &value))
    })
    .await
    .unwrap();
    let model = model(
        &server,
        (
            ProviderKind::Together,
            "Qwen/Qwen2.5-7B-Instruct-Turbo",
            "/v1",
        ),
    );
    let client = BatchClient::new(&model).unwrap();
    let requests = requests(&["a", "b"]);
    let id = client.submit(&requests).await.unwrap();
    assert_eq!(id, BatchId("b-1".into()));
    assert_eq!(client.poll(&id).await.unwrap(), BatchState::Ended);
    let results = client.results(&id, &requests).await.unwrap();
    assert_eq!(results[0].1.as_ref().unwrap().replies[0].text, "42");
    let missing = results[1].1.as_ref().unwrap_err();
    assert_eq!(missing.class, ErrorClass::Malformed, "{missing}");
}

#[test]
fn offline_files_are_lines_of_openais_batches() {
    let mut spec = ModelSpec::new("m", ProviderKind::Vllm, "Qwen/Qwen2.5-7B-Instruct");
    spec.price = None;
    let model = RemoteModel::new(spec, None, &PriceTable::builtin()).unwrap();
    assert!(model.price().is_some());
    let requests = requests(&["a", "b", "c"]);
    let file = write_offline(&model, &requests).unwrap();
    let lines: Vec<Value> = file
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["url"], "/v1/chat/completions");
    assert_eq!(lines[0]["method"], "POST");
    assert_eq!(
        lines[1]["body"]["messages"][0]["content"],
        "What is 11 * 23?"
    );
    let answer = |name: &str| {
        json!({"id": "vllm-1", "custom_id": name, "response": {"status_code": 200, "request_id": "r",
            "body": {"choices": [{"message": {"content": name}, "finish_reason": "stop"}]}}, "error": null})
    };
    let mut output = format!("{}\nnot json\n{}\n", answer("c"), answer("a"));
    output.push_str(&answer("unknown").to_string());
    output.push_str(&format!("\n{}", answer("c")));
    let results = read_offline(&model, &requests, output.as_bytes());
    let texts: Vec<Option<&str>> = results
        .iter()
        .map(|(_, result)| {
            result
                .as_ref()
                .ok()
                .map(|parsed| parsed.replies[0].text.as_str())
        })
        .collect();
    assert_eq!(texts, [Some("a"), None, Some("c")]);
}
