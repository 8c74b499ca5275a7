//! The safetensors files of a directory, and the tensors in them.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Component, Path};

use serde::Deserializer;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};

use super::config::HubConfig;
use super::header::{self, Entry};
use super::keys;
use super::names::{Name, gguf_name};
use crate::gguf::{Bytes, Conversion, TensorInfo, TensorType, byte_length, map_file};
use crate::{Architecture, Linear};

/// The one file of a small model.
const WHOLE: &str = "model.safetensors";
/// The list of files of a large one.
const INDEX: &str = "model.safetensors.index.json";
/// Longest index; that of a model of 400 billion parameters has some hundred thousand bytes.
const LONGEST_INDEX: u64 = 64 << 20;
/// More files than any model has.
const MOST_SHARDS: usize = 4096;

/// Mapped files and what is in them, by GGUF's names.
pub(super) struct Shards {
    pub(super) parts: Vec<Bytes>,
    pub(super) tensors: HashMap<String, TensorInfo>,
}

impl Shards {
    /// Maps all files of a directory and checks where their tensors are.
    pub(super) fn open(directory: &Path, config: &HubConfig) -> Result<Self, String> {
        let mut shards = Self {
            parts: Vec::new(),
            tensors: HashMap::new(),
        };
        for file in files(directory)? {
            let path = directory.join(&file);
            if !path.is_file() {
                return Err(format!(
                    "`{INDEX}` names `{file}`, which is not there; fetch it, or the whole model again"
                ));
            }
            let bytes = map_file(&path).map_err(|error| error.to_string())?;
            shards
                .add(bytes, config)
                .map_err(|problem| format!("`{file}`: {problem}"))?;
        }
        Ok(shards)
    }

    fn add(&mut self, bytes: Bytes, config: &HubConfig) -> Result<(), String> {
        let part = self.parts.len();
        let (start, json) = header::split(bytes.get())?;
        let data = bytes.get().len() - start;
        let mut found: Vec<TensorInfo> = Vec::new();
        header::read(json, &mut |name, entry| {
            let Some(known) = wanted(config, name)? else {
                return Ok(());
            };
            let mut info = tensor(name, &entry, data)?;
            info.start += start;
            info.part = part;
            info.conversion.plus_one = plus_one(config.architecture, &known);
            info.name = known;
            found.push(info);
            Ok(())
        })?;
        found.sort_by_key(|info| info.start);
        for pair in found.windows(2) {
            if pair[0].start + pair[0].length > pair[1].start {
                return Err(format!(
                    "tensors `{}` and `{}` overlap: the file is damaged",
                    pair[0].name, pair[1].name
                ));
            }
        }
        for info in found {
            if let Some(twice) = self.tensors.insert(info.name.clone(), info) {
                return Err(format!("tensor `{}` appears twice", twice.name));
            }
        }
        self.parts.push(bytes);
        Ok(())
    }
}

/// GGUF's name of a tensor that the model computes with.
fn wanted(config: &HubConfig, name: &str) -> Result<Option<String>, String> {
    let known = match gguf_name(config.architecture, name) {
        Name::Known(known) => known,
        Name::Other => return Ok(None),
        Name::Foreign => {
            return Err(format!(
                "tensor `{name}` is a part of a block that this engine does not know in models of the architecture `{}`",
                config.architecture.name
            ));
        }
    };
    let unbiased = known.rsplit('.').next() == Some("bias")
        && config
            .architecture
            .linears
            .iter()
            .filter(|linear| !config.biased.contains(linear))
            .any(|linear| known.contains(&format!(".{}.", linear.gguf_name())));
    let tied = config.tied && known == "output.weight";
    Ok((!tied && !unbiased).then_some(known))
}

/// Gemma's norms multiply by one more than what is stored.
fn plus_one(architecture: &Architecture, name: &str) -> bool {
    architecture.embedding_by_root && name.ends_with("norm.weight")
}

