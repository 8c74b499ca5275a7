//! A journal goes on only with the models and judges it was begun with.

use autodidact_core::{EnsembleSpec, Strategy, VerifyKind};
use autodidact_store::RunStore;
use serde_json::{Value, json};

use crate::StarError;

/// Writes down how every model and judge of an ensemble is declared, and refuses one that is declared
/// otherwise than when the journal was begun: its answers would pass for the new one's. Place, key,
/// pace and price may change, and models and judges may come and go.
pub async fn check_declarations(store: &RunStore, spec: &EnsembleSpec) -> Result<(), StarError> {
    let common = json!({
        "seed": spec.seed, "temperature": spec.temperature, "max_tokens": spec.max_tokens,
        "instruction": spec.instruction,
    });
    for model in &spec.models {
        let declared = json!({ "model": model.identity(), "common": common });
        check(store, "model", &model.name, &declared).await?;
    }
    for judge in &spec.judges {
        check(store, "judge", &judge.name, &json!(judge.identity())).await?;
    }
    if spec.strategy == Strategy::Fuse {
        // What a fusing model is shown depends on all of them.
        let models: Vec<_> = spec.models.iter().map(|m| (&m.name, m.samples)).collect();
        let judges: Vec<_> = spec.judges.iter().map(|judge| &judge.name).collect();
        let declared = json!({
            "fuse": spec.fuse, "models": models, "judges": judges,
            "minimum_scores": spec.minimum_scores,
        });
        check(store, "strategy", "fuse", &declared).await?;
    }
    Ok(())
}

/// Forgets combined answers that were chosen in another way; the answers they were chosen from stay.
/// Returns true if some were forgotten.
pub async fn check_choosing(
    store: &RunStore,
    spec: &EnsembleSpec,
    verify: Option<VerifyKind>,
) -> Result<bool, StarError> {
    let models: Vec<_> = spec.models.iter().map(|m| (&m.name, m.samples)).collect();
    let judges: Vec<_> = spec.judges.iter().map(|judge| &judge.name).collect();
    let how = json!({
        "strategy": spec.strategy, "fuse": spec.fuse, "cascade": spec.cascade,
        "minimum_scores": spec.minimum_scores, "models": models, "judges": judges,
        "verify": verify,
    });
    Ok(store.choose_by(&how.to_string()).await?)
}

async fn check(
    store: &RunStore,
    what: &str,
    name: &str,
    declared: &Value,
) -> Result<(), StarError> {
    let stage = format!("declared {what} {name}");
    let before: Option<Value> = store.stage(0, &stage).await?;
    match before {
        None => {
            store.finish_stage(0, &stage, declared).await?;
            Ok(())
        }
        Some(before) if before == *declared => Ok(()),
        Some(_) => Err(StarError::Spec(format!(
            "the {what} `{name}` is declared otherwise than when {} was begun; give it another name, `--new` to put the journal aside and start afresh, or `--name` to start another beside it",
            store.directory().display()
        ))),
    }
}
