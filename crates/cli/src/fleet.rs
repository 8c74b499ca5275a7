//! From declarations to models and judges that can be asked.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use autodidact_core::{JudgeKind, JudgeSpec, ModelSpec, ProviderKind};
use autodidact_engine::Model;
use autodidact_judges::Judge;
use autodidact_providers::{ApiKey, ChatModel, PriceTable, RemoteModel, key_variable};
use autodidact_star::{Failed, LocalModel};

use crate::arguments::Machine;
use crate::failure::Failure;
use crate::open;
use crate::printer::Printer;
use crate::settings::Settings;

/// Opens models and judges; a GGUF file that several of them name is opened once.
pub(crate) struct Fleet<'a> {
    settings: &'a Settings,
    machine: &'a Machine,
    printer: &'a Printer,
    /// Paths of `local` models are relative to this.
    directory: &'a Path,
    prices: PriceTable,
    files: HashMap<String, Arc<Model>>,
    stop: Arc<AtomicBool>,
}

pub(crate) type Models = Vec<Arc<dyn ChatModel>>;
pub(crate) type Judges = Vec<Arc<dyn Judge>>;

/// What could be opened, and what could not.
pub(crate) struct Opened<T: ?Sized> {
    pub(crate) ready: Vec<Arc<T>>,
    pub(crate) failed: Vec<Failed>,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(
        settings: &'a Settings,
        machine: &'a Machine,
        printer: &'a Printer,
        directory: &'a Path,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            prices: prices(settings)?,
            files: HashMap::new(),
            settings,
            machine,
            printer,
            directory,
            stop,
        })
    }

    /// Opens what can be opened.
    pub(crate) fn models(&mut self, specs: &[ModelSpec]) -> Opened<dyn ChatModel> {
        let mut opened = Opened {
            ready: Vec::new(),
            failed: Vec::new(),
        };
        for spec in specs {
            match self.model(spec) {
                Ok(model) => opened.ready.push(model),
                Err(failure) => opened.failed.push(failed(&spec.name, &failure)),
            }
        }
        opened
    }

    /// Opens what can be opened.
    pub(crate) fn judges(&mut self, specs: &[JudgeSpec]) -> Opened<dyn Judge> {
        let mut opened = Opened {
            ready: Vec::new(),
            failed: Vec::new(),
        };
        for spec in specs {
            match self.judge(spec) {
                Ok(judge) => opened.ready.push(judge),
                Err(failure) => opened.failed.push(failed(&spec.name, &failure)),
            }
        }
        opened
    }

    /// Opens one model.
    pub(crate) fn model(&mut self, spec: &ModelSpec) -> Result<Arc<dyn ChatModel>, Failure> {
        if spec.provider == ProviderKind::Local {
            return self.local(spec);
        }
        let key = self.key(spec)?;
        let model = RemoteModel::new(spec.clone(), key, &self.prices)?;
        Ok(Arc::new(model))
    }

    /// Opens a model that is asked through files.
    pub(crate) fn remote(&mut self, spec: &ModelSpec) -> Result<Arc<RemoteModel>, Failure> {
        if spec.provider == ProviderKind::Local {
            let name = &spec.name;
            return Err(Failure::Usage(format!(
                "`{name}` is a model on this machine; batches are for models behind a server"
            )));
        }
        // Nothing is sent, so no key is needed; a place is.
        let mut spec = spec.clone();
        (spec.key_env, spec.key_command) = (None, None);
        if spec.base_url.as_slice().is_empty() {
            spec.base_url = autodidact_core::OneOrMany::One("http://127.0.0.1:8000/v1".into());
        }
        Ok(Arc::new(RemoteModel::new(spec, None, &self.prices)?))
    }

    /// Opens one judge.
    pub(crate) fn judge(&mut self, spec: &JudgeSpec) -> Result<Arc<dyn Judge>, Failure> {
        let model = spec.as_model();
        if matches!(spec.kind(), JudgeKind::Rubric | JudgeKind::Pairwise) {
            let chat = self.model(&model)?;
            return Ok(autodidact_judges::open(
                spec,
                None,
                &self.prices,
                Some(chat),
            )?);
        }
        let key = self.key(&model)?;
        Ok(autodidact_judges::open(spec, key, &self.prices, None)?)
    }

    /// Opens every model and judge, or fails at the first that cannot be opened: for commands that
    /// spend a lot before anyone looks.
    pub(crate) fn all(
        &mut self,
        models: &[ModelSpec],
        judges: &[JudgeSpec],
    ) -> Result<(Models, Judges), Failure> {
        let models: Result<_, _> = models.iter().map(|spec| self.model(spec)).collect();
        let judges: Result<_, _> = judges.iter().map(|spec| self.judge(spec)).collect();
        Ok((models?, judges?))
    }

    fn key(&self, spec: &ModelSpec) -> Result<Option<ApiKey>, Failure> {
        if let Some(command) = &spec.key_command {
            let key = ApiKey::from_command(command).map_err(|mut error| {
                error.model.clone_from(&spec.name);
                error
            })?;
            return Ok(Some(key));
        }
        let key = key_variable(spec).and_then(|name| self.settings.key(name));
        Ok(key.map(|key| ApiKey::new(&key)))
    }

    fn local(&mut self, spec: &ModelSpec) -> Result<Arc<dyn ChatModel>, Failure> {
        let fetcher = open::fetcher(self.settings, self.machine.offline);
        let progress = self.printer.download();
        let sum = spec.sha256.as_deref();
        let fetched = fetcher.fetch(&spec.sources(), sum, self.directory, &progress)?;
        let model = if let Some(model) = self.files.get(&fetched.sha256) {
            model.clone()
        } else {
            let model = Arc::new(Model::open(&fetched.path)?);
            self.files.insert(fetched.sha256, model.clone());
            model
        };
        let threads = open::threads(self.machine);
        let local = LocalModel::new(spec.clone(), model, threads, self.stop.clone())?;
        Ok(Arc::new(local))
    }
}

/// The built-in price table with the user's on top.
pub(crate) fn prices(settings: &Settings) -> Result<PriceTable, Failure> {
    let Some(path) = &settings.prices else {
        return Ok(PriceTable::builtin());
    };
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
        path: path.clone(),
        source,
    })?;
    PriceTable::builtin()
        .with_file(&text)
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn failed(name: &str, failure: &Failure) -> Failed {
    Failed {
        name: name.to_owned(),
        error: failure.to_string(),
        over_budget: false,
    }
}
