//! The tiny model as transformers would save it, made from the GGUF file, so that tests can break
//! one thing and open the rest.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses a part of this"
)]

use std::path::Path;

use autodidact_engine::gguf::GgufFile;
use serde_json::{Map, Value, json};

use super::{Parts, golden};

/// A tensor of a safetensors file.
#[derive(Debug, Clone)]
pub struct Saved {
    pub name: String,
    pub dtype: &'static str,
    pub shape: Vec<u64>,
    pub data: Vec<u8>,
}

/// All files of a directory.
#[derive(Debug, Clone)]
pub struct Directory {
    pub config: Value,
    pub tensors: Vec<Saved>,
    pub tokenizer: Value,
    pub settings: Value,
}

/// Transformers' name of a tensor of the tiny model.
fn name(gguf: &str) -> String {
    let modules = [
        ("attn_q", "self_attn.q_proj"),
        ("attn_k", "self_attn.k_proj"),
        ("attn_v", "self_attn.v_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("ffn_gate", "mlp.gate_proj"),
        ("ffn_up", "mlp.up_proj"),
        ("ffn_down", "mlp.down_proj"),
        ("attn_norm", "input_layernorm"),
        ("ffn_norm", "post_attention_layernorm"),
    ];
    match gguf {
        "token_embd.weight" => return "model.embed_tokens.weight".into(),
        "output_norm.weight" => return "model.norm.weight".into(),
        "output.weight" => return "lm_head.weight".into(),
        _ => {}
    }
    let mut pieces = gguf.split('.').skip(1);
    let (layer, short) = (pieces.next().unwrap(), pieces.next().unwrap());
    let module = modules.iter().find(|(s, _)| *s == short).unwrap().1;
    format!("model.layers.{layer}.{module}.weight")
}

/// Rows of queries and keys with the halves of each head (8 wide) one after the other.
fn halves(data: &[u8], rows: usize) -> Vec<u8> {
    let width = data.len() / rows;
    let mut out = vec![0; data.len()];
    for (row, bytes) in data.chunks_exact(width).enumerate() {
        let (head, within) = (row / 8, row % 8);
        let to = head * 8 + within % 2 * 4 + within / 2;
        out[to * width..(to + 1) * width].copy_from_slice(bytes);
    }
    out
}

impl Directory {
    /// The tiny model.
    pub fn tiny() -> Self {
        let tensors = Parts::tiny().tensors.into_iter().map(|tensor| {
            let rows = tensor.dims.get(1).copied().unwrap_or(1) as usize;
            let turned = tensor.name.contains("attn_q.") || tensor.name.contains("attn_k.");
            let data = if turned {
                halves(&tensor.data, rows)
            } else {
                tensor.data
            };
            Saved {
                name: name(&tensor.name),
                dtype: "F32",
                shape: tensor.dims.into_iter().rev().collect(),
                data,
            }
        });
        let config = json!({
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
            "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "hidden_act": "silu", "tie_word_embeddings": false, "vocab_size": 96,
            "bos_token_id": 1, "eos_token_id": 2,
        });
        Self {
            config,
            tensors: tensors.collect(),
            tokenizer: tokenizer(),
            settings: json!({
                "bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"},
                "chat_template": "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}",
            }),
        }
    }

    /// The same with an embedding for `rows` tokens, and their tokenizer.
    pub fn with_tokenizer(mut self, rows: usize, tokenizer: Value, settings: Value) -> Self {
        for tensor in &mut self.tensors {
            if matches!(
                tensor.name.as_str(),
                "model.embed_tokens.weight" | "lm_head.weight"
            ) {
                tensor.shape[0] = rows as u64;
                tensor.data = vec![0; rows * 32 * 4];
            }
        }
        self.tokenizer = tokenizer;
        self.settings = settings;
        self
    }

    pub fn tensor(&mut self, name: &str) -> &mut Saved {
        self.tensors.iter_mut().find(|t| t.name == name).unwrap()
    }

    /// Writes one safetensors file and all that goes with it.
    pub fn write(&self, path: &Path) {
        std::fs::write(path.join("model.safetensors"), safetensors(&self.tensors)).unwrap();
        self.write_text(path);
    }

    /// Writes two files and an index.
    pub fn write_sharded(&self, path: &Path) {
        let (first, second) = self.tensors.split_at(self.tensors.len() / 2);
        let mut map = Map::new();
        for (file, tensors) in [
            ("model-1-of-2.safetensors", first),
            ("model-2-of-2.safetensors", second),
        ] {
            std::fs::write(path.join(file), safetensors(tensors)).unwrap();
            map.extend(tensors.iter().map(|t| (t.name.clone(), file.into())));
        }
        let index = json!({"metadata": {"total_size": 1}, "weight_map": map});
        std::fs::write(path.join("model.safetensors.index.json"), index.to_string()).unwrap();
        self.write_text(path);
    }

    fn write_text(&self, path: &Path) {
        for (file, value) in [
            ("config.json", &self.config),
            ("tokenizer.json", &self.tokenizer),
            ("tokenizer_config.json", &self.settings),
        ] {
            std::fs::write(path.join(file), value.to_string()).unwrap();
        }
    }
}

/// The bytes of a safetensors file.
pub fn safetensors(tensors: &[Saved]) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut data: Vec<u8> = Vec::new();
    for tensor in tensors {
        let start = data.len();
        data.extend(&tensor.data);
        let entry = json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]});
        header.insert(tensor.name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// The tiny vocabulary as a `tokenizer.json`.
fn tokenizer() -> Value {
    let file = GgufFile::open(&golden("tiny.gguf")).unwrap();
    let tokens = file.texts("tokenizer.ggml.tokens").unwrap().unwrap();
    let merges = file.texts("tokenizer.ggml.merges").unwrap().unwrap();
    let vocabulary: Map<String, Value> = (0..)
        .zip(&tokens)
        .map(|(id, t)| ((*t).into(), json!(id as u32)))
        .collect();
    let added: Vec<Value> = (0..3)
        .map(|id| json!({"id": id, "content": tokens[id], "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}))
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "post_processor": null,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        ]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocabulary, "merges": merges},
    })
}
