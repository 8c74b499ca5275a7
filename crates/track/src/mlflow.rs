//! `MLflow`'s tracking server, over its REST interface (version 2.0).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::Agent;

use crate::sink::{Ending, Recorded, Sink, seconds};
use crate::{Point, TrackError};

/// Metrics in one request at most; the server refuses more.
const BATCH: usize = 1000;
/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Waits before a request is tried again.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// Bytes of an answer that are read at most.
const LONGEST: u64 = 64 << 20;

/// Where the server is and what the run is called there.
#[derive(Clone, PartialEq, Eq)]
pub struct MlflowSettings {
    /// The server.
    pub url: String,
    /// The experiment.
    pub experiment: String,
    /// The run's name.
    pub run: String,
    /// A bearer token.
    pub token: Option<String>,
    /// What does not change during the run.
    pub parameters: Vec<(String, String)>,
}

impl std::fmt::Debug for MlflowSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token must not reach a log.
        f.debug_struct("MlflowSettings")
            .field("url", &self.url)
            .field("experiment", &self.experiment)
            .finish_non_exhaustive()
    }
}

/// The run at the server, as its directory remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RemoteRun {
    url: String,
    experiment_id: String,
    run_id: String,
}

/// A run at an `MLflow` server.
#[derive(Debug)]
pub struct Mlflow {
    settings: MlflowSettings,
    /// Remembers the run's id.
    memory: PathBuf,
    agent: Agent,
    run_id: String,
}

