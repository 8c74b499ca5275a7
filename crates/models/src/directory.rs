//! Models that are directories: `config.json`, safetensors files, a tokenizer.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::progress::Progress;
use crate::{SourceError, cache, sum};

/// More files than any model has.
const MOST: usize = 8192;

/// The sum of a directory: that of the list of its model files, as `sha256sum` prints it, sorted by
/// name. Other files may change without changing the model.
pub(crate) fn summed(
    cache: &Path,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<String, SourceError> {
    let mut list = Sha256::new();
    for (name, path) in files(directory)? {
        sum::refuse_pickle(&path)?;
        let sum = cache::summed_outside(cache, &path, progress)?;
        list.update(format!("{sum}  {name}\n"));
    }
    Ok(format!("{:x}", list.finalize()))
}

/// The files that make the model, by name.
fn files(directory: &Path) -> Result<Vec<(String, PathBuf)>, SourceError> {
    let failed = |reason| SourceError::file(directory, "listing it", reason);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let weights = name.ends_with(".safetensors");
        let text = [".json", ".model", ".jinja"]
            .iter()
            .any(|e| name.ends_with(e));
        if (weights || text) && path.is_file() {
            files.push((name.into_owned(), path));
        }
    }
    files.sort();
    let has = |wanted: &str| files.iter().any(|(name, _)| name == wanted);
    if !has("config.json") || files.len() > MOST {
        return Err(SourceError::NoModel {
            path: directory.to_owned(),
        });
    }
    Ok(files)
}