/// Checks an entry against the file.
fn tensor(name: &str, entry: &Entry, data: usize) -> Result<TensorInfo, String> {
    let tensor_type = match entry.dtype.as_str() {
        "F32" => TensorType::F32,
        "F16" => TensorType::F16,
        "BF16" => TensorType::BF16,
        other => {
            return Err(format!(
                "tensor `{name}` has the type {other:.20}; F32, F16 and BF16 are read: save the model with one of them, or use a GGUF file for quantized weights"
            ));
        }
    };
    if entry.dims == 0 || entry.dims > entry.shape.len() {
        return Err(format!("tensor `{name}` has {} dimensions", entry.dims));
    }
    let mut dims = entry.shape[..entry.dims].to_vec();
    dims.reverse();
    let length = byte_length(name, &dims, tensor_type).map_err(|error| error.to_string())?;
    let [begin, end] = entry.offsets;
    if end > data || begin > end {
        return Err(format!(
            "tensor `{name}` should be at the bytes {begin} to {end} and there are {data}: the file is truncated or damaged; fetch it again"
        ));
    }
    if end - begin != length {
        return Err(format!(
            "tensor `{name}` has {} bytes and its shape asks for {length}: the file is damaged",
            end - begin
        ));
    }
    Ok(TensorInfo {
        name: name.to_owned(),
        dims,
        tensor_type,
        start: begin,
        length,
        part: 0,
        conversion: Conversion::default(),
    })
}

/// The names of the files with weights.
fn files(directory: &Path) -> Result<Vec<String>, String> {
    if let Some(json) = keys::read(directory, INDEX, LONGEST_INDEX)? {
        let mut files = BTreeSet::new();
        let mut deserializer = serde_json::Deserializer::from_slice(&json);
        deserializer
            .deserialize_map(Index(&mut files))
            .map_err(|error| format!("`{INDEX}` is damaged: {error}"))?;
        if files.is_empty() {
            return Err(format!("`{INDEX}` names no files in a `weight_map`"));
        }
        return Ok(files.into_iter().collect());
    }
    if directory.join(WHOLE).is_file() {
        return Ok(vec![WHOLE.to_owned()]);
    }
    let pickled = directory.join("pytorch_model.bin").is_file()
        || directory.join("pytorch_model.bin.index.json").is_file();
    Err(if pickled {
        "it has its weights as Python pickles, which can run code when they are loaded; save the model with transformers' `save_pretrained`, which writes safetensors files".into()
    } else {
        format!("it has neither `{WHOLE}` nor `{INDEX}`")
    })
}

/// Collects the files of `weight_map` and nothing else.
struct Index<'a>(&'a mut BTreeSet<String>);

impl<'de> Visitor<'de> for Index<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `weight_map`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "weight_map" {
                map.next_value_seed(Files(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct Files<'a>(&'a mut BTreeSet<String>);

impl<'de> serde::de::DeserializeSeed<'de> for Files<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Files<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from tensors to files")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            let file: String = map.next_value()?;
            if self.0.contains(&file) {
                continue;
            }
            if !is_file_name(&file) {
                return Err(A::Error::custom(format!(
                    "`{file:.100}` is not the name of a safetensors file in the same directory"
                )));
            }
            if self.0.len() == MOST_SHARDS {
                return Err(A::Error::custom(format!("more than {MOST_SHARDS} files")));
            }
            self.0.insert(file);
        }
        Ok(())
    }
}

/// A name without any directory.
fn is_file_name(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
    let mut components = Path::new(name).components();
    let first = components.next();
    matches!(first, Some(Component::Normal(_)))
        && components.next().is_none()
        && !name.contains(odd)
        && Path::new(name)
            .extension()
            .is_some_and(|ending| ending == "safetensors")
}

/// The linear layers whose bias `config.json` promises and the files do not have.
pub(super) fn missing_bias(config: &HubConfig, shards: &Shards, layers: usize) -> Option<String> {
    let name = |layer: usize, linear: &Linear| format!("blk.{layer}.{}.bias", linear.gguf_name());
    (0..layers)
        .flat_map(|layer| config.biased.iter().map(move |linear| name(layer, linear)))
        .find(|name| !shards.tensors.contains_key(name))
}
