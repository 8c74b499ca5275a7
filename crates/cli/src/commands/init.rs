//! `init`: a commented spec to start from.

use std::fs::OpenOptions;
use std::io::Write;

use crate::arguments::InitArguments;
use crate::failure::Failure;
use crate::printer::Printer;

/// The spec with every section explained.
pub(super) const TEMPLATE: &str = include_str!("../../../../examples/quickstart.toml");

pub(crate) fn execute(arguments: &InitArguments, printer: &Printer) -> Result<(), Failure> {
    let path = &arguments.file;
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.map_err(|source| {
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            Failure::Usage(format!("{} exists; name another file", path.display()))
        } else {
            Failure::Write {
                path: path.clone(),
                source,
            }
        }
    })?;
    file.write_all(TEMPLATE.as_bytes())
        .map_err(|source| Failure::Write {
            path: path.clone(),
            source,
        })?;
    printer.path("spec", path)
}
