//! Tables and paragraphs for people, as text.

use autodidact_core::{IterationResult, Message, Prompt};
use autodidact_star::{BeforeAndAfter, IterationDetail, ShownAnswer};
use autodidact_store::{Progress, ProgressState};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use crate::printer::{Finding, Plan};

/// Seconds of the four stages, in this order.
const SECONDS: &str = "sample + hint + train + measure, s";

/// One row a loop. Without details (`status`) there is no loss column.
pub(crate) fn iterations(
    results: &[IterationResult],
    details: Option<&[IterationDetail]>,
    baseline: Option<f64>,
) -> String {
    let mut header = vec!["loop", "solved", "with hint", "kept"];
    if details.is_some() {
        header.push("loss");
    }
    header.extend(["accuracy", "95% interval", "gain", "p", SECONDS]);
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    for (i, result) in results.iter().enumerate() {
        let (train, evaluation, seconds) = (&result.train, &result.evaluation, &result.seconds);
        let mut row = vec![
            result.n.to_string(),
            format!("{} of {}", train.right, train.total),
            train.rationalized.to_string(),
            train.kept.to_string(),
        ];
        if let Some(details) = details {
            row.push(
                details
                    .get(i)
                    .map_or_else(String::new, |d| format!("{:.3}", d.final_loss)),
            );
        }
        let gain = baseline.map(|base| 100.0 * (evaluation.accuracy - base));
        row.extend([
            format!("{:.1}%", 100.0 * evaluation.accuracy),
            format!(
                "{:.1}–{:.1}%",
                100.0 * evaluation.low,
                100.0 * evaluation.high
            ),
            gain.map_or_else(String::new, |gain| format!("{gain:+.1}")),
            p_value(evaluation.p_value),
        ]);
        let times = [
            seconds.sample,
            seconds.rationalize,
            seconds.train,
            seconds.evaluate,
        ];
        row.push(times.map(|t| format!("{t:.0}")).join(" + "));
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// What the process of a run does.
pub(crate) fn progress(progress: &Progress) -> String {
    let now = match progress.state {
        ProgressState::Paused => "paused",
        _ => "now",
    };
    let title = match progress.iteration {
        0 => progress.title.clone(),
        n => format!("loop {n}: {}", progress.title),
    };
    let mut text = format!(
        "{now}: {title}, {} of {}, {:.1}/s, {:.0} tokens/s",
        progress.done,
        progress.total,
        progress.per_second(),
        progress.tokens_per_second()
    );
    if let Some(loss) = progress.loss {
        text += &format!(", loss {loss:.3}");
    }
    if let Some(seconds) = progress.seconds_left() {
        text += &format!(", {} left", autodidact_report::duration(seconds));
    }
    text
}

/// A p-value that is short and never 0.
pub(crate) fn p_value(p: f64) -> String {
    if p < 1e-300 {
        "<1e-300".into()
    } else if p < 0.001 {
        format!("{p:.0e}")
    } else {
        format!("{p:.3}")
    }
}

/// What a loop's samples came to.
pub(crate) fn detail(detail: &IterationDetail) -> String {
    let mut text = format!(
        "kept {} rationales and {} rationalizations",
        detail.kept_rationales, detail.kept_rationalizations
    );
    let refused: Vec<String> = detail
        .refused
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if !refused.is_empty() {
        text += &format!("; refused {}", refused.join(", "));
    }
    let right = detail.rationales_right + detail.rationalizations_right;
    let lucky = detail.rationales_lucky + detail.rationalizations_lucky;
    if right > 0 {
        let share = 100.0 * f64::from(lucky) / f64::from(right);
        text += &format!("\nright answers with a false step: {lucky} of {right} ({share:.0}%)");
    }
    text
}

/// A problem with the answers before and after.
pub(crate) fn example(example: &BeforeAndAfter) -> String {
    let answer = |answer: &ShownAnswer| {
        let mark = if answer.right { "right" } else { "wrong" };
        format!(
            "({mark}) {}",
            answer.text.trim().replace('\n', "\n          ")
        )
    };
    let gold = example
        .problem
        .gold
        .as_ref()
        .map_or("", |gold| gold.0.as_str());
    format!(
        "\nquestion: {}\ngold:     {gold}\nbefore:   {}\nafter:    {}",
        example.problem.question,
        answer(&example.before),
        answer(&example.after)
    )
}

/// A prompt as readable text.
pub(crate) fn prompt_text(prompt: &Prompt) -> String {
    let turn = |message: &Message| format!("[{}] {}", message.role, message.content);
    match prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Chat(messages) => messages.iter().map(turn).collect::<Vec<_>>().join("\n"),
    }
}

pub(crate) fn plan(plan: &Plan<'_>) -> String {
    let cached = if plan.model_cached {
        "in the cache"
    } else {
        "to be fetched"
    };
    let mut text = format!(
        "run {}: the spec is valid\ntask {}: {} problems to learn from, {} held out, {} examples",
        plan.run, plan.task, plan.train_problems, plan.evaluate_problems, plan.examples
    );
    if plan.dropped_overlap > 0 {
        text += &format!(
            " ({} left out because they are held out)",
            plan.dropped_overlap
        );
    }
    if let Some(overlaps) = &plan.overlaps {
        text += &format!("\n{}", overlaps.text());
    }
    text += &format!("\nmodel ({cached}): {}", plan.model.join(", or "));
    for planned in &plan.loops {
        text += &format!(
            "\nloop {}: {} rationales, at most {} rationalizations, {} optimizer steps on {} sequences",
            planned.n,
            planned.rationales,
            planned.rationalizations_at_most,
            planned.steps,
            planned.sequences
        );
    }
    if !plan.estimates.is_empty() {
        let estimates = crate::answer_tables::estimates(&plan.estimates, plan.budget_usd);
        text += &format!("\n{estimates}");
    }
    text + &format!("\nthe prompt of training:\n{}", prompt_text(&plan.prompt))
}

pub(crate) fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.good { "ok " } else { "NO " };
        let advice = finding
            .advice
            .as_ref()
            .map_or_else(String::new, |a| format!("\n    {a}"));
        format!("{mark} {}: {}{advice}", finding.name, finding.found)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodidact_core::{EvaluationResult, StageSeconds, TrainCounts};

    fn result(n: u32, right: u32) -> IterationResult {
        let (low, high) = autodidact_star::wilson(right, 200);
        IterationResult {
            n,
            train: TrainCounts {
                total: 300,
                right: 120,
                rationalized: 40,
                kept: 210,
            },
            evaluation: EvaluationResult {
                right,
                total: 200,
                accuracy: f64::from(right) / 200.0,
                low,
                high,
                p_value: autodidact_star::mcnemar(right, 9),
            },
            seconds: StageSeconds {
                sample: 60.2,
                rationalize: 31.0,
                train: 88.8,
                evaluate: 9.9,
            },
            adapter: format!("adapters/{n}"),
            flags: autodidact_core::FlagCounts::default(),
        }
    }

    #[test]
    fn the_table_of_loops() {
        let detail = IterationDetail {
            final_loss: 0.25,
            ..IterationDetail::default()
        };
        let results = [result(1, 60), result(2, 110)];
        insta::assert_snapshot!(iterations(
            &results,
            Some(&[detail.clone(), detail]),
            Some(0.17)
        ));
    }

    #[test]
    fn the_line_of_a_process() {
        let now = Progress {
            state: ProgressState::Running,
            iteration: 2,
            title: "sampling rationales".to_owned(),
            done: 150,
            total: 600,
            made: 100,
            tokens: 4000,
            seconds: 20.0,
            loss: None,
            heard: 0.0,
        };
        insta::assert_snapshot!(
            progress(&now),
            @"now: loop 2: sampling rationales, 150 of 600, 5.0/s, 200 tokens/s, 1 min 30 s left"
        );
    }

    #[test]
    fn the_paragraph_of_a_loop() {
        let detail = IterationDetail {
            rationales_right: 100,
            rationales_lucky: 21,
            kept_rationales: 80,
            kept_rationalizations: 5,
            refused: [("wrong".to_owned(), 300), ("duplicate".to_owned(), 20)].into(),
            ..IterationDetail::default()
        };
        insta::assert_snapshot!(super::detail(&detail), @r"
        kept 80 rationales and 5 rationalizations; refused 20 duplicate, 300 wrong
        right answers with a false step: 21 of 100 (21%)
        ");
    }

    #[test]
    fn p_values_are_never_zero() {
        assert_eq!(
            [0.0, 3.2e-15, 0.0123, 1.0].map(p_value),
            ["<1e-300", "3e-15", "0.012", "1.000"]
        );
    }
}
