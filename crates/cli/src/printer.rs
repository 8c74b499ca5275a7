//! Everything that is printed. Results go to standard output; notes, progress and failures go to
//! standard error, so that `--output json` can be piped.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_core::{
    Answer, BaselineMeasurement, IterationResult, Prompt, RunState, RunStatus, Usd, Verdict,
};
use autodidact_engine::Profile;
use autodidact_export::Manifest;
use autodidact_models::Fetched;
use autodidact_star::{
    Combined, DataSetSummary, Estimate, Failed, IterationDetail, JudgedFile, Measured, ReportData,
};
use autodidact_store::Progress;
use autodidact_verify::Explanation;
use indicatif::MultiProgress;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;
use serde_json::json;

use crate::arguments::Output;
use crate::commands::bench::BenchReport;
use crate::failure::Failure;
use crate::overlap_tables::Overlaps;
use crate::watcher::{DownloadBar, Waiting};
use crate::{answer_tables, bench_tables, export_tables, flag_tables, tables};

/// Columns of a failure's text.
const WIDTH: usize = 100;

/// A message as a diagnostic.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{0}")]
struct Shown(String);

/// Examples shown at the end of a run.
const EXAMPLES: usize = 2;

/// A problem as `tasks show` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct ShownProblem {
    pub(crate) prompt: Prompt,
    pub(crate) rationale: Option<String>,
    pub(crate) gold: Option<Answer>,
    pub(crate) meta: BTreeMap<String, String>,
}

/// A loop as `check` foresees it.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedLoop {
    pub(crate) n: u32,
    pub(crate) rationales: u64,
    pub(crate) rationalizations_at_most: u64,
    pub(crate) steps: u32,
    pub(crate) sequences: u64,
}

/// A run as `check` foresees it.
#[derive(Debug, Serialize)]
pub(crate) struct Plan<'a> {
    pub(crate) run: String,
    pub(crate) task: String,
    pub(crate) train_problems: usize,
    pub(crate) evaluate_problems: usize,
    pub(crate) examples: usize,
    pub(crate) dropped_overlap: u32,
    /// What was found, with the first few.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) overlaps: Option<Overlaps<'a>>,
    pub(crate) model: Vec<String>,
    pub(crate) model_cached: bool,
    pub(crate) loops: Vec<PlannedLoop>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) estimates: Vec<Estimate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) budget_usd: Option<Usd>,
    pub(crate) prompt: Prompt,
}

/// One line of `doctor`.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) found: String,
    pub(crate) good: bool,
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn good(name: &'static str, found: String) -> Self {
        Self {
            name,
            found,
            good: true,
            advice: None,
        }
    }
}

/// The one that prints.
#[derive(Debug, Clone)]
pub(crate) struct Printer {
    output: Output,
    bars: Arc<MultiProgress>,
}

impl Printer {
    pub(crate) fn new(output: Output) -> Self {
        Self {
            output,
            bars: Arc::new(MultiProgress::new()),
        }
    }

    /// Where progress bars are drawn.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// A bar for downloads.
    pub(crate) fn download(&self) -> DownloadBar {
        DownloadBar::new(self)
    }

    /// A sentence for people, on standard error.
    pub(crate) fn note(&self, text: &str) {
        // A closed standard error leaves nobody to tell.
        self.bars
            .suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
    }

