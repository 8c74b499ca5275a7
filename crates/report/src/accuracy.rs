//! The plot of what was reached: accuracy on the held-out problems.

use autodidact_star::ReportData;

use crate::html::{Text, put, shorten};
use crate::marks::{Kind, Mark, VALUE_WIDTH, marks};
use crate::number::{Share, count, plural};
use crate::plot::{self, Align, At, Frame, Scale, WIDTH};
use crate::ticks::Ticks;
use crate::verdict::best_loop;

const HEIGHT: f64 = 360.0;
const FRAME: Frame = Frame {
    left: 56.0,
    right: WIDTH - 104.0,
    top: 30.0,
    bottom: HEIGHT - 66.0,
};

/// Accuracy of the baselines, of every loop and of the controls.
pub(crate) fn plot(data: &ReportData) -> String {
    let marks = marks(data, FRAME);
    let shares = || marks.iter().filter_map(|m| m.share);
    if shares().next().is_none() {
        return "<p class=\"none\">Nothing has been measured yet.</p>\n".to_owned();
    }
    let (low, high) = shares().fold((1.0_f64, 0.0_f64), |(low, high), s| {
        (low.min(s.low), high.max(s.high))
    });
    let ticks = axis(low, high);
    let (low, high) = ticks.ends();
    let range = (FRAME.bottom, FRAME.top);
    let percent = Scale::new((low, high), range);
    let y = Scale::new((low / 100.0, high / 100.0), range);
    let mut out = String::new();
    plot::open(
        &mut out,
        HEIGHT,
        "Accuracy per loop on the held-out problems",
        &summary(data),
    );
    plot::y_axis(&mut out, FRAME, percent, &ticks, "%");
    reference(&mut out, data, y);
    connect(&mut out, &marks, y);
    for mark in &marks {
        draw(&mut out, mark, y);
    }
    let best = best_loop(data).map(|l| l.n.to_string());
    values(&mut out, &marks, y, best.as_deref());
    names(&mut out, &marks);
    plot::close(&mut out);
    out
}

/// Percent, from 0 unless all of the data is far from it.
fn axis(low: f64, high: f64) -> Ticks {
    let low = if low < 0.5 * high { 0.0 } else { low.min(0.95) };
    let mut ticks = Ticks::new(100.0 * low, 100.0 * high.max(low + 0.05), 5);
    ticks.values.retain(|t| (-1e-9..=100.0 + 1e-9).contains(t));
    ticks
}

/// The dashed line that the student has to get above.
fn reference(out: &mut String, data: &ReportData, y: Scale) {
    let base = data.status.base.as_ref();
    let Some(share) = base.and_then(|b| Share::new(b.right, b.total)) else {
        return;
    };
    let y = y.at(share.value);
    plot::line(out, (FRAME.left, y), (FRAME.right, y), "reference");
    let x = FRAME.right + 8.0;
    plot::label(out, (x, y - 2.0), Align::Start, "note", "best baseline");
    plot::label(out, (x, y + 13.0), Align::Start, "note", &share.percent());
}

/// A thin line from loop to loop.
fn connect(out: &mut String, marks: &[Mark], y: Scale) {
    let loops = marks.iter().filter(|m| m.kind == Kind::Loop);
    let points: Vec<(f64, f64)> = loops
        .filter_map(|m| Some((m.x, y.at(m.share?.value))))
        .collect();
    for pair in points.windows(2) {
        plot::line(out, pair[0], pair[1], "path");
    }
}

/// An interval and the value in it. The kinds differ in shape as well as in colour.
fn draw(out: &mut String, mark: &Mark, y: Scale) {
    let Some(share) = mark.share else {
        return;
    };
    let (x, low, high) = (mark.x, y.at(share.low), y.at(share.high));
    let (class, kind) = match mark.kind {
        Kind::Baseline => ("baseline", "baseline"),
        Kind::Loop => ("student", "after loop"),
        Kind::Control => ("control", "control"),
    };
    put(
        out,
        format_args!(
            "<g class=\"{class}\"><title>{kind} {}: {} of {}, {} (95% interval {})</title>\n",
            Text(&mark.name),
            count(share.right.into()),
            count(share.total.into()),
            share.percent(),
            share.interval()
        ),
    );
    plot::line(out, (x, low), (x, high), "whisker");
    let cap = (mark.width / 4.0).min(5.0);
    plot::line(out, (x - cap, low), (x + cap, low), "whisker");
    plot::line(out, (x - cap, high), (x + cap, high), "whisker");
    let (x, y) = (At(x), At(y.at(share.value)));
    match mark.kind {
        Kind::Loop => put(
            out,
            format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" class=\"mark\"/>"),
        ),
        Kind::Baseline => put(
            out,
            format_args!(
                "<rect x=\"-4.5\" y=\"-4.5\" width=\"9\" height=\"9\" transform=\"translate({x} {y})\" class=\"mark\"/>"
            ),
        ),
        Kind::Control => put(
            out,
            format_args!(
                "<path d=\"M0-6.5L6.5 0L0 6.5L-6.5 0Z\" transform=\"translate({x} {y})\" class=\"mark\"/>"
            ),
        ),
    }
    out.push_str("</g>\n");
}

