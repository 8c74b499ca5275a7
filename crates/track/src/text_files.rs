//! Points as CSV and as JSON lines.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::sink::{Recorded, Sink, seconds};
use crate::{Point, TrackError};

/// A row of either file.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    /// Seconds since 1970.
    time: f64,
    series: String,
    step: u64,
    value: f64,
}

impl Row {
    fn new(point: &Point, at: SystemTime) -> Self {
        Self {
            // Whole milliseconds, so that lines are short.
            time: (seconds(at) * 1e3).round() / 1e3,
            series: point.series.clone(),
            step: point.step,
            value: point.value,
        }
    }
}

/// A file that only grows.
#[derive(Debug)]
struct Growing {
    path: PathBuf,
    file: Option<File>,
}

impl Growing {
    fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    /// Cuts off a line that a killed process left half written, and hands the others over.
    fn open(
        &mut self,
        mut line: impl FnMut(&str) -> Result<(), String>,
    ) -> Result<bool, TrackError> {
        let failed = || TrackError::file(&self.path);
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory).map_err(TrackError::file(directory))?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .append(true)
            .open(&self.path)
            .map_err(failed())?;
        let mut reader = BufReader::new(&file);
        let (mut whole, mut number, mut text) = (0, 0, String::new());
        loop {
            text.clear();
            let read = reader.read_line(&mut text).map_err(failed())?;
            let Some(content) = text.strip_suffix('\n') else {
                break;
            };
            whole += read as u64;
            number += 1;
            line(content).map_err(|problem| TrackError::Damaged {
                path: self.path.clone(),
                problem: format!("line {number}: {problem}"),
            })?;
        }
        file.set_len(whole).map_err(failed())?;
        self.file = Some(file);
        Ok(whole == 0)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), TrackError> {
        let path = self.path.clone();
        let file = self.file.as_mut().ok_or_else(|| TrackError::Damaged {
            path: path.clone(),
            problem: "it was not opened".into(),
        })?;
        file.write_all(bytes).map_err(TrackError::file(&path))
    }
}

/// A CSV file with the columns `time`, `series`, `step` and `value`.
#[derive(Debug)]
pub struct Csv(Growing);

const HEADER: &str = "time,series,step,value";

impl Csv {
    /// A file of this name, opened later.
    pub fn new(path: &Path) -> Self {
        Self(Growing::new(path.to_owned()))
    }
}

impl Sink for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn open(&mut self) -> Result<Recorded, TrackError> {
        let mut recorded = Recorded::default();
        let is_new = self.0.open(|line| {
            if line == HEADER {
                return Ok(());
            }
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .from_reader(line.as_bytes());
            for row in reader.deserialize() {
                let row: Row = row.map_err(|error| error.to_string())?;
                recorded.is_new(&row.series, row.step);
            }
            Ok(())
        })?;
        if is_new {
            self.0.append(format!("{HEADER}\n").as_bytes())?;
        }
        Ok(recorded)
    }

    fn write(&mut self, points: &[Point], at: SystemTime) -> Result<(), TrackError> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        let path = self.0.path.clone();
        let damaged = |problem: String| TrackError::Damaged { path, problem };
        let written = points
            .iter()
            .try_for_each(|p| writer.serialize(Row::new(p, at)));
        if let Err(error) = written {
            return Err(damaged(error.to_string()));
        }
        let bytes = writer.into_inner().map_err(|e| damaged(e.to_string()))?;
        self.0.append(&bytes)
    }
}

/// JSON lines with the same four keys.
#[derive(Debug)]
pub struct JsonLines(Growing);

impl JsonLines {
    /// A file of this name, opened later.
    pub fn new(path: &Path) -> Self {
        Self(Growing::new(path.to_owned()))
    }
}

impl Sink for JsonLines {
    fn name(&self) -> &'static str {
        "jsonl"
    }

    fn open(&mut self) -> Result<Recorded, TrackError> {
        let mut recorded = Recorded::default();
        self.0.open(|line| {
            let row: Row = serde_json::from_str(line).map_err(|error| error.to_string())?;
            recorded.is_new(&row.series, row.step);
            Ok(())
        })?;
        Ok(recorded)
    }

    fn write(&mut self, points: &[Point], at: SystemTime) -> Result<(), TrackError> {
        let mut bytes = Vec::new();
        for point in points {
            let line = serde_json::to_vec(&Row::new(point, at));
            bytes.extend(line.map_err(|error| TrackError::Damaged {
                path: self.0.path.clone(),
                problem: error.to_string(),
            })?);
            bytes.push(b'\n');
        }
        self.0.append(&bytes)
    }
}
