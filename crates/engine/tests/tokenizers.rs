//! Every kind of tokenizer against llama.cpp, `tokenizers` and `sentencepiece`: the golden values
//! are made by `scripts/golden_tokenizers.py`.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use common::directory::Directory;
use common::{Parts, golden, text, texts};
use serde_json::{Value, json};

use std::path::Path;

use autodidact_core::ModelSource;
use autodidact_engine::{Model, Tokenizer};
use autodidact_models::{Fetcher, NoProgress};

fn golden_values(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(golden(name)).unwrap()).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    let strings = value.as_array().unwrap().iter();
    strings.map(|t| t.as_str().unwrap()).collect()
}

fn ids(value: &Value) -> Vec<u32> {
    let ids = value.as_array().unwrap().iter();
    ids.map(|id| id.as_u64().unwrap() as u32).collect()
}

/// The bytes of an array of numbers.
fn numbers(kind: u32, values: impl ExactSizeIterator<Item = [u8; 4]>) -> Vec<u8> {
    let mut bytes = kind.to_le_bytes().to_vec();
    bytes.extend((values.len() as u64).to_le_bytes());
    bytes.extend(values.flatten());
    bytes
}

/// The tiny model with another vocabulary: rows of the embedding for every token of it.
fn with_vocabulary(value: &Value, model: &str) -> Parts {
    let tokens = strings(&value["tokens"]);
    let kinds = ids(&value["kinds"]).into_iter().map(u32::to_le_bytes);
    let id = |name: &str| {
        let at = tokens.iter().position(|t| *t == name).unwrap() as u32;
        at.to_le_bytes().to_vec()
    };
    let mut parts = Parts::tiny()
        .set("tokenizer.ggml.model", 8, text(model))
        .set("tokenizer.ggml.tokens", 9, texts(&tokens))
        .set(
            "tokenizer.ggml.token_type",
            9,
            numbers(5, kinds.into_iter()),
        )
        .set("tokenizer.ggml.bos_token_id", 4, id("<s>"))
        .set("tokenizer.ggml.eos_token_id", 4, id("</s>"))
        .without("tokenizer.ggml.add_bos_token")
        .without("tokenizer.ggml.add_space_prefix");
    for name in ["token_embd.weight", "output.weight"] {
        let tensor = parts.tensor(name);
        tensor.dims[1] = tokens.len() as u64;
        tensor.data = vec![0; 4 * tensor.dims.iter().product::<u64>() as usize];
    }
    parts.aligned()
}

