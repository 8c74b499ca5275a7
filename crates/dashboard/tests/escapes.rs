//! Whatever a run contains, every page stays a page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed test panics"
)]

mod common;

use std::cell::Cell;

use common::journal::{Shape, write};
use common::payloads::payloads;
use common::{Served, serve};

/// Every page of the run `sums`.
async fn pages(ui: &Served) -> Vec<(String, String)> {
    let mut paths: Vec<String> = [
        "/",
        "/runs/sums",
        "/runs/sums/loops",
        "/runs/sums/models",
        "/runs/sums/difficulty",
        "/runs/sums/training",
        "/compare?a=sums&b=sums",
        "/runs/sums/problems",
        "/runs/sums/problems?split=evaluate",
        "/runs/sums/problems?filter=never-solved",
    ]
    .map(str::to_owned)
    .into();
    paths.extend((1..=80).map(|number| format!("/runs/sums/problems/{number}")));
    let mut all = Vec::new();
    for path in paths {
        let page = ui.page(&path).await;
        all.push((path, page));
    }
    all
}

/// A run whose every text ends in the next of these.
async fn served(texts: &[String]) -> (tempfile::TempDir, Served) {
    let runs = tempfile::tempdir().unwrap();
    let next = Cell::new(0);
    // Names that are keys have to be the same each time, so a text always gets the same addition.
    let seen = std::cell::RefCell::new(std::collections::HashMap::new());
    let word = |text: &str| {
        let mut seen = seen.borrow_mut();
        let at = *seen.entry(text.to_owned()).or_insert_with(|| {
            next.set(next.get() + 1);
            next.get()
        });
        format!("{text} {}", texts[at % texts.len()])
    };
    let shape = Shape {
        loops: 2,
        train: 40,
        evaluate: 40,
        word: &word,
        ..Shape::default()
    };
    write(&runs.path().join("sums"), "sums", &shape)
        .await
        .close()
        .await;
    assert!(
        next.get() >= texts.len(),
        "every text is used: {}",
        next.get()
    );
    let ui = serve(runs.path()).await;
    (runs, ui)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_scripts_are_escaped_on_every_page() {
    let payloads = payloads();
    assert_eq!(payloads.len(), 200);
    let (_hostile, ui) = served(&payloads).await;
    // The same run with letters of no meaning where markup would be: its markup is the templates'.
    let harmless = |text: &String| {
        let text = text.replace('<', "\u{e000}").replace('>', "\u{e001}");
        text.replace('"', "\u{e002}")
            .replace('\'', "\u{e003}")
            .replace('&', "\u{e004}")
    };
    let harmless: Vec<String> = payloads.iter().map(harmless).collect();
    let (_harmless, plain) = served(&harmless).await;
    let mut shown = 0;
    for ((path, page), (_, expected)) in pages(&ui).await.iter().zip(&pages(&plain).await) {
        for c in ['<', '>', '"', '\''] {
            assert_eq!(
                page.matches(c).count(),
                expected.matches(c).count(),
                "{c} on {path}"
            );
        }
        shown += page.matches("hacked").count();
    }
    assert!(shown > 2000, "the payloads are on the pages: {shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn controls_and_direction_overrides_never_reach_a_browser() {
    let odd = [
        "\0",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{2066}",
        "\r",
        "\u{85}",
        "\u{7f}",
        "\u{200f}\u{202b}",
    ];
    let odd: Vec<String> = odd.iter().map(|text| (*text).to_owned()).collect();
    let (_runs, ui) = served(&odd).await;
    for (path, page) in pages(&ui).await {
        let found = page.chars().find(|c| {
            (c.is_control() && *c != '\n' && *c != '\t')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        });
        assert_eq!(found, None, "{path}");
    }
}
