//! What the plots share: a frame, a scale, axes and labels.

use std::fmt;

use crate::html::{Text, put};
use crate::ticks::Ticks;

/// Width of every plot in its own units. The page shows it at about this many pixels, so that
/// text in a plot is as large as text beside it.
pub(crate) const WIDTH: f64 = 840.0;

/// A coordinate: finite, and with no more digits than can be seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(pub(crate) f64);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (10.0 * self.0).round();
        // Adding zero turns -0 into 0.
        let tenths = if tenths.is_finite() {
            tenths + 0.0
        } else {
            0.0
        };
        write!(f, "{}", tenths / 10.0)
    }
}

/// The rectangle that data is drawn in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Left edge.
    pub(crate) left: f64,
    /// Right edge.
    pub(crate) right: f64,
    /// Upper edge.
    pub(crate) top: f64,
    /// Lower edge.
    pub(crate) bottom: f64,
}

/// Maps data to coordinates, linearly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
}

impl Scale {
    /// The ends of `domain` fall on the ends of `range`.
    pub(crate) fn new(domain: (f64, f64), range: (f64, f64)) -> Self {
        Self { domain, range }
    }

    /// Where a value is drawn; values outside of the axis are drawn at its end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.domain;
        let share = if high > low {
            ((value - low) / (high - low)).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let share = if share.is_finite() { share } else { 0.0 };
        self.range.0 + share * (self.range.1 - self.range.0)
    }
}

/// How a text is aligned to its point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Align {
    /// Begins there.
    Start,
    /// Is centred there.
    Middle,
    /// Ends there.
    End,
}

/// Opens a plot. `name` is its short name and `summary` what somebody who cannot see it should
/// know.
pub(crate) fn open(out: &mut String, height: f64, name: &str, summary: &str) {
    put(
        out,
        format_args!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}. {}\">\n<title>{}</title>\n",
            At(WIDTH),
            At(height),
            Text(name),
            Text(summary),
            Text(name)
        ),
    );
}

/// Closes what [`open`] opened.
pub(crate) fn close(out: &mut String) {
    out.push_str("</svg>\n");
}

/// A line of text. `class` is a fixed word of the style sheet.
pub(crate) fn label(
    out: &mut String,
    (x, y): (f64, f64),
    align: Align,
    class: &'static str,
    text: &str,
) {
    let anchor = match align {
        Align::Start => "start",
        Align::Middle => "middle",
        Align::End => "end",
    };
    put(
        out,
        format_args!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>\n",
            At(x),
            At(y),
            Text(text)
        ),
    );
}

/// A straight line.
pub(crate) fn line(out: &mut String, from: (f64, f64), to: (f64, f64), class: &'static str) {
    put(
        out,
        format_args!(
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" class=\"{class}\"/>\n",
            At(from.0),
            At(from.1),
            At(to.0),
            At(to.1)
        ),
    );
}

/// Horizontal grid lines with their values at the left.
pub(crate) fn y_axis(out: &mut String, frame: Frame, scale: Scale, ticks: &Ticks, unit: &str) {
    for &tick in &ticks.values {
        let y = scale.at(tick);
        line(out, (frame.left, y), (frame.right, y), "grid");
        let text = ticks.label(tick) + unit;
        label(out, (frame.left - 8.0, y + 4.0), Align::End, "tick", &text);
    }
}

/// Values along the lower edge.
pub(crate) fn x_axis(out: &mut String, frame: Frame, scale: Scale, ticks: &Ticks) {
    line(
        out,
        (frame.left, frame.bottom),
        (frame.right, frame.bottom),
        "axis",
    );
    for &tick in &ticks.values {
        let x = scale.at(tick);
        line(out, (x, frame.bottom), (x, frame.bottom + 4.0), "axis");
        let text = ticks.label(tick);
        label(out, (x, frame.bottom + 18.0), Align::Middle, "tick", &text);
    }
}

/// Moves label positions apart until neighbours are `gap` away from each other, between `top` and
/// `bottom` as long as they fit. Returns them in the given order.
pub(crate) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed = wanted.to_vec();
    // Down from the top, then back up from the bottom: both passes keep the order.
    let mut least = top;
    for &i in &order {
        placed[i] = placed[i].max(least);
        least = placed[i] + gap;
    }
    let mut most = bottom;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(most);
        most = placed[i] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_finite_and_short() {
        assert_eq!(At(1.0 / 3.0).to_string(), "0.3");
        assert_eq!(At(-0.01).to_string(), "0");
        assert_eq!(At(f64::NAN).to_string(), "0");
        assert_eq!(At(f64::INFINITY).to_string(), "0");
    }

    #[test]
    fn a_scale_never_leaves_its_range() {
        let scale = Scale::new((0.0, 2.0), (100.0, 0.0));
        assert_eq!(At(scale.at(0.5)).to_string(), "75");
        assert_eq!(At(scale.at(9.0)).to_string(), "0");
        assert_eq!(At(scale.at(f64::NAN)).to_string(), "100");
        let empty = Scale::new((1.0, 1.0), (5.0, 9.0));
        assert_eq!(At(empty.at(1.0)).to_string(), "5");
    }

    #[test]
    fn labels_move_apart() {
        let at = spread(&[50.0, 52.0, 10.0, 99.0], 10.0, 0.0, 100.0);
        assert_eq!(at, [50.0, 60.0, 10.0, 99.0]);
        assert_eq!(spread(&[99.0, 98.0], 10.0, 0.0, 100.0), [100.0, 90.0]);
        assert!(spread(&[], 10.0, 0.0, 100.0).is_empty());
    }
}
