//! A run while it goes on: the panel of what it does, and the stream that renews it.

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use autodidact_core::{RunSpec, RunState, RunStatus, Usd};
use autodidact_report::duration;
use autodidact_store::{Progress, ProgressState, Request, RunStore};
use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::stream::{self, Stream};

use crate::error::PageError;
use crate::pages::run::reached;
use crate::routes::App;
use crate::words::{number, text};

/// How often a page is renewed.
const RENEW: Duration = Duration::from_secs(1);

/// What a run is doing, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Finished,
    Running,
    Paused,
    Parked,
}

impl Doing {
    pub(crate) fn of(status: &RunStatus, progress: Option<&Progress>) -> Self {
        if status.state == RunState::Finished {
            return Self::Finished;
        }
        match progress {
            Some(p) if p.is_working() && p.state == ProgressState::Paused => Self::Paused,
            Some(p) if p.is_working() => Self::Running,
            _ => Self::Parked,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Parked => "not running",
        }
    }

    /// True while there is a process to ask.
    pub(crate) fn works(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    pub(crate) fn is_paused(self) -> bool {
        self == Self::Paused
    }

    /// The class of its badge.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Finished => "done",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Parked => "parked",
        }
    }
}

/// A name, a value, and what is said about it.
#[derive(Debug)]
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) note: String,
}

/// What a run does, renewed every second.
#[derive(Debug, Template)]
#[template(path = "live.html")]
pub(crate) struct Panel {
    doing: Doing,
    stage: String,
    done: u64,
    total: u64,
    facts: Vec<Fact>,
}

/// The buttons, renewed only when others are needed: one that is replaced under the pointer cannot be
/// clicked.
#[derive(Debug, Template)]
#[template(path = "controls.html")]
pub(crate) struct Controls {
    run: String,
    secret: String,
    doing: Doing,
    asked: Option<&'static str>,
}

impl Controls {
    /// `asked` is what was asked for just now.
    pub(crate) fn of(run: &str, secret: &str, doing: Doing, asked: Option<Request>) -> Self {
        Self {
            run: run.to_owned(),
            secret: secret.to_owned(),
            doing,
            asked: asked.map(|request| match request {
                Request::Pause => "asked to pause",
                Request::Resume => "asked to go on",
                Request::Stop => "asked to stop",
            }),
        }
    }
}

/// Reads what a run is doing.
pub(crate) async fn panel(store: &RunStore, run: &str) -> Result<(Panel, Doing), PageError> {
    let status = autodidact_star::status(store, run).await?;
    let progress = store.progress().await?;
    let doing = Doing::of(&status, progress.as_ref());
    let spec = RunSpec::parse(&store.spec().await?).ok();
    let loops = spec.as_ref().map(|spec| spec.run.iterations);
    let shown = progress.as_ref().filter(|_| doing.works());
    let mut facts = Vec::new();
    if let Some(progress) = shown {
        facts.extend(pace(progress));
        facts.push(time_left(&status, progress, loops));
    }
    facts.push(Fact {
        name: "loops done",
        value: loops.map_or_else(
            || status.iterations.len().to_string(),
            |all| format!("{} of {all}", status.iterations.len()),
        ),
        note: String::new(),
    });
    facts.push(spent(store, spec.and_then(|spec| spec.run.budget_usd)).await?);
    let panel = Panel {
        doing,
        stage: shown.map_or_else(String::new, stage),
        done: shown.map_or(0, |p| p.done.min(p.total)),
        total: shown.map_or(0, |p| p.total),
        facts,
    };
    Ok((panel, doing))
}

fn stage(progress: &Progress) -> String {
    let title = text(&progress.title);
    match progress.iteration {
        0 => title,
        n => format!("loop {n}: {title}"),
    }
}

