//! The outcome in plain words.

use autodidact_core::{IterationResult, RunState};
use autodidact_star::ReportData;

use crate::number::{Share, p_value, plural, points};

/// A p-value below this is called significant.
pub const SIGNIFICANCE: f64 = 0.01;

/// What the run reached, in one or two sentences of plain text.
pub fn verdict(data: &ReportData) -> String {
    let text = match data.status.state {
        RunState::Unfinished => unfinished(data),
        RunState::Finished => finished(data),
    };
    // The name of the baseline is read from a file and this goes to a terminal.
    text.replace(char::is_control, "\u{fffd}")
}

/// The loop that the verdict is about: the published one, or else the most accurate.
pub(crate) fn best_loop(data: &ReportData) -> Option<&IterationResult> {
    let loops = &data.status.iterations;
    let published = data.status.best.as_ref();
    published
        .and_then(|best| loops.iter().find(|l| l.n == best.iteration))
        .or_else(|| {
            // `max_by_key` returns the last of equals; the first is the one a run would publish.
            loops.iter().rev().max_by_key(|l| l.evaluation.right)
        })
}

fn finished(data: &ReportData) -> String {
    let Some(best) = best_loop(data) else {
        return "The run finished without a completed loop; no adapter was published.".to_owned();
    };
    let reached = format!(
        "{}, against {}{}",
        solved(best),
        baseline(data),
        apart(data)
    );
    let p = best.evaluation.p_value;
    let test = format!("exact McNemar test, {}, level {SIGNIFICANCE}", p_value(p));
    let significant = p < SIGNIFICANCE;
    match (data.status.best.is_some(), significant) {
        (true, true) => {
            format!("The student got better: {reached}. The difference is significant ({test}).")
        }
        (true, false) => format!(
            "No significant gain: {reached}. A difference of this size can be chance ({test})."
        ),
        (false, true) => format!(
            "The student got worse: at best {reached}. The difference is significant ({test}); no adapter was published."
        ),
        (false, false) => format!(
            "The student did not get better than the baseline: at best {reached}; no adapter was published."
        ),
    }
}

fn unfinished(data: &ReportData) -> String {
    let Some(base) = &data.status.base else {
        return "The run is not finished: the baseline has not been measured yet.".to_owned();
    };
    match best_loop(data) {
        None => {
            let share = Share::new(base.right, base.total);
            let percent = share.map_or_else(String::new, |s| s.percent() + " of ");
            let problems = plural(base.total as usize, "held-out problem");
            format!(
                "The run is not finished: no loop is done yet. The {} solves {percent}{problems}.",
                baseline_name(data)
            )
        }
        Some(best) => format!(
            "The run is not finished: {} done so far, at best {}, against {}.",
            plural(data.status.iterations.len(), "loop"),
            solved(best),
            baseline(data)
        ),
    }
}

/// `; that is 43.5 points more (95% interval +36.1 to +50.4)`, where problems were compared one by one
fn apart(data: &ReportData) -> String {
    let Some(paired) = &data.paired else {
        return String::new();
    };
    let (difference, (low, high)) = (paired.difference(), paired.interval());
    let more = if difference < 0.0 { "fewer" } else { "more" };
    format!(
        ", {:.1} points {more} (95% interval {} to {})",
        100.0 * difference.abs(),
        points(low),
        points(high)
    )
}

/// `61.0% of 200 held-out problems after loop 2`
fn solved(result: &IterationResult) -> String {
    let evaluation = &result.evaluation;
    let problems = plural(evaluation.total as usize, "held-out problem");
    let share = Share::new(evaluation.right, evaluation.total);
    let percent = share.map_or_else(|| "none".to_owned(), |s| s.percent());
    format!("{percent} of {problems} after loop {}", result.n)
}

/// `17.5% for the best baseline (base/few-shot)`
fn baseline(data: &ReportData) -> String {
    let name = baseline_name(data);
    let base = data.status.base.as_ref();
    match base.and_then(|base| Share::new(base.right, base.total)) {
        Some(share) => format!("{} for the {name}", share.percent()),
        None => format!("no measurement of the {name}"),
    }
}

fn baseline_name(data: &ReportData) -> String {
    match &data.baseline {
        Some(name) => format!("best baseline ({name})"),
        None => "best baseline".to_owned(),
    }
}
