//! Records of JSONL and CSV files, one at a time, within limits.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::Value;

use crate::error::TaskError;
use crate::fields::Record;

/// The longest line of a JSONL file and the longest record of a CSV file, in bytes.
const MAXIMUM_LINE: u64 = 1 << 20;
/// The largest CSV file, in bytes: one stray quote makes a single record of all that follows.
const MAXIMUM_CSV: u64 = 1 << 30;

/// Calls `f` with each record of the file and its line number until it returns false. The extension
/// tells the format:
/// `.csv`, `.tsv`, or JSONL for `.jsonl`, `.ndjson` and `.json`.
pub fn for_each_record(
    path: &Path,
    f: impl FnMut(u64, &Record) -> Result<bool, TaskError>,
) -> Result<(), TaskError> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    let separator = match extension.to_ascii_lowercase().as_str() {
        "jsonl" | "ndjson" | "json" => None,
        "csv" => Some(b','),
        "tsv" => Some(b'\t'),
        _ => {
            let problem = "is not a .jsonl, .csv or .tsv file by its name; rename or convert it";
            return Err(TaskError::file(path, problem));
        }
    };
    let file = File::open(path).map_err(|e| TaskError::io(path, e))?;
    match separator {
        None => json_lines(path, BufReader::new(file), f),
        Some(separator) => {
            let size = file.metadata().map_or(0, |m| m.len());
            if size > MAXIMUM_CSV {
                return Err(TaskError::file(
                    path,
                    "is larger than 1 GiB; convert it to JSONL",
                ));
            }
            csv_records(path, file, separator, f)
        }
    }
}

fn json_lines(
    path: &Path,
    mut reader: impl BufRead,
    mut f: impl FnMut(u64, &Record) -> Result<bool, TaskError>,
) -> Result<(), TaskError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let mut limited = (&mut reader).take(MAXIMUM_LINE + 1);
        let read = limited.read_until(b'\n', &mut line);
        if read.map_err(|e| TaskError::io(path, e))? == 0 {
            break;
        }
        if line.len() as u64 > MAXIMUM_LINE {
            let problem = "is longer than 1 MiB; is this a JSONL file, with one record a line?";
            return Err(TaskError::line(path, number, problem));
        }
        let text = std::str::from_utf8(&line)
            .map_err(|_| TaskError::line(path, number, "is not UTF-8; convert the file"))?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            continue;
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(record)) => {
                if !f(number, &record)? {
                    break;
                }
            }
            Ok(_) => {
                let problem = "is not a JSON object (`{…}`); one record a line is expected";
                return Err(TaskError::line(path, number, problem));
            }
            Err(e) => {
                // Its own count of lines starts anew in every line.
                let text = e.to_string();
                let what = text.split(" at line ").next().unwrap_or_default();
                let problem = format!("is not valid JSON: {what} (column {})", e.column());
                return Err(TaskError::line(path, number, problem));
            }
        }
    }
    Ok(())
}

fn csv_records(
    path: &Path,
    file: impl Read,
    separator: u8,
    mut f: impl FnMut(u64, &Record) -> Result<bool, TaskError>,
) -> Result<(), TaskError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .from_reader(file);
    let failed = |e: &csv::Error| {
        let line = e.position().map_or(1, csv::Position::line);
        TaskError::line(path, line, format!("is not valid CSV: {e}"))
    };
    let headers = reader.headers().map_err(|e| failed(&e))?.clone();
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row).map_err(|e| failed(&e))? {
        let line = row.position().map_or(1, csv::Position::line);
        if row.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if row.as_slice().len() as u64 > MAXIMUM_LINE {
            let problem = "starts a record longer than 1 MiB; is a quote left open?";
            return Err(TaskError::line(path, line, problem));
        }
        if row.len() > headers.len() {
            let problem = format!(
                "has {} fields, the header has {}; quote fields with commas in them",
                row.len(),
                headers.len()
            );
            return Err(TaskError::line(path, line, problem));
        }
        let name = |header: &str| header.trim_start_matches('\u{feff}').trim().to_owned();
        let record: Record = headers
            .iter()
            .zip(row.iter())
            .map(|(header, cell)| (name(header), Value::String(cell.to_owned())))
            .collect();
        if !f(line, &record)? {
            break;
        }
    }
    Ok(())
}
