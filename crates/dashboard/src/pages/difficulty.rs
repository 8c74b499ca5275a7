//! Problems solved by loop and difficulty.

use askama::Template;
use autodidact_report::plots;
use autodidact_star::overview;
use axum::extract::{Path, State};

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::routes::App;
use crate::words::text;

#[derive(Debug, Template)]
#[template(path = "difficulty.html")]
struct Difficulty {
    frame: Frame,
    maps: Vec<Map>,
}

#[derive(Debug)]
struct Map {
    title: String,
    plot: String,
}

pub(crate) async fn show(State(app): State<App>, Path(run): Path<String>) -> Page {
    let store = app.catalog().read(&run).await?;
    let data = overview(&store, &run).await?;
    let map = |levels: &autodidact_star::Levels| Map {
        title: format!(
            "{} problems solved, by {}",
            if levels.held_out {
                "Held-out"
            } else {
                "Training"
            },
            text(&levels.name)
        ),
        plot: plots::heat_map(levels),
    };
    page(&Difficulty {
        frame: Frame::of_run(&run, "difficulty", "Difficulty"),
        maps: data.levels.iter().map(map).collect(),
    })
}
