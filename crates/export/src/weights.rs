//! Exporting what was learned: the adapter, the base with it merged in, and both for Ollama.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use autodidact_core::{Prompt, PromptStyle};
use autodidact_engine::gguf::TensorType;
use autodidact_engine::{Adapter, Model, TrainingExample};
use autodidact_star::{TrainingPair, training_example};
use serde::Deserialize;

use crate::modelfile::{modelfile, text_template};
use crate::run_facts::RunFacts;
use crate::{
    Agreement, Agreements, ExportError, Folder, Manifest, ModelfileTemplate, card, template_of,
};

/// Training texts that logits are compared on.
const TEXTS: usize = 4;

/// What of the weights is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightsKind {
    /// The adapter, as a PEFT directory and, if that format can hold it, as a GGUF file.
    Adapter,
    /// The base with the adapter merged into it, as a GGUF file.
    Merged,
    /// A Modelfile with the merged model.
    Ollama,
    /// A Modelfile with the base and the adapter apart.
    OllamaAdapter,
}

impl WeightsKind {
    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adapter => "adapter",
            Self::Merged => "merged",
            Self::Ollama | Self::OllamaAdapter => "ollama",
        }
    }
}

/// Which weights are wanted.
#[derive(Debug, Clone)]
pub struct WeightsRequest<'a> {
    /// In which form.
    pub kind: WeightsKind,
    /// Of which outer loop; absent: of the best, or else of the last.
    pub iteration: Option<u32>,
    /// How merged layers are stored.
    pub stored: TensorType,
    /// The run's directory.
    pub run: &'a Path,
    /// The base's file.
    pub base: &'a Path,
    /// The base.
    pub model: Arc<Model>,
    /// Threads.
    pub threads: usize,
}

/// A line of `training/<n>.jsonl`.
#[derive(Deserialize)]
struct TrainingLine {
    prompt: Prompt,
    completion: String,
}

/// Writes weights into a folder, which then takes its name, after they were compared with what was
/// trained.
///
/// # Errors
/// [`ExportError::Request`] for an outer loop that is not there, [`ExportError::Disagrees`] if what
/// was written computes something else; otherwise those of files and of the engine. Nothing is left
/// behind then.
pub fn export_weights(
    facts: &RunFacts,
    request: &WeightsRequest<'_>,
    mut folder: Folder,
) -> Result<Manifest, ExportError> {
    let iteration = iteration(facts, request.iteration)?;
    let model = &request.model;
    let directory = request.run.join(format!("adapters/{iteration}"));
    let adapter = Adapter::open(&directory, model.config())?;
    let texts = texts(request.run, iteration, model)?;
    let agreements = Agreements::new(model, &adapter, texts, request.threads)?;
    let mut agreement = vec![agreements.training(&adapter)?];
    let writing = Writing {
        facts,
        request,
        adapter: &adapter,
        agreements: &agreements,
    };
    match request.kind {
        WeightsKind::Adapter => {
            agreement.extend(writing.peft(&mut folder)?);
            agreement.extend(writing.gguf_adapter(&mut folder)?);
        }
        WeightsKind::Merged => agreement.push(writing.merged(&mut folder)?.1),
        WeightsKind::Ollama => {
            let (name, agrees) = writing.merged(&mut folder)?;
            agreement.push(agrees);
            writing.modelfile(&mut folder, &name, None)?;
        }
        WeightsKind::OllamaAdapter => {
            let agrees = writing.gguf_adapter(&mut folder)?;
            let agrees = agrees.ok_or_else(|| {
                ExportError::Request(
                    "a GGUF adapter cannot hold the magnitudes of DoRA; export the merged model instead, without `--apart`".into(),
                )
            })?;
            agreement.push(agrees);
            let base = folder.path("base.gguf")?;
            std::fs::copy(request.base, &base).map_err(ExportError::write(&base))?;
            folder.add("base.gguf", None)?;
            writing.modelfile(&mut folder, "base.gguf", Some("adapter.gguf"))?;
        }
    }
    let manifest = Manifest {
        autodidact: env!("CARGO_PKG_VERSION").to_owned(),
        run: facts.name.clone(),
        what: request.kind.as_str().to_owned(),
        format: None,
        iteration: Some(iteration),
        minimum: BTreeMap::new(),
        samples: BTreeMap::new(),
        provenance: authors(request.run, iteration, facts)?,
        agreement,
        files: Vec::new(),
    };
    let text = card::model_card(facts, request.kind, iteration, &manifest);
    folder.write("README.md", text.as_bytes())?;
    folder.write("spec.toml", facts.spec_text.as_bytes())?;
    folder.finish(manifest)
}

/// The outer loop whose student is exported.
fn iteration(facts: &RunFacts, wanted: Option<u32>) -> Result<u32, ExportError> {
    let trained = facts.status.iterations.len() as u32;
    if trained == 0 {
        return Err(ExportError::Request(format!(
            "the run `{}` has not finished an outer loop, so there is no student to export",
            facts.name
        )));
    }
    let best = facts.status.best.as_ref().map(|best| best.iteration);
    match wanted {
        None => Ok(best.unwrap_or(trained)),
        Some(n) if (1..=trained).contains(&n) => Ok(n),
        Some(n) => Err(ExportError::Request(format!(
            "the run `{}` has outer loops 1 to {trained}, not {n}",
            facts.name
        ))),
    }
}

