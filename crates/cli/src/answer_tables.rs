//! Answers side by side, and what each model and judge is worth, as text.

use std::path::Path;

use autodidact_core::{Attribute, Usd};
use autodidact_judges::JudgeCalibration;
use autodidact_star::{
    Combined, DataSetSummary, Estimate, JudgedFile, ModelSummary, ShownCandidate,
};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};

/// Characters of an answer's text in the table.
const EXCERPT: usize = 160;
/// Characters of a final answer in the table.
const ANSWER: usize = 40;
/// Columns of the table, where the terminal does not tell.
const WIDTH: u16 = 140;

/// The answers to one question, then the winner in full.
pub(crate) fn combined(combined: &Combined) -> String {
    let mut table = table();
    // Without a judge there are no columns for its scores.
    let judged = combined
        .answers
        .iter()
        .any(|answer| answer.overall.is_some());
    let mut header = vec!["", "model", "answer"];
    if judged {
        header.extend(Attribute::ALL.map(Attribute::as_str));
        header.push("overall");
    }
    header.extend(["cost", "text"]);
    let columns = header.len();
    table.set_header(header);
    for answer in &combined.answers {
        table.add_row(answer_row(combined, answer, judged));
    }
    align(&mut table, 3..columns - 1);
    let mut text = table.to_string();
    for answer in &combined.answers {
        for (judge, reason) in &answer.unscored {
            text += &format!("\n{judge} gave {} no score: {reason}", answer.model);
        }
    }
    if let Some(winner) = &combined.winner {
        let confidence = combined.confidence.unwrap_or_default();
        text += &format!(
            "\n\nwinner ({}, confidence {:.0}%): {}{}\n{}",
            combined.strategy.as_str(),
            100.0 * confidence,
            winner.model,
            winner
                .answer
                .as_ref()
                .map_or_else(String::new, |a| format!(" with {a}")),
            winner.text.trim()
        );
    }
    text + &format!("\ncost: {}", money(combined.cost_usd))
}

fn answer_row(combined: &Combined, answer: &ShownCandidate, judged: bool) -> Vec<String> {
    let won = combined
        .winner
        .as_ref()
        .is_some_and(|w| w.model == answer.model && w.text == answer.text);
    let score = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2}"));
    let attribute = |a: &Attribute| answer.scores.as_ref().and_then(|s| s.get(a).copied());
    let mut row = vec![
        if won { "*" } else { "" }.to_owned(),
        answer.model.clone(),
        answer
            .answer
            .as_deref()
            .map_or_else(|| "–".to_owned(), |a| shortened(a, ANSWER)),
    ];
    if judged {
        row.extend(Attribute::ALL.iter().map(|a| score(attribute(a))));
        row.push(score(answer.overall));
    }
    let mut text = shortened(&answer.text, EXCERPT);
    if answer.truncated && !text.ends_with('…') {
        text.push('…');
    }
    row.extend([money(answer.cost_usd), text]);
    row
}

