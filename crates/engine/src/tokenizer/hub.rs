//! What the files around a tokenizer of transformers say about its tokens.

/// Tokens with a meaning, by text or by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct HubTokens {
    /// Begins a text (`bos_token` in `tokenizer_config.json`).
    pub(crate) bos: Option<String>,
    /// The same in `config.json`.
    pub(crate) bos_id: Option<u32>,
    /// Ends a text (`eos_token` in `tokenizer_config.json`).
    pub(crate) end: Option<String>,
    /// Those of `generation_config.json` and `config.json`.
    pub(crate) end_ids: Vec<u32>,
    /// Put the first before every text, if the tokenizer itself does not say.
    pub(crate) add_bos: Option<bool>,
    /// `added_tokens_decoder`, ascending.
    pub(crate) added: Vec<AddedToken>,
}

/// A token that was added to a vocabulary.
#[derive(Debug, Clone)]
pub(crate) struct AddedToken {
    /// Its id.
    pub(crate) id: u32,
    /// Its text.
    pub(crate) text: String,
    /// A control token.
    pub(crate) special: bool,
    /// It takes the whitespace before it with it.
    pub(crate) strip_left: bool,
    /// It takes the whitespace behind it with it.
    pub(crate) strip_right: bool,
}
