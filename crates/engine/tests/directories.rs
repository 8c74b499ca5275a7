//! Models in directories: the same as the GGUF file of the same model, and clear words about
//! everything that is wrong.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::path::Path;
use std::sync::Arc;

use autodidact_core::Message;
use autodidact_engine::{Model, Sampler};
use common::directory::{Directory, safetensors};
use common::golden;
use half::{bf16, f16};
use serde_json::{Value, json};

const PROMPT: [u32; 9] = [1, 22, 20, 9, 7, 3, 31, 40, 84];

fn logits(model: Model) -> Vec<Vec<f32>> {
    let sampler = Sampler::new(Arc::new(model), None, 1).unwrap();
    sampler.logits(&PROMPT).unwrap()
}

fn open(directory: &Directory) -> Model {
    let path = tempfile::tempdir().unwrap();
    directory.write(path.path());
    Model::open(path.path()).unwrap()
}

/// Opens what `write` has written and expects a message with `part`.
#[track_caller]
fn refused(part: &str, write: impl FnOnce(&Path)) {
    let path = tempfile::tempdir().unwrap();
    write(path.path());
    let message = Model::open(path.path()).unwrap_err().to_string();
    assert!(message.contains(part), "`{message}` without `{part}`");
}

/// A changed `config.json` and the message it leads to.
#[track_caller]
fn refused_config(part: &str, change: impl FnOnce(&mut Value)) {
    let mut directory = Directory::tiny();
    change(&mut directory.config);
    refused(part, |path| directory.write(path));
}

#[test]
fn a_directory_is_the_same_model_as_its_gguf_file() {
    let expected = logits(Model::open(&golden("tiny.gguf")).unwrap());
    assert_eq!(logits(open(&Directory::tiny())), expected, "one file");
    let path = tempfile::tempdir().unwrap();
    Directory::tiny().write_sharded(path.path());
    let model = Model::open(path.path()).unwrap();
    let name = path.path().file_name().unwrap().to_string_lossy();
    assert_eq!(model.name(), name);
    let tokenizer = model.tokenizer();
    assert!(tokenizer.is_end_of_text(2));
    assert_eq!(tokenizer.end_of_text(), 2);
    assert_eq!(
        tokenizer
            .encode_with_special("<|im_end|>the")
            .unwrap()
            .len(),
        3
    );
    let chat = model.chat_template().unwrap();
    let text = chat.render(&[Message::user("hi")], false).unwrap();
    assert_eq!(text, "user: hi<|im_end|>");
    assert_eq!(logits(model), expected, "two files");
}

#[test]
fn halves_are_read_as_what_they_are() {
    let (mut halves, mut brains, mut singles) =
        (Directory::tiny(), Directory::tiny(), Directory::tiny());
    for at in 0..singles.tensors.len() {
        let values: Vec<f32> = singles.tensors[at]
            .data
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let rounded = |round: fn(f32) -> f32| -> Vec<u8> {
            values
                .iter()
                .flat_map(|v| round(*v).to_le_bytes())
                .collect()
        };
        let tensor = &mut halves.tensors[at];
        tensor.dtype = "F16";
        tensor.data = values
            .iter()
            .flat_map(|v| f16::from_f32(*v).to_le_bytes())
            .collect();
        let tensor = &mut brains.tensors[at];
        tensor.dtype = "BF16";
        tensor.data = values
            .iter()
            .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
            .collect();
        singles.tensors[at].data = rounded(|v| f16::from_f32(v).to_f32());
    }
    assert_eq!(logits(open(&halves)), logits(open(&singles)));
    for tensor in &mut singles.tensors {
        let index = brains
            .tensors
            .iter()
            .position(|t| t.name == tensor.name)
            .unwrap();
        let pairs = brains.tensors[index].data.chunks_exact(2);
        tensor.data = pairs
            .flat_map(|b| {
                bf16::from_le_bytes(b.try_into().unwrap())
                    .to_f32()
                    .to_le_bytes()
            })
            .collect();
    }
    assert_eq!(logits(open(&brains)), logits(open(&singles)));
}

