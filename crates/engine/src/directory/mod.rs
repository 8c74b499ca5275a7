//! Models as transformers saves them: a directory with `config.json`, safetensors files and a
//! tokenizer. Opened, it looks like a GGUF file ([`crate::gguf::GgufFile`]): the same metadata keys,
//! tensor names, row orders and values, so that nothing else needs to know.
//!
//! Start reading at `open.rs`. `keys.rs` reads JSON that nobody has checked, `config.rs` and
//! `rope.rs` turn `config.json` into metadata, `header.rs` and `shards.rs` find tensors in files,
//! `names.rs` names them, and `text.rs` finds tokenizer and chat template.

mod config;
mod header;
mod keys;
mod names;
mod open;
mod rope;
mod shards;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use open::open;
