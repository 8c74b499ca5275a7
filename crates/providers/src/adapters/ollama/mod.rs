//! Ollama's native interface, which takes options that its OpenAI form does not.

mod reply;
mod request;

pub(super) use reply::{decoder, parse};
pub(super) use request::{body, path};