/// Values above the intervals. Where loops stand too close for that, the best and then the last
/// one get theirs.
fn values(out: &mut String, marks: &[Mark], y: Scale, best: Option<&str>) {
    let last = marks.iter().rfind(|m| m.kind == Kind::Loop);
    let best = marks
        .iter()
        .find(|m| m.kind == Kind::Loop && Some(m.name.as_str()) == best);
    let far = |a: &Mark, b: Option<&Mark>| b.is_none_or(|b| (a.x - b.x).abs() >= VALUE_WIDTH);
    for mark in marks {
        let same = |other: Option<&Mark>| other.is_some_and(|o| std::ptr::eq(o, mark));
        let room = mark.kind != Kind::Loop || mark.width >= VALUE_WIDTH;
        if let Some(share) = mark.share
            && (room || same(best) || (same(last) && far(mark, best)))
        {
            let at = (mark.x, y.at(share.high) - 8.0);
            plot::label(out, at, Align::Middle, "value", &share.percent());
        }
    }
}

/// Names under the marks, and what the groups are.
fn names(out: &mut String, marks: &[Mark]) {
    let line = |out: &mut String, y: f64| {
        plot::line(out, (FRAME.left, y), (FRAME.right, y), "axis");
    };
    line(out, FRAME.bottom);
    let inner = marks.iter().find(|m| m.kind == Kind::Loop);
    let every = inner.map_or(1, |m| (22.0 / m.width).ceil().max(1.0) as usize);
    let mut nth = 0;
    for mark in marks {
        if mark.kind == Kind::Loop {
            nth += 1;
            if nth % every == 0 {
                let at = (mark.x, FRAME.bottom + 18.0);
                plot::label(out, at, Align::Middle, "tick", &mark.name);
            }
        } else {
            let most = (mark.width / 6.2) as usize;
            for (i, part) in wrap(&mark.name, most).iter().enumerate() {
                let at = (mark.x, FRAME.bottom + 18.0 + 14.0 * i as f64);
                plot::label(out, at, Align::Middle, "tick", part);
            }
        }
    }
    for (kind, one, many) in [
        (Kind::Baseline, "baseline", "baselines"),
        (Kind::Loop, "student after loop", "student after loop"),
        (Kind::Control, "control", "controls"),
    ] {
        let of_kind = || marks.iter().filter(|m| m.kind == kind);
        if let (Some(first), Some(last)) = (of_kind().next(), of_kind().next_back()) {
            let at = (f64::midpoint(first.x, last.x), HEIGHT - 8.0);
            let name = if of_kind().count() == 1 { one } else { many };
            plot::label(out, at, Align::Middle, "group", name);
        }
    }
}

/// A name in up to two lines, broken after a hyphen or a slash.
fn wrap(name: &str, most: usize) -> Vec<String> {
    if name.chars().count() <= most {
        return vec![name.to_owned()];
    }
    match name.find(['-', '/']) {
        Some(at) => {
            let (first, second) = name.split_at(at + 1);
            vec![shorten(first, most), shorten(second, most)]
        }
        None => vec![shorten(name, most)],
    }
}

/// The plot in one sentence.
fn summary(data: &ReportData) -> String {
    let loops = &data.status.iterations;
    let base = data.status.base.as_ref();
    let mut text = format!("{}.", plural(loops.len(), "loop"));
    if let Some(share) = base.and_then(|b| Share::new(b.right, b.total)) {
        let best = share.percent();
        put(&mut text, format_args!(" The best baseline solves {best}."));
    }
    if let Some(best) = best_loop(data)
        && let Some(share) = Share::new(best.evaluation.right, best.evaluation.total)
    {
        let (n, percent) = (best.n, share.percent());
        put(&mut text, format_args!(" Loop {n} solves {percent}."));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_stays_within_percent() {
        assert_eq!(axis(0.02, 1.0).ends(), (0.0, 100.0));
        assert_eq!(axis(0.0, 0.0).ends(), (0.0, 5.0));
        let (low, high) = axis(0.93, 0.99).ends();
        assert!(low >= 90.0 && high <= 100.0, "{low} {high}");
        let (low, high) = axis(1.0, 1.0).ends();
        assert!(low < high && high <= 100.0, "{low} {high}");
    }

    #[test]
    fn names_wrap_at_a_hyphen() {
        assert_eq!(wrap("few-shot", 12), ["few-shot"]);
        assert_eq!(wrap("no-rationalization", 14), ["no-", "rationalizati…"]);
        assert_eq!(wrap("abcdefgh", 4), ["abc…"]);
    }
}
