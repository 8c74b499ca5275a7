//! Every sink takes a series up where an earlier attempt left it, without duplicates, and one that
//! fails stops neither the run nor the others.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use autodidact_core::{BaselineMeasurement, RunSpec, Usd};
use autodidact_engine::StepReport;
use autodidact_star::{Event, Observer};
use autodidact_track::{
    Csv, Ending, JsonLines, Point, Sink, StepOffsets, TensorBoard, Tracker, TrackerParts,
    read_events,
};

const SPEC: &str = "[run]\nname = \"a\"\niterations = 2\n[task]\nbuiltin = \"addition\"\n[student]\nmodel = [\"m.gguf\"]\n[train]\nsteps = { first = 5, growth = 1.2 }\n";

fn spec() -> RunSpec {
    RunSpec::parse(SPEC).unwrap()
}

fn sinks(directory: &Path) -> Vec<Box<dyn Sink>> {
    vec![
        Box::new(TensorBoard::new(&directory.join("tensorboard"))),
        Box::new(Csv::new(&directory.join("metrics.csv"))),
        Box::new(JsonLines::new(&directory.join("metrics.jsonl"))),
    ]
}

fn parts(
    sinks: Vec<Box<dyn Sink>>,
    history: Vec<Point>,
) -> (TrackerParts, Arc<Mutex<Vec<String>>>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let told = warnings.clone();
    let parts = TrackerParts {
        sinks,
        history,
        warn: Arc::new(move |text| told.lock().unwrap().push(text.to_owned())),
        spent: Box::new(|| Usd::from_nano(2_500_000_000)),
    };
    (parts, warnings)
}

fn step(tracker: &Tracker, iteration: u32, trained: &str, step: u32) {
    tracker.on(&Event::Step {
        iteration,
        trained,
        report: StepReport {
            step,
            loss: f64::from(iteration) + 0.1 * f64::from(step),
            gradient_norm: 1.0,
            learning_rate: 1e-3,
            tokens: 100,
        },
    });
}

/// Everything in the event files of a directory.
fn events(directory: &Path) -> Vec<Point> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    let mut points = Vec::new();
    for name in names {
        let bytes = fs::read(name).unwrap();
        let (found, whole) = read_events(&bytes);
        assert_eq!(whole, bytes.len(), "no torn record is left");
        points.extend(found);
    }
    points
}

