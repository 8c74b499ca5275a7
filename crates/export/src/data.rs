//! Exporting samples.

use std::collections::BTreeMap;

use autodidact_core::{MinimumScores, PromptStyle, Split};
use autodidact_store::RunStore;

use crate::folder::LineFile;
use crate::format_files::format_files;
use crate::parquet_file::ParquetFile;
use crate::provenance::Tally;
use crate::reader::{Case, Reader};
use crate::records::Recorder;
use crate::rows::{columns, row};
use crate::run_facts::RunFacts;
use crate::{ExportError, Folder, Format, Kind, Manifest, card};

/// Of the problems that something is written of, every so many-th goes to the validation file of
/// formats that want one, beginning with the second.
const HELD_OUT: u64 = 20;

/// What samples are wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct DataRequest {
    /// For what.
    pub kind: Kind,
    /// For whom.
    pub format: Format,
    /// Drawn in this outer loop; absent: in any.
    pub iteration: Option<u32>,
    /// Scores below which nothing counts as good; empty: everything that was kept.
    pub minimum: MinimumScores,
}

/// Writes samples into a folder, which then takes its name.
///
/// # Errors
/// [`ExportError::Request`] if there is nothing to write; otherwise those of the journal and of
/// files. Nothing is left behind then.
pub async fn export_data(
    store: &RunStore,
    facts: &RunFacts,
    request: &DataRequest,
    mut folder: Folder,
) -> Result<Manifest, ExportError> {
    let mut writing = Writing {
        request,
        facts,
        recorder: Recorder::new(request.kind, &request.minimum, facts),
        tally: Tally::default(),
        samples: BTreeMap::new(),
        useful: 0,
    };
    let mut rows = 0;
    for (split, name) in splits(request.kind) {
        let mut sinks = writing.sinks(name, &folder)?;
        let mut reader = Reader::new(store, *split, request.iteration).await?;
        loop {
            let cases = reader.next().await?;
            if cases.is_empty() {
                break;
            }
            for case in cases {
                writing.case(&case, &mut sinks)?;
            }
        }
        for sink in sinks {
            rows += sink.finish(&mut folder)?;
        }
    }
    if rows == 0 {
        return Err(nothing(facts, request));
    }
    let name = &facts.name;
    for (name, text) in format_files(request.kind, request.format, name)? {
        folder.write(name, text.as_bytes())?;
    }
    let manifest = writing.manifest();
    let text = card::dataset_card(facts, request, &manifest, folder.files());
    folder.write("README.md", text.as_bytes())?;
    folder.write("spec.toml", facts.spec_text.as_bytes())?;
    folder.finish(manifest)
}

/// Evaluation problems are in the data set with everything, as a split of their own, and never in
/// anything that is trained on.
fn splits(kind: Kind) -> &'static [(Split, &'static str)] {
    match kind {
        Kind::Dataset => &[(Split::Train, "train"), (Split::Evaluate, "evaluate")],
        _ => &[(Split::Train, "train")],
    }
}

fn nothing(facts: &RunFacts, request: &DataRequest) -> ExportError {
    let of = match request.iteration {
        Some(n) => format!("outer loop {n} of the run `{}`", facts.name),
        None => format!("the run `{}`", facts.name),
    };
    let why = match request.kind {
        _ if !request.minimum.is_empty() => {
            "no sample reaches the minimum; lower it, or leave it out"
        }
        Kind::Sft => "nothing was kept",
        Kind::Preference => "no problem has both a kept and a bad rationale",
        Kind::Kto | Kind::Verifier => "nothing was verified",
        Kind::Dataset => "nothing was sampled",
    };
    ExportError::Request(format!("there is nothing to export from {of}: {why}"))
}

/// A file of rows being written.
enum Sink {
    Lines(LineFile),
    Parquet(String, Box<ParquetFile>),
}

impl Sink {
    fn row(&mut self, row: serde_json::Value) -> Result<(), ExportError> {
        match self {
            Self::Lines(file) => file.row(&row),
            Self::Parquet(_, file) => file.row(row),
        }
    }

    /// Ends it and returns its number of rows.
    fn finish(self, folder: &mut Folder) -> Result<u64, ExportError> {
        match self {
            Self::Lines(file) => {
                let rows = file.rows();
                file.finish(folder)?;
                Ok(rows)
            }
            Self::Parquet(name, file) => {
                let rows = file.rows();
                file.finish()?;
                folder.add(&name, Some(rows))?;
                Ok(rows)
            }
        }
    }
}

struct Writing<'a> {
    request: &'a DataRequest,
    facts: &'a RunFacts,
    recorder: Recorder,
    tally: Tally,
    samples: BTreeMap<String, u64>,
    /// Problems that something was written of.
    useful: u64,
}

impl Writing<'_> {
    /// The files of a split: one, or for MLX a second one to validate on.
    fn sinks(&self, split: &str, folder: &Folder) -> Result<Vec<Sink>, ExportError> {
        let kind = self.request.kind;
        match self.request.format {
            Format::Parquet => {
                let name = format!("data/{split}-00000-of-00001.parquet");
                let chat = self.facts.spec.student.prompt == PromptStyle::Chat;
                let file = ParquetFile::create(&folder.path(&name)?, &columns(kind, chat))?;
                Ok(vec![Sink::Parquet(name, Box::new(file))])
            }
            Format::Mlx => {
                let files = ["train.jsonl", "valid.jsonl"].map(|name| folder.lines(name));
                files.into_iter().map(|f| f.map(Sink::Lines)).collect()
            }
            _ => {
                let name = format!("{split}.jsonl");
                Ok(vec![Sink::Lines(folder.lines(&name)?)])
            }
        }
    }

    fn case(&mut self, case: &Case, sinks: &mut [Sink]) -> Result<(), ExportError> {
        let made = self.recorder.records(case)?;
        for (at, attempt) in case.attempts.iter().enumerate() {
            let standing = self.recorder.standing(attempt).as_str();
            *self.samples.entry(standing.to_owned()).or_default() += 1;
            let used = made.used.contains(&at);
            self.tally.count(attempt, &self.facts.base_model(), used);
        }
        if made.records.is_empty() {
            return Ok(());
        }
        let held_out = sinks.len() > 1 && self.useful % HELD_OUT == 1;
        self.useful += 1;
        let Some(sink) = sinks.get_mut(usize::from(held_out)) else {
            return Ok(());
        };
        for record in made.records {
            sink.row(row(self.request.format, record))?;
        }
        Ok(())
    }

    fn manifest(self) -> Manifest {
        Manifest {
            autodidact: env!("CARGO_PKG_VERSION").to_owned(),
            run: self.facts.name.clone(),
            what: self.request.kind.as_str().to_owned(),
            format: Some(self.request.format.as_str().to_owned()),
            iteration: self.request.iteration,
            minimum: self.request.minimum.clone(),
            samples: self.samples,
            provenance: self.tally.finish(),
            agreement: Vec::new(),
            files: Vec::new(),
        }
    }
}
