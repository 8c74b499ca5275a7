//! The dashboard: runs in a browser, while they go on and afterwards.
//!
//! [`Dashboard::open`] binds an address and [`Dashboard::serve`] answers until it is told to end. Pages
//! read the journals and nothing else (`catalog.rs`); the two things a page may write, requests to a
//! run and marks on rationales, go through `autodidact_store::Desk` (`actions.rs`). Plots are those of
//! the report. `access.rs` decides who may ask at all. Start reading at `routes.rs`.
//!
//! Every text of a run is hostile: templates escape everything (askama), texts pass
//! `autodidact_report::clean` before, and the policy of every answer forbids scripts and styles other
//! than the embedded ones.

mod access;
mod actions;
mod answer;
mod assets;
mod catalog;
mod error;
mod live;
mod options;
mod pages;
mod routes;
mod server;
mod words;

pub use error::DashboardError;
pub use options::Options;
pub use server::Dashboard;
