//! Progress bars, and the observer that moves them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use autodidact_core::IterationResult;
use autodidact_engine::StepReport;
use autodidact_models::Progress;
use autodidact_star::{DataSetProgress, Event, IterationDetail, Observer};
use indicatif::{ProgressBar, ProgressStyle};

use crate::printer::Printer;

const BAR: &str =
    "{prefix} {bar:30} {pos}/{len}  {per_sec:1}  {msg}  {elapsed} elapsed, {eta} left";
const DOWNLOAD: &str = "{prefix} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";

fn style(template: &str) -> ProgressStyle {
    // The templates are constants; the default is only for a slip in one of them.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn bar(printer: &Printer, title: &str, total: u64, template: &str) -> ProgressBar {
    let bar = printer.bars().add(ProgressBar::new(total));
    bar.set_style(style(template));
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// The stage under way.
struct Stage {
    title: String,
    bar: ProgressBar,
    started: Instant,
    samples: u64,
    right: u64,
    tokens: u64,
    loss: Option<f64>,
}

impl Stage {
    fn start(printer: &Printer, iteration: u32, title: &str, done: u64, total: u64) -> Self {
        let title = match iteration {
            0 => title.to_owned(),
            n => format!("loop {n}: {title}"),
        };
        let bar = bar(printer, &title, total, BAR);
        bar.set_position(done);
        // What earlier attempts did took no time of this one.
        bar.reset_eta();
        Self {
            title,
            bar,
            started: Instant::now(),
            samples: 0,
            right: 0,
            tokens: 0,
            loss: None,
        }
    }

    /// Moves the bar.
    fn advance(&mut self, event: &Event<'_>) {
        match event {
            Event::Sampled { sample, right } => {
                self.bar.inc(1);
                self.samples += 1;
                self.right += u64::from(*right);
                self.tokens += u64::from(sample.completion.tokens);
            }
            Event::Step { report, .. } => {
                self.bar.set_position(u64::from(report.step));
                self.tokens += report.tokens;
                self.loss = Some(report.loss);
            }
            Event::Judged => {
                self.bar.inc(1);
                return;
            }
            _ => return,
        }
        self.show();
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.started.elapsed().as_secs_f64().max(1e-3)
    }

    fn show(&self) {
        let speed = self.tokens_per_second();
        let message = match self.loss {
            Some(loss) => format!("loss {loss:.3}, {speed:.0} tokens/s"),
            None => format!("{} right, {speed:.0} tokens/s", self.right),
        };
        self.bar.set_message(message);
    }

    fn summary(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let speed = self.tokens_per_second();
        let what = match self.loss {
            Some(loss) => format!("loss {loss:.3}"),
            None => format!("{} of {} right", self.right, self.samples),
        };
        format!(
            "{}: {what}, {seconds:.0} s, {speed:.0} tokens/s",
            self.title
        )
    }
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    stage: Option<Stage>,
    results: Vec<IterationResult>,
    details: Vec<IterationDetail>,
    baseline: Option<f64>,
}

/// Shows a run to people.
pub(crate) struct Watcher {
    printer: Printer,
    seen: Mutex<Seen>,
}

impl Watcher {
    pub(crate) fn new(printer: Printer) -> Self {
        Self {
            printer,
            seen: Mutex::default(),
        }
    }
}

impl Observer for Watcher {
    fn on(&self, event: &Event<'_>) {
        // A poisoned lock means a panic elsewhere; what was seen is still good to show.
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::StageStarted {
                iteration,
                title,
                done,
                total,
            } => {
                seen.stage = Some(Stage::start(
                    &self.printer,
                    *iteration,
                    title,
                    *done,
                    *total,
                ));
            }
            Event::Sampled { .. } | Event::Judged | Event::Step { .. } => {
                if let Some(stage) = &mut seen.stage {
                    stage.advance(event);
                }
            }
            Event::StageFinished => {
                if let Some(stage) = seen.stage.take() {
                    stage.bar.finish_and_clear();
                    if stage.tokens > 0 {
                        self.printer.note(&stage.summary());
                    }
                }
            }
            Event::Baseline { measurement } => {
                self.printer.baseline(measurement);
                if !measurement.name.starts_with("control/") {
                    let best = seen.baseline.unwrap_or(0.0).max(measurement.accuracy);
                    seen.baseline = Some(best);
                }
            }
            Event::IterationFinished {
                result,
                detail,
                now,
            } => {
                seen.results.push((*result).clone());
                seen.details.push((*detail).clone());
                if *now {
                    let Seen {
                        results,
                        details,
                        baseline,
                        ..
                    } = &*seen;
                    self.printer.loops(results, details, *baseline);
                }
            }
            Event::Note(text) => self.printer.note(text),
        }
    }
}

/// A bar for a training outside of a run.
pub(crate) struct StepBar(ProgressBar);

impl StepBar {
    pub(crate) fn new(printer: &Printer, steps: u32) -> Self {
        Self(bar(printer, "fine-tuning", u64::from(steps), BAR))
    }

    pub(crate) fn step(&self, report: &StepReport) {
        self.0.set_position(u64::from(report.step));
        self.0.set_message(format!("loss {:.3}", report.loss));
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar for problems that are answered.
pub(crate) struct ProblemBar(ProgressBar);

impl ProblemBar {
    pub(crate) fn new(printer: &Printer, problems: u64) -> Self {
        Self(bar(printer, "answering", problems, BAR))
    }

    pub(crate) fn show(&self, progress: &DataSetProgress) {
        self.0.set_position(progress.done);
        let failed = match progress.failed {
            0 => String::new(),
            n => format!(", {n} failed"),
        };
        self.0
            .set_message(format!("{} spent{failed}", progress.spent));
    }

    pub(crate) fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// A sign that something is under way; it goes when dropped.
pub(crate) struct Waiting(ProgressBar);

impl Waiting {
    pub(crate) fn new(printer: &Printer, what: &str) -> Self {
        let spinner = printer.bars().add(ProgressBar::new_spinner());
        spinner.set_style(style("{spinner} {msg}  {elapsed} elapsed"));
        spinner.set_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(200));
        Self(spinner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A bar for downloads.
pub(crate) struct DownloadBar {
    printer: Printer,
    bar: Mutex<Option<ProgressBar>>,
}

impl DownloadBar {
    pub(crate) fn new(printer: &Printer) -> Self {
        Self {
            printer: printer.clone(),
            bar: Mutex::new(None),
        }
    }

    fn with(&self, action: impl FnOnce(&mut Option<ProgressBar>)) {
        action(
            &mut self
                .bar
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
    }
}

impl Progress for DownloadBar {
    fn started(&self, what: &str, total: Option<u64>) {
        self.printer.note(what);
        self.with(|bar| {
            *bar = Some(self::bar(&self.printer, "", total.unwrap_or(0), DOWNLOAD));
        });
    }

    fn advanced(&self, bytes: u64) {
        self.with(|bar| {
            if let Some(bar) = bar {
                bar.inc(bytes);
            }
        });
    }

    fn finished(&self) {
        self.with(|bar| {
            if let Some(bar) = bar.take() {
                bar.finish_and_clear();
            }
        });
    }
}
