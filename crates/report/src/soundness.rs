//! How far the training set can be trusted: flags of right answers, and training problems that are
//! also evaluated on.

use std::collections::BTreeSet;

use autodidact_core::FlagTally;
use autodidact_star::ReportData;

use crate::number::{Share, count};
use crate::tables::{Table, in_words, texts};

/// Overlaps shown; a run may have thousands, and its journal has them all.
const SHOWN: usize = 20;

/// The rate of each flag, rationales and rationalizations apart.
pub(crate) fn flags(data: &ReportData) -> Option<Table<'static>> {
    let counted = || {
        let loops = data.status.iterations.iter().zip(&data.details);
        loops.filter(|(_, detail)| !detail.flags.is_empty())
    };
    let names: BTreeSet<&str> = counted()
        .flat_map(|(_, detail)| detail.flags.names())
        .collect();
    let rows: Vec<Vec<String>> = counted()
        .flat_map(|(done, detail)| {
            let flags = &detail.flags;
            [
                (done.n, "rationales", &flags.rationales),
                (done.n, "rationalizations", &flags.rationalizations),
            ]
        })
        .filter(|(_, _, tally)| tally.right > 0)
        .map(|(n, mode, tally)| {
            let mut row = vec![
                format!("{mode} of loop {n}"),
                count(tally.right.into()),
                share(tally.doubtful, tally),
            ];
            let of = |name: &&str| tally.flags.get(*name).copied().unwrap_or(0);
            row.extend(names.iter().map(|name| share(of(name), tally)));
            row
        })
        .collect();
    let mut head = texts(&["texts", "right", "doubtful"]);
    head.extend(names.iter().map(|name| in_words(name).to_owned()));
    (!rows.is_empty()).then_some(Table {
        caption: "Right answers whose reasoning is doubtful, by sign; a share of the right answers",
        head,
        rows,
    })
}

/// Training problems that are also evaluated on, or nearly.
pub(crate) fn overlaps(data: &ReportData) -> Option<Table<'static>> {
    let all = &data.overlaps;
    let dropped = all.iter().filter(|overlap| overlap.dropped).count();
    let mut rows: Vec<Vec<String>> = vec![vec![
        format!("all {}", count(all.len() as u64)),
        String::new(),
        String::new(),
        format!("{} left out", count(dropped as u64)),
        String::new(),
    ]];
    rows.extend(all.iter().take(SHOWN).map(|overlap| {
        let fate = match (overlap.dropped, overlap.other_numbers) {
            (true, _) => "left out",
            (false, true) => "kept: other numbers",
            (false, false) => "kept",
        };
        vec![
            overlap.train.to_string(),
            overlap.evaluate.to_string(),
            overlap.kind.in_words(),
            fate.to_owned(),
            overlap.shared.clone(),
        ]
    }));
    (!all.is_empty()).then(|| Table {
        caption: "Training problems that are also evaluated on, or nearly; the first of them",
        head: texts(&["training", "evaluation", "in common", "", "shared words"]),
        rows,
    })
}

fn share(n: u32, tally: &FlagTally) -> String {
    let percent = Share::new(n, tally.right).map(|share| share.percent());
    format!("{} ({})", count(n.into()), percent.unwrap_or_default())
}