impl Mlflow {
    /// A run that is found again, or made, when it is opened; `memory` remembers which it is.
    pub fn new(settings: MlflowSettings, memory: &Path) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            settings,
            memory: memory.to_owned(),
            agent,
            run_id: String::new(),
        }
    }

    fn remembered(&self) -> Option<RemoteRun> {
        let run: RemoteRun = serde_json::from_slice(&fs::read(&self.memory).ok()?).ok()?;
        (run.url == self.settings.url).then_some(run)
    }

    fn remember(&self, run: &RemoteRun) -> Result<(), TrackError> {
        if let Some(directory) = self.memory.parent() {
            fs::create_dir_all(directory).map_err(TrackError::file(directory))?;
        }
        let text = json!(run).to_string();
        fs::write(&self.memory, text).map_err(TrackError::file(&self.memory))
    }

    /// What the server has of a run; `None` if it does not know it any more.
    fn recorded(&self, run_id: &str) -> Result<Option<Recorded>, TrackError> {
        let path = format!("runs/get?run_id={}", encoded(run_id));
        let answer = match self.ask(&path, None) {
            Ok(answer) => answer,
            Err(TrackError::Refused { status: 404, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let run = answer.get("run");
        let deleted = run.and_then(|run| run.pointer("/info/lifecycle_stage")?.as_str());
        if deleted == Some("deleted") {
            return Ok(None);
        }
        let mut recorded = Recorded::default();
        let metrics = run.and_then(|run| run.pointer("/data/metrics")?.as_array());
        for metric in metrics.into_iter().flatten() {
            let key = metric.get("key").and_then(Value::as_str);
            // A step of zero may be left out.
            let step = metric.get("step").map_or(Some(0), number);
            if let (Some(key), Some(step)) = (key, step) {
                recorded.is_new(key, step);
            }
        }
        Ok(Some(recorded))
    }

    fn experiment(&self) -> Result<String, TrackError> {
        let name = &self.settings.experiment;
        let path = format!("experiments/get-by-name?experiment_name={}", encoded(name));
        match self.ask(&path, None) {
            Ok(answer) => self.text(&answer, "/experiment/experiment_id"),
            Err(TrackError::Refused { status: 404, .. }) => {
                let made = self.ask("experiments/create", Some(&json!({ "name": name })))?;
                self.text(&made, "/experiment_id")
            }
            Err(error) => Err(error),
        }
    }

    fn create(&mut self) -> Result<(), TrackError> {
        let experiment_id = self.experiment()?;
        let run = json!({
            "experiment_id": experiment_id,
            "run_name": self.settings.run,
            "start_time": milliseconds(SystemTime::now()),
            "tags": [{ "key": "mlflow.source.name", "value": "autodidact" }],
        });
        let made = self.ask("runs/create", Some(&run))?;
        self.run_id = self.text(&made, "/run/info/run_id")?;
        self.remember(&RemoteRun {
            url: self.settings.url.clone(),
            experiment_id,
            run_id: self.run_id.clone(),
        })?;
        let parameters = self.settings.parameters.iter();
        let parameters: Vec<Value> = parameters
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
        let batch = json!({ "run_id": self.run_id, "params": parameters });
        self.ask("runs/log-batch", Some(&batch)).map(drop)
    }

    /// Asks, and tries again what may pass.
    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value, TrackError> {
        let mut pauses = PAUSES.iter();
        loop {
            match self.ask_once(path, body) {
                Err(error) if error.is_passing() => match pauses.next() {
                    Some(pause) => std::thread::sleep(*pause),
                    None => return Err(error),
                },
                done => return done,
            }
        }
    }

    fn ask_once(&self, path: &str, body: Option<&Value>) -> Result<Value, TrackError> {
        let base = self.settings.url.trim_end_matches('/');
        let url = format!("{base}/api/2.0/mlflow/{path}");
        let authorization = self.settings.token.as_ref().map(|t| format!("Bearer {t}"));
        let answer = match body {
            None => {
                let mut request = self.agent.get(&url);
                if let Some(value) = &authorization {
                    request = request.header("Authorization", value);
                }
                request.call()
            }
            Some(body) => {
                let mut request = self.agent.post(&url);
                if let Some(value) = &authorization {
                    request = request.header("Authorization", value);
                }
                let request = request.header("Content-Type", "application/json");
                request.send(body.to_string())
            }
        };
        let unreachable = |problem: String| TrackError::Unreachable {
            url: base.to_owned(),
            problem,
        };
        let mut answer = answer.map_err(|error| unreachable(error.to_string()))?;
        let status = answer.status().as_u16();
        let text = answer
            .body_mut()
            .with_config()
            .limit(LONGEST)
            .read_to_string()
            .map_err(|error| unreachable(error.to_string()))?;
        if status != 200 {
            let said: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let said = said.get("message").and_then(Value::as_str);
            return Err(TrackError::Refused {
                url,
                status,
                problem: said.unwrap_or(&text).chars().take(200).collect(),
            });
        }
        serde_json::from_str(&text)
            .map_err(|error| unreachable(format!("what it says is no JSON: {error}")))
    }

    fn text(&self, answer: &Value, pointer: &str) -> Result<String, TrackError> {
        let found = answer.pointer(pointer).and_then(Value::as_str);
        found
            .map(str::to_owned)
            .ok_or_else(|| TrackError::Unreachable {
                url: self.settings.url.clone(),
                problem: format!("its answer has no `{}`", pointer.trim_start_matches('/')),
            })
    }

    fn update(&self, status: &str, end: Option<SystemTime>) -> Result<(), TrackError> {
        let mut body = json!({ "run_id": self.run_id, "status": status });
        if let (Some(end), Some(object)) = (end, body.as_object_mut()) {
            object.insert("end_time".into(), json!(milliseconds(end)));
        }
        self.ask("runs/update", Some(&body)).map(drop)
    }
}

impl Sink for Mlflow {
    fn name(&self) -> &'static str {
        "mlflow"
    }

    fn open(&mut self) -> Result<Recorded, TrackError> {
        if let Some(known) = self.remembered()
            && let Some(recorded) = self.recorded(&known.run_id)?
        {
            self.run_id = known.run_id;
            self.update("RUNNING", None)?;
            return Ok(recorded);
        }
        self.create()?;
        Ok(Recorded::default())
    }

    fn write(&mut self, points: &[Point], at: SystemTime) -> Result<(), TrackError> {
        let timestamp = milliseconds(at);
        for points in points.chunks(BATCH) {
            let metrics: Vec<Value> = points
                .iter()
                .map(|point| {
                    json!({
                        "key": point.series,
                        "value": point.value,
                        "timestamp": timestamp,
                        "step": point.step,
                    })
                })
                .collect();
            let batch = json!({ "run_id": self.run_id, "metrics": metrics });
            self.ask("runs/log-batch", Some(&batch))?;
        }
        Ok(())
    }

    fn close(&mut self, ending: Ending) -> Result<(), TrackError> {
        let status = match ending {
            Ending::Finished => "FINISHED",
            Ending::Parked => "KILLED",
            Ending::Failed => "FAILED",
        };
        self.update(status, Some(SystemTime::now()))
    }
}

fn milliseconds(at: SystemTime) -> u64 {
    (seconds(at) * 1e3) as u64
}

/// A whole number, which the server writes as one or as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A value of a query.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}
