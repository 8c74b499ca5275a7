//! Files that are either there whole or not there at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::StoreError;

/// Replaces `path` by a file with these bytes so that, whenever the machine stops, a reader finds
/// the old file or the whole new one: the bytes go to a temporary file beside it, reach the disk,
/// and only then take the name. Missing parent directories are made.
///
/// # Errors
/// [`StoreError::ReadOnly`], [`StoreError::DiskFull`] or [`StoreError::File`]; the old file is
/// intact and nothing is left beside it.
pub fn atomic_write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = |doing| move |source| StoreError::file(path, doing, source);
    fs::create_dir_all(directory).map_err(failed("making its directory"))?;
    let mut temporary = temporary_in(directory).map_err(failed("making a temporary file"))?;
    temporary
        .write_all(bytes)
        .map_err(failed("writing its contents"))?;
    temporary
        .as_file()
        .sync_all()
        .map_err(failed("bringing its contents to the disk"))?;
    temporary
        .persist(path)
        .map_err(|error| StoreError::file(path, "giving it its name", error.error))?;
    sync_directory(directory)
}

/// A temporary file with the permissions an ordinary new file gets, not the private ones temporary
/// files usually have.
fn temporary_in(directory: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(directory)
}

/// Brings a directory's list of names to the disk; without this a renamed file may be back under
/// its old name after a power cut.
#[cfg(unix)]
pub(crate) fn sync_directory(directory: &Path) -> Result<(), StoreError> {
    File::open(directory)
        .and_then(|opened| opened.sync_all())
        .map_err(|source| StoreError::file(directory, "bringing a new name to the disk", source))
}

/// Other systems cannot open a directory to synchronise it, and order renames themselves.
#[cfg(not(unix))]
pub(crate) fn sync_directory(_directory: &Path) -> Result<(), StoreError> {
    Ok(())
}