/// Series and step of every row of both text files.
fn text_rows(directory: &Path) -> [Vec<(String, u64)>; 2] {
    let csv = fs::read_to_string(directory.join("metrics.csv")).unwrap();
    let csv = csv.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells.len(), 4, "{line}");
        (cells[1].to_owned(), cells[2].parse().unwrap())
    });
    let json = fs::read_to_string(directory.join("metrics.jsonl")).unwrap();
    let json = json.lines().map(|line| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        (
            row["series"].as_str().unwrap().to_owned(),
            row["step"].as_u64().unwrap(),
        )
    });
    [csv.collect(), json.collect()]
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one run, told from its start to its end"
)]
fn a_resumed_run_continues_its_series() {
    let directory = tempfile::tempdir().unwrap();
    let (first, warnings) = parts(sinks(directory.path()), Vec::new());
    let tracker = Tracker::start(&spec(), first);
    let baseline = BaselineMeasurement {
        name: "base/few-shot".into(),
        right: 1,
        total: 4,
        accuracy: 0.25,
    };
    tracker.on(&Event::Baseline {
        measurement: &baseline,
    });
    for at in 1..=3 {
        step(&tracker, 1, "student", at);
    }
    tracker.finish(Ending::Parked);
    // A kill in the middle of a write leaves half of it.
    let torn = |name: &str, bytes: &[u8]| {
        let mut file = OpenOptions::new()
            .append(true)
            .open(directory.path().join(name))
            .unwrap();
        file.write_all(bytes).unwrap();
    };
    torn("metrics.csv", b"17");
    torn("metrics.jsonl", b"{\"time\":17");
    let events_file = fs::read_dir(directory.path().join("tensorboard"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    torn(
        &format!("tensorboard/{}", events_file.file_name().to_str().unwrap()),
        &[9, 0, 0],
    );

    // The second attempt starts from a checkpoint at step 2: step 3 comes again. The journal knows
    // of step 4, which no sink has.
    let history = (1..=4)
        .map(|at| Point::new("train/loss", at, 0.5).unwrap())
        .collect();
    let (second, more_warnings) = parts(sinks(directory.path()), history);
    let tracker = Tracker::start(&spec(), second);
    tracker.on(&Event::Baseline {
        measurement: &baseline,
    });
    for at in 3..=5 {
        step(&tracker, 1, "student", at);
    }
    step(&tracker, 2, "student", 1);
    step(&tracker, 2, "direct", 1);
    tracker.finish(Ending::Finished);

    let points = events(&directory.path().join("tensorboard"));
    let losses: Vec<(u64, f64)> = points
        .iter()
        .filter(|p| p.series == "train/loss")
        .map(|p| (p.step, (p.value * 10.0).round() / 10.0))
        .collect();
    assert_eq!(
        losses,
        [(1, 1.1), (2, 1.2), (3, 1.3), (4, 0.5), (5, 1.5), (6, 2.1)]
    );
    assert!(
        points
            .iter()
            .any(|p| p.series == "control/direct/loss" && p.step == 1)
    );
    let expected: Vec<(String, u64)> = points.iter().map(|p| (p.series.clone(), p.step)).collect();
    let unique: BTreeSet<_> = expected.iter().cloned().collect();
    assert_eq!(unique.len(), expected.len(), "nothing is there twice");
    for mut rows in text_rows(directory.path()) {
        rows.sort();
        assert_eq!(rows, unique.iter().cloned().collect::<Vec<_>>());
    }
    for warnings in [warnings, more_warnings] {
        assert!(warnings.lock().unwrap().is_empty(), "{warnings:?}");
    }
}

/// A sink that works for a while.
struct Failing(u32);

impl Sink for Failing {
    fn name(&self) -> &'static str {
        "failing"
    }
    fn open(&mut self) -> Result<autodidact_track::Recorded, autodidact_track::TrackError> {
        Ok(autodidact_track::Recorded::default())
    }
    fn write(&mut self, _: &[Point], _: SystemTime) -> Result<(), autodidact_track::TrackError> {
        self.0 = self
            .0
            .checked_sub(1)
            .ok_or_else(|| autodidact_track::TrackError::Settings("the disk is full".into()))?;
        Ok(())
    }
}

#[test]
fn a_sink_that_fails_is_given_up_with_one_warning() {
    let directory = tempfile::tempdir().unwrap();
    let mut all = sinks(directory.path());
    all.insert(0, Box::new(Failing(1)));
    let (parts, warnings) = parts(all, Vec::new());
    let tracker = Tracker::start(&spec(), parts);
    for at in 1..=5 {
        step(&tracker, 1, "student", at);
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    tracker.finish(Ending::Finished);
    let warnings = warnings.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("tracking by `failing` stops: the disk is full"),
        "{warnings:?}"
    );
    let [csv, _] = text_rows(directory.path());
    assert_eq!(
        csv.iter()
            .filter(|(series, _)| series == "train/loss")
            .count(),
        5
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("tensorboard"), "a file").unwrap();
    let (parts, warnings) = parts(sinks(directory.path()), Vec::new());
    let tracker = Tracker::start(&spec(), parts);
    step(&tracker, 1, "student", 1);
    tracker.finish(Ending::Finished);
    assert_eq!(warnings.lock().unwrap().len(), 1);
    assert!(directory.path().join("metrics.csv").exists());
}

#[test]
fn loops_are_laid_end_to_end() {
    let offsets = StepOffsets::new(&spec());
    assert_eq!(offsets.step(1, "student", 5), 5);
    assert_eq!(
        offsets.step(2, "student", 1),
        6,
        "the first loop has five steps"
    );
    assert_eq!(offsets.step(2, "direct", 1), 1);
    assert_eq!(offsets.step(0, "warm-start", 3), 3);
}

/// Nothing that is no number reaches a sink.
#[test]
fn what_is_no_number_is_no_point() {
    assert_eq!(Point::new("a", 1, f64::NAN), None);
    assert_eq!(Point::new("a", 1, f64::INFINITY), None);
}
