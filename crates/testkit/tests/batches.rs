//! Batches take their time, answer in another order, and fail in part.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::time::Duration;

use autodidact_testkit::{Act, Fleet};
use common::{asked, got, request, whole};
use serde_json::{Value, json};

fn ask() -> Value {
    json!({"model": "gpt-4o", "max_tokens": 99, "messages": [{"role": "user", "content": "What is 2 + 2?"}]})
}

fn upload(fleet: &Fleet, lines: &str) -> String {
    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n{lines}\r\n--x--\r\n"
    );
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    let (status, file) =
        whole(fleet.act(&request("POST", "/v1/files", &headers, form.into_bytes())));
    assert_eq!(
        (status, file["bytes"].as_u64()),
        (200, Some(lines.len() as u64)),
        "{file}"
    );
    file["id"].as_str().unwrap().to_owned()
}

fn custom_ids(fleet: &Fleet, path: &str) -> Vec<String> {
    let headers = [("anthropic-version", "2023-06-01")];
    let Act::Answer(reply) = fleet.act(&request("GET", path, &headers, vec![])) else {
        panic!("no file")
    };
    let text = String::from_utf8(reply.body).unwrap();
    let id = |line: &str| {
        serde_json::from_str::<Value>(line).unwrap()["custom_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    text.lines().map(id).collect()
}

#[test]
fn openai_splits_answers_and_errors() {
    let fleet = Fleet::new().with_batch_time(Duration::ZERO);
    let ids: Vec<String> = (0..8)
        .map(|i| format!("q{i}"))
        .chain(["fail-1".into(), "expire-1".into()])
        .collect();
    let line = |id: &String| {
        json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": ask()})
            .to_string()
    };
    let file = upload(&fleet, &ids.iter().map(line).collect::<Vec<_>>().join("\n"));
    let body = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let (status, batch) = asked(&fleet, "/v1/batches", &body);
    assert_eq!(status, 200, "{batch}");
    let (_, batch) = got(
        &fleet,
        &format!("/v1/batches/{}", batch["id"].as_str().unwrap()),
    );
    assert_eq!(batch["status"], "expired");
    assert_eq!(
        batch["request_counts"],
        json!({"total": 10, "completed": 8, "failed": 2})
    );
    let content = |name: &str| format!("/v1/files/{}/content", batch[name].as_str().unwrap());
    let mut answered = custom_ids(&fleet, &content("output_file_id"));
    assert_ne!(answered, ids[..8], "in order");
    answered.sort();
    assert_eq!(answered, ids[..8]);
    assert_eq!(custom_ids(&fleet, &content("error_file_id")).len(), 2);
    // The answers are in the ledger, once each.
    assert_eq!(fleet.ledger().answers, 8);
    assert!(fleet.ledger().paid_twice().is_empty());
}

#[test]
fn a_batch_with_a_repeated_id_fails_as_a_whole() {
    let fleet = Fleet::new().with_batch_time(Duration::ZERO);
    let line =
        json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": ask()});
    let file = upload(&fleet, &format!("{line}\n{line}\n"));
    let body = json!({"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let (_, batch) = asked(&fleet, "/v1/batches", &body);
    assert_eq!(
        (&batch["status"], &batch["errors"]["data"][0]["code"]),
        (&json!("failed"), &json!("duplicate_custom_id"))
    );
    assert_eq!(fleet.ledger().answers, 0);
}

#[test]
fn anthropic_takes_its_time_and_cancels() {
    let fleet = Fleet::new().with_batch_time(Duration::from_millis(60));
    let lines: Vec<Value> = ["a", "b", "fail-c", "expire-d"]
        .iter()
        .map(|id| json!({"custom_id": id, "params": ask()}))
        .collect();
    let (status, batch) = asked(&fleet, "/v1/messages/batches", &json!({"requests": lines}));
    assert_eq!(
        (status, &batch["processing_status"]),
        (200, &json!("in_progress")),
        "{batch}"
    );
    let path = format!("/v1/messages/batches/{}", batch["id"].as_str().unwrap());
    assert_eq!(got(&fleet, &format!("{path}/results")).0, 400);
    std::thread::sleep(Duration::from_millis(80));
    let (_, batch) = got(&fleet, &path);
    assert_eq!(
        batch["request_counts"],
        json!({"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 1})
    );
    assert_eq!(custom_ids(&fleet, &format!("{path}/results")).len(), 4);

    let (_, second) = asked(&fleet, "/v1/messages/batches", &json!({"requests": lines}));
    let path = format!("/v1/messages/batches/{}", second["id"].as_str().unwrap());
    let (_, cancelled) = asked(&fleet, &format!("{path}/cancel"), &json!({}));
    assert_eq!(cancelled["request_counts"]["canceled"], 4);
    // The same lines were answered twice, which is what the ledger is for.
    assert_eq!(fleet.ledger().paid_twice().len(), 2);
}

#[test]
fn gemini_keeps_the_order() {
    let fleet = Fleet::new().with_batch_time(Duration::ZERO);
    let one = |key: &str| json!({"request": {"contents": [{"parts": [{"text": "What is 2 + 2?"}]}]}, "metadata": {"key": key}});
    let body = json!({"batch": {"displayName": "b", "inputConfig": {"requests": {"requests": [one("r1"), one("fail"), one("r3")]}}}});
    let (_, operation) = asked(
        &fleet,
        "/v1beta/models/gemini-x:batchGenerateContent",
        &body,
    );
    let (_, operation) = got(
        &fleet,
        &format!("/v1beta/{}", operation["name"].as_str().unwrap()),
    );
    assert_eq!(
        (&operation["done"], &operation["metadata"]["state"]),
        (&json!(true), &json!("BATCH_STATE_SUCCEEDED"))
    );
    let answers = operation["response"]["inlinedResponses"]["inlinedResponses"]
        .as_array()
        .unwrap();
    let keys: Vec<&Value> = answers
        .iter()
        .map(|answer| &answer["metadata"]["key"])
        .collect();
    assert_eq!(keys, ["r1", "fail", "r3"]);
    assert!(answers[0]["response"]["candidates"].is_array() && answers[1]["error"]["code"] == 13);
}

#[test]
fn mistral_takes_lines_in_the_request() {
    let fleet = Fleet::new().with_batch_time(Duration::ZERO);
    let body = json!({"messages": [{"role": "user", "content": "What is 2 + 2?"}]});
    let lines = json!([{"custom_id": "a", "body": body}, {"custom_id": "b", "body": {"seed": 1, "messages": []}}]);
    let job = json!({"model": "mistral-small-latest", "endpoint": "/v1/chat/completions", "requests": lines});
    let (_, job) = asked(&fleet, "/v1/batch/jobs", &job);
    let (_, job) = got(
        &fleet,
        &format!("/v1/batch/jobs/{}", job["id"].as_str().unwrap()),
    );
    assert_eq!(
        (
            &job["status"],
            &job["succeeded_requests"],
            &job["failed_requests"]
        ),
        (&json!("SUCCESS"), &json!(1), &json!(1))
    );
    let statuses: Vec<&Value> = job["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["response"]["status_code"])
        .collect();
    assert!(
        statuses.contains(&&json!(200)) && statuses.contains(&&json!(422)),
        "{statuses:?}"
    );
}
