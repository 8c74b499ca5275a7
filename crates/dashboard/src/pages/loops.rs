//! The outer loops: what each reached, learned from, and refused.

use askama::Template;
use autodidact_report::{plots, verdict};
use autodidact_star::overview;
use axum::extract::{Path, State};

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::routes::App;
use crate::words::text;

#[derive(Debug, Template)]
#[template(path = "loops.html")]
struct Loops {
    frame: Frame,
    verdict: String,
    accuracy: String,
    problems: String,
    fates: String,
    pass: String,
    rewards: Option<String>,
    loss: String,
    tables: String,
}

pub(crate) async fn show(State(app): State<App>, Path(run): Path<String>) -> Page {
    let store = app.catalog().read(&run).await?;
    let data = overview(&store, &run).await?;
    page(&Loops {
        frame: Frame::of_run(&run, "loops", "Outer loops"),
        verdict: text(&verdict(&data)),
        accuracy: plots::accuracy(&data),
        problems: plots::problems(&data),
        fates: plots::fates(&data),
        pass: plots::pass_at_k(&data),
        rewards: plots::rewards(&data),
        loss: plots::loss(&data),
        tables: plots::tables(&data),
    })
}
