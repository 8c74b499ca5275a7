//! JSON lines to train on.

use std::path::Path;

use autodidact_core::Prompt;
use autodidact_engine::PreferenceLoss;
use autodidact_star::{Preference, ScoredAnswer, TrainingPair, TrainingSet};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::arguments::{TrainArguments, TrainObjective};
use crate::failure::Failure;

#[derive(Debug, Deserialize)]
struct CompletionLine {
    prompt: Prompt,
    completion: String,
    /// Who wrote it, where the line says so, as those of `sample` and of a run's training sets do.
    #[serde(default)]
    model: String,
    /// Whether the provider's terms let it train other models.
    #[serde(default)]
    terms: String,
}

#[derive(Debug, Deserialize)]
struct PreferenceLine {
    prompt: Prompt,
    chosen: String,
    rejected: String,
}

#[derive(Debug, Deserialize)]
struct ScoreLine {
    prompt: Prompt,
    completion: String,
    score: f32,
}

/// Reads the data of `train` as its objective needs it.
pub(crate) fn read_set(arguments: &TrainArguments) -> Result<TrainingSet, Failure> {
    let data = &arguments.data;
    Ok(match arguments.objective {
        TrainObjective::Sft => TrainingSet::Completions(completions(data)?),
        TrainObjective::Dpo => {
            let loss = PreferenceLoss {
                beta: arguments.beta,
                nll: arguments.nll,
            };
            TrainingSet::Preferences(preferences(data)?, loss)
        }
        TrainObjective::BradleyTerry => TrainingSet::Comparisons(preferences(data)?),
        TrainObjective::Score => TrainingSet::Scores(scores(data)?),
    })
}

fn completions(path: &Path) -> Result<Vec<TrainingPair>, Failure> {
    let pair = |line: CompletionLine| {
        filled("completion", &line.completion)?;
        Ok(TrainingPair {
            prompt: line.prompt,
            completion: line.completion,
            model: line.model,
            terms: line.terms,
        })
    };
    read(path, "`prompt` and `completion`", pair)
}

fn preferences(path: &Path) -> Result<Vec<Preference>, Failure> {
    let pair = |line: PreferenceLine| {
        filled("chosen", &line.chosen)?;
        filled("rejected", &line.rejected)?;
        if line.chosen == line.rejected {
            return Err(
                "`chosen` and `rejected` are the same, so there is nothing to prefer".into(),
            );
        }
        Ok(Preference {
            prompt: line.prompt,
            chosen: line.chosen,
            rejected: line.rejected,
        })
    };
    read(path, "`prompt`, `chosen` and `rejected`", pair)
}

fn scores(path: &Path) -> Result<Vec<ScoredAnswer>, Failure> {
    let answer = |line: ScoreLine| {
        filled("completion", &line.completion)?;
        if !line.score.is_finite() {
            return Err("`score` is not a finite number".into());
        }
        Ok(ScoredAnswer {
            prompt: line.prompt,
            completion: line.completion,
            score: line.score,
        })
    };
    read(path, "`prompt`, `completion` and `score`", answer)
}

fn filled(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("`{name}` is empty, so there is nothing to learn"));
    }
    Ok(())
}

/// Every line that is not blank; `make` says what is wrong with one that holds the right keys.
fn read<L: DeserializeOwned, T>(
    path: &Path,
    keys: &str,
    make: impl Fn(L) -> Result<T, String>,
) -> Result<Vec<T>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|source| Failure::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut all = Vec::new();
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let parsed = serde_json::from_str(line).map_err(|e| {
            let what = without_position(&e);
            format!("{what}; each line is a JSON object with {keys}")
        });
        let at = |what| Failure::Usage(format!("{} line {}: {what}", path.display(), i + 1));
        all.push(parsed.and_then(&make).map_err(at)?);
    }
    if all.is_empty() {
        let path = path.display();
        return Err(Failure::Usage(format!("{path} holds no lines to train on")));
    }
    Ok(all)
}

/// What JSON complains of, without its own count of lines, which starts anew in every line.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("{what} (column {})", error.column())
}
