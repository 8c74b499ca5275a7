//! The measured models, from left to right as the plot of accuracy shows them.

use autodidact_star::ReportData;

use crate::number::Share;
use crate::plot::Frame;

/// Room that a value such as `61.0%` needs.
pub(crate) const VALUE_WIDTH: f64 = 46.0;

/// What a mark stands for; decides its shape and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The untaught model or the warm start.
    Baseline,
    /// The student.
    Loop,
    /// Trained otherwise.
    Control,
}

/// A measured model.
#[derive(Debug)]
pub(crate) struct Mark {
    /// What it is.
    pub(crate) kind: Kind,
    /// As the axis has it.
    pub(crate) name: String,
    /// `None` if nothing was asked.
    pub(crate) share: Option<Share>,
    /// Its middle.
    pub(crate) x: f64,
    /// Room for it and its name.
    pub(crate) width: f64,
}

/// Baselines, loops and controls from left to right, each with its place.
pub(crate) fn marks(data: &ReportData, frame: Frame) -> Vec<Mark> {
    let mark = |kind, name: &str, right, total| Mark {
        kind,
        name: name.to_owned(),
        share: Share::new(right, total),
        x: 0.0,
        width: 0.0,
    };
    let mut marks = Vec::new();
    for b in &data.baselines {
        let name = b.name.trim_start_matches("base/");
        marks.push(mark(Kind::Baseline, name, b.right, b.total));
    }
    for l in &data.status.iterations {
        let e = &l.evaluation;
        marks.push(mark(Kind::Loop, &l.n.to_string(), e.right, e.total));
    }
    for c in &data.controls {
        let name = c.name.trim_start_matches("control/");
        marks.push(mark(Kind::Control, name, c.right, c.total));
    }
    place(&mut marks, frame);
    marks
}

/// Names of baselines and controls need more room than numbers of loops, but never leave less
/// than 45% of the plot to loops that can use it.
fn place(marks: &mut [Mark], frame: Frame) {
    let width = frame.right - frame.left;
    let loops = marks.iter().filter(|m| m.kind == Kind::Loop).count() as f64;
    let sides = marks.len() as f64 - loops;
    let room = width - (loops * VALUE_WIDTH).min(0.45 * width);
    let most = if loops == 0.0 { width } else { 100.0 };
    let side = (room / sides.max(1.0)).min(most);
    let inner = (width - side * sides) / loops.max(1.0);
    let mut x = frame.left;
    for mark in marks {
        mark.width = if mark.kind == Kind::Loop { inner } else { side };
        mark.x = x + mark.width / 2.0;
        x += mark.width;
    }
}
