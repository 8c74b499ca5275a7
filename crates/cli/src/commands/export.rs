//! `export`: samples and weights of a run for other programs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_engine::Model;
use autodidact_engine::gguf::TensorType;
use autodidact_export::{
    DataRequest, Folder, Format, Kind, Manifest, RunFacts, WeightsKind, WeightsRequest,
    export_data, export_weights,
};
use autodidact_store::RunStore;

use super::status::run_name;
use crate::arguments::Stored;
use crate::failure::Failure;
use crate::open::{self, run_directory};
use crate::printer::Printer;
use crate::service_arguments::{ExportArguments, ExportFormat, ExportWhat};
use crate::settings::Settings;

pub(crate) async fn execute(
    arguments: &ExportArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<(), Failure> {
    let what = What::of(arguments)?;
    let directory = run_directory(&arguments.run, arguments.runs.as_ref(), settings);
    let store = RunStore::open_reader(&directory).await?;
    let facts = RunFacts::read(&store, &run_name(&directory)).await?;
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None => PathBuf::from(format!("{}-{}", facts.name, what.folder(arguments))),
    };
    let folder = Folder::begin(&out, arguments.force)?;
    let manifest = match what {
        What::Data(kind, format) => {
            let request = DataRequest {
                kind,
                format,
                iteration: arguments.iteration,
                minimum: arguments.minimum.iter().copied().collect(),
            };
            export_data(&store, &facts, &request, folder).await?
        }
        What::Weights(kind) => {
            let source = Source {
                arguments,
                settings,
                printer,
                directory: &directory,
            };
            source.weights(&store, &facts, kind, folder).await?
        }
    };
    printer.exported(&manifest, &out)
}

/// What was asked for, checked.
#[derive(Clone, Copy)]
enum What {
    Data(Kind, Format),
    Weights(WeightsKind),
}

impl What {
    fn of(arguments: &ExportArguments) -> Result<Self, Failure> {
        let (kind, apart) = (arguments.what, arguments.apart);
        if apart && kind != ExportWhat::Ollama {
            return Err(Failure::Usage(
                "`--apart` belongs to `--what ollama`".to_owned(),
            ));
        }
        let weights = match kind {
            ExportWhat::Adapter => WeightsKind::Adapter,
            ExportWhat::Merged => WeightsKind::Merged,
            ExportWhat::Ollama if apart => WeightsKind::OllamaAdapter,
            ExportWhat::Ollama => WeightsKind::Ollama,
            ExportWhat::Sft => return Self::data(Kind::Sft, arguments),
            ExportWhat::Preference => return Self::data(Kind::Preference, arguments),
            ExportWhat::Kto => return Self::data(Kind::Kto, arguments),
            ExportWhat::Verifier => return Self::data(Kind::Verifier, arguments),
            ExportWhat::Dataset => return Self::data(Kind::Dataset, arguments),
        };
        if arguments.format.is_some() || !arguments.minimum.is_empty() {
            return Err(Failure::Usage(format!(
                "`--format` and `--minimum` belong to samples (sft, preference, kto, verifier, dataset), not to `{}`",
                weights.as_str()
            )));
        }
        let one_file = matches!(weights, WeightsKind::Merged | WeightsKind::Ollama);
        if arguments.store.is_some() && !one_file {
            return Err(Failure::Usage(
                "`--store` belongs to merged models (merged, and ollama without `--apart`)"
                    .to_owned(),
            ));
        }
        Ok(Self::Weights(weights))
    }

    fn data(kind: Kind, arguments: &ExportArguments) -> Result<Self, Failure> {
        if arguments.store.is_some() {
            return Err(Failure::Usage(format!(
                "`--store` belongs to merged models, not to `{}`",
                kind.as_str()
            )));
        }
        let format = arguments.format.map(format_of);
        Ok(Self::Data(kind, kind.format(format)?))
    }

    /// The usual name of the folder, behind the run's.
    fn folder(self, arguments: &ExportArguments) -> String {
        match self {
            Self::Data(kind, format) => format!("{}-{}", kind.as_str(), format.as_str()),
            Self::Weights(kind) => {
                let loop_name = arguments.iteration.map(|n| format!("-{n}"));
                format!("{}{}", kind.as_str(), loop_name.unwrap_or_default())
            }
        }
    }
}

fn format_of(format: ExportFormat) -> Format {
    match format {
        ExportFormat::Trl => Format::Trl,
        ExportFormat::Axolotl => Format::Axolotl,
        ExportFormat::LlamaFactory => Format::LlamaFactory,
        ExportFormat::Mlx => Format::Mlx,
        ExportFormat::Openai => Format::Openai,
        ExportFormat::Together => Format::Together,
        ExportFormat::Sharegpt => Format::Sharegpt,
        ExportFormat::Alpaca => Format::Alpaca,
        ExportFormat::Parquet => Format::Parquet,
        ExportFormat::Jsonl => Format::Jsonl,
    }
}

/// How layers are stored, as the engine names it.
pub(super) fn tensor_type(stored: Stored) -> TensorType {
    match stored {
        Stored::F32 => TensorType::F32,
        Stored::F16 => TensorType::F16,
        Stored::Q8_0 => TensorType::Q8_0,
        Stored::Q4_0 => TensorType::Q4_0,
    }
}

/// Where weights come from.
struct Source<'a> {
    arguments: &'a ExportArguments,
    settings: &'a Settings,
    printer: &'a Printer,
    directory: &'a Path,
}

impl Source<'_> {
    async fn weights(
        &self,
        store: &RunStore,
        facts: &RunFacts,
        kind: WeightsKind,
        folder: Folder,
    ) -> Result<Manifest, Failure> {
        let machine = &self.arguments.machine;
        let student = &facts.spec.student;
        let sources = match self.arguments.model.as_slice() {
            [] => student.model.clone(),
            given => open::sources(given),
        };
        let fetcher = open::fetcher(self.settings, machine.offline);
        let progress = self.printer.download();
        let sum = student.sha256.as_deref();
        let fetched = fetcher.fetch(&sources, sum, Path::new(""), &progress)?;
        let recorded: Option<serde_json::Value> = store.stage(0, "inputs").await?;
        let recorded = recorded.as_ref().and_then(|r| r.get("model")?.as_str());
        if recorded.is_some_and(|sum| sum != fetched.sha256) {
            return Err(Failure::Usage(format!(
                "{} is not the base model that the run learned on; name its file with `--model`",
                fetched.path.display()
            )));
        }
        let model = Arc::new(Model::open(&fetched.path)?);
        let _waiting = self.printer.waiting("writing and comparing logits");
        let request = WeightsRequest {
            kind,
            iteration: self.arguments.iteration,
            stored: tensor_type(self.arguments.store.unwrap_or_default()),
            run: self.directory,
            base: &fetched.path,
            model,
            threads: open::threads(machine),
        };
        Ok(export_weights(facts, &request, folder)?)
    }
}
