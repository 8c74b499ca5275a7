//! Training problems that are also evaluated on, in the journal.

use autodidact_store::RunStore;
use autodidact_tasks::Overlap;

use crate::StarError;

/// The stage that holds them.
pub(crate) const STAGE: &str = "overlaps";

/// What the search found when the run was started; nothing for runs from before it existed.
pub(crate) async fn recorded(store: &RunStore) -> Result<Vec<Overlap>, StarError> {
    Ok(store.stage(0, STAGE).await?.unwrap_or_default())
}

/// True if a run was started before overlaps were searched for. It goes on with the problems it has:
/// `autodidact_tasks::load_without_search` gives them.
pub async fn started_without_search(store: &RunStore) -> Result<bool, StarError> {
    let inputs: Option<serde_json::Value> = store.stage(0, "inputs").await?;
    let overlaps: Option<serde_json::Value> = store.stage(0, STAGE).await?;
    Ok(inputs.is_some() && overlaps.is_none())
}
