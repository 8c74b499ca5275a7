//! The models of a server, by name.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::embedded::EmbeddedModel;
use crate::ensemble::EnsembleModel;
use crate::error::{ApiError, ServerError};
use crate::strategy::Choosing;

/// What answers under a name.
#[derive(Debug, Clone)]
pub(crate) enum Served {
    /// A model of the embedded engine.
    Embedded(Arc<EmbeddedModel>),
    /// Several models and judges.
    Ensemble(Arc<EnsembleModel>),
}

impl Served {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Embedded(model) => model.name(),
            Self::Ensemble(model) => model.name(),
        }
    }
}

/// The models of a server; the first is the one it is about.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    models: Vec<Served>,
}

impl Catalog {
    /// No models.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a model of the embedded engine.
    #[must_use]
    pub fn with_model(mut self, model: EmbeddedModel) -> Self {
        self.models.push(Served::Embedded(Arc::new(model)));
        self
    }

    /// Adds an ensemble.
    #[must_use]
    pub fn with_ensemble(mut self, ensemble: EnsembleModel) -> Self {
        self.models.push(Served::Ensemble(Arc::new(ensemble)));
        self
    }

    /// Names, in order.
    pub fn names(&self) -> Vec<String> {
        self.models
            .iter()
            .map(|model| model.name().to_owned())
            .collect()
    }

    pub(crate) fn check(&self) -> Result<(), ServerError> {
        let names = self.names();
        if names.is_empty() {
            return Err(ServerError::Catalog(
                "there is no model to serve".to_owned(),
            ));
        }
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() || names.iter().take(at).any(|earlier| earlier == name) {
                return Err(ServerError::Catalog(format!(
                    "two models would answer to `{name}`; give another name with `--name`"
                )));
            }
        }
        Ok(())
    }

    pub(crate) fn served(&self) -> &[Served] {
        &self.models
    }

    pub(crate) fn embedded(&self) -> impl Iterator<Item = &Arc<EmbeddedModel>> {
        self.models.iter().filter_map(|model| match model {
            Served::Embedded(model) => Some(model),
            Served::Ensemble(_) => None,
        })
    }

    /// Finds `name` or `name:strategy`; a strategy may come as a field of its own instead.
    pub(crate) fn find(
        &self,
        asked: &str,
        strategy: Option<&str>,
    ) -> Result<(Served, Choosing), ApiError> {
        let by_name = |name: &str| {
            self.models
                .iter()
                .find(|model| model.name() == name)
                .cloned()
        };
        let unknown = || ApiError::unknown_model(asked, &self.names().join(", "));
        let (model, suffix) = match (by_name(asked), asked.rsplit_once(':')) {
            (Some(model), _) => (model, None),
            (None, Some((name, suffix))) => (by_name(name).ok_or_else(unknown)?, Some(suffix)),
            (None, None) => return Err(unknown()),
        };
        if suffix.is_some() && strategy.is_some() {
            let message = "`strategy` cannot be given beside a model's name that holds one";
            return Err(ApiError::field("strategy", message));
        }
        let Some(text) = suffix.or(strategy) else {
            return Ok((model, Choosing::Declared));
        };
        let Some(choosing) = Choosing::parse(text) else {
            let param = if suffix.is_some() {
                "model"
            } else {
                "strategy"
            };
            let message = "a strategy is `vote`, `vote-N`, `best-of-N`, and with an ensemble also `judge`, `weighted`, `fuse` or `cascade`, with N from 1 to 64";
            return Err(ApiError::field(param, message));
        };
        Ok((model, choosing))
    }

    /// One entry of the list of models.
    pub(crate) fn card(&self, name: &str) -> Option<Value> {
        let model = self.models.iter().find(|model| model.name() == name)?;
        Some(card(model))
    }

    /// The list of models.
    pub(crate) fn list(&self) -> Value {
        let cards: Vec<Value> = self.models.iter().map(card).collect();
        json!({ "object": "list", "data": cards })
    }
}

fn card(model: &Served) -> Value {
    let mut card = json!({
        "id": model.name(), "object": "model", "created": 0, "owned_by": "autodidact",
    });
    match model {
        Served::Embedded(model) => {
            card["max_model_len"] = json!(model.context());
            card["parent"] = json!(model.parent());
            card["strategies"] = json!(["vote", "best-of-N"]);
        }
        Served::Ensemble(model) => {
            card["strategy"] = json!(model.strategy().as_str());
            card["strategies"] = json!(model.strategies());
        }
    }
    card
}