#[test]
fn directories_without_a_model_say_what_is_missing() {
    refused("it has no `config.json`: a model directory", |_| {});
    refused("give its path", |path| {
        std::fs::write(path.join("a.gguf"), b"").unwrap();
    });
    let without = |name: &'static str| {
        move |path: &Path| {
            Directory::tiny().write(path);
            std::fs::remove_file(path.join(name)).unwrap();
        }
    };
    refused(
        "neither `model.safetensors` nor",
        without("model.safetensors"),
    );
    refused("neither `tokenizer.json` nor", without("tokenizer.json"));
    refused("Python pickles", |path| {
        without("model.safetensors")(path);
        std::fs::write(path.join("pytorch_model.bin"), b"").unwrap();
    });
    refused("model-2-of-2.safetensors`, which is not there", |path| {
        Directory::tiny().write_sharded(path);
        std::fs::remove_file(path.join("model-2-of-2.safetensors")).unwrap();
    });
}

#[test]
fn an_index_cannot_lead_elsewhere() {
    for name in [
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/x.safetensors",
        "..",
        "x.bin",
        "",
        "a\\x.safetensors",
        "c:x.safetensors",
    ] {
        refused("is not the name of a safetensors file", |path| {
            Directory::tiny().write(path);
            let index = json!({"weight_map": {"a": name}});
            std::fs::write(path.join("model.safetensors.index.json"), index.to_string()).unwrap();
        });
    }
    for index in [
        "",
        "[]",
        "{}",
        r#"{"weight_map": 1}"#,
        r#"{"weight_map": {"a": 1}}"#,
    ] {
        refused("model.safetensors.index.json", |path| {
            Directory::tiny().write(path);
            std::fs::write(path.join("model.safetensors.index.json"), index).unwrap();
        });
    }
}

#[test]
fn configurations_that_cannot_be_run_are_refused() {
    refused_config("`model_type` in `config.json` is `mamba`", |c| {
        c["model_type"] = "mamba".into();
    });
    refused_config("no `hidden_size`", |c| c["hidden_size"] = Value::Null);
    refused_config("`hidden_size` in `config.json` is \"x\"", |c| {
        c["hidden_size"] = "x".into();
    });
    refused_config("`hidden_size` in `config.json` is -1", |c| {
        c["hidden_size"] = json!(-1);
    });
    refused_config("`num_hidden_layers` in `config.json` is 99999999", |c| {
        c["num_hidden_layers"] = json!(99_999_999);
    });
    refused_config("`rms_norm_eps` in `config.json` is 0", |c| {
        c["rms_norm_eps"] = json!(0.0);
    });
    refused_config("`hidden_act` in `config.json` is `relu`", |c| {
        c["hidden_act"] = "relu".into();
    });
    refused_config("rotary scaling `yarn`", |c| {
        c["rope_scaling"] = json!({"type": "yarn"});
    });
    refused_config("has no `factor`", |c| {
        c["rope_scaling"] = json!({"rope_type": "linear"});
    });
    refused_config("`quantization_config`", |c| {
        c["quantization_config"] = json!({"bits": 4});
    });
    refused_config("`model.layers.0.self_attn.q_proj.bias`, which", |c| {
        c["attention_bias"] = true.into();
    });
    refused_config("`model.embed_tokens.weight` is 96 x 32", |c| {
        c["hidden_size"] = json!(64);
    });
    refused_config("`model.layers.0.mlp.gate_proj.weight` is 48 x 32", |c| {
        c["intermediate_size"] = json!(49);
    });
    refused_config("no tensor `model.layers.2.input_layernorm.weight`", |c| {
        c["num_hidden_layers"] = json!(3);
    });
    for text in ["", "[]", "{\"a\":", "null"] {
        refused("`config.json` is not a JSON object", |path| {
            Directory::tiny().write(path);
            std::fs::write(path.join("config.json"), text).unwrap();
        });
    }
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let with = |part: &str, change: fn(&mut Directory)| {
        let mut directory = Directory::tiny();
        change(&mut directory);
        refused(part, |path| directory.write(path));
    };
    with("no tensor `model.layers.1.mlp.up_proj.weight`", |d| {
        d.tensors.retain(|t| !t.name.contains("1.mlp.up"));
    });
    with("no tensor `lm_head.weight`", |d| {
        d.tensors.retain(|t| t.name != "lm_head.weight");
    });
    with("`model.layers.1.mlp.up_proj.weight` has the type I8", |d| {
        d.tensor("model.layers.1.mlp.up_proj.weight").dtype = "I8";
    });
    with("has 3 dimensions", |d| {
        d.tensor("model.layers.1.mlp.up_proj.weight").shape.push(1);
    });
    with("its shape asks for", |d| {
        d.tensor("model.layers.1.mlp.up_proj.weight").shape = vec![48, 31];
    });
    with("is 32 x 48", |d| {
        d.tensor("model.layers.1.mlp.up_proj.weight").shape = vec![32, 48];
    });
    with("impossible shape", |d| {
        d.tensor("model.layers.1.mlp.up_proj.weight").shape = vec![1 << 40, 1 << 40];
    });
    with("does not know", |d| {
        d.tensor("model.layers.1.mlp.up_proj.weight").name =
            "model.layers.1.mlp.up_proj.qweight".into();
    });
}

