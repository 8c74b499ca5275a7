//! Answers that are JSON.
//!
//! Start reading at `verify.rs`. Numbers are compared as the exact decimals they are written as, so the
//! values have a type of their own here.

mod parse;
mod value;
mod verify;

pub(crate) use parse::parse;
pub(crate) use value::Value;
pub(crate) use verify::verify_json;
