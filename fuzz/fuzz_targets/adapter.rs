//! Adapters for the golden model: safetensors of a PEFT directory, and GGUF.
#![no_main]

use std::sync::LazyLock;

use autodidact_engine::{Adapter, Model, gguf::GgufFile};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static GOLDEN: &[u8] = include_bytes!("../../crates/engine/tests/golden/tiny.gguf");
static CONFIG: &[u8] =
    include_bytes!("../../crates/engine/tests/golden/tiny_adapter/adapter_config.json");

static MODEL: LazyLock<Option<Model>> = LazyLock::new(|| {
    GgufFile::from_bytes(GOLDEN.to_vec())
        .and_then(Model::new)
        .ok()
});
static DIRECTORY: LazyLock<Option<TempDir>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().ok()?;
    std::fs::write(directory.path().join("adapter_config.json"), CONFIG).ok()?;
    Some(directory)
});

fuzz_target!(|bytes: &[u8]| {
    let (Some(model), Some(directory)) = (&*MODEL, &*DIRECTORY) else {
        return;
    };
    let gguf = bytes.starts_with(b"GGUF");
    let name = if gguf {
        "adapter.gguf"
    } else {
        "adapter_model.safetensors"
    };
    let path = directory.path().join(name);
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    if gguf {
        let _ = Adapter::from_gguf(&path, model.config());
    } else {
        let _ = Adapter::from_peft(directory.path(), model.config());
    }
});
