//! Opening a directory.

use std::path::Path;
use std::sync::Arc;

use super::config::HubConfig;
use super::keys::Keys;
use super::names::hub_name;
use super::shards::{Shards, missing_bias};
use super::text::TextFiles;
use crate::gguf::{Bytes, Conversion, GgufFile, TensorInfo, TensorType, Value};
use crate::{Architecture, ChatTemplate, EngineError, Linear, ModelConfig, Tokenizer};

/// A directory that was found usable.
pub(crate) struct Opened {
    pub(crate) file: GgufFile,
    pub(crate) config: ModelConfig,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) chat_template: Option<ChatTemplate>,
}

/// Opens a directory with `config.json`, weights and tokenizer.
pub(crate) fn open(directory: &Path) -> Result<Opened, EngineError> {
    let problem = |problem| EngineError::Directory {
        path: directory.to_owned(),
        problem,
    };
    let keys = Keys::read(directory, "config.json")
        .map_err(problem)?
        .ok_or_else(|| problem(no_config(directory)))?;
    let hub = HubConfig::new(&keys).map_err(problem)?;
    let file = weights(directory, &hub).map_err(problem)?;
    let (file, config) = configured(file, &hub)
        .map_err(|error| problem(with_hub_names(hub.architecture, &error.to_string())))?;
    let text = TextFiles::read(directory, &keys).map_err(problem)?;
    let tokenizer = text.tokenizer(directory, config.vocabulary)?;
    let chat_template = text.template(directory, &tokenizer)?;
    Ok(Opened {
        file,
        config,
        tokenizer,
        chat_template,
    })
}

/// What to say of a directory that is no model.
fn no_config(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let gguf = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "gguf"))
        .min();
    match gguf {
        Some(gguf) => format!("it has no `config.json`; to use a GGUF file in it, give its path: {}", directory.join(gguf).display()),
        None => "it has no `config.json`: a model directory holds config.json, safetensors files and a tokenizer, as `save_pretrained` of transformers writes them".into(),
    }
}

/// The files of the directory as one file.
fn weights(directory: &Path, hub: &HubConfig) -> Result<GgufFile, String> {
    let mut shards = Shards::open(directory, hub)?;
    let layers = hub
        .metadata
        .get(&format!("{}.block_count", hub.architecture.name));
    let layers = layers.and_then(Value::as_u64).unwrap_or(0) as usize;
    if let Some(name) = missing_bias(hub, &shards, layers) {
        let theirs = hub_name(hub.architecture, &name).unwrap_or(name);
        return Err(format!(
            "its files have no tensor `{theirs}`, which `config.json` asks for"
        ));
    }
    if !hub.tied && !shards.tensors.contains_key("output.weight") {
        return Err(
            "its files have no tensor `lm_head.weight`, and `tie_word_embeddings` in `config.json` is not true".into(),
        );
    }
    if let Some(factors) = &hub.rope_factors {
        add_factors(&mut shards, factors);
    }
    let path = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let mut metadata = hub.metadata.clone();
    if let Some(name) = path.file_name() {
        let name = name.to_string_lossy().into_owned();
        metadata.insert("general.name".into(), Value::Text(name));
    }
    Ok(GgufFile::assemble(
        directory,
        shards.parts,
        metadata,
        shards.tensors,
    ))
}

/// Llama 3's divisors, which GGUF has as a tensor.
fn add_factors(shards: &mut Shards, factors: &[f32]) {
    let bytes: Vec<u8> = factors.iter().flat_map(|f| f.to_le_bytes()).collect();
    let info = TensorInfo {
        name: "rope_freqs.weight".into(),
        dims: vec![factors.len()],
        tensor_type: TensorType::F32,
        start: 0,
        length: bytes.len(),
        part: shards.parts.len(),
        conversion: Conversion::default(),
    };
    shards.tensors.insert(info.name.clone(), info);
    shards.parts.push(Bytes::Held(bytes));
}

/// Checks sizes and tensors, and brings rows into GGUF's order.
fn configured(mut file: GgufFile, hub: &HubConfig) -> Result<(GgufFile, ModelConfig), EngineError> {
    let config = ModelConfig::read(&file)?;
    for linear in hub.architecture.linears {
        let Some(rows) = config.transformers_rows(*linear) else {
            continue;
        };
        let rows: Arc<[usize]> = rows.into();
        for layer in 0..config.layers {
            for kind in ["weight", "bias"] {
                let name = format!("blk.{layer}.{}.{kind}", Linear::gguf_name(*linear));
                file.reorder(&name, &rows);
            }
        }
    }
    Ok((file, config))
}

/// Puts the name that stands in the directory behind every GGUF name of a tensor in a message.
fn with_hub_names(architecture: &Architecture, message: &str) -> String {
    let message = message
        .strip_prefix("not a usable GGUF file: ")
        .unwrap_or(message);
    let mut out = String::new();
    for (at, piece) in message.split('`').enumerate() {
        if at > 0 {
            out.push('`');
        }
        let name = (at % 2 == 1)
            .then(|| hub_name(architecture, piece))
            .flatten();
        out.push_str(name.as_deref().unwrap_or(piece));
    }
    out
}
