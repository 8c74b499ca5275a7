//! The plot of what became of samples: kept, and refused by reason, loop by loop.

use std::collections::BTreeMap;

use autodidact_star::{IterationDetail, ReportData};

use crate::html::{Text, put};
use crate::number::{count, percent};
use crate::plot::{self, Align, At, Frame, Scale, WIDTH};
use crate::tables::in_words;
use crate::ticks::Ticks;

const LEFT: f64 = 68.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 12.0;

/// Reasons with a colour of their own; the rest is one.
const SHOWN: usize = 6;

/// A stacked bar per loop, with a legend.
pub(crate) fn plot(data: &ReportData) -> String {
    let loops: Vec<(u32, &IterationDetail)> = data
        .status
        .iterations
        .iter()
        .map(|done| done.n)
        .zip(&data.details)
        .collect();
    if loops.is_empty() {
        return "<p class=\"none\">No loop is done yet.</p>\n".to_owned();
    }
    let reasons = reasons(&loops);
    let row = if loops.len() > 8 { 22.0 } else { 30.0 };
    let bottom = TOP + row * loops.len() as f64;
    let parts = |detail| parts(detail, &reasons);
    let most = loops.iter().map(|(_, detail)| parts(detail).iter().sum());
    let ticks = Ticks::of_counts(most.max().unwrap_or(0), 5);
    let x = Scale::new(ticks.ends(), (LEFT, RIGHT));
    let mut out = String::new();
    let all: Vec<u64> = loops.iter().fold(Vec::new(), |mut all, (_, detail)| {
        let more = parts(detail);
        all.resize(more.len(), 0);
        all.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        all
    });
    let names = names(&reasons);
    plot::open(
        &mut out,
        bottom + 44.0,
        "What became of samples per loop",
        &format!("{}.", in_all(&names, &all)),
    );
    for (i, (n, detail)) in loops.iter().enumerate() {
        let y = TOP + row * i as f64;
        let at = (LEFT - 8.0, y + row / 2.0 + 4.0);
        plot::label(&mut out, at, Align::End, "tick", &format!("loop {n}"));
        bar(&mut out, &parts(detail), &names, x, (y, row));
    }
    let frame = Frame {
        left: LEFT,
        right: RIGHT,
        top: TOP,
        bottom: bottom + 2.0,
    };
    plot::x_axis(&mut out, frame, x, &ticks);
    let at = (f64::midpoint(LEFT, RIGHT), bottom + 40.0);
    plot::label(
        &mut out,
        at,
        Align::Middle,
        "group",
        "rationales and rationalizations",
    );
    plot::close(&mut out);
    legend(&mut out, &names, &all);
    out
}

/// The most frequent reasons first.
fn reasons<'a>(loops: &[(u32, &'a IterationDetail)]) -> Vec<&'a str> {
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, detail) in loops {
        for (reason, n) in &detail.refused {
            *totals.entry(reason).or_default() += u64::from(*n);
        }
    }
    let mut reasons: Vec<(&str, u64)> = totals.into_iter().collect();
    reasons.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    reasons.truncate(SHOWN);
    reasons.into_iter().map(|(reason, _)| reason).collect()
}

fn names(reasons: &[&str]) -> Vec<String> {
    let shown = reasons.iter().map(|reason| in_words(reason).to_owned());
    ["kept".to_owned()]
        .into_iter()
        .chain(shown)
        .chain(["other reasons".to_owned()])
        .collect()
}

/// Kept, refused for each reason, refused for another.
fn parts(detail: &IterationDetail, reasons: &[&str]) -> Vec<u64> {
    let kept = u64::from(detail.kept_rationales) + u64::from(detail.kept_rationalizations);
    let of = |reason: &&str| u64::from(detail.refused.get(*reason).copied().unwrap_or(0));
    let shown: Vec<u64> = reasons.iter().map(of).collect();
    let all: u64 = detail.refused.values().map(|n| u64::from(*n)).sum();
    let rest = all.saturating_sub(shown.iter().sum());
    [kept].into_iter().chain(shown).chain([rest]).collect()
}

fn bar(out: &mut String, parts: &[u64], names: &[String], x: Scale, (y, row): (f64, f64)) {
    let mut before = 0;
    for (i, (n, name)) in parts.iter().zip(names).enumerate() {
        let (left, right) = (x.at(before as f64), x.at((before + n) as f64));
        before += n;
        if *n > 0 {
            put(
                out,
                format_args!(
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"fate{i}\"><title>{}: {}</title></rect>\n",
                    At(left),
                    At(y + 3.0),
                    At(right - left),
                    At(row - 6.0),
                    Text(name),
                    count(*n)
                ),
            );
        }
    }
}

fn legend(out: &mut String, names: &[String], all: &[u64]) {
    let total = all.iter().sum::<u64>().max(1) as f64;
    out.push_str("<ul class=\"legend\">\n");
    for (i, (name, n)) in names.iter().zip(all).enumerate() {
        if *n > 0 {
            put(
                out,
                format_args!(
                    "<li><svg class=\"swatch\" viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect width=\"10\" height=\"10\" class=\"fate{i}\"/></svg>{} {} ({})</li>\n",
                    Text(name),
                    count(*n),
                    percent(*n as f64 / total)
                ),
            );
        }
    }
    out.push_str("</ul>\n");
}

fn in_all(names: &[String], all: &[u64]) -> String {
    let parts = names.iter().zip(all).filter(|(_, n)| **n > 0);
    let parts: Vec<String> = parts.map(|(name, n)| format!("{name} {n}")).collect();
    format!("In all loops: {}", parts.join(", "))
}
