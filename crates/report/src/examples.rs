//! Answers before and after, side by side.

use autodidact_star::{BeforeAndAfter, ReportData, ShownAnswer};

use crate::html::{Text, put};
use crate::verdict::best_loop;

/// Every example of the run.
pub(crate) fn examples(data: &ReportData) -> String {
    if data.examples.is_empty() {
        return "<p class=\"none\">There is no answer of a student yet.</p>\n".to_owned();
    }
    let before = match &data.baseline {
        Some(name) => format!("Before: {name}"),
        None => "Before".to_owned(),
    };
    let shown = data.status.best.as_ref().map(|best| best.iteration);
    let n = shown.or_else(|| data.status.iterations.last().map(|l| l.n));
    let after = match n.or_else(|| best_loop(data).map(|l| l.n)) {
        Some(n) => format!("After: loop {n}"),
        None => "After".to_owned(),
    };
    let mut out = String::new();
    for example in &data.examples {
        one(&mut out, example, &before, &after);
    }
    out
}

fn one(out: &mut String, example: &BeforeAndAfter, before: &str, after: &str) {
    let problem = &example.problem;
    put(
        out,
        format_args!(
            "<article>\n<p class=\"question\" dir=\"auto\">{}</p>\n",
            Text(&problem.question)
        ),
    );
    if !problem.choices.is_empty() {
        out.push_str("<ul class=\"choices\">\n");
        for choice in &problem.choices {
            put(
                out,
                format_args!(
                    "<li dir=\"auto\">({}) {}</li>\n",
                    Text(&choice.label),
                    Text(&choice.text)
                ),
            );
        }
        out.push_str("</ul>\n");
    }
    let gold = problem.gold.as_ref().map_or("unknown", |g| g.0.as_str());
    put(
        out,
        format_args!(
            "<p class=\"gold\">Right answer: <b>{}</b> <span class=\"id\">{}</span></p>\n<div class=\"pair\">\n",
            Text(gold),
            Text(&problem.id.0)
        ),
    );
    answer(out, before, &example.before);
    answer(out, after, &example.after);
    out.push_str("</div>\n</article>\n");
}

fn answer(out: &mut String, title: &str, answer: &ShownAnswer) {
    let (class, mark) = if answer.right {
        ("right", "✓ right")
    } else {
        ("wrong", "✗ wrong")
    };
    put(
        out,
        format_args!(
            "<section class=\"answer {class}\">\n<h4>{} <span class=\"badge\">{mark}</span></h4>\n",
            Text(title)
        ),
    );
    let text = answer.text.trim();
    if text.is_empty() {
        out.push_str("<p class=\"none\">It wrote nothing.</p>\n");
    } else {
        put(
            out,
            format_args!("<p class=\"text\" dir=\"auto\">{}</p>\n", Text(text)),
        );
    }
    if let Some(step) = &answer.false_step {
        put(
            out,
            format_args!("<p class=\"step\">False step: {}</p>\n", Text(step)),
        );
    }
    out.push_str("</section>\n");
}
