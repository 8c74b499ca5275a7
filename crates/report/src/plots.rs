//! The plots and tables for whoever shows them on another page. Each is a piece of HTML that needs
//! [`PLOT_STYLE`](crate::PLOT_STYLE) and nothing else: no script and no inline style.

use autodidact_star::{Levels, ReportData};

/// Accuracy of baselines, loops and controls on the held-out problems, with 95% intervals.
pub fn accuracy(data: &ReportData) -> String {
    crate::accuracy::plot(data)
}

/// Training problems solved, solved with the hint, and unsolved, per loop.
pub fn problems(data: &ReportData) -> String {
    crate::bars::plot(data)
}

/// Samples kept, and refused by reason, per loop.
pub fn fates(data: &ReportData) -> String {
    crate::fates::plot(data)
}

/// Pass@k of training problems per loop.
pub fn pass_at_k(data: &ReportData) -> String {
    crate::pass::plot(data)
}

/// The loss of every training.
pub fn loss(data: &ReportData) -> String {
    crate::loss::plot(data)
}

/// How judges' overall scores are spread; nothing without judges.
pub fn rewards(data: &ReportData) -> Option<String> {
    crate::rewards::plot(data)
}

/// Problems solved by loop and difficulty.
pub fn heat_map(levels: &Levels) -> String {
    crate::heat::plot(levels)
}

/// Why samples are refused, as the journal names it, in words.
pub fn reason(name: &str) -> &str {
    crate::tables::in_words(name)
}

/// All tables of the report.
pub fn tables(data: &ReportData) -> String {
    crate::tables::tables(data)
}
