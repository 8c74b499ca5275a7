//! Parquet files of a few column types, written with the low-level writer of the `parquet` crate:
//! rows in, row groups out, one group in memory at a time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use crate::ExportError;

/// Rows in a row group.
const GROUP: usize = 1024;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A text.
    Text,
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A list of texts.
    Texts,
    /// A list of truth values.
    Bools,
    /// A list of objects with these fields, of which all but the texts named first are numbers.
    Objects {
        /// Fields that are texts.
        texts: &'static [&'static str],
        /// Fields that are numbers.
        numbers: &'static [&'static str],
    },
}

impl ColumnKind {
    /// A conversation.
    pub const MESSAGES: Self = Self::Objects {
        texts: &["role", "content"],
        numbers: &[],
    };
}

/// A column; every value may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The key in a row.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
}

/// A leaf of the schema: one column of values as Parquet stores it.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    column: &'static str,
    field: Option<&'static str>,
    physical: Physical,
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Physical {
    Text,
    Bool,
    Integer,
    Number,
}

impl Physical {
    fn declare(self, name: &str) -> String {
        match self {
            Self::Text => format!("optional binary {name} (UTF8);"),
            Self::Bool => format!("optional boolean {name};"),
            Self::Integer => format!("optional int64 {name};"),
            Self::Number => format!("optional double {name};"),
        }
    }
}

fn leaves(column: &Column) -> Vec<Leaf> {
    let leaf = |field, physical, list| Leaf {
        column: column.name,
        field,
        physical,
        list,
    };
    match column.kind {
        ColumnKind::Text => vec![leaf(None, Physical::Text, false)],
        ColumnKind::Bool => vec![leaf(None, Physical::Bool, false)],
        ColumnKind::Integer => vec![leaf(None, Physical::Integer, false)],
        ColumnKind::Number => vec![leaf(None, Physical::Number, false)],
        ColumnKind::Texts => vec![leaf(None, Physical::Text, true)],
        ColumnKind::Bools => vec![leaf(None, Physical::Bool, true)],
        ColumnKind::Objects { texts, numbers } => {
            let texts = texts.iter().map(|f| leaf(Some(*f), Physical::Text, true));
            let numbers = numbers
                .iter()
                .map(|f| leaf(Some(*f), Physical::Number, true));
            texts.chain(numbers).collect()
        }
    }
}

/// The schema as the format's own language writes it; lists have the three levels that every reader
/// knows.
fn schema(columns: &[Column]) -> String {
    let mut text = String::from("message row {\n");
    for column in columns {
        let name = column.name;
        let leaves = leaves(column);
        let is_list = leaves.iter().any(|leaf| leaf.list);
        let fields: Vec<String> = leaves
            .iter()
            .filter_map(|leaf| Some(leaf.physical.declare(leaf.field?)))
            .collect();
        let element = if fields.is_empty() {
            let physical = leaves.first().map_or(Physical::Text, |l| l.physical);
            physical.declare(if is_list { "element" } else { name })
        } else {
            format!("optional group element {{ {} }}", fields.join(" "))
        };
        if is_list {
            text += &format!(
                "  optional group {name} (LIST) {{ repeated group list {{ {element} }} }}\n"
            );
        } else {
            text += &format!("  {element}\n");
        }
    }
    text + "}"
}

/// A Parquet file being written.
#[derive(Debug)]
pub struct ParquetFile {
    path: PathBuf,
    leaves: Vec<Leaf>,
    writer: SerializedFileWriter<File>,
    pending: Vec<Value>,
    rows: u64,
}

impl ParquetFile {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// [`ExportError::Write`] or [`ExportError::Parquet`].
    pub fn create(path: &Path, columns: &[Column]) -> Result<Self, ExportError> {
        let failed = |source| ExportError::Parquet {
            path: path.to_owned(),
            source,
        };
        let schema = parse_message_type(&schema(columns)).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_created_by(concat!("autodidact ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let file = File::create(path).map_err(ExportError::write(path))?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
            .map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            leaves: columns.iter().flat_map(leaves).collect(),
            writer,
            pending: Vec::new(),
            rows: 0,
        })
    }

