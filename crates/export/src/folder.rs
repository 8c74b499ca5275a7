//! The folder of an export: there whole or not at all, and never written over by accident.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Contribution, ExportError};

/// Lists what is in the folder; a folder without it is not one of ours.
const MANIFEST: &str = "manifest.json";

/// A file of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileEntry {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 sum, hexadecimal.
    pub sha256: String,
    /// Rows, for files of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// `manifest.json`: what an export holds and what it was made of. The same run exported twice by the
/// same version gives the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// The version of this program.
    pub autodidact: String,
    /// The run's name.
    pub run: String,
    /// What was exported.
    pub what: String,
    /// In which format, for data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The outer loop, if one was asked for or an adapter belongs to one.
    pub iteration: Option<u32>,
    /// The least scores asked for, by attribute.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub minimum: autodidact_core::MinimumScores,
    /// Samples by what they are good for.
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub samples: std::collections::BTreeMap<String, u64>,
    /// Who wrote them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provenance: Vec<Contribution>,
    /// How far what was written agrees with what was trained.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agreement: Vec<crate::Agreement>,
    /// Every other file of the folder.
    pub files: Vec<FileEntry>,
}

/// A folder being written. It takes its name in [`Folder::finish`]; dropped before, it is removed.
#[derive(Debug)]
pub struct Folder {
    target: PathBuf,
    partial: PathBuf,
    files: Vec<FileEntry>,
    finished: bool,
}

impl Folder {
    /// Begins a folder that will be called `target`.
    ///
    /// # Errors
    /// [`ExportError::Exists`] if it is there and `force` is false, [`ExportError::Foreign`] if what
    /// is there was not made by an export; otherwise [`ExportError::Write`].
    pub fn begin(target: &Path, force: bool) -> Result<Self, ExportError> {
        let occupied = target.is_file()
            || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !force {
            return Err(ExportError::Exists(target.to_owned()));
        }
        if occupied && !target.join(MANIFEST).is_file() {
            return Err(ExportError::Foreign(target.to_owned()));
        }
        let partial = beside(target, &format!("partial-{}", std::process::id()))?;
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(ExportError::write(&partial))?;
        }
        fs::create_dir_all(&partial).map_err(ExportError::write(&partial))?;
        Ok(Self {
            target: target.to_owned(),
            partial,
            files: Vec::new(),
            finished: false,
        })
    }

    /// Where a file of the folder is while it is being written.
    ///
    /// # Errors
    /// [`ExportError::Write`] if its directory cannot be made.
    pub fn path(&self, name: &str) -> Result<PathBuf, ExportError> {
        let path = self.partial.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ExportError::write(parent))?;
        }
        Ok(path)
    }

    /// Writes a small file.
    ///
    /// # Errors
    /// [`ExportError::Write`].
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.path(name)?;
        fs::write(&path, bytes).map_err(ExportError::write(&path))?;
        self.add(name, None)
    }

    /// Takes note of a file that was written at [`Folder::path`], and sums it.
    ///
    /// # Errors
    /// [`ExportError::Read`] if it cannot be read back.
    pub fn add(&mut self, name: &str, rows: Option<u64>) -> Result<(), ExportError> {
        let path = self.partial.join(name);
        let failed = |source| ExportError::Read {
            path: path.clone(),
            source,
        };
        let mut file = File::open(&path).map_err(failed)?;
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            hasher.update(buffer.get(..read).unwrap_or_default());
            bytes += read as u64;
        }
        self.files.push(FileEntry {
            path: name.to_owned(),
            bytes,
            sha256: hex(&hasher.finalize()),
            rows,
        });
        Ok(())
    }

    /// Files so far.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Begins a file of JSON lines.
    ///
    /// # Errors
    /// [`ExportError::Write`].
    pub(crate) fn lines(&self, name: &str) -> Result<LineFile, ExportError> {
        let path = self.path(name)?;
        let file = File::create(&path).map_err(ExportError::write(&path))?;
        Ok(LineFile {
            name: name.to_owned(),
            out: BufWriter::new(file),
            path,
            rows: 0,
        })
    }

    /// Writes the manifest and gives the folder its name; the one that was there goes only now.
    ///
    /// # Errors
    /// [`ExportError::Write`]; then what was there before is there still.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<Manifest, ExportError> {
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        manifest.files.clone_from(&self.files);
        let mut text = serde_json::to_string_pretty(&manifest)?;
        text.push('\n');
        let path = self.path(MANIFEST)?;
        fs::write(&path, text).map_err(ExportError::write(&path))?;
        let failed = || ExportError::write(&self.target);
        if self.target.exists() {
            let aside = beside(&self.target, &format!("replaced-{}", std::process::id()))?;
            fs::rename(&self.target, &aside).map_err(failed())?;
            if let Err(source) = fs::rename(&self.partial, &self.target) {
                // The old one goes back; if even that fails it is still there, under the other name.
                let _ = fs::rename(&aside, &self.target);
                return Err(failed()(source));
            }
            fs::remove_dir_all(&aside).map_err(ExportError::write(&aside))?;
        } else {
            fs::rename(&self.partial, &self.target).map_err(failed())?;
        }
        self.finished = true;
        Ok(manifest)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.finished {
            // What cannot be removed is a hidden folder that the next attempt removes.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// A hidden sibling, on the same file system, so that renaming is one step.
fn beside(target: &Path, what: &str) -> Result<PathBuf, ExportError> {
    let name = target.file_name().ok_or_else(|| {
        ExportError::Request(format!("{} cannot be a folder's name", target.display()))
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{what}"));
    Ok(target.with_file_name(hidden))
}

/// A file of JSON lines being written.
#[derive(Debug)]
pub(crate) struct LineFile {
    name: String,
    path: PathBuf,
    out: BufWriter<File>,
    rows: u64,
}

impl LineFile {
    pub(crate) fn row(&mut self, row: &serde_json::Value) -> Result<(), ExportError> {
        let failed = ExportError::write(&self.path);
        serde_json::to_writer(&mut self.out, row)?;
        self.out.write_all(b"\n").map_err(failed)?;
        self.rows += 1;
        Ok(())
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn finish(mut self, folder: &mut Folder) -> Result<(), ExportError> {
        self.out.flush().map_err(ExportError::write(&self.path))?;
        drop(self.out);
        folder.add(&self.name, Some(self.rows))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            autodidact: "0".into(),
            run: "r".into(),
            what: "sft".into(),
            format: None,
            iteration: None,
            minimum: std::collections::BTreeMap::new(),
            samples: std::collections::BTreeMap::new(),
            provenance: Vec::new(),
            agreement: Vec::new(),
            files: Vec::new(),
        }
    }

    #[test]
    fn a_folder_is_replaced_when_asked_for_and_only_if_it_is_ours() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("out");
        let mut folder = Folder::begin(&target, false).unwrap();
        folder.write("a/b.txt", b"abc").unwrap();
        assert!(!target.exists(), "it has no name before it is whole");
        let written = folder.finish(manifest()).unwrap();
        assert_eq!(
            written.files[0].sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert!(matches!(
            Folder::begin(&target, false),
            Err(ExportError::Exists(_))
        ));
        let folder = Folder::begin(&target, true).unwrap();
        drop(folder);
        assert!(target.join("a/b.txt").exists(), "given up: nothing changed");
        Folder::begin(&target, true)
            .unwrap()
            .finish(manifest())
            .unwrap();
        assert!(!target.join("a").exists());
        fs::remove_file(target.join(MANIFEST)).unwrap();
        fs::write(target.join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(
            Folder::begin(&target, true),
            Err(ExportError::Foreign(_))
        ));
        let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }
}
