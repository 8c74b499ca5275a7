//! A run as a web page: what was reached, how, and whether it can be chance.
//!
//! [`render`] turns the [`ReportData`](autodidact_star::ReportData) of a run into one HTML file
//! that needs nothing else: style and plots are inline, and there is no script. [`verdict`] is the
//! same outcome in two sentences of plain text, for the command line.
//!
//! Start reading at `page.rs`, which lists the sections in order. The three plots are `accuracy.rs`,
//! `bars.rs` and `loss.rs` on top of `plot.rs`; `html.rs` holds the only escape there is: every
//! text of a run is hostile until it went through it.

mod accuracy;
mod bars;
mod examples;
mod faculty;
mod html;
mod loss;
mod marks;
mod number;
mod page;
mod plot;
mod soundness;
mod tables;
mod ticks;
mod verdict;

pub use page::render;
pub use verdict::{SIGNIFICANCE, verdict};
