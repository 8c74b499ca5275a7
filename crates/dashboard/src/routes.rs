//! Which address leads to which page.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use crate::access::{Access, guard};
use crate::catalog::Catalog;
use crate::error::PageError;
use crate::{actions, assets, live, pages};

/// Bytes of a form at most; ours have some hundred.
const FORM: usize = 8 * 1024;

/// What every page can use.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    access: Access,
}

impl App {
    pub(crate) fn new(catalog: Catalog, access: Access) -> Self {
        Self(Arc::new(Shared { catalog, access }))
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }
}

/// All pages behind the guard.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/", get(pages::runs::show))
        .route("/compare", get(pages::compare::show))
        .route("/runs/{run}", get(pages::run::show))
        .route("/runs/{run}/events", get(live::events))
        .route("/runs/{run}/loops", get(pages::loops::show))
        .route("/runs/{run}/problems", get(pages::problems::show))
        .route("/runs/{run}/problems/{number}", get(pages::problem::show))
        .route("/runs/{run}/models", get(pages::models::show))
        .route("/runs/{run}/difficulty", get(pages::difficulty::show))
        .route("/runs/{run}/training", get(pages::training::show))
        .route("/runs/{run}/ask", post(actions::ask))
        .route("/runs/{run}/samples/{number}/mark", post(actions::mark))
        .route("/assets/{name}", get(assets::asset))
        .fallback(|| async { PageError::NotFound("page") })
        .layer(DefaultBodyLimit::max(FORM))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}
