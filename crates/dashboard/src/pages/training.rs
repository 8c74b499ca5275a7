//! Training texts as the model sees them: tokens, what the loss counts, and the end.

use askama::Template;
use autodidact_star::SeenExample;
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::frame::Frame;
use crate::answer::{Page, page};
use crate::routes::App;
use crate::words::text;

/// How the journal calls the stage that shows a training's texts.
const SEEN: &str = "seen ";

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    /// Which training, counted from 0 in the order of the list.
    set: Option<usize>,
    /// Which text of it.
    #[serde(default)]
    text: usize,
}

#[derive(Debug, Template)]
#[template(path = "training.html")]
struct Training {
    frame: Frame,
    run: String,
    sets: Vec<Set>,
    texts: Vec<usize>,
    at: usize,
    chosen: usize,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Set {
    number: usize,
    name: String,
}

#[derive(Debug)]
struct Shown {
    model: String,
    prompt: usize,
    learned: usize,
    ends: bool,
    tokens: Vec<Token>,
}

#[derive(Debug)]
struct Token {
    id: u32,
    text: String,
    class: &'static str,
}

pub(crate) async fn show(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Page {
    let store = app.catalog().read(&run).await?;
    let stages = store.finished_stages().await?;
    let stages: Vec<(u32, &str)> = stages
        .iter()
        .filter(|stage| stage.stage.starts_with(SEEN))
        .map(|stage| (stage.iteration, stage.stage.as_str()))
        .collect();
    let set = wanted.set.unwrap_or(stages.len().saturating_sub(1));
    let examples: Vec<SeenExample> = match stages.get(set) {
        Some((iteration, stage)) => store.stage(*iteration, stage).await?.unwrap_or_default(),
        None => Vec::new(),
    };
    let name = |(iteration, stage): &(u32, &str)| match stage.trim_start_matches(SEEN) {
        "student" => format!("loop {iteration}"),
        "warm-start" => "warm start".to_owned(),
        control => format!("control {}", text(control)),
    };
    page(&Training {
        frame: Frame::of_run(&run, "training", "Training texts"),
        sets: stages
            .iter()
            .enumerate()
            .map(|(number, stage)| Set {
                number,
                name: name(stage),
            })
            .collect(),
        texts: (0..examples.len()).collect(),
        at: wanted.text,
        chosen: set,
        shown: examples.get(wanted.text).map(shown),
        run,
    })
}

fn shown(example: &SeenExample) -> Shown {
    let prompt = (example.prompt_tokens as usize).min(example.tokens.len());
    let last = example.tokens.len().saturating_sub(1);
    let tokens = example.tokens.iter().enumerate().map(|(i, token)| Token {
        id: token.id,
        // A line break alone would be an invisible token.
        text: text(&token.text).replace('\n', "⏎\n"),
        class: if i < prompt {
            "given"
        } else if i == last && example.ends {
            "end"
        } else {
            "learned"
        },
    });
    Shown {
        model: text(&example.model),
        prompt,
        learned: example.tokens.len() - prompt,
        ends: example.ends,
        tokens: tokens.collect(),
    }
}
