//! What can go wrong, for whoever starts a dashboard and for whoever looks at a page.

use std::net::SocketAddr;
use std::path::PathBuf;

use askama::Template;
use autodidact_star::StarError;
use autodidact_store::StoreError;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use thiserror::Error;

use crate::words::text;

/// Why a dashboard does not start, or ends.
#[derive(Debug, Error)]
pub enum DashboardError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}: {source}; choose another with `--port` or `--host`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no directory of runs.
    #[error("there is no directory of runs {}; name one with `--runs`", directory.display())]
    NoRuns {
        /// The directory.
        directory: PathBuf,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for a token: {0}")]
    Random(String),
}

/// Why a page cannot be shown.
#[derive(Debug, Error)]
pub(crate) enum PageError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Refused(&'static str),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Star(#[from] StarError),
    #[error("the page cannot be drawn: {0}")]
    Draw(#[from] askama::Error),
    #[error("the directory of runs cannot be read: {0}")]
    Runs(std::io::Error),
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Refused(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::Store(StoreError::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::Store(StoreError::Busy { .. } | StoreError::Owned { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Store(_) | Self::Star(_) | Self::Draw(_) | Self::Runs(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

/// The page of an error.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    status: u16,
    message: String,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(error = %self, "a page failed");
        }
        let page = ErrorPage {
            status: status.as_u16(),
            message: text(&self.to_string()),
        };
        match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => status.into_response(),
        }
    }
}