/// The beginning of a text, on one line.
fn shortened(text: &str, most: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let mut short: String = line.chars().take(most).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// What a data set came to.
pub(crate) fn data_set(summary: &DataSetSummary, out: &Path) -> String {
    let mut text = models(&summary.models);
    if !summary.judges.is_empty() {
        text += &format!("\n{}", calibration(&summary.judges));
    }
    text += &format!(
        "\n{} of {} problems answered, {} with a chosen answer ({})",
        summary.answered,
        summary.problems,
        summary.chosen,
        summary.strategy.as_str()
    );
    if let Some(right) = summary.right {
        let percent = 100.0 * right as f64 / summary.answered.max(1) as f64;
        text += &format!("\nchosen answers that are right: {right} ({percent:.1}%)");
    }
    let restricted: Vec<&str> = summary
        .models
        .iter()
        .filter(|model| model.terms == "restricted")
        .map(|model| model.model.as_str())
        .collect();
    if !restricted.is_empty() {
        text += &format!(
            "\nthe terms of these providers restrict training on their answers: {}",
            restricted.join(", ")
        );
    }
    text + &format!(
        "\ncost: {}\n{} lines: {}",
        money(summary.cost_usd),
        summary.lines,
        out.display()
    )
}

/// What judges said about a file.
pub(crate) fn judged(summary: &JudgedFile, out: &Path) -> String {
    let mut text = String::new();
    for (judge, counts) in &summary.judges {
        text += &format!(
            "{judge}: {} answers scored, {} not",
            counts.scored, counts.unscored
        );
        for (reason, count) in &counts.reasons {
            text += &format!("\n  {count}: {reason}");
        }
        text.push('\n');
    }
    if !summary.calibration.is_empty() {
        text += &format!("{}\n", calibration(&summary.calibration));
    }
    text + &format!(
        "cost: {}\n{} lines: {}",
        money(summary.cost_usd),
        summary.lines,
        out.display()
    )
}

/// One row a model: yield, unique solves, cost of what was kept.
pub(crate) fn models(models: &[ModelSummary]) -> String {
    let mut table = table();
    table.set_header([
        "model",
        "answers",
        "right",
        "solved",
        "alone",
        "kept",
        "no answer",
        "cost",
        "per kept",
        "terms",
    ]);
    let count = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), |n| n.to_string());
    for model in models {
        let unanswered: Vec<String> = model
            .unanswered
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        table.add_row([
            model.model.clone(),
            model.answers.to_string(),
            count(model.right),
            count(model.solved),
            count(model.unique),
            model.kept.to_string(),
            unanswered.join(", "),
            money(model.cost_usd),
            model
                .cost_per_kept_usd
                .map_or_else(|| "–".to_owned(), |usd| usd.to_string()),
            model.terms.clone(),
        ]);
    }
    align(&mut table, 1..6);
    table.to_string()
}

/// One row a judge: how well scores tell right from wrong.
pub(crate) fn calibration(judges: &[JudgeCalibration]) -> String {
    let mut table = table();
    let mut header = vec![
        "judge, AUC against gold",
        "answers",
        "overall",
        "95% interval",
    ];
    header.extend(Attribute::ALL.map(Attribute::as_str));
    table.set_header(header);
    for judge in judges {
        let overall = judge.overall.as_ref();
        let mut row = vec![
            judge.judge.clone(),
            judge.answers.to_string(),
            overall.map_or_else(|| "–".to_owned(), |auc| format!("{:.3}", auc.area)),
            overall.map_or_else(String::new, |auc| format!("{:.3}–{:.3}", auc.low, auc.high)),
        ];
        let attribute = |a: &Attribute| {
            let auc = judge.attributes.get(a);
            auc.map_or_else(|| "–".to_owned(), |auc| format!("{:.3}", auc.area))
        };
        row.extend(Attribute::ALL.iter().map(attribute));
        table.add_row(row);
    }
    align(&mut table, 1..9);
    table.to_string()
}

/// Requests, tokens and money, before anything is asked.
pub(crate) fn estimates(estimates: &[Estimate], budget: Option<Usd>) -> String {
    let mut table = table();
    table.set_header([
        "model or judge",
        "requests at most",
        "prompt tokens, about",
        "answer tokens at most",
        "cost at most",
        "price read",
    ]);
    for estimate in estimates {
        table.add_row([
            estimate.name.clone(),
            estimate.requests.to_string(),
            estimate.input_tokens.to_string(),
            estimate.output_tokens_at_most.to_string(),
            money(estimate.cost_at_most_usd),
            estimate.price_read.clone().unwrap_or_default(),
        ]);
    }
    align(&mut table, 1..5);
    let unknown = estimates.iter().any(|e| e.cost_at_most_usd.is_none());
    let total: Usd = estimates.iter().filter_map(|e| e.cost_at_most_usd).sum();
    let mut text = format!("{table}\nall together at most: {total}");
    if unknown {
        text += ", and what has no known price (give `price` in its entry)";
    }
    match budget {
        Some(budget) if total > budget || unknown => {
            text += &format!("; the budget of {budget} may end it before");
        }
        Some(budget) => text += &format!("; the budget is {budget}"),
        None => {}
    }
    text
}

fn money(amount: Option<Usd>) -> String {
    amount.map_or_else(|| "unknown".to_owned(), |usd| usd.to_string())
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH);
    }
    table
}

fn align(table: &mut Table, columns: std::ops::Range<usize>) {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
