//! The header of a GGUF file, and the model behind it.
#![no_main]

use autodidact_engine::{Model, gguf::GgufFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = GgufFile::from_bytes(bytes.to_vec()) {
        let _ = Model::new(file);
    }
});
