//! Gemini's generateContent.

mod reply;
mod request;

pub(super) use reply::{decoder, parse};
pub(crate) use request::resource;
pub(super) use request::{body, path};
