//! The `[track]` section: where a run's numbers go beside its journal.

use serde::{Deserialize, Serialize};

/// A program, or a file, that takes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackTo {
    /// Event files in `tracking/tensorboard`.
    Tensorboard,
    /// An `MLflow` server.
    Mlflow,
    /// `tracking/metrics.csv`.
    Csv,
    /// `tracking/metrics.jsonl`.
    Jsonl,
}

/// The `[track]` section. It decides about no result, so it may change while a run goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrackSpec {
    /// Where numbers go; empty: nowhere but into the journal.
    pub to: Vec<TrackTo>,
    /// The `MLflow` server; absent: the environment's `MLFLOW_TRACKING_URI`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow_url: Option<String>,
    /// The experiment there; absent: `autodidact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mlflow_experiment: Option<String>,
}

impl TrackSpec {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
