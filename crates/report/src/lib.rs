//! A run as a web page: what was reached, how, and whether it can be chance.
//!
//! [`render`] turns the [`ReportData`](autodidact_star::ReportData) of a run into one HTML file
//! that needs nothing else: style and plots are inline, and there is no script. [`verdict`] is the
//! same outcome in two sentences of plain text, for the command line.
//!
//! Start reading at `page.rs`, which lists the sections in order. The plots are `accuracy.rs`,
//! `bars.rs`, `fates.rs`, `pass.rs`, `heat.rs`, `rewards.rs` and `loss.rs` on top of `plot.rs`, and
//! [`plots`] lends them to other pages; `html.rs` holds the only escape there is: every
//! text of a run is hostile until it went through it.

mod accuracy;
mod bars;
mod examples;
mod facts;
mod faculty;
mod fates;
mod heat;
mod html;
mod loss;
mod marks;
mod number;
mod page;
mod pass;
mod plot;
pub mod plots;
mod rewards;
mod soundness;
mod tables;
mod ticks;
mod verdict;

pub use html::clean;
pub use number::{Share, count, duration, p_value, percent, points, short_count};
pub use page::{PLOT_STYLE, render};
pub use verdict::{SIGNIFICANCE, verdict};
