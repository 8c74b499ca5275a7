//! The plot of what sampling reaches: pass@k of the training problems, loop by loop.

use autodidact_star::ReportData;

use crate::html::put;
use crate::number::percent;
use crate::plot::{self, Align, At, Frame, Scale, WIDTH};
use crate::ticks::Ticks;

const HEIGHT: f64 = 300.0;
const FRAME: Frame = Frame {
    left: 56.0,
    right: WIDTH - 150.0,
    top: 24.0,
    bottom: HEIGHT - 46.0,
};

/// A line for each k: (loop, share).
struct Line {
    k: u32,
    points: Vec<(f64, f64)>,
}

/// Pass@k by loop.
pub(crate) fn plot(data: &ReportData) -> String {
    let lines = lines(data);
    let points = || lines.iter().flat_map(|line| &line.points);
    let Some(last) = points().map(|p| p.0).reduce(f64::max) else {
        return "<p class=\"none\">No rationale has been sampled yet.</p>\n".to_owned();
    };
    let high = points().map(|p| p.1).fold(0.05, f64::max);
    let mut y_ticks = Ticks::new(0.0, 100.0 * high, 5);
    y_ticks.values.retain(|tick| *tick <= 100.0 + 1e-9);
    let (_, top) = y_ticks.ends();
    let percents = Scale::new((0.0, top), (FRAME.bottom, FRAME.top));
    let y = Scale::new((0.0, top / 100.0), (FRAME.bottom, FRAME.top));
    let x = Scale::new((0.5, last + 0.5), (FRAME.left, FRAME.right));
    let mut out = String::new();
    plot::open(
        &mut out,
        HEIGHT,
        "pass@k of training problems per loop",
        &summary(&lines),
    );
    plot::y_axis(&mut out, FRAME, percents, &y_ticks, "%");
    plot::line(
        &mut out,
        (FRAME.left, FRAME.bottom),
        (FRAME.right, FRAME.bottom),
        "axis",
    );
    let every = (last / 20.0).ceil().max(1.0) as usize;
    for n in (1..=last as usize).step_by(every) {
        let at = (x.at(n as f64), FRAME.bottom + 18.0);
        plot::label(&mut out, at, Align::Middle, "tick", &n.to_string());
    }
    let middle = (f64::midpoint(FRAME.left, FRAME.right), HEIGHT - 8.0);
    plot::label(&mut out, middle, Align::Middle, "group", "loop");
    for (i, line) in lines.iter().enumerate() {
        let opacity = 1.0 - 0.65 * i as f64 / (lines.len().max(2) - 1) as f64;
        draw(&mut out, line, x, y, opacity);
    }
    name_ends(&mut out, &lines, x, y);
    plot::close(&mut out);
    out
}

/// The largest k first, which is the highest line.
fn lines(data: &ReportData) -> Vec<Line> {
    let mut ks: Vec<u32> = data
        .sampled
        .iter()
        .flat_map(|sampled| sampled.pass_at.iter().map(|(k, _)| *k))
        .collect();
    ks.sort_unstable();
    ks.dedup();
    let line = |k: u32| {
        let points = data.sampled.iter().filter_map(|sampled| {
            let (_, share) = sampled.pass_at.iter().find(|(other, _)| *other == k)?;
            let loop_number = f64::from(sampled.iteration);
            share
                .is_finite()
                .then(|| (loop_number, share.clamp(0.0, 1.0)))
        });
        Line {
            k,
            points: points.collect(),
        }
    };
    let lines = ks.into_iter().rev().map(line);
    lines.filter(|line| !line.points.is_empty()).collect()
}

fn draw(out: &mut String, line: &Line, x: Scale, y: Scale, opacity: f64) {
    put(
        out,
        format_args!(
            "<g class=\"student\" opacity=\"{opacity:.2}\"><title>pass@{}</title>\n<polyline class=\"curve\" points=\"",
            line.k
        ),
    );
    for &(n, share) in &line.points {
        put(out, format_args!("{},{} ", At(x.at(n)), At(y.at(share))));
    }
    out.push_str("\"/>\n");
    for &(n, share) in &line.points {
        put(
            out,
            format_args!(
                "<circle cx=\"{}\" cy=\"{}\" r=\"3\" class=\"mark\"/>\n",
                At(x.at(n)),
                At(y.at(share))
            ),
        );
    }
    out.push_str("</g>\n");
}

fn name_ends(out: &mut String, lines: &[Line], x: Scale, y: Scale) {
    let ends: Vec<(f64, f64)> = lines
        .iter()
        .filter_map(|line| line.points.last())
        .map(|&(n, share)| (x.at(n), y.at(share)))
        .collect();
    let heights: Vec<f64> = ends.iter().map(|end| end.1).collect();
    let placed = plot::spread(&heights, 15.0, FRAME.top, FRAME.bottom);
    for ((line, end), label_y) in lines.iter().zip(ends).zip(placed) {
        let at = FRAME.right + 14.0;
        plot::line(out, (end.0 + 5.0, end.1), (at - 4.0, label_y), "leader");
        let last = line.points.last().map_or(0.0, |point| point.1);
        let text = format!("pass@{} {}", line.k, percent(last));
        plot::label(out, (at, label_y + 4.0), Align::Start, "note", &text);
    }
}

fn summary(lines: &[Line]) -> String {
    let ends = lines.iter().filter_map(|line| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!(
            "pass@{} from {} to {}",
            line.k,
            percent(first.1),
            percent(last.1)
        ))
    });
    format!("{}.", ends.collect::<Vec<_>>().join(", "))
}
