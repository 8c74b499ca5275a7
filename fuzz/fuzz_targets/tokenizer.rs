//! The tokenizer and the chat template of a model whose tensors are sound: the input is a text to
//! encode, and bytes that replace some of the golden model's metadata.
#![no_main]

use std::sync::LazyLock;

use autodidact_engine::{Model, gguf::GgufFile};
use libfuzzer_sys::fuzz_target;

static GOLDEN: &[u8] = include_bytes!("../../crates/engine/tests/golden/tiny.gguf");
/// Where the tokenizer begins: the metadata in front of it is left alone.
static TOKENIZER: LazyLock<usize> = LazyLock::new(|| {
    let name = b"tokenizer.ggml.model";
    let found = GOLDEN.windows(name.len()).position(|w| w == name);
    found.unwrap_or_default()
});

fuzz_target!(|input: (Vec<(u16, u8)>, &str)| {
    let (damage, text) = input;
    let mut bytes = GOLDEN.to_vec();
    for (at, value) in damage {
        // The vocabulary, its kinds, merges and the template are about three kilobytes.
        let at = *TOKENIZER + usize::from(at) % 3072;
        bytes[at] = value;
    }
    let Ok(model) = GgufFile::from_bytes(bytes).and_then(Model::new) else {
        return;
    };
    if let Ok(tokens) = model.tokenizer().encode(text) {
        let _ = model.tokenizer().decode(&tokens);
    }
    let _ = model.tokenizer().encode_with_special(text);
});
