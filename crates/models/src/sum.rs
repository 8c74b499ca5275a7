//! SHA-256 sums: of files, and of bytes on their way to one.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::cache::Place;
use crate::progress::{Progress, Running};
use crate::{FetchError, SourceError};

/// Bytes read at once.
const CHUNK: usize = 1 << 18;
/// Bytes that tell a pickle from a model.
const HEAD: usize = 9;

/// Writes to a file and adds up what it wrote.
pub(crate) struct Summing<'a> {
    file: &'a mut File,
    sum: Sha256,
    written: u64,
}

impl<'a> Summing<'a> {
    /// Begins an empty file.
    pub(crate) fn create(file: &'a mut File) -> Self {
        Self {
            file,
            sum: Sha256::new(),
            written: 0,
        }
    }

    /// Goes on behind what the file holds already.
    pub(crate) fn append(file: &'a mut File) -> io::Result<Self> {
        let mut sum = Sha256::new();
        let written = feed(file, &mut sum, &|_| {})?;
        Ok(Self { file, sum, written })
    }

    /// Bytes in the file.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Starts over with an empty file.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        use std::io::Seek;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.sum = Sha256::new();
        self.written = 0;
        Ok(())
    }

    /// Copies everything from `from`, which must end by itself; true if it did, false if it had
    /// more than `limit` bytes in all. Fails with the reader's error first.
    pub(crate) fn copy(
        &mut self,
        from: &mut dyn Read,
        limit: u64,
        running: &Running<'_>,
    ) -> Result<bool, CopyError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = match from.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CopyError::Read(error)),
            };
            if self.written + n as u64 > limit {
                return Ok(false);
            }
            self.file.write_all(&chunk[..n]).map_err(CopyError::Write)?;
            self.sum.update(&chunk[..n]);
            self.written += n as u64;
            running.advance(n as u64);
        }
    }

    /// Brings the bytes to the disk; their sum.
    pub(crate) fn finish(self) -> io::Result<String> {
        self.file.sync_all()?;
        Ok(hexadecimal(self.sum))
    }
}

/// Puts files one after the other into the partial file of a place; path and sum.
pub(crate) fn join(
    parts: &[&Path],
    place: &Place,
    limit: u64,
    progress: &dyn Progress,
) -> Result<(PathBuf, String), SourceError> {
    let partial = place.beside("partial");
    let failed = |reason| SourceError::file(&partial, "putting its parts together", reason);
    let mut target = File::create(&partial).map_err(failed)?;
    let mut summing = Summing::create(&mut target);
    let running = Running::start(progress, &format!("joining {}", place.name()), None);
    for part in parts {
        let unreadable = |reason| SourceError::file(part, "reading it", reason);
        let mut from = File::open(part).map_err(unreadable)?;
        match summing.copy(&mut from, limit, &running) {
            Ok(true) => {}
            Ok(false) => {
                let bytes = limit.saturating_add(1);
                return Err(SourceError::TooLarge { bytes, limit });
            }
            Err(CopyError::Read(error)) => return Err(unreadable(error)),
            Err(CopyError::Write(error)) => return Err(failed(error)),
        }
    }
    let sha256 = summing.finish().map_err(failed)?;
    Ok((partial, sha256))
}

/// Which end of a copy failed.
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
}

/// The sum of a whole file.
pub(crate) fn of_file(path: &Path, progress: &dyn Progress) -> Result<String, SourceError> {
    let failed = |reason| SourceError::file(path, "checking its sum", reason);
    let mut file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let running = Running::start(progress, &format!("checking {name}"), Some(size));
    let mut sum = Sha256::new();
    feed(&mut file, &mut sum, &|n| running.advance(n)).map_err(failed)?;
    Ok(hexadecimal(sum))
}

fn feed(file: &mut File, sum: &mut Sha256, advanced: &dyn Fn(u64)) -> io::Result<u64> {
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                sum.update(&chunk[..n]);
                total += n as u64;
                advanced(n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hexadecimal(sum: Sha256) -> String {
    format!("{:x}", sum.finalize())
}

/// A pinned sum in the form sums have here, lower case.
pub(crate) fn parse_pin(text: &str) -> Result<String, FetchError> {
    let pin = text.trim().to_ascii_lowercase();
    if pin.len() == 64 && pin.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(pin);
    }
    Err(FetchError::Pin {
        text: text.to_owned(),
    })
}

/// Refuses a file that is a pickle, or a zip archive as PyTorch wraps around one.
pub(crate) fn refuse_pickle(path: &Path) -> Result<(), SourceError> {
    let failed = |reason| SourceError::file(path, "looking at its first bytes", reason);
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(HEAD as u64).read_to_end(&mut head))
        .map_err(failed)?;
    if is_pickle(&head) {
        return Err(SourceError::Pickle);
    }
    Ok(())
}

/// A pickle begins with its protocol number. So may the header length of a safetensors file, but
/// there a brace follows as the ninth byte.
fn is_pickle(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04")
        || (matches!(head, [0x80, 2..=5, ..]) && head.get(HEAD - 1) != Some(&b'{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_are_told_from_models() {
        assert!(is_pickle(b"\x80\x02}q\x00(X\x05\x00"));
        assert!(is_pickle(b"PK\x03\x04\x00\x00\x00\x00\x00"));
        assert!(!is_pickle(b"GGUF\x03\x00\x00\x00\x00"));
        assert!(!is_pickle(b"\x80\x02\x00\x00\x00\x00\x00\x00{"));
        assert!(!is_pickle(b""));
    }

    #[test]
    fn pins_are_64_digits() {
        let pin = "B179".repeat(16);
        assert_eq!(parse_pin(&pin).unwrap(), pin.to_lowercase());
        for bad in ["", "b179", &"g".repeat(64)] {
            assert!(parse_pin(bad).is_err(), "{bad}");
        }
    }
}
