//! Which models and judges a command line names.

use std::path::{Path, PathBuf};

use autodidact_core::{EnsembleSpec, JudgeSpec, ModelSpec, ProviderKind, Usd};
use autodidact_providers::{key_needed, key_variable};

use crate::ensemble_arguments::EnsembleArguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::settings::Settings;

/// The models and judges that are known without a file.
const BUILTIN: &str = include_str!("../../../examples/ensemble.toml");

/// An ensemble with where its file stands: paths of models are relative to that directory.
#[derive(Debug, Clone)]
pub(crate) struct OpenEnsemble {
    pub(crate) spec: EnsembleSpec,
    pub(crate) directory: PathBuf,
}

/// Reads the file, or takes the built-in one, and applies the command line.
pub(crate) fn resolve(
    arguments: &EnsembleArguments,
    settings: &Settings,
    printer: &Printer,
) -> Result<OpenEnsemble, Failure> {
    let (text, path) = match &arguments.config {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
                path: path.clone(),
                source,
            })?;
            (text, path.clone())
        }
        None => (BUILTIN.to_owned(), PathBuf::from("the built-in ensemble")),
    };
    let failed = |source| Failure::Spec {
        path: path.clone(),
        source,
    };
    let mut spec = EnsembleSpec::parse(&text).map_err(failed)?;
    spec.models = models(spec.models, &arguments.models)?;
    spec.judges = judges(spec.judges, &arguments.judges)?;
    if arguments.config.is_none() {
        leave_out_keyless(&mut spec, arguments, settings, printer);
    }
    override_values(&mut spec, arguments)?;
    spec.check().map_err(failed)?;
    let directory = arguments.config.as_deref().and_then(Path::parent);
    Ok(OpenEnsemble {
        spec,
        directory: directory.map(Path::to_owned).unwrap_or_default(),
    })
}

fn override_values(spec: &mut EnsembleSpec, arguments: &EnsembleArguments) -> Result<(), Failure> {
    if let Some(strategy) = arguments.strategy {
        spec.strategy = strategy.into();
    }
    if let Some(dollars) = arguments.budget_usd {
        spec.budget_usd = Some(Usd::from_dollars(dollars).map_err(Failure::Usage)?);
    }
    if let Some(samples) = arguments.samples {
        for model in &mut spec.models {
            model.samples = samples;
        }
    }
    if let Some(max_tokens) = arguments.max_tokens {
        spec.max_tokens = max_tokens;
        for model in &mut spec.models {
            model.max_tokens = None;
        }
    }
    // An aggregator that was not asked for cannot fuse.
    let is_there = |name: &String| spec.models.iter().any(|model| model.name == *name);
    spec.fuse.aggregator = spec.fuse.aggregator.take().filter(is_there);
    Ok(())
}

/// All models of the file, or those that were named: by name, or as `provider:model`.
fn models(declared: Vec<ModelSpec>, wanted: &[String]) -> Result<Vec<ModelSpec>, Failure> {
    if wanted.is_empty() {
        return Ok(declared);
    }
    let one = |wanted: &String| {
        let known = declared.iter().find(|model| model.name == *wanted);
        match (known, inline(wanted)) {
            (Some(known), _) => Ok(known.clone()),
            (None, Some((name, provider, model))) => Ok(ModelSpec::new(&name, provider, &model)),
            (None, None) => Err(unknown("model", wanted, declared.iter().map(|m| &m.name))),
        }
    };
    wanted.iter().map(one).collect()
}

/// The same for judges.
fn judges(declared: Vec<JudgeSpec>, wanted: &[String]) -> Result<Vec<JudgeSpec>, Failure> {
    if wanted.is_empty() {
        return Ok(declared);
    }
    let one = |wanted: &String| {
        let known = declared.iter().find(|judge| judge.name == *wanted);
        match (known, inline(wanted)) {
            (Some(known), _) => Ok(known.clone()),
            (None, _) if wanted == "nemotron" => Ok(JudgeSpec::new(
                "nemotron",
                ProviderKind::Nvidia,
                "nvidia/nemotron-4-340b-reward",
            )),
            (None, Some((name, provider, model))) => Ok(JudgeSpec::new(&name, provider, &model)),
            (None, None) => Err(unknown("judge", wanted, declared.iter().map(|j| &j.name))),
        }
    };
    wanted.iter().map(one).collect()
}

/// `provider:model` as a name, a provider and a model.
fn inline(text: &str) -> Option<(String, ProviderKind, String)> {
    let (provider, model) = text.split_once(':')?;
    let provider = ProviderKind::from_name(provider)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let last = model.rsplit('/').next().unwrap_or(model);
    let name = last
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect();
    Some((name, provider, model.to_owned()))
}

fn unknown<'a>(what: &str, wanted: &str, names: impl Iterator<Item = &'a String>) -> Failure {
    let names: Vec<&str> = names.map(String::as_str).collect();
    Failure::Usage(format!(
        "there is no {what} `{wanted}` in the file; choose from {}, or write `provider:model`, for instance `anthropic:claude-sonnet-4-5`",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    ))
}

/// Without a file only what can be asked is asked: models named on the command line, and others
/// whose key is there.
fn leave_out_keyless(
    spec: &mut EnsembleSpec,
    arguments: &EnsembleArguments,
    settings: &Settings,
    printer: &Printer,
) {
    let mut left_out = Vec::new();
    let mut has_key = |model: &ModelSpec| {
        let there = !key_needed(model)
            || key_variable(model).is_some_and(|name| settings.key(name).is_some());
        if !there {
            left_out.push(format!(
                "{} ({})",
                model.name,
                key_variable(model).unwrap_or("")
            ));
        }
        there
    };
    if arguments.models.is_empty() {
        spec.models.retain(&mut has_key);
    }
    if arguments.judges.is_empty() {
        spec.judges.retain(|judge| has_key(&judge.as_model()));
    }
    if !left_out.is_empty() {
        printer.note(&format!(
            "left out for want of a key in the environment: {}",
            left_out.join(", ")
        ));
    }
    // What is left may have nobody to judge; then agreement decides.
    if spec.judges.is_empty() && arguments.strategy.is_none() && arguments.judges.is_empty() {
        spec.strategy = autodidact_core::Strategy::Vote;
    }
}