    /// A model or a judge that failed while others go on.
    pub(crate) fn failed(&self, failed: &Failed) {
        let Failed { name, error, .. } = failed;
        let told = error
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(':'));
        if told {
            self.note(error);
        } else {
            self.note(&format!("{name}: {error}"));
        }
    }

    /// A sign that something is under way.
    pub(crate) fn waiting(&self, what: &str) -> Waiting {
        Waiting::new(self, what)
    }

    /// The answers to a question, side by side, and the winner.
    pub(crate) fn combined(&self, combined: &Combined) -> Result<(), Failure> {
        self.result(combined, || answer_tables::combined(combined))
    }

    /// What a command would ask, and what it would cost at most.
    pub(crate) fn estimates(
        &self,
        estimates: &[Estimate],
        budget: Option<Usd>,
    ) -> Result<(), Failure> {
        let value = json!({ "estimates": estimates, "budget_usd": budget });
        self.result(&value, || answer_tables::estimates(estimates, budget))
    }

    /// What came of a data set.
    pub(crate) fn data_set(&self, summary: &DataSetSummary, out: &Path) -> Result<(), Failure> {
        let mut value = serde_json::to_value(summary)?;
        value["out"] = json!(out);
        self.result(&value, || answer_tables::data_set(summary, out))
    }

    /// What judges said about a file.
    pub(crate) fn judged(&self, summary: &JudgedFile, out: &Path) -> Result<(), Failure> {
        let mut value = serde_json::to_value(summary)?;
        value["out"] = json!(out);
        self.result(&value, || answer_tables::judged(summary, out))
    }

    /// Where the dashboard is.
    pub(crate) fn dashboard(&self, url: &str) -> Result<(), Failure> {
        self.result(&json!({ "url": url }), || {
            format!("dashboard: {url}\nCtrl-C ends it; runs go on without it")
        })
    }

    /// A failure, without a stack trace.
    pub(crate) fn failure(&self, failure: &Failure) {
        if matches!(failure, Failure::No) {
            return;
        }
        // Our messages hold those of their sources, so the chain of causes is not shown again.
        let shown = Shown(failure.to_string());
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
        if handler
            .with_width(WIDTH)
            .render_report(&mut text, &shown)
            .is_err()
        {
            text.clone_from(&shown.0);
        }
        self.note(text.trim_end());
    }

    /// Text on standard output, in text mode.
    fn text(&self, text: &str) {
        if self.output == Output::Text {
            // A closed pipe (`| head`) is no failure.
            self.bars
                .suspend(|| drop(writeln!(std::io::stdout(), "{text}")));
        } else {
            self.note(text);
        }
    }

    /// The result of a command: JSON or text on standard output.
    fn result(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.output {
            Output::Json => {
                let json = serde_json::to_string(value)?;
                self.bars
                    .suspend(|| drop(writeln!(std::io::stdout(), "{json}")));
            }
            Output::Text => self.text(&text()),
        }
        Ok(())
    }

    /// Training problems that are also evaluated on.
    pub(crate) fn overlaps(&self, overlaps: &Overlaps<'_>) -> Result<(), Failure> {
        self.result(overlaps, || overlaps.text())
    }

    /// A file that was written.
    pub(crate) fn path(&self, what: &str, path: &Path) -> Result<(), Failure> {
        self.result(&json!({ what: path }), || {
            format!("{what}: {}", path.display())
        })
    }

    /// A server that listens from now on.
    pub(crate) fn serving(&self, url: &str, models: &[String], token: bool) -> Result<(), Failure> {
        let value = json!({ "url": url, "models": models, "token": token });
        self.result(&value, || {
            let asked = if token { ", with a token" } else { "" };
            format!(
                "serving {} at {url}{asked}; Ctrl-C stops",
                models.join(", ")
            )
        })
    }

    /// A folder that was written.
    pub(crate) fn exported(&self, manifest: &Manifest, out: &Path) -> Result<(), Failure> {
        let mut value = serde_json::to_value(manifest)?;
        value["out"] = json!(out);
        self.result(&value, || export_tables::exported(manifest, out))
    }

    /// A script for another program, as it is, whatever the output.
    pub(crate) fn script(&self, script: &str) {
        self.bars
            .suspend(|| drop(write!(std::io::stdout(), "{script}")));
    }

    /// Files that were written.
    pub(crate) fn paths(&self, files: &[(&str, PathBuf)]) -> Result<(), Failure> {
        let value: BTreeMap<&str, &PathBuf> = files.iter().map(|(what, p)| (*what, p)).collect();
        self.result(&value, || {
            let line = |(what, path): &(&str, PathBuf)| format!("{what}: {}", path.display());
            files.iter().map(line).collect::<Vec<_>>().join("\n")
        })
    }

    /// A model that is in the cache.
    pub(crate) fn fetched(&self, fetched: &Fetched) -> Result<(), Failure> {
        let value = json!({
            "path": fetched.path, "sha256": fetched.sha256, "source": fetched.source,
        });
        self.result(&value, || {
            let path = fetched.path.display();
            format!(
                "{path}\nsha256 {}\nfrom {}",
                fetched.sha256, fetched.source.0
            )
        })
    }

    /// A verdict with its steps.
    pub(crate) fn explanation(&self, explained: &Explanation) -> Result<(), Failure> {
        let Explanation {
            verification,
            steps,
        } = explained;
        let value = json!({
            "verdict": verification.verdict.as_str(),
            "extracted": verification.extracted,
            "how": verification.how,
            "steps": steps,
            "flags": verification.flags,
        });
        self.result(&value, || {
            let verdict = match &verification.verdict {
                Verdict::CannotTell(_) => "cannot tell",
                decided => decided.as_str(),
            };
            let mut text = format!("{verdict}\n{}", verification.how);
            if *steps != [verification.how.as_str()] {
                for (step, number) in steps.iter().zip(1..) {
                    text += &format!("\n  {number}. {step}");
                }
            }
            text
        })
    }

    /// Lines that are data, each with its end. They are written as they come.
    #[expect(clippy::unused_self, reason = "nothing prints but the printer")]
    pub(crate) fn lines(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    pub(crate) fn tasks(&self, tasks: &[(&str, &str)]) -> Result<(), Failure> {
        let list: Vec<_> = tasks
            .iter()
            .map(|(name, about)| json!({ "name": name, "about": about }))
            .collect();
        self.result(&list, || {
            let lines = tasks
                .iter()
                .map(|(name, about)| format!("{name:<14} {about}"));
            lines.collect::<Vec<_>>().join("\n")
        })
    }

    pub(crate) fn problems(&self, problems: &[ShownProblem]) -> Result<(), Failure> {
        self.result(&problems, || {
            let shown = problems.iter().map(|problem| {
                let rationale = problem.rationale.as_deref().unwrap_or("(no rationale)");
                let gold = problem
                    .gold
                    .as_ref()
                    .map_or("(none)", |gold| gold.0.as_str());
                format!(
                    "{} {rationale}\n[gold: {gold}]",
                    tables::prompt_text(&problem.prompt)
                )
            });
            shown.collect::<Vec<_>>().join("\n\n")
        })
    }

    pub(crate) fn plan(&self, plan: &Plan<'_>) -> Result<(), Failure> {
        self.result(plan, || tables::plan(plan))
    }

    pub(crate) fn findings(&self, findings: &[Finding]) -> Result<(), Failure> {
        self.result(&findings, || tables::findings(findings))
    }

    /// What this machine does, and what it could do.
    pub(crate) fn bench(&self, report: &BenchReport, model: &str) -> Result<(), Failure> {
        self.result(report, || bench_tables::bench(report, model))
    }

    /// Where the time of a task went; on standard error where standard output holds JSON.
    pub(crate) fn profile(&self, task: &str, profile: &Profile) {
        self.text(&bench_tables::profile(task, profile));
    }

    pub(crate) fn measured(&self, measured: &Measured) -> Result<(), Failure> {
        self.result(measured, || {
            format!(
                "{} of {} right: {:.1}% (95% interval {:.1}% to {:.1}%)",
                measured.right,
                measured.total,
                100.0 * measured.accuracy,
                100.0 * measured.low,
                100.0 * measured.high
            )
        })
    }

    /// Where a run stands, and what its process does, if it has one.
    pub(crate) fn status(
        &self,
        status: &RunStatus,
        progress: Option<&Progress>,
    ) -> Result<(), Failure> {
        let working = progress.filter(|p| p.is_working() && status.state == RunState::Unfinished);
        let mut value = serde_json::to_value(status)?;
        if let Some(progress) = working {
            value["progress"] = serde_json::to_value(progress)?;
        }
        self.result(&value, || {
            let state = match status.state {
                RunState::Unfinished if working.is_some() => "under way",
                RunState::Unfinished => {
                    "unfinished; `autodidact run` with its spec goes on with it"
                }
                RunState::Finished => "finished",
            };
            let mut text = format!("run {}: {state}", status.run);
            if let Some(progress) = working {
                text += &format!("\n{}", tables::progress(progress));
            }
            if let Some(base) = &status.base {
                let percent = 100.0 * base.accuracy;
                text += &format!(
                    "\nbaseline: {} of {} right, {percent:.1}%",
                    base.right, base.total
                );
            }
            if !status.iterations.is_empty() {
                text += "\n";
                text += &tables::iterations(
                    &status.iterations,
                    None,
                    status.base.as_ref().map(|b| b.accuracy),
                );
                if let Some(flags) = flag_tables::loops(&status.iterations) {
                    text += &format!("\n{flags}");
                }
            }
            if let Some(best) = &status.best {
                text += &format!("\nbest: loop {}, adapter {}", best.iteration, best.adapter);
            }
            text
        })
    }

    pub(crate) fn baseline(&self, measurement: &BaselineMeasurement) {
        self.text(&format!(
            "{}: {} of {} held-out problems right, {:.1}%",
            measurement.name,
            measurement.right,
            measurement.total,
            100.0 * measurement.accuracy
        ));
    }

    /// The table after a loop.
    pub(crate) fn loops(
        &self,
        results: &[IterationResult],
        details: &[IterationDetail],
        baseline: Option<f64>,
    ) {
        self.text(&tables::iterations(results, Some(details), baseline));
        if let Some(detail) = details.last() {
            self.text(&tables::detail(detail));
            let n = results.last().map_or(0, |result| result.n);
            if let Some(flags) = flag_tables::one_loop(n, &detail.flags) {
                self.text(&flags);
            }
            if !detail.models.is_empty() {
                self.text(&answer_tables::models(&detail.models));
            }
            if !detail.judges.is_empty() {
                self.text(&answer_tables::calibration(&detail.judges));
            }
        }
    }

    /// The end of a run: a few answers before and after, the verdict, and where everything is.
    pub(crate) fn run_finished(
        &self,
        status: &RunStatus,
        data: &ReportData,
        directory: &Path,
    ) -> Result<(), Failure> {
        for example in data.examples.iter().take(EXAMPLES) {
            self.text(&tables::example(example));
        }
        self.text(&format!("\n{}", autodidact_report::verdict(data)));
        if status.best.is_some() {
            self.text(&format!(
                "adapter: {}",
                directory.join("adapters/best").display()
            ));
        }
        self.text(&format!(
            "report: {}",
            directory.join("report.html").display()
        ));
        if let Some(bytes) = peak_memory() {
            self.text(&format!("peak memory: {:.2} GB", bytes as f64 / 1e9));
        }
        match self.output {
            Output::Json => self.result(status, String::new),
            Output::Text => Ok(()),
        }
    }
}

/// The most memory this process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()?
            * 1024,
    )
}
