//! The plot of what was learned from: training problems per loop.

use autodidact_core::{IterationResult, TrainCounts};
use autodidact_star::ReportData;

use crate::html::put;
use crate::number::{count, short_count};
use crate::plot::{self, Align, At, Frame, Scale, WIDTH};
use crate::ticks::Ticks;

/// Where the bars begin and end; the counts stand to the right.
const LEFT: f64 = 68.0;
const RIGHT: f64 = WIDTH - 264.0;
const TOP: f64 = 34.0;

/// Class, heading and right edge of the column of counts.
const PARTS: [(&str, &str, f64); 3] = [
    ("solved", "solved", RIGHT + 80.0),
    ("hinted", "with hint", RIGHT + 172.0),
    ("unsolved", "unsolved", RIGHT + 264.0),
];

/// Problems solved, solved with the hint only, and unsolved.
fn parts(train: &TrainCounts) -> [u64; 3] {
    let (right, hinted) = (u64::from(train.right), u64::from(train.rationalized));
    let unsolved = u64::from(train.total).saturating_sub(right + hinted);
    [right, hinted, unsolved]
}

/// A stacked bar per loop with its counts.
pub(crate) fn plot(data: &ReportData) -> String {
    let loops = &data.status.iterations;
    let (Some(first), Some(last)) = (loops.first(), loops.last()) else {
        return "<p class=\"none\">No loop is done yet.</p>\n".to_owned();
    };
    let row = if loops.len() > 8 { 22.0 } else { 30.0 };
    let bottom = TOP + row * loops.len() as f64;
    let most = loops.iter().map(|l| parts(&l.train).iter().sum()).max();
    let ticks = Ticks::of_counts(most.unwrap_or(0), 5);
    let x = Scale::new(ticks.ends(), (LEFT, RIGHT));
    let solved = |l: &IterationResult| {
        let (right, total) = (u64::from(l.train.right), u64::from(l.train.total));
        format!("{} of {} in loop {}", count(right), count(total), l.n)
    };
    let mut summary = format!("Solved without the hint: {}", solved(first));
    if first.n != last.n {
        put(&mut summary, format_args!(", {}", solved(last)));
    }
    summary.push('.');
    let mut out = String::new();
    plot::open(
        &mut out,
        bottom + 44.0,
        "Training problems per loop",
        &summary,
    );
    headings(&mut out);
    for (i, done) in loops.iter().enumerate() {
        let y = TOP + row * i as f64;
        let text = format!("loop {}", done.n);
        let middle = y + row / 2.0 + 4.0;
        plot::label(&mut out, (LEFT - 8.0, middle), Align::End, "tick", &text);
        bar(&mut out, parts(&done.train), x, (y, row));
    }
    let frame = Frame {
        left: LEFT,
        right: RIGHT,
        top: TOP,
        bottom: bottom + 2.0,
    };
    plot::x_axis(&mut out, frame, x, &ticks);
    let at = (f64::midpoint(LEFT, RIGHT), bottom + 40.0);
    plot::label(&mut out, at, Align::Middle, "group", "training problems");
    plot::close(&mut out);
    out
}

/// The headings of the counts are the legend of the bars.
fn headings(out: &mut String) {
    for (class, name, x) in PARTS {
        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" class=\"tick\"><tspan class=\"{class} key\">■</tspan> {name}</text>\n",
                At(x),
                At(TOP - 12.0)
            ),
        );
    }
}

fn bar(out: &mut String, parts: [u64; 3], x: Scale, (y, row): (f64, f64)) {
    let mut before = 0;
    for ((class, name, column), n) in PARTS.into_iter().zip(parts) {
        let (left, right) = (x.at(before as f64), x.at((before + n) as f64));
        before += n;
        if n > 0 {
            put(
                out,
                format_args!(
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{class}\"><title>{name}: {}</title></rect>\n",
                    At(left),
                    At(y + 3.0),
                    At(right - left),
                    At(row - 6.0),
                    count(n)
                ),
            );
        }
        let at = (column, y + row / 2.0 + 4.0);
        plot::label(out, at, Align::End, "count", &short_count(n));
    }
}
