//! The model card.

use autodidact_core::EvaluationResult;

use super::text::{
    measured, percent, plain, provenance_table, provenance_yaml, reproduce, terms_advice, yaml,
};
use crate::run_facts::RunFacts;
use crate::{Agreement, Manifest, WeightsKind};

/// README.md of an exported student.
pub(crate) fn model_card(
    facts: &RunFacts,
    kind: WeightsKind,
    iteration: u32,
    manifest: &Manifest,
) -> String {
    let evaluation = facts
        .status
        .iterations
        .iter()
        .find(|result| result.n == iteration)
        .map(|result| &result.evaluation);
    format!(
        "---\n{}---\n\n{}",
        front_matter(facts, kind, manifest, evaluation),
        body(facts, kind, iteration, manifest, evaluation)
    )
}

fn front_matter(
    facts: &RunFacts,
    kind: WeightsKind,
    manifest: &Manifest,
    evaluation: Option<&EvaluationResult>,
) -> String {
    let base = facts.base_model();
    let mut text = format!("base_model: {}\n", yaml(&base));
    let (library, relation, tag) = match kind {
        WeightsKind::Adapter => ("peft", "adapter", "lora"),
        WeightsKind::Merged => ("gguf", "finetune", "gguf"),
        WeightsKind::Ollama => ("ollama", "finetune", "gguf"),
        WeightsKind::OllamaAdapter => ("ollama", "adapter", "lora"),
    };
    text += &format!("base_model_relation: {relation}\nlibrary_name: {library}\n");
    text += "pipeline_tag: text-generation\nlicense: other\nlicense_name: see-base-model-and-provenance\n";
    text += &format!("tags:\n  - {tag}\n  - star\n  - reasoning\n  - autodidact\n");
    if kind == WeightsKind::Adapter {
        text += &format!("  - {}\n", yaml(&format!("base_model:adapter:{base}")));
    }
    if let Some(evaluation) = evaluation {
        text += &model_index(facts, evaluation);
    }
    text + &provenance_yaml(&manifest.provenance)
}

fn model_index(facts: &RunFacts, evaluation: &EvaluationResult) -> String {
    let mut text = format!(
        "model-index:\n  - name: {}\n    results:\n      - task:\n          type: text-generation\n        dataset:\n          type: {task}\n          name: {task}\n          split: test\n        metrics:\n",
        yaml(&facts.name),
        task = yaml(&facts.task()),
    );
    let interval = format!(
        "accuracy on {} problems (95% interval {} to {})",
        evaluation.total,
        percent(evaluation.low),
        percent(evaluation.high)
    );
    let metrics = [
        ("accuracy", interval.as_str(), evaluation.accuracy),
        (
            "accuracy_low",
            "lower end of the 95% Wilson interval",
            evaluation.low,
        ),
        (
            "accuracy_high",
            "upper end of the 95% Wilson interval",
            evaluation.high,
        ),
        (
            "p_value",
            "exact McNemar test against the best baseline",
            evaluation.p_value,
        ),
    ];
    for (kind, name, value) in metrics {
        // Rust writes small numbers without an exponent and whole ones without a point; YAML reads
        // both as numbers.
        text += &format!(
            "          - type: {kind}\n            name: {}\n            value: {value}\n",
            yaml(name)
        );
    }
    text
}

fn body(
    facts: &RunFacts,
    kind: WeightsKind,
    iteration: u32,
    manifest: &Manifest,
    evaluation: Option<&EvaluationResult>,
) -> String {
    let spec = &facts.spec;
    let mut text = format!(
        "# {}: {} of outer loop {iteration}\n\nThe base model taught itself the task `{}` by STaR (Zelikman et al. 2022): \
         in each outer loop it reasons, what reaches the right answer is kept, and the base is fine-tuned on it. \
         {}\n",
        plain(&facts.name),
        what(kind),
        facts.task().replace('`', ""),
        usage(kind, &facts.name)
    );
    text += "\n## Results\n\n";
    if let Some(evaluation) = evaluation {
        text += &measured(facts, iteration, evaluation);
    }
    let best = facts.status.best.as_ref();
    if best.is_none() {
        text += "No student of this run is better than the best baseline.\n";
    } else if best.is_some_and(|best| best.iteration != iteration) {
        text += "Another outer loop of this run has the best student.\n";
    }
    text += &format!(
        "\n## Training\n\nMethod {}, rank {}, alpha {}, {} optimizer steps of {} sequences, peak learning rate {}.\n",
        serde_json::to_value(spec.train.method)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default(),
        spec.train.rank,
        spec.train.alpha,
        spec.train.steps.steps(iteration),
        spec.train.batch,
        spec.train.learning_rate
    );
    text += "\nTraining text:\n\n";
    text += &provenance_table(&manifest.provenance);
    text += "\n";
    text += &terms_advice(&manifest.provenance);
    text += "The weights have the base model's licence.\n";
    text += "\n## Agreement with what was trained\n\n";
    text += &agreement_table(&manifest.agreement);
    text += "\n## How it was made\n\n";
    text + &reproduce(facts)
}

fn what(kind: WeightsKind) -> &'static str {
    match kind {
        WeightsKind::Adapter => "adapter",
        WeightsKind::Merged => "merged model",
        WeightsKind::Ollama | WeightsKind::OllamaAdapter => "model for Ollama",
    }
}

fn usage(kind: WeightsKind, run: &str) -> String {
    match kind {
        WeightsKind::Adapter => {
            "PEFT reads this folder (`PeftModel.from_pretrained(base, \".\")`); llama.cpp reads `adapter.gguf` (`--lora`), where there is one.".into()
        }
        WeightsKind::Merged => "llama.cpp and everything built on it reads the GGUF file.".into(),
        WeightsKind::Ollama | WeightsKind::OllamaAdapter => {
            format!("`ollama create {run} -f Modelfile` takes it in.")
        }
    }
}

fn agreement_table(agreements: &[Agreement]) -> String {
    let mut text = String::from(
        "| compared with the adapter in full precision | tokens | largest difference | mean divergence, nats | same first choice |\n|---|---:|---:|---:|---:|\n",
    );
    for a in agreements {
        let number = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.2e}"));
        text += &format!(
            "| {} | {} | {} | {} | {} |\n",
            a.what,
            a.positions,
            number(Some(a.largest)),
            number(a.divergence),
            a.same_token.map_or_else(|| "-".to_owned(), percent)
        );
    }
    text
}
