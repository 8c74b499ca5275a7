//! Decoder architectures as data: one row of a table says how a family of models is wired, a
//! [`ModelConfig`] adds the sizes and constants of one file, and the same code runs them all.
//!
//! Start reading at [`Architecture`] (the table), then [`ModelConfig::read`].

mod checks;
mod config;
mod linear;
mod rope;
mod rows;
mod table;
mod vectors;
mod windows;

pub use config::ModelConfig;
pub use linear::Linear;
pub use table::{Activation, Architecture, NormKind, RopePairs, Wiring};
pub use windows::WindowPattern;

pub(crate) use rope::RopeTable;
pub(crate) use vectors::{LayerVectors, Norm};
