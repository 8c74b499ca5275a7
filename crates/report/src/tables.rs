//! The numbers behind the plots.

use std::collections::BTreeSet;

use autodidact_core::{BaselineMeasurement, IterationResult, StageSeconds};
use autodidact_star::{IterationDetail, ReportData};

use crate::html::{Text, put};
use crate::number::{NONE, Share, count, decimal, duration, p_value, percent, points};
use crate::soundness;
use crate::{facts, faculty};

/// A table is headings and rows of texts that are not escaped yet; the first column names the row.
pub(crate) struct Table<'a> {
    pub(crate) caption: &'a str,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    pub(crate) fn html(&self) -> String {
        let mut out = String::new();
        put(
            &mut out,
            format_args!(
                "<div class=\"scroll\" tabindex=\"0\">\n<table>\n<caption>{}</caption>\n<thead><tr>",
                Text(self.caption)
            ),
        );
        for cell in &self.head {
            put(
                &mut out,
                format_args!("<th scope=\"col\">{}</th>", Text(cell)),
            );
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (i, cell) in row.iter().enumerate() {
                let cell = Text(cell);
                if i == 0 {
                    put(&mut out, format_args!("<th scope=\"row\">{cell}</th>"));
                } else {
                    put(&mut out, format_args!("<td>{cell}</td>"));
                }
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
        out
    }
}

pub(crate) fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Every loop with its journal, where there is one.
fn loops(data: &ReportData) -> impl Iterator<Item = (&IterationResult, Option<&IterationDetail>)> {
    let loops = data.status.iterations.iter().enumerate();
    loops.map(|(i, done)| (done, data.details.get(i)))
}

fn base(data: &ReportData) -> Option<Share> {
    let base = data.status.base.as_ref()?;
    Share::new(base.right, base.total)
}

/// All tables, one after the other.
pub(crate) fn tables(data: &ReportData) -> String {
    let mut out = measured(data).map_or_else(String::new, |t| t.html());
    if !data.status.iterations.is_empty() {
        for table in [results(data), learned(data), refused(data), seconds(data)] {
            out += &table.html();
        }
    }
    for table in [
        soundness::flags(data),
        soundness::overlaps(data),
        faculty::models(data),
        faculty::judges(data),
        sampled(data),
        facts::costs(data),
        facts::environment(data),
    ] {
        out += &table.map_or_else(String::new, |t| t.html());
    }
    out
}

/// The baselines and the controls.
fn measured(data: &ReportData) -> Option<Table<'static>> {
    let base = base(data);
    let row = |m: &BaselineMeasurement| {
        let share = Share::new(m.right, m.total);
        let gain = share.zip(base).map(|(s, b)| points(s.value - b.value));
        let best = data.baseline.as_ref() == Some(&m.name);
        let star = if best { " (best)" } else { "" };
        let mut row = vec![format!("{}{star}", m.name)];
        row.extend(accuracy(share));
        row.push(gain.unwrap_or_else(|| NONE.to_owned()));
        row
    };
    let all = data.baselines.iter().chain(&data.controls);
    let rows: Vec<_> = all.map(row).collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Baselines and controls on the held-out problems",
        head: texts(&["model", "right", "accuracy", "95% interval", "points"]),
        rows,
    })
}

/// Cells for right of total, accuracy and interval.
fn accuracy(share: Option<Share>) -> [String; 3] {
    let Some(share) = share else {
        return [NONE, NONE, NONE].map(str::to_owned);
    };
    let right = count(share.right.into());
    [
        format!("{right} of {}", count(share.total.into())),
        share.percent(),
        share.interval(),
    ]
}

/// What every loop reached.
fn results(data: &ReportData) -> Table<'static> {
    let base = base(data);
    let best = data.status.best.as_ref().map(|best| best.iteration);
    let rows = loops(data).map(|(done, _)| {
        let share = Share::new(done.evaluation.right, done.evaluation.total);
        let gain = share.zip(base).map(|(s, b)| points(s.value - b.value));
        let star = if best == Some(done.n) { " (best)" } else { "" };
        let p = p_value(done.evaluation.p_value);
        let mut row = vec![format!("{}{star}", done.n)];
        row.extend(accuracy(share));
        row.push(gain.unwrap_or_else(|| NONE.to_owned()));
        row.push(
            p.trim_start_matches("p = ")
                .trim_start_matches("p ")
                .to_owned(),
        );
        row
    });
    Table {
        caption: "The student on the held-out problems, against the best baseline",
        head: texts(&[
            "loop",
            "right",
            "accuracy",
            "95% interval",
            "points",
            "p-value",
        ]),
        rows: rows.collect(),
    }
}

