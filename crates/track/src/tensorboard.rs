//! TensorBoard event files: TFRecords (length, masked CRC-32C, protocol buffer, masked CRC-32C) of
//! `Event` messages, which are few enough to be encoded by hand.
//!
//! Formats: `tensorflow/core/lib/io/record_writer.h`, `tensorboard/compat/proto/event.proto` and
//! `summary.proto`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::sink::{Recorded, Sink, seconds};
use crate::{Point, TrackError};

/// The largest record that is read; ours are a hundred bytes.
const LONGEST: usize = 1 << 24;

/// Event files in a directory, one for each attempt at a run.
#[derive(Debug)]
pub struct TensorBoard {
    directory: PathBuf,
    file: Option<File>,
    path: PathBuf,
}

impl TensorBoard {
    /// Event files in this directory.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            file: None,
            path: PathBuf::new(),
        }
    }

    /// A name that sorts behind those that are there, as TensorBoard reads files in that order.
    fn next_name(existing: &[PathBuf], at: SystemTime) -> String {
        let number = existing.len();
        let pid = std::process::id();
        // Behind the last one even if the clock was set back.
        let last = existing.iter().filter_map(|path| stamp(path)).max();
        let now = (seconds(at) as u64).max(last.map_or(0, |last| last + 1));
        format!("events.out.tfevents.{now:010}.autodidact.{pid}.{number}")
    }
}

/// The seconds in the name of an event file.
fn stamp(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let rest = name.strip_prefix("events.out.tfevents.")?;
    rest.split('.').next()?.parse().ok()
}

impl Sink for TensorBoard {
    fn name(&self) -> &'static str {
        "tensorboard"
    }

    fn open(&mut self) -> Result<Recorded, TrackError> {
        let directory = &self.directory;
        fs::create_dir_all(directory).map_err(TrackError::file(directory))?;
        let mut existing: Vec<PathBuf> = fs::read_dir(directory)
            .map_err(TrackError::file(directory))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| stamp(path).is_some())
            .collect();
        existing.sort();
        let mut recorded = Recorded::default();
        for path in &existing {
            let bytes = fs::read(path).map_err(TrackError::file(path))?;
            let (points, whole) = read_events(&bytes);
            if whole < bytes.len() {
                // A killed process left half a record; readers would stop at it.
                let file = OpenOptions::new().write(true).open(path);
                file.and_then(|file| file.set_len(whole as u64))
                    .map_err(TrackError::file(path))?;
            }
            for point in points {
                recorded.is_new(&point.series, point.step);
            }
        }
        let now = SystemTime::now();
        self.path = directory.join(Self::next_name(&existing, now));
        let mut file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&self.path)
            .map_err(TrackError::file(&self.path))?;
        let version = record(&version_event(now));
        file.write_all(&version)
            .map_err(TrackError::file(&self.path))?;
        self.file = Some(file);
        Ok(recorded)
    }

    fn write(&mut self, points: &[Point], at: SystemTime) -> Result<(), TrackError> {
        let mut bytes = Vec::new();
        for point in points {
            bytes.extend(record(&scalar_event(point, at)));
        }
        let file = self.file.as_mut().ok_or_else(|| TrackError::Damaged {
            path: self.directory.clone(),
            problem: "it was not opened".into(),
        })?;
        file.write_all(&bytes).map_err(TrackError::file(&self.path))
    }
}

/// CRC-32C as TFRecords store it.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut out = Vec::with_capacity(data.len() + 16);
    out.extend(length);
    out.extend(masked_crc(&length).to_le_bytes());
    out.extend(data);
    out.extend(masked_crc(data).to_le_bytes());
    out
}

// Protocol buffers: a key is the field's number shifted by three, with the wire type below.
const VARINT: u64 = 0;
const EIGHT_BYTES: u64 = 1;
const BYTES: u64 = 2;
const FOUR_BYTES: u64 = 5;

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes_field(number: u64, bytes: &[u8], out: &mut Vec<u8>) {
    varint(number << 3 | BYTES, out);
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}

fn wall_time(at: SystemTime, out: &mut Vec<u8>) {
    varint(1 << 3 | EIGHT_BYTES, out);
    out.extend(seconds(at).to_le_bytes());
}

/// The first event of every file.
fn version_event(at: SystemTime) -> Vec<u8> {
    let mut event = Vec::new();
    wall_time(at, &mut event);
    bytes_field(3, b"brain.Event:2", &mut event);
    event
}

