//! From a spec file to a task, a model and a student.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_core::{ModelSource, RunName, RunSpec, TaskSpec};
use autodidact_engine::Model;
use autodidact_models::{Fetched, Fetcher};
use autodidact_star::LocalStudent;
use autodidact_tasks::{Task, TaskError};

use crate::arguments::{Machine, Overrides};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

/// A spec with where it stands: its paths are relative to that directory.
#[derive(Debug, Clone)]
pub(crate) struct OpenSpec {
    pub(crate) spec: RunSpec,
    pub(crate) directory: PathBuf,
}

/// Reads a spec and applies what the command line says instead.
pub(crate) fn spec(path: &Path, overrides: &Overrides) -> Result<OpenSpec, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            let path = path.display();
            return Failure::Usage(format!(
                "there is no spec {path}; check the path, or write one with `autodidact init`"
            ));
        }
        Failure::Read {
            path: path.to_owned(),
            source,
        }
    })?;
    let mut spec = RunSpec::parse(&text).map_err(|source| Failure::Spec {
        path: path.to_owned(),
        source,
    })?;
    let directory = path.parent().map(Path::to_owned).unwrap_or_default();
    if let Some(name) = &overrides.name {
        spec.run.name = RunName::new(name.clone()).map_err(Failure::Usage)?;
    }
    if let Some(seed) = overrides.seed {
        spec.run.seed = seed;
    }
    let here = |file: &PathBuf| {
        std::path::absolute(file).map_err(|source| Failure::Read {
            path: file.clone(),
            source,
        })
    };
    if let Some(file) = &overrides.train {
        spec.task.builtin = None;
        spec.task.train = Some(here(file)?);
    }
    if let Some(file) = &overrides.evaluate {
        spec.task.evaluate = Some(here(file)?);
    }
    if let Some(limit) = overrides.limit {
        let at_most = |count: Option<u32>| Some(count.unwrap_or(limit).min(limit));
        spec.task.train_problems = at_most(spec.task.train_problems);
        spec.task.evaluate_problems = at_most(spec.task.evaluate_problems);
        spec.select.minimum = spec.select.minimum.min(limit.div_ceil(8).max(1));
    }
    spec.check().map_err(|source| Failure::Spec {
        path: path.to_owned(),
        source,
    })?;
    Ok(OpenSpec { spec, directory })
}

/// A way to load a task: section, file of examples, examples wanted, seed.
type LoadTask = fn(&TaskSpec, Option<&Path>, usize, u64) -> Result<Task, TaskError>;

impl OpenSpec {
    /// Reads or generates the task.
    pub(crate) fn task(&self) -> Result<Task, Failure> {
        self.task_by(autodidact_tasks::load)
    }

    /// The same as it was before overlaps were searched for, for runs that were started then.
    pub(crate) fn task_without_search(&self) -> Result<Task, Failure> {
        self.task_by(autodidact_tasks::load_without_search)
    }

    fn task_by(&self, load: LoadTask) -> Result<Task, Failure> {
        let mut task = self.spec.task.clone();
        let resolve = |path: &PathBuf| self.directory.join(path);
        task.train = task.train.as_ref().map(resolve);
        task.evaluate = task.evaluate.as_ref().map(resolve);
        let examples = self.spec.student.examples.as_ref().map(resolve);
        let student = &self.spec.student;
        let wanted = if student.warm_start {
            student.few_shot.max(student.warm_start_examples)
        } else {
            student.few_shot
        };
        let seed = self.spec.run.seed;
        Ok(load(&task, examples.as_deref(), wanted as usize, seed)?)
    }

    /// Fetches the model, if it is not in the cache.
    pub(crate) fn fetch(
        &self,
        settings: &Settings,
        machine: &Machine,
        printer: &Printer,
    ) -> Result<Fetched, Failure> {
        let student = &self.spec.student;
        let fetcher = fetcher(settings, machine.offline);
        let progress = printer.download();
        Ok(fetcher.fetch(
            &student.model,
            student.sha256.as_deref(),
            &self.directory,
            &progress,
        )?)
    }
}

/// A fetcher with the settings of this machine.
pub(crate) fn fetcher(settings: &Settings, offline: bool) -> Fetcher {
    Fetcher {
        python: settings.python.clone(),
        offline: offline || settings.offline,
        ..Fetcher::new(settings.cache.clone())
    }
}

/// Sources as written on a command line.
pub(crate) fn sources(texts: &[String]) -> Vec<ModelSource> {
    texts.iter().cloned().map(ModelSource).collect()
}

/// Opens a fetched model as a student of this process.
pub(crate) fn student(fetched: &Fetched, machine: &Machine) -> Result<Arc<LocalStudent>, Failure> {
    let model = Arc::new(Model::open(&fetched.path)?);
    let student = LocalStudent::new(model, fetched.sha256.clone(), threads(machine));
    Ok(Arc::new(student))
}

/// As many threads as asked for, or as there are cores.
pub(crate) fn threads(machine: &Machine) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    machine.threads.filter(|n| *n > 0).unwrap_or_else(cores)
}

/// The directory of a run given by name or by directory.
pub(crate) fn run_directory(run: &str, runs: Option<&PathBuf>, settings: &Settings) -> PathBuf {
    let given = PathBuf::from(run);
    if given.join("run.db").is_file() {
        return given;
    }
    runs.unwrap_or(&settings.runs).join(run)
}
