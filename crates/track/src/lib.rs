//! Where a run's numbers go while it is under way: `TensorBoard`, `MLflow`, CSV and JSON lines.
//!
//! [`Tracker`] watches a run. What it sees becomes points (`points.rs`), and a thread of its own gives
//! them to the sinks (`sink.rs`), so that no disk and no server ever holds the run up. A sink says what
//! it has from earlier attempts; what it lacks is filled in from the journal (`history.rs`), and
//! nothing is written twice. A sink that fails is given up with one warning: the journal has it all.

mod error;
mod history;
mod mlflow;
mod points;
mod sink;
mod tensorboard;
mod text_files;
mod tracker;

pub use error::TrackError;
pub use history::history;
pub use mlflow::{Mlflow, MlflowSettings};
pub use points::{Point, StepOffsets};
pub use sink::{Ending, Recorded, Sink};
pub use tensorboard::{TensorBoard, read_events};
pub use text_files::{Csv, JsonLines};
pub use tracker::{Tracker, TrackerParts};
