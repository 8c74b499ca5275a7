//! The plot of rewards: how judges' overall scores are spread over right and wrong rationales.

use autodidact_star::{ReportData, Rewards};

use crate::html::put;
use crate::number::{count, decimal};
use crate::plot::{self, Align, At, Frame, Scale, WIDTH};
use crate::ticks::Ticks;

const HEIGHT: f64 = 260.0;
const FRAME: Frame = Frame {
    left: 56.0,
    right: WIDTH - 130.0,
    top: 24.0,
    bottom: HEIGHT - 46.0,
};

/// Rewards of the last loop that has some; nothing where no loop has.
pub(crate) fn plot(data: &ReportData) -> Option<String> {
    let loops = data.status.iterations.iter().zip(&data.details);
    let mut with_rewards =
        loops.filter_map(|(done, detail)| Some((done.n, detail.rewards.as_ref()?)));
    let (n, rewards) = with_rewards.next_back()?;
    Some(of_loop(n, rewards))
}

fn of_loop(n: u32, rewards: &Rewards) -> String {
    let bars: Vec<(u32, u32)> = rewards
        .right
        .iter()
        .copied()
        .zip(rewards.wrong.iter().copied())
        .collect();
    let most = bars
        .iter()
        .map(|(r, w)| u64::from(*r) + u64::from(*w))
        .max();
    let y_ticks = Ticks::of_counts(most.unwrap_or(0), 5);
    let y = Scale::new(y_ticks.ends(), (FRAME.bottom, FRAME.top));
    let width = (FRAME.right - FRAME.left) / bars.len().max(1) as f64;
    let mut out = String::new();
    let total = |of: &[u32]| count(of.iter().map(|n| u64::from(*n)).sum());
    plot::open(
        &mut out,
        HEIGHT,
        &format!("Overall scores in loop {n}"),
        &format!(
            "{} right and {} wrong rationales, from {} to {}.",
            total(&rewards.right),
            total(&rewards.wrong),
            decimal(rewards.low),
            decimal(rewards.high)
        ),
    );
    plot::y_axis(&mut out, FRAME, y, &y_ticks, "");
    for (i, (right, wrong)) in bars.iter().enumerate() {
        let x = FRAME.left + width * i as f64;
        let (right, wrong) = (f64::from(*right), f64::from(*wrong));
        bar(&mut out, "solved", (x, width), (y.at(right), y.at(0.0)));
        bar(
            &mut out,
            "unsolved",
            (x, width),
            (y.at(right + wrong), y.at(right)),
        );
    }
    let ends = [
        (FRAME.left, Align::Start, rewards.low),
        (FRAME.right, Align::End, rewards.high),
    ];
    plot::line(
        &mut out,
        (FRAME.left, FRAME.bottom),
        (FRAME.right, FRAME.bottom),
        "axis",
    );
    for (x, align, value) in ends {
        let at = (x, FRAME.bottom + 18.0);
        plot::label(&mut out, at, align, "tick", &decimal(value));
    }
    let middle = (f64::midpoint(FRAME.left, FRAME.right), HEIGHT - 8.0);
    plot::label(&mut out, middle, Align::Middle, "group", "overall score");
    legend(&mut out);
    plot::close(&mut out);
    out
}

fn bar(out: &mut String, class: &str, (x, width): (f64, f64), (top, bottom): (f64, f64)) {
    if bottom - top > 0.05 {
        put(
            out,
            format_args!(
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"{class}\"/>\n",
                At(x + 1.0),
                At(top),
                At(width - 2.0),
                At(bottom - top)
            ),
        );
    }
}

fn legend(out: &mut String) {
    for (i, (class, name)) in [("solved", "right"), ("unsolved", "wrong")]
        .iter()
        .enumerate()
    {
        put(
            out,
            format_args!(
                "<text x=\"{}\" y=\"{}\" class=\"tick\"><tspan class=\"{class} key\">■</tspan> {name}</text>\n",
                At(FRAME.right + 16.0),
                At(FRAME.top + 14.0 + 20.0 * i as f64)
            ),
        );
    }
}
