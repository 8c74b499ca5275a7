//! The plot of how it was learned: the loss of every training.

use autodidact_star::{LossCurve, ReportData};

use crate::html::{Text, put, shorten};
use crate::number::{decimal, plural};
use crate::plot::{self, Align, At, Frame, Scale, WIDTH};
use crate::ticks::Ticks;

const HEIGHT: f64 = 340.0;
const FRAME: Frame = Frame {
    left: 56.0,
    right: WIDTH - 150.0,
    top: 26.0,
    bottom: HEIGHT - 46.0,
};

/// Points drawn of a curve at most; longer ones are averaged.
const POINTS: usize = 200;

/// Curves named at their ends; more would not fit, and get a legend.
const NAMED: usize = 10;

/// A curve ready to be drawn: (step, loss), finite, and how it looks.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    last: f64,
    class: &'static str,
    opacity: f64,
}

/// Loss of each training by optimizer step.
pub(crate) fn plot(data: &ReportData) -> String {
    let longest = data.losses.iter().map(|c| c.losses.len()).max();
    let bucket = longest.unwrap_or(0).div_ceil(POINTS).max(1);
    let lines = lines(data, bucket);
    let points = || lines.iter().flat_map(|l| &l.points);
    if points().next().is_none() {
        return "<p class=\"none\">Nothing has been trained yet.</p>\n".to_owned();
    }
    let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| {
        (low.min(p.1), high.max(p.1))
    });
    // From zero unless all of the data is far from it.
    let low = if low > 0.0 && low < 0.5 * high {
        0.0
    } else {
        low
    };
    let y_ticks = Ticks::new(low, high, 5);
    let x_ticks = Ticks::of_counts(longest.unwrap_or(0) as u64, 6);
    let x = Scale::new(x_ticks.ends(), (FRAME.left, FRAME.right));
    let y = Scale::new(y_ticks.ends(), (FRAME.bottom, FRAME.top));
    let mut out = String::new();
    plot::open(
        &mut out,
        HEIGHT,
        "Loss per optimizer step",
        &summary(&lines),
    );
    let corner = (FRAME.left - 48.0, 12.0);
    plot::label(&mut out, corner, Align::Start, "group", "nats per token");
    plot::y_axis(&mut out, FRAME, y, &y_ticks, "");
    plot::x_axis(&mut out, FRAME, x, &x_ticks);
    let middle = (f64::midpoint(FRAME.left, FRAME.right), HEIGHT - 8.0);
    plot::label(&mut out, middle, Align::Middle, "group", "optimizer step");
    for line in &lines {
        draw(&mut out, line, x, y);
    }
    if lines.len() <= NAMED {
        name_ends(&mut out, &lines, x, y);
    }
    plot::close(&mut out);
    if lines.len() > NAMED {
        legend(&mut out, &lines);
    }
    if bucket > 1 {
        put(
            &mut out,
            format_args!("<p class=\"hint\">Every point is the mean of {bucket} steps.</p>\n"),
        );
    }
    out
}

/// The loops are an ordered series, so they share a colour that gets stronger; the warm start and
/// the controls look different.
fn lines(data: &ReportData, bucket: usize) -> Vec<Line> {
    let loops = data.losses.iter().filter(|c| is_loop(c)).count();
    let mut nth = 0;
    let mut lines = Vec::new();
    for curve in &data.losses {
        let (class, opacity) = if is_loop(curve) {
            nth += 1;
            let opacity = 1.0 - 0.65 * (loops - nth) as f64 / (loops.max(2) - 1) as f64;
            ("student", opacity)
        } else if curve.name == "warm start" {
            ("baseline", 1.0)
        } else {
            ("control", 1.0)
        };
        let points = averaged(&curve.losses, bucket);
        // The last step itself, as the tables have it, not the mean that ends the line.
        let last = curve.losses.iter().rfind(|l| l.is_finite());
        if let Some(last) = last {
            lines.push(Line {
                name: curve.name.clone(),
                points,
                last: f64::from(*last),
                class,
                opacity,
            });
        }
    }
    lines
}