fn scalar_event(point: &Point, at: SystemTime) -> Vec<u8> {
    let mut value = Vec::new();
    bytes_field(1, point.series.as_bytes(), &mut value);
    varint(2 << 3 | FOUR_BYTES, &mut value);
    value.extend((point.value as f32).to_le_bytes());
    // Metadata: this belongs to the plugin `scalars`.
    let mut plugin = Vec::new();
    bytes_field(1, b"scalars", &mut plugin);
    let mut metadata = Vec::new();
    bytes_field(1, &plugin, &mut metadata);
    bytes_field(9, &metadata, &mut value);
    let mut summary = Vec::new();
    bytes_field(1, &value, &mut summary);
    let mut event = Vec::new();
    wall_time(at, &mut event);
    varint(2 << 3 | VARINT, &mut event);
    varint(point.step, &mut event);
    bytes_field(5, &summary, &mut event);
    event
}

/// The points in an event file, and how many of its bytes are whole records.
pub fn read_events(bytes: &[u8]) -> (Vec<Point>, usize) {
    let (mut points, mut whole) = (Vec::new(), 0);
    while let Some((data, end)) = next_record(bytes, whole) {
        points.extend(point_of(data));
        whole = end;
    }
    (points, whole)
}

/// The record that begins at `start`, and where it ends; `None` if it is cut off or damaged.
fn next_record(bytes: &[u8], start: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(start..)?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (length_crc, rest) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*length_crc) != masked_crc(length) {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    if length > LONGEST {
        return None;
    }
    let data = rest.get(..length)?;
    let (data_crc, _) = rest.get(length..)?.split_first_chunk::<4>()?;
    (u32::from_le_bytes(*data_crc) == masked_crc(data)).then_some((data, start + 16 + length))
}

/// A field of a message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Float(f32),
    Other,
}

/// The fields of a message, until something is not one.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let key = read_varint(&mut bytes)?;
        let field = match key & 7 {
            VARINT => Field::Number(read_varint(&mut bytes)?),
            EIGHT_BYTES => {
                bytes = bytes.get(8..)?;
                Field::Other
            }
            BYTES => {
                let length = usize::try_from(read_varint(&mut bytes)?).ok()?;
                let content = bytes.get(..length)?;
                bytes = bytes.get(length..)?;
                Field::Bytes(content)
            }
            FOUR_BYTES => {
                let (four, rest) = bytes.split_first_chunk::<4>()?;
                bytes = rest;
                Field::Float(f32::from_le_bytes(*four))
            }
            _ => return None,
        };
        Some((key >> 3, field))
    })
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn point_of(event: &[u8]) -> Option<Point> {
    let (mut step, mut summary) = (0, None);
    for (number, field) in fields(event) {
        match (number, field) {
            (2, Field::Number(n)) => step = n,
            (5, Field::Bytes(bytes)) => summary = Some(bytes),
            _ => {}
        }
    }
    let value = fields(summary?).find_map(|(number, field)| match field {
        Field::Bytes(bytes) if number == 1 => Some(bytes),
        _ => None,
    })?;
    let (mut tag, mut simple) = (None, None);
    for (number, field) in fields(value) {
        match (number, field) {
            (1, Field::Bytes(bytes)) => tag = std::str::from_utf8(bytes).ok(),
            (2, Field::Float(x)) => simple = Some(x),
            _ => {}
        }
    }
    Point::new(tag?, step, f64::from(simple?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the TensorFlow record format's own tests.
    #[test]
    fn checksums_are_masked_as_tensorflow_does() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        let crc: u32 = 0xe306_9283;
        let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(masked_crc(b"123456789"), masked);
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_end_is_not() {
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_500);
        let points: Vec<Point> = (0..4)
            .map(|i| Point::new(format!("a/{i}"), 1 << (9 * i), f64::from(i) * 0.5).unwrap())
            .collect();
        let mut bytes = record(&version_event(at));
        for point in &points {
            bytes.extend(record(&scalar_event(point, at)));
        }
        assert_eq!(read_events(&bytes), (points.clone(), bytes.len()));
        for cut in [1, 5, 20] {
            let torn = &bytes[..bytes.len() - cut];
            let (found, whole) = read_events(torn);
            assert_eq!(found, points[..3], "{cut} bytes are missing");
            assert!(whole < torn.len());
        }
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(read_events(&flipped).0.len(), 3);
    }
}
