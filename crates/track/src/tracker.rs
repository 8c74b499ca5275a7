//! Watching a run, and the thread that writes points down.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use autodidact_core::{RunSpec, Usd};
use autodidact_star::{Event, Observer};

use crate::points::{Point, StepOffsets, of_baseline, of_iteration, training};
use crate::sink::{Ending, Recorded, Sink};

/// Says something to people.
pub(crate) type Warn = dyn Fn(&str) + Send + Sync;
/// Says what was spent so far.
pub(crate) type SpentSoFar = dyn Fn() -> Usd + Send + Sync;

/// What a tracker is made of.
pub struct TrackerParts {
    /// Where points go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What earlier attempts at the run came to ([`crate::history`]).
    pub history: Vec<Point>,
    /// Told once for each sink that fails.
    pub warn: Arc<Warn>,
    /// What teachers and judges cost so far.
    pub spent: Box<SpentSoFar>,
}

impl std::fmt::Debug for TrackerParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sinks: Vec<&str> = self.sinks.iter().map(|sink| sink.name()).collect();
        f.debug_struct("TrackerParts")
            .field("sinks", &sinks)
            .finish_non_exhaustive()
    }
}

/// What goes to the thread.
enum Message {
    Points(Vec<Point>, SystemTime),
    End(Ending),
}

/// The stage under way, for speeds.
struct Stage {
    series: Option<&'static str>,
    iteration: u32,
    started: Instant,
    last_step: Instant,
    tokens: u64,
}

/// Gives the numbers of a run to sinks. No call of it waits for them.
pub struct Tracker {
    sender: Mutex<Sender<Message>>,
    worker: Mutex<Option<JoinHandle<()>>>,
    stage: Mutex<Option<Stage>>,
    offsets: StepOffsets,
    spent: Box<SpentSoFar>,
}

impl std::fmt::Debug for Tracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracker").finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tracker {
    /// Starts the thread, which opens the sinks and fills in what they lack.
    pub fn start(spec: &RunSpec, parts: TrackerParts) -> Self {
        let TrackerParts {
            sinks,
            history,
            warn,
            spent,
        } = parts;
        let (sender, receiver) = channel();
        let worker = std::thread::Builder::new()
            .name("tracking".into())
            .spawn(move || work(sinks, &history, &*warn, &receiver));
        if let Err(error) = &worker {
            tracing::warn!(%error, "no thread for tracking");
        }
        Self {
            sender: Mutex::new(sender),
            worker: Mutex::new(worker.ok()),
            stage: Mutex::new(None),
            offsets: StepOffsets::new(spec),
            spent,
        }
    }

    /// Writes down what is left and waits for it. Nothing is taken afterwards.
    pub fn finish(&self, ending: Ending) {
        self.send(Message::End(ending));
        if let Some(worker) = locked(&self.worker).take()
            && worker.join().is_err()
        {
            tracing::warn!("the thread of tracking failed");
        }
    }

    fn send(&self, message: Message) {
        // Nobody takes it any more only if the thread could not be started or is done.
        let _ = locked(&self.sender).send(message);
    }

    fn points(&self, points: Vec<Point>) {
        if !points.is_empty() {
            self.send(Message::Points(points, SystemTime::now()));
        }
    }

    fn stage_started(&self, iteration: u32, title: &str) {
        let series = match title {
            "sampling rationales" => Some("sample/tokens_per_second"),
            "rationalizing failures" => Some("rationalize/tokens_per_second"),
            "measuring the student" => Some("evaluate/tokens_per_second"),
            _ => None,
        };
        let now = Instant::now();
        *locked(&self.stage) = Some(Stage {
            series,
            iteration,
            started: now,
            last_step: now,
            tokens: 0,
        });
    }

    fn stage_finished(&self) -> Option<Point> {
        let stage = locked(&self.stage).take()?;
        if stage.tokens == 0 {
            return None;
        }
        let speed = stage.tokens as f64 / stage.started.elapsed().as_secs_f64().max(1e-3);
        Point::new(stage.series?, u64::from(stage.iteration), speed)
    }

    /// Tokens a second since the last step.
    fn step_speed(&self, tokens: u64) -> Option<f64> {
        let mut stage = locked(&self.stage);
        let stage = stage.as_mut()?;
        let seconds = stage.last_step.elapsed().as_secs_f64().max(1e-6);
        stage.last_step = Instant::now();
        Some(tokens as f64 / seconds)
    }
}

