//! The REST interface of an `MLflow` server, as far as it is used, against a server that remembers
//! what it was told. `scripts/check_tracking.py` asks the real one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use autodidact_testkit::{Act, Received, Server};
use autodidact_track::{Ending, Mlflow, MlflowSettings, Point, Sink};
use serde_json::{Value, json};

/// What a server remembers of its only run.
#[derive(Default)]
struct Memory {
    experiment: Option<String>,
    runs: u32,
    metrics: Vec<Value>,
    parameters: Vec<Value>,
    statuses: Vec<String>,
    authorizations: Vec<Option<String>>,
    failures: u32,
}

fn act(memory: &Mutex<Memory>, request: &Received) -> Act {
    let mut memory = memory.lock().unwrap();
    memory
        .authorizations
        .push(request.header("authorization").map(str::to_owned));
    if memory.failures > 0 {
        memory.failures -= 1;
        return Act::json(503, &json!({ "message": "busy" }));
    }
    let body = request.json();
    let (status, answer) = match request.route().trim_start_matches("/api/2.0/mlflow/") {
        "experiments/get-by-name" => match &memory.experiment {
            Some(_) => (200, json!({ "experiment": { "experiment_id": "7" } })),
            None => (
                404,
                json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no" }),
            ),
        },
        "experiments/create" => {
            memory.experiment = body["name"].as_str().map(str::to_owned);
            (200, json!({ "experiment_id": "7" }))
        }
        "runs/create" => {
            assert_eq!(body["experiment_id"], "7");
            memory.runs += 1;
            (200, json!({ "run": { "info": { "run_id": "r1" } } }))
        }
        "runs/log-batch" => {
            assert_eq!(body["run_id"], "r1");
            let list = |key: &str| body[key].as_array().cloned().unwrap_or_default();
            assert!(list("metrics").len() <= 1000);
            memory.metrics.extend(list("metrics"));
            memory.parameters.extend(list("params"));
            (200, json!({}))
        }
        "runs/get" => {
            let mut last = std::collections::BTreeMap::<String, u64>::new();
            for metric in &memory.metrics {
                let step = metric["step"].as_u64().unwrap();
                let known = last
                    .entry(metric["key"].as_str().unwrap().to_owned())
                    .or_default();
                *known = step.max(*known);
            }
            // The real server writes 64-bit numbers as texts.
            let metrics: Vec<Value> = last
                .iter()
                .map(|(key, step)| json!({ "key": key, "value": 1.0, "step": step.to_string() }))
                .collect();
            (
                200,
                json!({ "run": { "info": { "lifecycle_stage": "active" }, "data": { "metrics": metrics } } }),
            )
        }
        "runs/update" => {
            memory
                .statuses
                .push(body["status"].as_str().unwrap().to_owned());
            (200, json!({}))
        }
        other => panic!("{other} is not part of the interface"),
    };
    Act::json(status, &answer)
}

fn settings(url: &str) -> MlflowSettings {
    MlflowSettings {
        url: url.to_owned(),
        experiment: "my experiments & more".into(),
        run: "a".into(),
        token: Some("secret-token".into()),
        parameters: vec![("seed".into(), "1".into())],
    }
}

#[test]
fn a_run_is_made_once_and_found_again() {
    let memory = Arc::new(Mutex::new(Memory {
        failures: 2,
        ..Memory::default()
    }));
    let acting = memory.clone();
    let server = Server::start_in_thread(move |request: &Received| act(&acting, request)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mlflow.json");
    let point = |step| Point::new("train/loss", step, 0.5).unwrap();
    let at = SystemTime::now();

    let mut first = Mlflow::new(settings(&server.url()), &file);
    assert_eq!(first.open().unwrap().last("train/loss"), None);
    let many: Vec<Point> = (1..=2500).map(point).collect();
    first.write(&many, at).unwrap();
    first.close(Ending::Parked).unwrap();

    let mut second = Mlflow::new(settings(&server.url()), &file);
    assert_eq!(second.open().unwrap().last("train/loss"), Some(2500));
    second.write(&[point(2501)], at).unwrap();
    second.close(Ending::Finished).unwrap();

    let memory = memory.lock().unwrap();
    assert_eq!(memory.runs, 1);
    assert_eq!(memory.experiment.as_deref(), Some("my experiments & more"));
    assert_eq!(memory.metrics.len(), 2501);
    assert_eq!(memory.parameters, [json!({ "key": "seed", "value": "1" })]);
    assert_eq!(memory.statuses, ["KILLED", "RUNNING", "FINISHED"]);
    let token = Some("Bearer secret-token".to_owned());
    assert!(memory.authorizations.iter().all(|a| *a == token));
    let remembered = std::fs::read_to_string(file).unwrap();
    assert!(!remembered.contains("secret"), "{remembered}");
    assert!(!format!("{second:?}").contains("secret"));
}

#[test]
fn a_server_that_is_not_there_is_said() {
    let directory = tempfile::tempdir().unwrap();
    // The port of a server that is gone.
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let mut sink = Mlflow::new(settings(&url), &directory.path().join("mlflow.json"));
    let error = sink.open().unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("no answer from {url}")),
        "{error}"
    );
}
