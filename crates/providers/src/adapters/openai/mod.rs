//! OpenAI's chat completions and plain completions, and everybody who speaks like them.

mod reply;
mod request;
mod stream;

pub(super) use reply::{entries, parse};
pub(super) use request::{chat, completions};
pub(super) use stream::decoder;
