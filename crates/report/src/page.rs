//! The page: which sections there are and in which order.

use autodidact_core::RunState;
use autodidact_star::ReportData;

use crate::html::{Text, put};
use crate::number::plural;
use crate::verdict::{SIGNIFICANCE, verdict};
use crate::{accuracy, bars, examples, facts, fates, heat, loss, pass, rewards, tables};

/// The style of plots and of the tables beside them, for pages that show them; light and dark.
pub const PLOT_STYLE: &str = include_str!("plots.css");

/// The report of a run as one HTML file that needs nothing else.
pub fn render(data: &ReportData) -> String {
    let mut out = String::new();
    head(&mut out, data);
    section(
        &mut out,
        "Accuracy per loop, with 95% intervals",
        &note(data),
    );
    figure(&mut out, &accuracy::plot(data));
    section(
        &mut out,
        "Training problems per loop",
        "Solved: at least one of the sampled rationales ends in the right answer. With hint: only after the answer was given as a hint.",
    );
    figure(&mut out, &bars::plot(data));
    section(
        &mut out,
        "What became of samples",
        "Kept for training, or refused for the first reason that applies.",
    );
    figure(&mut out, &fates::plot(data));
    section(
        &mut out,
        "Sampling",
        "pass@k: how likely at least one of k rationales for a training problem ends in the right answer, estimated without bias from all that were sampled.",
    );
    figure(&mut out, &pass::plot(data));
    sampling(&mut out, data);
    section(
        &mut out,
        "Loss",
        "Every training starts from the untaught model again.",
    );
    figure(&mut out, &loss::plot(data));
    section(&mut out, "Numbers", "");
    out += &tables::tables(data);
    section(&mut out, "Before and after", "");
    out += &examples::examples(data);
    section(&mut out, "Again", "");
    facts::repeat(&mut out, data);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

/// What judges said and how hard problems are, where either is known.
fn sampling(out: &mut String, data: &ReportData) {
    if let Some(plot) = rewards::plot(data) {
        section(out, "Rewards", "Overall scores by the judge that counts.");
        figure(out, &plot);
    }
    for levels in &data.levels {
        let side = if levels.held_out {
            "held-out"
        } else {
            "training"
        };
        section(
            out,
            &format!("Difficulty: {side} problems solved by {}", levels.name),
            "",
        );
        figure(out, &heat::plot(levels));
    }
}

/// Everything up to the first section.
fn head(out: &mut String, data: &ReportData) {
    // The policy is a second lock behind the escape: even a tag that slipped through could neither
    // run nor load anything.
    out.push_str(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n",
    );
    let run = Text(&data.status.run);
    let state = match data.status.state {
        RunState::Unfinished => "not finished",
        RunState::Finished => "finished",
    };
    put(
        out,
        format_args!(
            "<title>{run} – Autodidact</title>\n<style>\n{PLOT_STYLE}{}</style>\n</head>\n<body>\n<main>\n\
             <h1>{run}</h1>\n<p class=\"state\">Autodidact run, {state}, {}</p>\n\
             <p class=\"verdict\">{}</p>\n",
            include_str!("style.css"),
            plural(data.status.iterations.len(), "loop"),
            Text(&verdict(data))
        ),
    );
    if let Some(best) = &data.status.best {
        put(
            out,
            format_args!(
                "<p>The published adapter is that of loop {}: <code>{}</code></p>\n",
                best.iteration,
                Text(&best.adapter)
            ),
        );
    }
}

/// How to read the first plot.
fn note(data: &ReportData) -> String {
    let mut note = format!(
        "On held-out problems, one greedy answer each. Intervals are Wilson score intervals; differences are tested with the exact McNemar test at the level {SIGNIFICANCE}."
    );
    if data.status.iterations.len() > 1 {
        note += " The best loop is chosen by these same problems, so its accuracy is a little optimistic, and its p-value is not corrected for the choice.";
    }
    note
}

fn section(out: &mut String, title: &str, note: &str) {
    put(out, format_args!("<h2>{}</h2>\n", Text(title)));
    if !note.is_empty() {
        put(out, format_args!("<p class=\"hint\">{}</p>\n", Text(note)));
    }
}

/// A plot keeps its size on narrow screens and scrolls, or its text could not be read.
fn figure(out: &mut String, plot: &str) {
    put(
        out,
        format_args!("<figure class=\"scroll\" tabindex=\"0\">\n{plot}</figure>\n"),
    );
}