/// What every loop learned from.
fn learned(data: &ReportData) -> Table<'static> {
    let rows = loops(data).map(|(done, detail)| {
        let train = &done.train;
        let number = |n: Option<u32>| n.map_or_else(|| NONE.to_owned(), |n| count(n.into()));
        // A loop that was not trained has no loss; the journal writes 0 then.
        let loss = detail.map(|d| d.final_loss).filter(|l| *l > 0.0);
        vec![
            done.n.to_string(),
            format!(
                "{} of {}",
                count(train.right.into()),
                count(train.total.into())
            ),
            count(train.rationalized.into()),
            number(detail.map(|d| d.kept_rationales)),
            number(detail.map(|d| d.kept_rationalizations)),
            count(train.kept.into()),
            loss.map_or_else(|| NONE.to_owned(), decimal),
        ]
    });
    Table {
        caption: "Training: problems solved, texts kept, and the loss of the last step (nats per token)",
        head: texts(&[
            "loop",
            "solved",
            "with hint only",
            "rationales kept",
            "rationalizations kept",
            "kept",
            "loss",
        ]),
        rows: rows.collect(),
    }
}

/// What sampling reaches: pass@1, pass@k and different solutions.
fn sampled(data: &ReportData) -> Option<Table<'static>> {
    let rows: Vec<Vec<String>> = data
        .sampled
        .iter()
        .map(|loop_| {
            let first = loop_.pass_at.first();
            let last = loop_.pass_at.last().filter(|(k, _)| *k > 1);
            vec![
                loop_.iteration.to_string(),
                count(loop_.samples),
                count(loop_.right),
                first.map_or_else(|| NONE.to_owned(), |(_, share)| percent(*share)),
                last.map_or_else(
                    || NONE.to_owned(),
                    |(k, share)| format!("{} (k = {k})", percent(*share)),
                ),
                loop_
                    .distinct
                    .map_or_else(|| NONE.to_owned(), |n| count(n.into())),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Rationales of the student for training problems, without the hint; different solutions among all right answers of the loop",
        head: texts(&["loop", "rationales", "right", "pass@1", "pass@k", "different solutions"]),
        rows,
    })
}

/// Why samples were not learned from, and how many were right by luck.
fn refused(data: &ReportData) -> Table<'static> {
    let reasons: BTreeSet<&str> = data
        .details
        .iter()
        .flat_map(|d| d.refused.keys().map(String::as_str))
        .collect();
    let rows = loops(data).map(|(done, detail)| {
        let mut row = vec![done.n.to_string()];
        for reason in &reasons {
            let n = detail.map(|d| d.refused.get(*reason).copied().unwrap_or(0));
            row.push(n.map_or_else(|| NONE.to_owned(), |n| count(n.into())));
        }
        row.push(luck(
            detail.map(|d| (d.rationales_lucky, d.rationales_right)),
        ));
        row.push(luck(
            detail.map(|d| (d.rationalizations_lucky, d.rationalizations_right)),
        ));
        row
    });
    let mut head = texts(&["loop"]);
    head.extend(reasons.iter().map(|r| in_words(r).to_owned()));
    head.extend(texts(&["by luck", "by luck, with hint"]));
    Table {
        caption: "Samples refused, by reason; and right answers with a false step (right by luck), as a share of the right answers",
        head,
        rows: rows.collect(),
    }
}

/// `12 (4.0%)`
fn luck(counts: Option<(u32, u32)>) -> String {
    match counts.and_then(|(lucky, right)| Share::new(lucky, right)) {
        Some(share) => format!("{} ({})", count(share.right.into()), share.percent()),
        None => NONE.to_owned(),
    }
}

/// A reason as the journal names it, in words.
pub(crate) fn in_words(reason: &str) -> &str {
    match reason {
        "wrong" => "wrong answer",
        "cannot-tell" => "undecided",
        "truncated" => "cut off",
        "duplicate" => "duplicate",
        "over-cap" => "over the cap",
        "hint-leak" => "speaks of the hint",
        "no-reasoning" => "no reasoning",
        "wrong-step" => "false step",
        "hint-text" => "repeats the hint",
        "answer-before-derivation" => "answer first",
        "false-equation" => "false equation",
        "extractors-disagree" => "two readings of the answer",
        "duplicate-reasoning" => "same equations",
        "garbled" => "no text",
        "low-score" => "low score",
        "not-trained-on" => "another model's",
        "marked-bad" => "marked bad by hand",
        other => other,
    }
}

/// Where the time went.
fn seconds(data: &ReportData) -> Table<'static> {
    let stages = |s: &StageSeconds| [s.sample, s.rationalize, s.train, s.evaluate];
    let row = |name: String, seconds: [f64; 4]| {
        let mut row = vec![name];
        row.extend(seconds.map(duration));
        row.push(duration(seconds.iter().sum()));
        row
    };
    let mut total = [0.0; 4];
    let mut rows = Vec::new();
    for (done, _) in loops(data) {
        let seconds = stages(&done.seconds);
        for (sum, stage) in total.iter_mut().zip(seconds) {
            *sum += stage;
        }
        rows.push(row(done.n.to_string(), seconds));
    }
    if rows.len() > 1 {
        rows.push(row("all".to_owned(), total));
    }
    Table {
        caption: "Time",
        head: texts(&["loop", "sample", "rationalize", "train", "evaluate", "all"]),
        rows,
    }
}