/// Compares with recorded ids, but for the texts in `except`.
#[track_caller]
fn check(tokenizer: &Tokenizer, name: &str, all: &[&str], expected: &Value, except: &[&str]) {
    let mut wrong = Vec::new();
    for (at, text) in all.iter().enumerate() {
        let special = tokenizer.encode_with_special(text).unwrap();
        let plain = tokenizer.encode(text).unwrap();
        let differ = (
            special != ids(&expected["special"][at]),
            plain != ids(&expected["plain"][at]),
        );
        let excepted = except.contains(text);
        if (differ.0 || differ.1) != excepted {
            wrong.push(format!(
                "{text:?}: {special:?} / {plain:?} instead of {} / {}",
                expected["special"][at], expected["plain"][at]
            ));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

#[test]
fn byte_level_files_give_the_tokens_of_llama_cpp() {
    let golden = golden_values("tokenizers_golden.json");
    let (all, value) = (strings(&golden["texts"]), &golden["byte_level"]);
    let merges = texts(&strings(&value["merges"]));
    let parts = with_vocabulary(value, "gpt2").set("tokenizer.ggml.merges", 9, merges);
    let mut checked = 0;
    for (pre, expected) in value["pre"].as_object().unwrap() {
        let model = parts.clone().set("tokenizer.ggml.pre", 8, text(pre)).open();
        check(model.unwrap().tokenizer(), pre, &all, expected, &[]);
        checked += 1;
    }
    assert_eq!(checked, 11);
}

#[test]
fn sentencepiece_files_give_the_tokens_of_llama_cpp() {
    let golden = golden_values("tokenizers_golden.json");
    let (all, value) = (strings(&golden["texts"]), &golden["sentencepiece"]);
    let scores = value["scores"].as_array().unwrap().iter();
    let scores = scores.map(|s| (s.as_f64().unwrap() as f32).to_le_bytes());
    let parts = with_vocabulary(value, "llama").set("tokenizer.ggml.scores", 9, numbers(6, scores));
    for (name, space) in [("with_prefix", 1), ("without_prefix", 0)] {
        let space = parts
            .clone()
            .set("tokenizer.ggml.add_space_prefix", 7, vec![space]);
        let model = space.open().unwrap();
        check(model.tokenizer(), name, &all, &value[name], &[]);
        for text in &all {
            let tokens = model.tokenizer().encode_continuation(text).unwrap();
            assert_eq!(model.tokenizer().decode(&tokens), text.replace('▁', " "));
        }
    }
    let model = parts.without("tokenizer.ggml.scores").open();
    assert!(
        model
            .unwrap_err()
            .to_string()
            .contains("tokenizer.ggml.scores")
    );
}

#[test]
fn tokenizer_json_gives_the_tokens_of_the_tokenizers_package() {
    let golden_file = golden_values("tokenizers_golden.json");
    let all = strings(&golden_file["texts"]);
    let mut checked = 0;
    for (name, expected) in golden_file["json"].as_object().unwrap() {
        let json = golden_values(&format!("tokenizers/{name}.json"));
        let settings = json!({"bos_token": "<s>", "eos_token": "</s>"});
        let directory = tempfile::tempdir().unwrap();
        Directory::tiny()
            .with_tokenizer(900, json, settings)
            .write(directory.path());
        let model = Model::open(directory.path()).unwrap();
        check(model.tokenizer(), name, &all, expected, &[]);
        checked += 1;
    }
    assert_eq!(checked, 10);
}

#[test]
fn tokenizer_model_gives_the_tokens_of_sentencepiece() {
    let golden_file = golden_values("tokenizers_golden.json");
    let all = strings(&golden_file["texts"]);
    let directory = tempfile::tempdir().unwrap();
    Directory::tiny()
        .with_tokenizer(900, Value::Null, json!({}))
        .write(directory.path());
    std::fs::remove_file(directory.path().join("tokenizer.json")).unwrap();
    let to = directory.path().join("tokenizer.model");
    std::fs::copy(golden("tokenizers/tiny.model"), to).unwrap();
    let model = Model::open(directory.path()).unwrap();
    let expected = golden_file["sentencepiece"]["processor"]
        .as_array()
        .unwrap();
    for (text, expected) in all.iter().zip(expected) {
        // SentencePiece puts no space behind a user-defined token, llama.cpp does.
        if !text.contains("<tool>") {
            let tokens = model.tokenizer().encode(text).unwrap();
            assert_eq!(tokens[0], 1, "<s>");
            assert_eq!(tokens[1..], ids(expected), "{text:?}");
        }
    }
}

#[test]
#[ignore = "downloads 240 MB"]
fn gemma_3_gives_the_tokens_of_llama_cpp() {
    let golden = golden_values("gemma3_tokenizer.json");
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/models");
    let name = [ModelSource("gemma-3-270m".into())];
    let fetched = Fetcher::new(cache).fetch(&name, None, Path::new("."), &NoProgress);
    let fetched = fetched.unwrap();
    assert_eq!(golden["gguf_sha256"], *fetched.sha256);
    let model = Model::open(&fetched.path).unwrap();
    let tokenizer = model.tokenizer();
    for case in golden["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        let special = tokenizer.encode_with_special(text).unwrap();
        assert_eq!(special, ids(&case["special"]), "{text:?}");
        let plain = tokenizer.encode(text).unwrap();
        if text.contains("</s>") {
            // An end of HTML's strike-through here; llama.cpp takes it for an end of text.
            assert_eq!(plain[1..], special, "{text:?}");
        } else {
            assert_eq!(plain, ids(&case["plain"]), "{text:?}");
        }
        assert_eq!(tokenizer.decode(&plain), text.replace('▁', " "));
    }
    assert!(tokenizer.is_end_of_text(tokenizer.special("<end_of_turn>").unwrap()));
}
