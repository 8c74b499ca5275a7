//! What is suspicious about right answers, for people.

use autodidact_core::{FlagCounts, FlagTally, IterationResult};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

/// One row for each loop and mode that has right answers; nothing if nothing was counted.
pub(crate) fn loops(results: &[IterationResult]) -> Option<String> {
    let counted: Vec<(u32, &FlagCounts)> = results
        .iter()
        .filter(|result| !result.flags.is_empty())
        .map(|result| (result.n, &result.flags))
        .collect();
    table(&counted)
}

/// The same for one loop.
pub(crate) fn one_loop(n: u32, flags: &FlagCounts) -> Option<String> {
    (!flags.is_empty()).then(|| table(&[(n, flags)])).flatten()
}

fn table(counted: &[(u32, &FlagCounts)]) -> Option<String> {
    if counted.is_empty() {
        return None;
    }
    let names: std::collections::BTreeSet<&str> = counted
        .iter()
        .flat_map(|(_, flags)| flags.names())
        .collect();
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    let mut head = vec!["loop", "right answers", "doubtful"];
    head.extend(&names);
    table.set_header(head);
    for (n, flags) in counted {
        for (mode, tally) in [
            ("rationales", &flags.rationales),
            ("rationalizations", &flags.rationalizations),
        ] {
            if tally.right == 0 {
                continue;
            }
            let mut row = vec![
                n.to_string(),
                format!("{} {mode}", tally.right),
                share(tally.doubtful, tally),
            ];
            let count = |name: &&str| tally.flags.get(*name).copied().unwrap_or(0);
            row.extend(names.iter().map(|name| share(count(name), tally)));
            table.add_row(row);
        }
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Some(table.to_string())
}

fn share(count: u32, tally: &FlagTally) -> String {
    let percent = 100.0 * f64::from(count) / f64::from(tally.right.max(1));
    format!("{count} ({percent:.0}%)")
}

#[cfg(test)]
mod tests {
    use autodidact_core::{Flag, Mode};

    use super::*;

    #[test]
    fn rates_of_rationales_and_rationalizations_apart() {
        let mut flags = FlagCounts::default();
        let equation = Flag::FalseEquation {
            text: "1 + 1 = 3".into(),
        };
        for n in 0..40 {
            let found: &[Flag] = if n < 5 {
                std::slice::from_ref(&equation)
            } else {
                &[]
            };
            flags.add(Mode::Rationale, found);
        }
        for n in 0..20 {
            let found: Vec<Flag> = if n < 17 {
                vec![equation.clone(), Flag::HintText]
            } else {
                Vec::new()
            };
            flags.add(Mode::Rationalization, &found);
        }
        insta::assert_snapshot!(one_loop(1, &flags).unwrap());
        assert!(one_loop(1, &FlagCounts::default()).is_none());
    }
}
