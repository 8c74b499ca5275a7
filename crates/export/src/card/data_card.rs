//! The dataset card.

use super::text::{plain, provenance_table, provenance_yaml, reproduce, terms_advice, yaml};
use crate::data::DataRequest;
use crate::folder::FileEntry;
use crate::run_facts::RunFacts;
use crate::{Kind, Manifest};

/// README.md of exported samples.
pub(crate) fn dataset_card(
    facts: &RunFacts,
    request: &DataRequest,
    manifest: &Manifest,
    files: &[FileEntry],
) -> String {
    let rows: u64 = files.iter().filter_map(|file| file.rows).sum();
    format!(
        "---\n{}---\n\n{}",
        front_matter(facts, request, manifest, files, rows),
        body(facts, request, manifest, files)
    )
}

fn front_matter(
    facts: &RunFacts,
    request: &DataRequest,
    manifest: &Manifest,
    files: &[FileEntry],
    rows: u64,
) -> String {
    let mut text = format!(
        "pretty_name: {}\n",
        yaml(&format!(
            "{} of the run {}",
            request.kind.as_str(),
            facts.name
        ))
    );
    // Nobody told us the licence of the problems; the terms of the models are below.
    text += "license: other\nlicense_name: see-provenance\n";
    text += "task_categories:\n  - text-generation\n";
    text += &format!("size_categories:\n  - {}\n", size(rows));
    text += "tags:\n  - synthetic\n  - reasoning\n  - star\n  - autodidact\n";
    text += "configs:\n  - config_name: default\n    data_files:\n";
    for file in files.iter().filter(|f| f.rows.is_some_and(|rows| rows > 0)) {
        text += &format!(
            "      - split: {}\n        path: {}\n",
            split_of(&file.path),
            yaml(&file.path)
        );
    }
    text + &provenance_yaml(&manifest.provenance)
}

/// `train` of `data/train-00000-of-00001.parquet`; the Hub's word for a validation file is another.
fn split_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split(['-', '.']).next().unwrap_or(name);
    match stem {
        "valid" => "validation",
        "evaluate" => "test",
        other => other,
    }
}

fn size(rows: u64) -> &'static str {
    match rows {
        0..1_000 => "n<1K",
        1_000..10_000 => "1K<n<10K",
        10_000..100_000 => "10K<n<100K",
        100_000..1_000_000 => "100K<n<1M",
        1_000_000..10_000_000 => "1M<n<10M",
        _ => "10M<n<100M",
    }
}

fn body(
    facts: &RunFacts,
    request: &DataRequest,
    manifest: &Manifest,
    files: &[FileEntry],
) -> String {
    let loops = match request.iteration {
        Some(n) => format!("drawn in outer loop {n}"),
        None => format!("of its {} outer loops", facts.status.iterations.len()),
    };
    let mut text = format!(
        "# {} from the run {}\n\n{} The samples are those {loops} of a run of STaR (Zelikman et al. 2022) \
         on the task `{}`: a model reasons, what reaches the right answer is kept, where it fails it is \
         shown the answer and the hint is removed again. Written for `{}`.\n",
        heading(request.kind),
        plain(&facts.name),
        explanation(request.kind),
        facts.task().replace('`', ""),
        request.format.as_str()
    );
    if !request.minimum.is_empty() {
        let least: Vec<String> = request
            .minimum
            .iter()
            .map(|(attribute, value)| format!("{attribute} {value}"))
            .collect();
        text += &format!(
            "\nGood samples reach these scores of the first judge with an opinion: {}.\n",
            least.join(", ")
        );
    }
    text += "\n## Files\n\n| file | rows | bytes | SHA-256 |\n|---|---:|---:|---|\n";
    for file in files.iter().filter(|file| file.rows.is_some()) {
        text += &format!(
            "| {} | {} | {} | `{}` |\n",
            plain(&file.path),
            file.rows.unwrap_or_default(),
            file.bytes,
            file.sha256
        );
    }
    text += "\n## Samples\n\n| standing | samples |\n|---|---:|\n";
    for (standing, count) in &manifest.samples {
        text += &format!("| {standing} | {count} |\n");
    }
    text += "\n`kept`: right and trained on. `spare`: right and sound, more than was wanted. `unsound`: \
             right, but by a leaked hint, a false step, or below a judge's minimum. `wrong`: another final \
             answer. `unusable`: repeated, cut off, or no text. `undecided`: not verified.\n";
    text += "\n## Provenance\n\n";
    text += &provenance_table(&manifest.provenance);
    text += "\n";
    text += &terms_advice(&manifest.provenance);
    text += &format!(
        "The problems are those of the task and have its licence. Evaluation problems are {}.\n",
        if request.kind == Kind::Dataset {
            "in the split `test`, and must not be trained on"
        } else {
            "not in here"
        }
    );
    text += "\n## How it was made\n\n";
    text + &reproduce(facts)
}

fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::Sft => "Rationales",
        Kind::Preference => "Preferences",
        Kind::Kto => "Labelled rationales",
        Kind::Verifier => "Graded rationales",
        Kind::Dataset => "Every sample",
    }
}

fn explanation(kind: Kind) -> &'static str {
    match kind {
        Kind::Sft => "Questions with rationales that were verified and kept.",
        Kind::Preference => {
            "For each question a rationale that was kept (`chosen`) and one with a wrong answer, or with the right answer by unsound reasoning (`rejected`)."
        }
        Kind::Kto => {
            "Single rationales: good ones have the right answer and sound reasoning, bad ones a wrong answer or unsound reasoning."
        }
        Kind::Verifier => {
            "Rationales with a label for each step: false where an equation is, and for the last step where the answer is wrong or does not follow. Formats without steps ask whether the answer is right."
        }
        Kind::Dataset => {
            "Everything that was sampled, with verdicts, reasons for refusal, flags, steps, scores, costs and origins."
        }
    }
}
