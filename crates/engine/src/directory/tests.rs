//! Every family as a directory and as a GGUF file: the same configuration and the same tensors, bit
//! for bit. `scripts/golden_architectures.py` makes both.

use std::path::Path;

use crate::Model;
use crate::gguf::GgufFile;

/// All of them: F32, F16 and BF16 weights, in one file and in three.
const FAMILIES: [&str; 9] = [
    "falcon-40b",
    "falcon-7b",
    "falcon3",
    "gemma2",
    "gemma3",
    "granite",
    "mistral",
    "qwen2",
    "qwen3",
];

fn values(file: &GgufFile, name: &str) -> Vec<u32> {
    let info = file.tensor(name).unwrap();
    file.read(info).into_iter().map(f32::to_bits).collect()
}

#[test]
fn directories_hold_the_tensors_of_the_gguf_files() {
    for family in FAMILIES {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/architectures");
        let file = Model::open(&golden.join(family).join("model.gguf")).unwrap();
        let directory = Model::open(&golden.join(family).join("huggingface")).unwrap();
        assert_eq!(directory.config, file.config, "{family}");
        let names = file.file.tensor_names();
        assert_eq!(directory.file.tensor_names(), names, "{family}");
        for name in names {
            let same = values(&directory.file, name) == values(&file.file, name);
            assert!(same, "{family}: {name}");
        }
        let text = "the other thing: 12 + 30\n\n";
        let tokens = |model: &Model| model.tokenizer().encode(text).unwrap();
        assert_eq!(tokens(&directory), tokens(&file), "{family}");
    }
}