fn for_each_line<T: for<'de> Deserialize<'de>>(
    run: &Path,
    iteration: u32,
    mut take: impl FnMut(T) -> Result<bool, ExportError>,
) -> Result<(), ExportError> {
    let path = run.join(format!("training/{iteration}.jsonl"));
    let failed = |source| ExportError::Read {
        path: path.clone(),
        source,
    };
    let file = std::fs::File::open(&path).map_err(failed)?;
    for line in std::io::BufReader::new(file).lines() {
        let line: T = serde_json::from_str(&line.map_err(failed)?)?;
        if !take(line)? {
            break;
        }
    }
    Ok(())
}

/// The first few training texts, as tokens.
fn texts(run: &Path, iteration: u32, model: &Model) -> Result<Vec<TrainingExample>, ExportError> {
    let mut texts = Vec::new();
    for_each_line(run, iteration, |line: TrainingLine| {
        let pair = TrainingPair {
            prompt: line.prompt,
            completion: line.completion,
            model: String::new(),
            terms: String::new(),
        };
        texts.push(training_example(model, &pair)?);
        Ok(texts.len() < TEXTS)
    })?;
    Ok(texts)
}

/// Who wrote the training text of an outer loop.
fn authors(
    run: &Path,
    iteration: u32,
    facts: &RunFacts,
) -> Result<Vec<crate::Contribution>, ExportError> {
    #[derive(Deserialize)]
    struct Line {
        model: String,
        terms: String,
    }
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    for_each_line(run, iteration, |line: Line| {
        *counts.entry((line.model, line.terms)).or_default() += 1;
        Ok(true)
    })?;
    let contribution = |((author, terms), count)| {
        let teacher = facts.spec.teachers.iter().find(|t| t.name == author);
        let (provider, model) = match teacher {
            Some(teacher) => (
                teacher.provider.as_str().to_owned(),
                teacher.model_name().to_owned(),
            ),
            None if author == "student" => ("local".to_owned(), facts.base_model()),
            None => ("task".to_owned(), facts.task()),
        };
        crate::Contribution {
            author,
            provider,
            model,
            terms,
            samples: count,
            used: count,
        }
    };
    Ok(counts.into_iter().map(contribution).collect())
}

struct Writing<'a> {
    facts: &'a RunFacts,
    request: &'a WeightsRequest<'a>,
    adapter: &'a Adapter,
    agreements: &'a Agreements,
}

impl Writing<'_> {
    /// The PEFT files, read back.
    fn peft(&self, folder: &mut Folder) -> Result<Option<Agreement>, ExportError> {
        let model = &self.request.model;
        let base = self.facts.base_model();
        let mut directory = PathBuf::new();
        for (name, bytes) in self.adapter.to_peft(model.config(), &base)? {
            folder.write(name, &bytes)?;
            directory = folder.path(name)?;
        }
        let directory = directory.parent().map(Path::to_owned).unwrap_or_default();
        let back = Adapter::open(&directory, model.config())?;
        let what = "the PEFT directory";
        let agreement = self.agreements.compare(what, model, Some(&back), Some(0.0));
        agreement.map(Some)
    }

    /// The GGUF adapter, read back; `None` if the format cannot hold it.
    fn gguf_adapter(&self, folder: &mut Folder) -> Result<Option<Agreement>, ExportError> {
        if !self.adapter.fits_gguf() {
            return Ok(None);
        }
        let model = &self.request.model;
        let name = "adapter.gguf";
        folder.write(name, &self.adapter.to_gguf(model.config())?)?;
        let back = Adapter::open(&folder.path(name)?, model.config())?;
        // rsLoRA's alpha is written times the root of the rank, which rounds.
        let what = "the GGUF adapter";
        let agreement = self
            .agreements
            .compare(what, model, Some(&back), Some(1e-9));
        agreement.map(Some)
    }

    /// The merged model, read back.
    fn merged(&self, folder: &mut Folder) -> Result<(String, Agreement), ExportError> {
        let stored = self.request.stored;
        let short = format!("{stored:?}");
        let name = format!("{}-{short}.gguf", self.facts.name);
        let path = folder.path(&name)?;
        let model = &self.request.model;
        self.adapter.write_merged(model, stored, &path)?;
        folder.add(&name, None)?;
        let merged = Arc::new(Model::open(&path)?);
        let tolerance = match stored {
            TensorType::F32 => Some(1e-9),
            TensorType::F16 => Some(1e-4),
            _ => None,
        };
        let what = format!("the merged model in {short}");
        let agreement = self.agreements.compare(&what, &merged, None, tolerance)?;
        Ok((name, agreement))
    }

    fn modelfile(
        &self,
        folder: &mut Folder,
        from: &str,
        adapter: Option<&str>,
    ) -> Result<(), ExportError> {
        let model = &self.request.model;
        let template = match (self.facts.spec.student.prompt, model.chat_template()) {
            (PromptStyle::Text, _) => text_template(self.facts),
            (PromptStyle::Chat, Some(chat)) => {
                let begin = model.tokenizer().begin_of_text().unwrap_or_default();
                template_of(chat, begin)
            }
            (PromptStyle::Chat, None) => ModelfileTemplate::Unrepresentable,
        };
        let text = modelfile(self.facts, from, adapter, &template);
        folder.write("Modelfile", text.as_bytes())
    }
}
