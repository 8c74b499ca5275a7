//! Writing GGUF files of any size, tensor by tensor, so that no model is ever whole in memory.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::writer::put_string;
use super::{ALIGNMENT, GgufMetadata, TensorType};
use crate::EngineError;

/// A tensor that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorPlan {
    /// The name in the file.
    pub name: String,
    /// Sizes, the contiguous one (row length) first.
    pub dims: Vec<usize>,
    /// How it is stored.
    pub tensor_type: TensorType,
}

impl TensorPlan {
    fn length(&self) -> usize {
        let (weights, bytes) = self.tensor_type.block();
        self.dims.iter().product::<usize>() / weights * bytes
    }
}

/// What stands before the first tensor's padding: counts, metadata, tensor infos.
pub(super) fn header(metadata: &GgufMetadata, tensors: &[&TensorPlan]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(b"GGUF");
    out.extend_from_slice(&3u32.to_le_bytes());
    out.extend_from_slice(&(tensors.len() as u64).to_le_bytes());
    out.extend_from_slice(&(metadata.entries.len() as u64).to_le_bytes());
    for (key, kind, bytes) in &metadata.entries {
        put_string(&mut out, key);
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(bytes);
    }
    let mut offset = 0;
    for tensor in tensors {
        put_string(&mut out, &tensor.name);
        out.extend_from_slice(&(tensor.dims.len() as u32).to_le_bytes());
        for dim in &tensor.dims {
            out.extend_from_slice(&(*dim as u64).to_le_bytes());
        }
        out.extend_from_slice(&tensor.tensor_type.id().to_le_bytes());
        out.extend_from_slice(&(offset as u64).to_le_bytes());
        offset = (offset + tensor.length()).next_multiple_of(ALIGNMENT);
    }
    out
}

/// Counts what passes, to pad by it and to notice a tensor of the wrong length.
struct Counted<W> {
    out: W,
    written: usize,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Counted<W> {
    fn pad(&mut self) -> io::Result<()> {
        let missing = self.written.next_multiple_of(ALIGNMENT) - self.written;
        self.write_all(&[0; ALIGNMENT][..missing])
    }
}

/// Writes a GGUF file; `fill` writes the bytes of one tensor after the other. Whenever the machine
/// stops, a reader finds the old file or the whole new one: the bytes go to a temporary file beside
/// it first. Missing directories are made.
///
/// # Errors
/// Those of `fill`, and [`EngineError::Write`] if the file cannot be written, or if `fill` gives a
/// tensor another number of bytes than its plan says.
pub fn write_gguf(
    path: &Path,
    metadata: &GgufMetadata,
    tensors: &[TensorPlan],
    mut fill: impl FnMut(&TensorPlan, &mut dyn Write) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let failed = |source| EngineError::Write {
        path: path.to_owned(),
        source,
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let temporary = temporary_in(directory).map_err(failed)?;
    let mut out = Counted {
        out: BufWriter::with_capacity(1 << 20, temporary.as_file()),
        written: 0,
    };
    let plans: Vec<&TensorPlan> = tensors.iter().collect();
    out.write_all(&header(metadata, &plans)).map_err(failed)?;
    for tensor in tensors {
        out.pad().map_err(failed)?;
        let before = out.written;
        fill(tensor, &mut out)?;
        let (written, planned) = (out.written - before, tensor.length());
        if written != planned {
            return Err(failed(io::Error::other(format!(
                "tensor `{}` came with {written} bytes instead of {planned}",
                tensor.name
            ))));
        }
    }
    out.flush().map_err(failed)?;
    drop(out);
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// A temporary file with the permissions an ordinary new file gets.
fn temporary_in(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::GgufFile;

    fn plans() -> Vec<TensorPlan> {
        let plan = |name: &str, dims: &[usize], tensor_type| TensorPlan {
            name: name.into(),
            dims: dims.to_vec(),
            tensor_type,
        };
        vec![
            plan("a", &[3, 2], TensorType::F32),
            plan("b", &[32, 3], TensorType::Q8_0),
            plan("c", &[5], TensorType::F16),
        ]
    }

    #[test]
    fn a_streamed_file_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/file.gguf");
        let mut metadata = GgufMetadata::new();
        metadata.text("general.name", "first");
        metadata.text("general.name", "second");
        metadata.texts("words", ["a", "bc"].into_iter());
        write_gguf(&path, &metadata, &plans(), |plan, out| {
            let bytes: Vec<u8> = (0..plan.length()).map(|i| (i % 50) as u8).collect();
            out.write_all(&bytes).unwrap();
            Ok(())
        })
        .unwrap();
        let file = GgufFile::open(&path).unwrap();
        assert_eq!(file.text("general.name").unwrap(), "second");
        assert_eq!(file.texts("words").unwrap().unwrap(), ["a", "bc"]);
        for plan in plans() {
            let info = file.tensor(&plan.name).unwrap();
            assert_eq!(
                (&info.dims, info.tensor_type),
                (&plan.dims, plan.tensor_type)
            );
            let bytes = file.raw(info);
            assert!(bytes.iter().enumerate().all(|(i, b)| *b == (i % 50) as u8));
        }
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }

    #[test]
    fn a_tensor_of_another_length_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.gguf");
        std::fs::write(&path, "old").unwrap();
        let error = write_gguf(&path, &GgufMetadata::new(), &plans(), |_, out| {
            out.write_all(&[0; 24]).unwrap();
            Ok(())
        });
        assert!(
            error
                .unwrap_err()
                .to_string()
                .contains("24 bytes instead of 102")
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