impl Observer for Tracker {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::StageStarted {
                iteration, title, ..
            } => self.stage_started(*iteration, title),
            Event::Sampled { sample, .. } => {
                if let Some(stage) = locked(&self.stage).as_mut() {
                    stage.tokens += u64::from(sample.completion.tokens);
                }
            }
            Event::Step {
                iteration,
                trained,
                report,
            } => {
                let step = self.offsets.step(*iteration, trained, report.step);
                let name = training(trained);
                let values = [
                    ("loss", Some(report.loss)),
                    ("learning_rate", Some(f64::from(report.learning_rate))),
                    ("gradient_norm", Some(report.gradient_norm)),
                    ("tokens_per_second", self.step_speed(report.tokens)),
                ];
                let point = |(what, value): (&str, Option<f64>)| {
                    Point::new(format!("{name}/{what}"), step, value?)
                };
                self.points(values.into_iter().filter_map(point).collect());
            }
            Event::StageFinished => {
                self.points(self.stage_finished().into_iter().collect());
            }
            Event::Baseline { measurement } => {
                self.points(of_baseline(measurement).into_iter().collect());
            }
            Event::IterationFinished {
                result,
                detail,
                now,
            } => {
                let mut points = of_iteration(result, detail);
                if *now {
                    let dollars = (self.spent)().nano() as f64 / 1e9;
                    points.extend(Point::new("spend/usd", u64::from(result.n), dollars));
                }
                self.points(points);
            }
            Event::Judged | Event::Note(_) => {}
        }
    }
}

/// An open sink with what it has.
struct Open {
    sink: Box<dyn Sink>,
    recorded: Recorded,
}

fn work(sinks: Vec<Box<dyn Sink>>, history: &[Point], warn: &Warn, receiver: &Receiver<Message>) {
    let mut open = Vec::new();
    for mut sink in sinks {
        match sink.open() {
            Ok(recorded) => open.push(Open { sink, recorded }),
            Err(error) => given_up(warn, sink.name(), &error),
        }
    }
    write(&mut open, history, SystemTime::now(), warn);
    let mut ending = Ending::Parked;
    while let Ok(message) = receiver.recv() {
        match message {
            Message::Points(mut points, at) => {
                // Whatever came meanwhile goes with it, in one write or request.
                let mut ended = None;
                while let Ok(next) = receiver.try_recv() {
                    match next {
                        Message::Points(more, _) => points.extend(more),
                        Message::End(how) => {
                            ended = Some(how);
                            break;
                        }
                    }
                }
                write(&mut open, &points, at, warn);
                if let Some(how) = ended {
                    ending = how;
                    break;
                }
            }
            Message::End(how) => {
                ending = how;
                break;
            }
        }
    }
    for Open { mut sink, .. } in open {
        if let Err(error) = sink.close(ending) {
            given_up(warn, sink.name(), &error);
        }
    }
}

/// Gives every sink what it does not have, and keeps those that took it.
fn write(open: &mut Vec<Open>, points: &[Point], at: SystemTime, warn: &Warn) {
    open.retain_mut(|one| {
        let mut new: Vec<Point> = points
            .iter()
            .filter(|point| one.recorded.is_new(&point.series, point.step))
            .cloned()
            .collect();
        if new.is_empty() {
            return true;
        }
        // In the order of steps, so that a write that is cut off leaves no hole in a series.
        new.sort_by(|a, b| (a.step, &a.series).cmp(&(b.step, &b.series)));
        match one.sink.write(&new, at) {
            Ok(()) => true,
            Err(error) => {
                given_up(warn, one.sink.name(), &error);
                false
            }
        }
    });
}

fn given_up(warn: &Warn, sink: &str, error: &crate::TrackError) {
    warn(&format!(
        "tracking by `{sink}` stops: {error}; the run goes on, and what is missing there is filled in from the journal when the same command is given again"
    ));
}
