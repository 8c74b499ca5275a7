//! Figures of this machine, as text.

use autodidact_engine::Profile;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use crate::commands::bench::BenchReport;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    table
}

fn align(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The machine, then a row for each task.
pub(crate) fn bench(report: &BenchReport, model: &str) -> String {
    let mut table = table(&["task", "tokens/s", "limit, tokens/s", "of the limit"]);
    for (task, figures) in [
        ("sampling", &report.sampling),
        ("training", &report.training),
    ] {
        table.add_row(vec![
            task.to_owned(),
            figure(figures.tokens_per_second),
            figure(figures.limit_tokens_per_second),
            format!("{:.1}%", 100.0 * figures.fraction),
        ]);
    }
    format!(
        "{}\nmodel: {model}\n{}\nthe limit: the task's matrix products and nothing else, at the rate of fused multiply-adds measured on all cores in this run",
        report.machine,
        align(table)
    )
}

/// Where the time of a task's threads went, longest first.
pub(crate) fn profile(task: &str, profile: &Profile) -> String {
    let mut table = table(&[task, "seconds of a thread", "share", "GFLOP/s of a thread"]);
    for entry in profile.entries() {
        let seconds = entry.time.as_secs_f64();
        let rate = if entry.operations == 0 {
            String::new()
        } else {
            format!("{:.1}", entry.operations as f64 / seconds / 1e9)
        };
        table.add_row(vec![
            entry.kind.name().to_owned(),
            format!("{seconds:.3}"),
            format!("{:.1}%", 100.0 * entry.share),
            rate,
        ]);
    }
    align(table)
}

/// Three digits that count.
fn figure(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::Figures;

    #[test]
    fn the_table_of_a_machine() {
        let figures = |seen: f64, limit: f64| Figures {
            tokens_per_second: seen,
            limit_tokens_per_second: limit,
            fraction: seen / limit,
        };
        let report = BenchReport {
            machine: "A Processor, 2 of 2 cores, avx2, 200 GFLOP/s".into(),
            sampling: figures(412.3, 640.0),
            training: figures(99.96, 212.0),
        };
        insta::assert_snapshot!(bench(&report, "a model"));
    }
}