    /// Adds a row. Keys without a column are left out.
    ///
    /// # Errors
    /// [`ExportError::Parquet`].
    pub fn row(&mut self, row: Value) -> Result<(), ExportError> {
        self.pending.push(row);
        self.rows += 1;
        if self.pending.len() >= GROUP {
            self.flush()?;
        }
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`ExportError::Parquet`].
    pub fn finish(mut self) -> Result<(), ExportError> {
        self.flush()?;
        let path = self.path;
        let closed = self.writer.close();
        closed
            .map(drop)
            .map_err(|source| ExportError::Parquet { path, source })
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let failed = |source| ExportError::Parquet {
            path: self.path.clone(),
            source,
        };
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for leaf in &self.leaves {
            write_leaf(&mut group, leaf, &self.pending).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.pending.clear();
        Ok(())
    }
}

/// The values of a leaf with their definition and repetition levels (Dremel, Melnik et al. 2010).
struct Shredded<'a> {
    values: Vec<&'a Value>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

fn shred<'a>(leaf: &Leaf, rows: &'a [Value]) -> Shredded<'a> {
    let mut shredded = Shredded {
        values: Vec::new(),
        definition: Vec::new(),
        repetition: Vec::new(),
    };
    for row in rows {
        let value = row.get(leaf.column).unwrap_or(&Value::Null);
        if leaf.list {
            shredded.list(leaf, value);
        } else {
            shredded.push(value, 0, 0);
        }
    }
    shredded
}

impl<'a> Shredded<'a> {
    /// A value that is defined at `level` + 1, or absent at `level`.
    fn push(&mut self, value: &'a Value, level: i16, repetition: i16) {
        self.repetition.push(repetition);
        if value.is_null() {
            self.definition.push(level);
        } else {
            self.definition.push(level + 1);
            self.values.push(value);
        }
    }

    fn list(&mut self, leaf: &Leaf, value: &'a Value) {
        let Some(items) = value.as_array() else {
            self.definition.push(0);
            self.repetition.push(0);
            return;
        };
        if items.is_empty() {
            self.definition.push(1);
            self.repetition.push(0);
        }
        for (at, item) in items.iter().enumerate() {
            let repetition = i16::from(at > 0);
            match leaf.field {
                None => self.push(item, 2, repetition),
                Some(field) => {
                    let value = item.get(field).unwrap_or(&Value::Null);
                    self.push(value, 3, repetition);
                }
            }
        }
    }
}

fn write_leaf(
    group: &mut SerializedRowGroupWriter<'_, File>,
    leaf: &Leaf,
    rows: &[Value],
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General(format!("no column for `{}`", leaf.column));
    let mut column = group.next_column()?.ok_or_else(missing)?;
    let Shredded {
        values,
        definition,
        repetition,
    } = shred(leaf, rows);
    let levels = (
        Some(definition.as_slice()),
        leaf.list.then_some(repetition.as_slice()),
    );
    let wrong =
        |value: &Value| ParquetError::General(format!("{value} cannot stand in `{}`", leaf.column));
    match leaf.physical {
        Physical::Text => {
            let text = |v: &&Value| v.as_str().map(ByteArray::from).ok_or_else(|| wrong(v));
            let values: Vec<ByteArray> = values.iter().map(text).collect::<Result<_, _>>()?;
            let writer = column.typed::<ByteArrayType>();
            writer.write_batch(&values, levels.0, levels.1)?;
        }
        Physical::Bool => {
            let truth = |v: &&Value| v.as_bool().ok_or_else(|| wrong(v));
            let values: Vec<bool> = values.iter().map(truth).collect::<Result<_, _>>()?;
            let writer = column.typed::<BoolType>();
            writer.write_batch(&values, levels.0, levels.1)?;
        }
        Physical::Integer => {
            let number = |v: &&Value| v.as_i64().ok_or_else(|| wrong(v));
            let values: Vec<i64> = values.iter().map(number).collect::<Result<_, _>>()?;
            let writer = column.typed::<Int64Type>();
            writer.write_batch(&values, levels.0, levels.1)?;
        }
        Physical::Number => {
            let number = |v: &&Value| v.as_f64().ok_or_else(|| wrong(v));
            let values: Vec<f64> = values.iter().map(number).collect::<Result<_, _>>()?;
            let writer = column.typed::<DoubleType>();
            writer.write_batch(&values, levels.0, levels.1)?;
        }
    }
    column.close()
}