#[test]
fn damaged_headers_are_refused() {
    let whole = safetensors(&Directory::tiny().tensors);
    let broken = |part: &str, bytes: &[u8]| {
        refused(part, |path| {
            Directory::tiny().write(path);
            std::fs::write(path.join("model.safetensors"), bytes).unwrap();
        });
    };
    broken("truncated", &whole[..whole.len() - 1]);
    broken("truncated", &whole[..100]);
    broken("truncated", &whole[..7]);
    for length in [whole.len() as u64, 1 << 40, u64::MAX] {
        broken(
            "truncated, damaged",
            &[&length.to_le_bytes()[..], &whole[8..]].concat(),
        );
    }
    let overlapping = |json: String| {
        [
            &(json.len() as u64).to_le_bytes()[..],
            json.as_bytes(),
            &[0; 400],
        ]
        .concat()
    };
    let entry = |name: &str, start: u64| {
        format!(
            r#""{name}":{{"dtype":"F32","shape":[32],"data_offsets":[{start},{}]}}"#,
            start + 128
        )
    };
    let two = format!(
        "{{{},{}}}",
        entry("model.norm.weight", 0),
        entry("model.layers.0.input_layernorm.weight", 100)
    );
    broken("overlap", &overlapping(two));
    let twice = format!(
        "{{{},{}}}",
        entry("model.norm.weight", 0),
        entry("model.norm.weight", 128)
    );
    broken("appears twice", &overlapping(twice));
}

#[test]
fn odd_tokenizers_are_refused() {
    let with = |part: &str, change: fn(&mut Directory)| {
        let mut directory = Directory::tiny();
        change(&mut directory);
        refused(part, |path| directory.write(path));
    };
    with("`tokenizer.json` cannot be used", |d| {
        d.tokenizer = json!({"model": 1});
    });
    with("by its `decoder`", |d| d.tokenizer["decoder"] = Value::Null);
    with("`bos_token` in `tokenizer_config.json`", |d| {
        d.settings["bos_token"] = json!(7);
    });
    with("`chat_template` in `tokenizer_config.json`", |d| {
        d.settings["chat_template"] = json!([]);
    });
    with("chat template", |d| {
        d.settings["chat_template"] = "{% for %}".into();
    });
    with("is no token", |d| {
        d.settings["added_tokens_decoder"] = json!({"x": {"content": "a"}});
    });
    refused("`tokenizer.model`: it is truncated or damaged", |path| {
        Directory::tiny().write(path);
        std::fs::remove_file(path.join("tokenizer.json")).unwrap();
        std::fs::write(path.join("tokenizer.model"), b"\x0a\xff").unwrap();
    });
}
