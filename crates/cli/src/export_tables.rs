//! What an export came to, for people.

use std::path::Path;

use autodidact_export::Manifest;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// Files, samples, and agreement with what was trained.
pub(crate) fn exported(manifest: &Manifest, out: &Path) -> String {
    let mut files = table(&["file", "rows", "bytes"]);
    for file in &manifest.files {
        let rows = file.rows.map_or_else(String::new, |rows| rows.to_string());
        files.add_row([file.path.clone(), rows, file.bytes.to_string()]);
    }
    let mut text = files.trim_fmt();
    if !manifest.samples.is_empty() {
        let samples = manifest.samples.iter();
        let samples: Vec<String> = samples.map(|(name, n)| format!("{n} {name}")).collect();
        text += &format!("\nsamples: {}", samples.join(", "));
        for c in manifest.provenance.iter().filter(|c| c.terms != "allowed") {
            text += &format!(
                "\n{} of {}'s samples are in it; its provider's terms for training other models: {}",
                c.used, c.author, c.terms
            );
        }
    }
    if !manifest.agreement.is_empty() {
        text += "\n\nagainst the adapter as it was trained, in full precision:\n";
        let mut agreement = table(&[
            "compared",
            "tokens",
            "largest difference",
            "divergence, nats",
            "same first choice",
        ]);
        for a in &manifest.agreement {
            let number = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:.1e}"));
            let same = a.same_token.map(|share| format!("{:.1}%", 100.0 * share));
            agreement.add_row([
                a.what.clone(),
                a.positions.to_string(),
                number(Some(a.largest)),
                number(a.divergence),
                same.unwrap_or_default(),
            ]);
        }
        text += &agreement.trim_fmt();
    }
    text + &format!("\nexported: {}", out.display())
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header.to_vec());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
