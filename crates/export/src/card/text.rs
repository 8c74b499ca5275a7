//! What both cards are written with.

use autodidact_core::{BaselineMeasurement, EvaluationResult};
use serde_json::Value;

use crate::Contribution;
use crate::run_facts::RunFacts;

/// A text as YAML takes it whatever is in it: a JSON string is one.
pub(crate) fn yaml(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text in a cell of a Markdown table, or in a sentence: no line break, and nothing that Markdown
/// or HTML reads.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// A fraction as a percentage with one decimal.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.1}%", fraction * 100.0)
}

/// The contributions as front matter: terms are data, for programs to decide by.
pub(crate) fn provenance_yaml(contributions: &[Contribution]) -> String {
    let mut text = String::from("autodidact_provenance:\n");
    for c in contributions {
        text += &format!("  - author: {}\n", yaml(&c.author));
        text += &format!("    provider: {}\n", yaml(&c.provider));
        text += &format!("    model: {}\n", yaml(&c.model));
        text += &format!("    terms: {}\n", yaml(&c.terms));
        text += &format!("    samples: {}\n    used: {}\n", c.samples, c.used);
    }
    text
}

/// The contributions for people.
pub(crate) fn provenance_table(contributions: &[Contribution]) -> String {
    let mut text = String::from(
        "| author | provider | model | terms for training other models | samples | used |\n|---|---|---|---|---:|---:|\n",
    );
    for c in contributions {
        let cells = [&c.author, &c.provider, &c.model, &c.terms].map(|cell| plain(cell));
        text += &format!("| {} | {} | {} |\n", cells.join(" | "), c.samples, c.used);
    }
    text
}

/// What to think of the terms.
pub(crate) fn terms_advice(contributions: &[Contribution]) -> String {
    let doubtful: Vec<String> = contributions
        .iter()
        .filter(|c| c.used > 0 && c.terms != "allowed")
        .map(|c| format!("{} ({})", plain(&c.author), plain(&c.terms)))
        .collect();
    if doubtful.is_empty() {
        return "Everything here may train other models, as far as the run's spec says.\n".into();
    }
    format!(
        "Before anything is trained on this or published, read the terms of the providers of: {}.\n",
        doubtful.join(", ")
    )
}

/// How the run is made again.
pub(crate) fn reproduce(facts: &RunFacts) -> String {
    let spec = &facts.spec;
    let sum = spec.student.sha256.as_deref();
    let sum = sum.map_or_else(String::new, |sum| format!(", SHA-256 `{sum}`"));
    let sources: Vec<String> = spec.student.model.iter().map(|s| plain(&s.0)).collect();
    format!(
        "`spec.toml` is the spec as it was run, with seed {}; its paths are relative to where it stood. \
         With autodidact {}:\n\n```sh\nautodidact run spec.toml\n```\n\nBase model: {}{sum}.\n",
        spec.run.seed,
        env!("CARGO_PKG_VERSION"),
        sources.join(", or ")
    )
}

/// The measurement in a sentence.
pub(crate) fn measured(facts: &RunFacts, iteration: u32, evaluation: &EvaluationResult) -> String {
    let baseline = facts.baseline.as_ref().map_or_else(String::new, |b| {
        let BaselineMeasurement { name, right, total, accuracy } = b;
        format!(
            " The best baseline ({}) has {} ({right} of {total}); the exact two-sided McNemar test against it on the same problems gives p = {}.",
            plain(name),
            percent(*accuracy),
            short(evaluation.p_value)
        )
    });
    format!(
        "After outer loop {iteration}: {} of {} held-out problems right, {} (95% Wilson interval {} to {}).{baseline}\n",
        evaluation.right,
        evaluation.total,
        percent(evaluation.accuracy),
        percent(evaluation.low),
        percent(evaluation.high)
    )
}

/// A p-value with as many digits as mean something.
fn short(p: f64) -> String {
    if p < 1e-3 {
        format!("{p:.0e}")
    } else {
        format!("{p:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_of_their_place() {
        assert_eq!(yaml("a: \"b\"\n- c"), r#""a: \"b\"\n- c""#);
        assert_eq!(plain("<script>|x|\n`y`"), "&lt;script&gt;\\|x\\| \\`y\\`");
    }
}