fn is_loop(curve: &LossCurve) -> bool {
    curve.name.starts_with("loop ")
}

/// Means of buckets of steps, at the middle of each bucket. What is not finite is left out.
fn averaged(losses: &[f32], bucket: usize) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for (i, chunk) in losses.chunks(bucket).enumerate() {
        let finite = || chunk.iter().filter(|l| l.is_finite());
        let n = finite().count();
        if n > 0 {
            let mean = finite().map(|l| f64::from(*l)).sum::<f64>() / n as f64;
            let step = (i * bucket) as f64 + (chunk.len() + 1) as f64 / 2.0;
            points.push((step, mean));
        }
    }
    points
}

fn draw(out: &mut String, line: &Line, x: Scale, y: Scale) {
    put(
        out,
        format_args!(
            "<g class=\"{}\" opacity=\"{:.2}\"><title>{}</title>\n<polyline class=\"curve\" points=\"",
            line.class,
            line.opacity,
            Text(&line.name)
        ),
    );
    for (i, &(step, loss)) in line.points.iter().enumerate() {
        let space = if i == 0 { "" } else { " " };
        put(
            out,
            format_args!("{space}{},{}", At(x.at(step)), At(y.at(loss))),
        );
    }
    out.push_str("\"/>\n");
    // A curve of one point has no line; its end is all there is of it.
    if let Some(&(step, loss)) = line.points.last() {
        put(
            out,
            format_args!(
                "<circle cx=\"{}\" cy=\"{}\" r=\"3\" class=\"mark\"/>",
                At(x.at(step)),
                At(y.at(loss))
            ),
        );
    }
    out.push_str("</g>\n");
}

/// A name and the last loss beside every end, moved apart where ends are close.
fn name_ends(out: &mut String, lines: &[Line], x: Scale, y: Scale) {
    let ends: Vec<(f64, f64)> = lines
        .iter()
        .map(|l| l.points.last().copied().unwrap_or_default())
        .map(|(step, loss)| (x.at(step), y.at(loss)))
        .collect();
    let heights: Vec<f64> = ends.iter().map(|e| e.1).collect();
    let placed = plot::spread(&heights, 15.0, FRAME.top, FRAME.bottom);
    for ((line, end), label_y) in lines.iter().zip(ends).zip(placed) {
        let at = FRAME.right + 14.0;
        plot::line(out, (end.0 + 5.0, end.1), (at - 4.0, label_y), "leader");
        let text = format!("{} {}", shorten(&line.name, 14), decimal(line.last));
        plot::label(out, (at, label_y + 4.0), Align::Start, "note", &text);
    }
}

fn legend(out: &mut String, lines: &[Line]) {
    out.push_str("<ul class=\"legend\">\n");
    for line in lines {
        put(
            out,
            format_args!(
                "<li><svg class=\"swatch {}\" viewBox=\"0 0 22 10\" opacity=\"{:.2}\" aria-hidden=\"true\"><path d=\"M0 5H22\" class=\"curve\"/></svg>{} {}</li>\n",
                line.class,
                line.opacity,
                Text(&line.name),
                decimal(line.last)
            ),
        );
    }
    out.push_str("</ul>\n");
}

fn summary(lines: &[Line]) -> String {
    let ends = lines.iter().filter_map(|l| {
        let first = l.points.first()?;
        Some(format!(
            "{} from {} to {}",
            l.name,
            decimal(first.1),
            decimal(l.last)
        ))
    });
    let ends: Vec<String> = ends.collect();
    format!("{}: {}.", plural(lines.len(), "training"), ends.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_skip_what_is_not_finite() {
        assert_eq!(
            averaged(&[1.0, 3.0, f32::NAN, 5.0, f32::INFINITY], 2),
            [(1.5, 2.0), (3.5, 5.0)]
        );
        assert_eq!(averaged(&[2.0], 1), [(1.0, 2.0)]);
        assert!(averaged(&[f32::NAN], 1).is_empty());
    }
}
