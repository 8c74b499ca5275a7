//! Asking the fleet without a network.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::Instant;

use autodidact_testkit::{Act, Fleet, Received};
use serde_json::Value;

pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Received {
    Received {
        number: 0,
        at: Instant::now(),
        method: method.into(),
        path: path.into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        body,
        connection: 0,
    }
}

pub(crate) fn post(fleet: &Fleet, path: &str, headers: &[(&str, &str)], body: &Value) -> Act {
    fleet.act(&request(
        "POST",
        path,
        headers,
        body.to_string().into_bytes(),
    ))
}

/// Status and body of an answer in one piece.
pub(crate) fn whole(act: Act) -> (u16, Value) {
    match act {
        Act::Answer(reply) => {
            let body = serde_json::from_slice(&reply.body);
            (reply.status, body.unwrap_or(Value::Null))
        }
        other => panic!("not in one piece: {other:?}"),
    }
}

pub(crate) fn asked(fleet: &Fleet, path: &str, body: &Value) -> (u16, Value) {
    whole(post(
        fleet,
        path,
        &[("anthropic-version", "2023-06-01")],
        body,
    ))
}

pub(crate) fn got(fleet: &Fleet, path: &str) -> (u16, Value) {
    let headers = [("anthropic-version", "2023-06-01")];
    whole(fleet.act(&request("GET", path, &headers, Vec::new())))
}

/// The JSON values of an event stream or of JSON lines.
pub(crate) fn streamed(act: Act) -> Vec<Value> {
    let Act::Pieces { pieces, .. } = act else {
        panic!("no stream: {act:?}")
    };
    let bytes: Vec<u8> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
    String::from_utf8(bytes)
        .unwrap()
        .lines()
        .map(|line| line.strip_prefix("data: ").unwrap_or(line))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