fn pace(progress: &Progress) -> Vec<Fact> {
    let per_second = progress.per_second();
    let rate = if per_second > 0.0 && per_second < 1.0 {
        format!("{:.1} a minute", 60.0 * per_second)
    } else {
        format!("{per_second:.1} a second")
    };
    let mut facts = vec![
        Fact {
            name: "progress",
            value: format!("{} of {}", number(progress.done), number(progress.total)),
            note: rate,
        },
        Fact {
            name: "throughput",
            value: format!("{} tokens/s", number(progress.tokens_per_second() as u64)),
            note: String::new(),
        },
    ];
    if let Some(loss) = progress.loss {
        facts.push(Fact {
            name: "loss",
            value: format!("{loss:.3}"),
            note: "nats per token".to_owned(),
        });
    }
    facts
}

/// Of the stage, and of the run if its other loops take as long as the last.
fn time_left(status: &RunStatus, progress: &Progress, loops: Option<u32>) -> Fact {
    let stage = progress.seconds_left();
    let last = status.iterations.last().map(|last| &last.seconds);
    let last = last.map(|s| s.sample + s.rationalize + s.train + s.evaluate);
    let done = status.iterations.len() as u32;
    let run = last.zip(loops).map(|(seconds, loops)| {
        let left = loops.saturating_sub(done);
        seconds * f64::from(left)
    });
    Fact {
        name: "time left in this stage",
        value: stage.map_or_else(|| "–".to_owned(), duration),
        note: run.map_or_else(String::new, |seconds| {
            format!("the whole run: up to {}", duration(seconds))
        }),
    }
}

async fn spent(store: &RunStore, budget: Option<Usd>) -> Result<Fact, PageError> {
    let mut sum = Usd::default();
    for spent in store.spending().await?.values() {
        sum += spent.amount;
        sum += spent.unsettled;
    }
    Ok(Fact {
        name: "spent",
        value: sum.to_string(),
        note: budget.map_or_else(
            || "no budget".to_owned(),
            |budget| format!("of a budget of {budget}"),
        ),
    })
}

/// What a stream remembers between two looks.
struct Watch {
    app: App,
    run: String,
    panel: String,
    doing: Option<Doing>,
    loops: Option<usize>,
    waiting: Vec<Event>,
    first: bool,
}

/// Sends the panel whenever it has changed, and what was reached whenever a loop ends.
pub(crate) async fn events(
    State(app): State<App>,
    Path(run): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, PageError> {
    app.catalog().read(&run).await?;
    let watch = Watch {
        app,
        run,
        panel: String::new(),
        doing: None,
        loops: None,
        waiting: Vec::new(),
        first: true,
    };
    let stream = stream::unfold(watch, |mut watch| async move {
        loop {
            if let Some(event) = watch.waiting.pop() {
                return Some((Ok(event), watch));
            }
            if !watch.first {
                tokio::time::sleep(RENEW).await;
            }
            watch.first = false;
            // A run that was put aside, or cannot be read any more, has no more news.
            watch.look().await.ok()?;
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

impl Watch {
    async fn look(&mut self) -> Result<(), PageError> {
        let store = self.app.catalog().read(&self.run).await?;
        let (panel, doing) = panel(&store, &self.run).await?;
        let panel = panel.render()?;
        if panel != self.panel {
            self.waiting.push(event("live", &panel));
            self.panel = panel;
        }
        if self.doing.is_some_and(|before| before != doing) {
            let secret = self.app.access().form_secret();
            let controls = Controls::of(&self.run, secret, doing, None).render()?;
            self.waiting.push(event("controls", &controls));
        }
        self.doing = Some(doing);
        let status = autodidact_star::status(&store, &self.run).await?;
        let loops = status.iterations.len();
        if self.loops.is_some_and(|before| before != loops) {
            let reached = reached(&store, &self.run).await?.render()?;
            self.waiting.push(event("reached", &reached));
        }
        self.loops = Some(loops);
        Ok(())
    }
}

/// A carriage return would end the line for some and be an error for others.
fn event(name: &str, html: &str) -> Event {
    Event::default().event(name).data(html.replace('\r', ""))
}
