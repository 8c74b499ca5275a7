//! What the tests of the fetcher share: made-up models, wheels, a Python that hands one out, and
//! what was reported while fetching.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use autodidact_core::ModelSource;
use autodidact_models::{FetchError, Fetched, Fetcher, Progress};
use sha2::{Digest, Sha256};

/// Bytes that compress badly and begin like a model.
pub(crate) fn model(size: usize) -> Vec<u8> {
    let mut state = 1u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    b"GGUF".iter().copied().chain(noise).take(size).collect()
}

pub(crate) fn sum(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(crate) fn source(text: &str) -> ModelSource {
    ModelSource(text.to_owned())
}

pub(crate) fn fetch(
    fetcher: &Fetcher,
    text: &str,
    pin: Option<&str>,
) -> Result<Fetched, FetchError> {
    fetcher.fetch(&[source(text)], pin, Path::new("."), &Told::default())
}

/// Everything in a directory, for "nothing was left behind".
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) started: RefCell<Vec<(String, Option<u64>)>>,
    pub(crate) bytes: Cell<u64>,
    pub(crate) running: Cell<i32>,
}

impl Progress for Told {
    fn started(&self, what: &str, total: Option<u64>) {
        assert_eq!(self.running.replace(1), 0, "one thing at a time");
        self.started.borrow_mut().push((what.to_owned(), total));
        self.bytes.set(0);
    }
    fn advanced(&self, bytes: u64) {
        self.bytes.set(self.bytes.get() + bytes);
    }
    fn finished(&self) {
        assert_eq!(self.running.replace(0), 1);
    }
}

/// Writes a wheel with these entries.
pub(crate) fn wheel(path: &Path, entries: &[(&str, &[u8])]) {
    let mut writer = zip::ZipWriter::new(File::create(path).unwrap());
    for (name, bytes) in entries {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap();
}

/// A "Python" whose pip copies `wheel` to `--dest` and counts how often it was asked. It also
/// refuses to run with other arguments than the ones that install and run nothing.
#[cfg(unix)]
pub(crate) fn python(directory: &Path, wheel: &Path) -> PathBuf {
    script(
        directory,
        &format!(
            r#"
echo x >> "{count}"
[ "$1 $2 $3" = "-m pip download" ] || exit 9
case "$*" in *--no-deps*--only-binary=:all:*) ;; *) exit 9 ;; esac
while [ "$1" != --dest ]; do shift; done
cp "{wheel}" "$2/made_up-1.0-py3-none-any.whl"
"#,
            count = directory.join("asked").display(),
            wheel = wheel.display(),
        ),
    )
}

/// An executable shell script.
#[cfg(unix)]
pub(crate) fn script(directory: &Path, body: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = directory.join("python");
    fs::write(&path, format!("#!/bin/sh\n{body}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// How often the made-up Python was asked.
pub(crate) fn asked(directory: &Path) -> usize {
    fs::read_to_string(directory.join("asked")).map_or(0, |text| text.lines().count())
}
