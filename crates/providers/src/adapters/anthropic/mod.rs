//! Anthropic's Messages.

mod reply;
mod request;
mod stream;

pub(super) use reply::parse;
pub(super) use request::{VERSION, body};
pub(super) use stream::decoder;
