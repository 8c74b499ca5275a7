//! The heat map of difficulty: problems solved by loop and, for instance, by digits, as figure 4 of
//! the STaR paper has it for addition.

use autodidact_star::{Cell, Levels};

use crate::html::{Text, put, shorten};
use crate::number::{count, percent};
use crate::plot::{self, Align, At, WIDTH};

const LEFT: f64 = 132.0;
const TOP: f64 = 34.0;
const ROW: f64 = 28.0;
/// A cell is at most this wide.
const CELL: f64 = 92.0;
/// From here on a cell is so full of colour that text on it is written in the paper's.
const FULL: f64 = 0.6;

/// Problems solved, a row for each loop and a column for each group.
pub(crate) fn plot(levels: &Levels) -> String {
    if levels.rows.is_empty() || levels.values.is_empty() {
        return "<p class=\"none\">No problem has been asked yet.</p>\n".to_owned();
    }
    let cell = ((WIDTH - LEFT - 8.0) / levels.values.len() as f64).min(CELL);
    let height = TOP + ROW * levels.rows.len() as f64 + 34.0;
    let side = if levels.held_out {
        "held-out problems"
    } else {
        "training problems"
    };
    let name = format!("Share of {side} solved by {}", levels.name);
    let mut out = String::new();
    plot::open(&mut out, height, &name, &summary(levels));
    for (i, value) in levels.values.iter().enumerate() {
        let at = (LEFT + cell * (i as f64 + 0.5), TOP - 10.0);
        let text = shorten(value, (cell / 7.0) as usize);
        plot::label(&mut out, at, Align::Middle, "tick", &text);
    }
    for (i, (row, cells)) in levels.rows.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let at = (LEFT - 10.0, y + ROW / 2.0 + 4.0);
        plot::label(&mut out, at, Align::End, "tick", &shorten(row, 20));
        for (j, shown) in cells.iter().enumerate() {
            let value = levels.values.get(j).map_or("", String::as_str);
            let title = format!("{row}, {} {value}", levels.name);
            draw(&mut out, *shown, (LEFT + cell * j as f64, y), cell, &title);
        }
    }
    let middle = LEFT + cell * levels.values.len() as f64 / 2.0;
    plot::label(
        &mut out,
        (middle, height - 10.0),
        Align::Middle,
        "group",
        &shorten(&levels.name, 60),
    );
    plot::close(&mut out);
    out
}

fn draw(out: &mut String, cell: Cell, (x, y): (f64, f64), width: f64, title: &str) {
    let Some((solved, problems)) = cell.filter(|(_, problems)| *problems > 0) else {
        return;
    };
    let share = solved.min(problems) as f64 / problems as f64;
    put(
        out,
        format_args!(
            "<g><title>{}: {} of {}, {}</title>\n<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" class=\"heat\" fill-opacity=\"{:.2}\"/>\n",
            Text(title),
            count(solved),
            count(problems),
            percent(share),
            At(x + 1.0),
            At(y + 1.0),
            At(width - 2.0),
            At(ROW - 2.0),
            0.06 + 0.94 * share
        ),
    );
    let class = if share > FULL { "onfull" } else { "onpale" };
    let text = if width < 44.0 {
        format!("{:.0}", 100.0 * share)
    } else {
        format!("{:.0}%", 100.0 * share)
    };
    let at = (x + width / 2.0, y + ROW / 2.0 + 4.0);
    plot::label(out, at, Align::Middle, class, &text);
    out.push_str("</g>\n");
}

fn summary(levels: &Levels) -> String {
    let Some((row, cells)) = levels.rows.last() else {
        return String::new();
    };
    let shares = levels.values.iter().zip(cells).filter_map(|(value, cell)| {
        let (solved, problems) = (*cell)?;
        Some(format!("{value}: {solved} of {problems}"))
    });
    format!("{row}: {}.", shares.collect::<Vec<_>>().join(", "))
}
