//! `bench`: what this machine does against what it could do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use autodidact_core::RunSpec;
use autodidact_engine::{
    BenchTask, EngineError, Model, Profile, bench_sampling, bench_training,
    fused_multiply_add_rate, instruction_set,
};
use autodidact_star::StarError;
use serde::Serialize;

use crate::arguments::{BenchArguments, Machine};
use crate::commands::init;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::{interrupt, open};

/// How long the limit is measured each of three times.
const PROBE: Duration = Duration::from_millis(400);

/// A task against its limit.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) tokens_per_second: f64,
    pub(crate) limit_tokens_per_second: f64,
    pub(crate) fraction: f64,
}

/// What `bench` prints.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BenchReport {
    pub(crate) machine: String,
    pub(crate) sampling: Figures,
    pub(crate) training: Figures,
}

/// What was measured.
struct Measured {
    /// Floating-point operations a second of all cores together.
    rate: f64,
    sampling: BenchTask,
    training: BenchTask,
}

pub(crate) async fn execute(
    arguments: &BenchArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let model = Arc::new(Model::open(&model_path(arguments, settings, printer)?)?);
    let threads = open::threads(&arguments.machine);
    let stop = interrupt::watch(printer);
    let (model_name, waiting) = (model.name(), printer.waiting("measuring"));
    let measured = tokio::task::spawn_blocking(move || measure(&model, threads, &stop));
    let measured = measured.await.map_err(|_| StarError::Worker)?;
    drop(waiting);
    let measured = measured?;
    let report = report(&measured, threads);
    printer.bench(&report, &model_name)?;
    if arguments.profile {
        let profiles: [(&str, Profile); 2] = [
            ("sampling", measured.sampling.profile),
            ("training", measured.training.profile),
        ];
        for (task, profile) in profiles {
            printer.profile(task, &profile);
        }
    }
    Ok(())
}

/// The file that was named, or the model of the quickstart.
fn model_path(
    arguments: &BenchArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<std::path::PathBuf, Failure> {
    let (sources, sha256) = if arguments.model.is_empty() {
        let spec = RunSpec::parse(init::TEMPLATE).map_err(|source| Failure::Spec {
            path: "quickstart.toml".into(),
            source,
        })?;
        (spec.student.model, spec.student.sha256)
    } else {
        (open::sources(&arguments.model), None)
    };
    let fetcher = open::fetcher(settings, arguments.machine.offline);
    let progress = printer.download();
    let fetched = fetcher.fetch(&sources, sha256.as_deref(), Path::new(""), &progress)?;
    Ok(fetched.path)
}

/// The limit before, between and after the tasks: the highest is closest to what the cores can do
/// when nothing else runs.
fn measure(model: &Arc<Model>, threads: usize, stop: &AtomicBool) -> Result<Measured, EngineError> {
    let cores = cores();
    let probe = || fused_multiply_add_rate(cores, PROBE);
    let before = probe()?;
    let sampling = bench_sampling(model, threads, stop)?;
    let between = probe()?;
    let training = bench_training(model, threads, stop)?;
    Ok(Measured {
        rate: before.max(between).max(probe()?),
        sampling,
        training,
    })
}

fn cores() -> usize {
    open::threads(&Machine {
        threads: None,
        offline: false,
    })
}

fn report(measured: &Measured, threads: usize) -> BenchReport {
    let figures = |task: &BenchTask| {
        let (seen, limit) = (
            task.tokens_per_second(),
            task.limit_tokens_per_second(measured.rate),
        );
        Figures {
            tokens_per_second: seen,
            limit_tokens_per_second: limit,
            fraction: seen / limit,
        }
    };
    BenchReport {
        machine: format!(
            "{}, {threads} of {} cores, {}, {:.0} GFLOP/s",
            processor(),
            cores(),
            instruction_set(),
            measured.rate / 1e9
        ),
        sampling: figures(&measured.sampling),
        training: figures(&measured.training),
    }
}

/// The processor's name, where the system tells.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find_map(|(key, value)| (key.trim() == "model name").then(|| value.trim().to_owned()));
    name.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}
