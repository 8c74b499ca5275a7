//! Taking a run away: its samples as data sets that other programs train on, and its weights as
//! adapters and models that other programs run.
//!
//! Start reading at [`Kind`] and [`Format`] (`kind.rs`: what can be had in which form), then
//! `data.rs` (the samples: `reader.rs` gives them a few problems at a time, `records.rs` decides what
//! each is good for, `rows.rs` writes it down in a format) and `weights.rs` (the adapter). Everything
//! goes through a [`Folder`], which is there whole or not at all; `card/` writes its README.

mod agreement;
mod card;
mod data;
mod error;
mod folder;
mod format_files;
mod kind;
mod modelfile;
mod parquet_file;
mod provenance;
mod reader;
mod records;
mod rows;
mod run_facts;
mod standing;
mod steps;
mod weights;

pub use agreement::{Agreement, Agreements, compare_logits};
pub use data::{DataRequest, export_data};
pub use error::ExportError;
pub use folder::{FileEntry, Folder, Manifest};
pub use kind::{Format, Kind};
pub use modelfile::{ModelfileTemplate, template_of};
pub use parquet_file::{Column, ColumnKind, ParquetFile};
pub use provenance::Contribution;
pub use run_facts::RunFacts;
pub use steps::{Step, label_steps};
pub use weights::{WeightsKind, WeightsRequest, export_weights};
