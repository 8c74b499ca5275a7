//! Models that are already there, and what happens when none of the sources has one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::Path;

use autodidact_models::{FetchError, Fetcher};
use common::{Told, fetch, model, source, sum};

#[test]
fn paths_are_relative_to_the_spec_and_summed_once() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = model(70_000);
    fs::write(directory.path().join("m.gguf"), &bytes).unwrap();
    let fetcher = Fetcher {
        offline: true,
        ..Fetcher::new(directory.path().join("cache"))
    };
    let fetch = |told: &Told, pin: Option<&str>| {
        fetcher.fetch(&[source("m.gguf")], pin, directory.path(), told)
    };
    let told = Told::default();
    let fetched = fetch(&told, None).unwrap();
    assert_eq!(fetched.path, directory.path().join("m.gguf"));
    assert_eq!(fetched.sha256, sum(&bytes));
    assert_eq!(told.bytes.get(), 70_000);
    let told = Told::default();
    fetch(&told, Some(&sum(&bytes))).unwrap();
    assert!(told.started.borrow().is_empty());
    let error = fetch(&told, Some(&"1".repeat(64))).unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }));

    // The user's own file may change; without a pin the new one is simply another model.
    fs::write(directory.path().join("m.gguf"), model(80_000)).unwrap();
    for _ in 0..2 {
        let changed = fetch(&Told::default(), None).unwrap();
        assert_eq!(changed.sha256, sum(&model(80_000)));
    }
    let error = fetch(&Told::default(), Some(&sum(&bytes))).unwrap_err();
    assert!(error.to_string().contains("student.sha256"), "{error}");
}

#[test]
fn sources_are_tried_in_order_and_all_failures_are_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("there.gguf"), model(100)).unwrap();
    let fetcher = Fetcher {
        offline: true,
        ..Fetcher::new(directory.path().join("cache"))
    };
    let bad = [
        source("missing.gguf"),
        source("hf:owner/name@main/m.gguf"),
        source("pypi:made-up==1.0/m.gguf"),
    ];
    let error = fetcher
        .fetch(&bad, None, directory.path(), &Told::default())
        .unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("the model could not be had from any of its 3 sources:"));
    for source in &bad {
        assert!(message.contains(&source.0), "{message}");
    }
    let mut good = bad.to_vec();
    good.push(source("there.gguf"));
    let fetched = fetcher
        .fetch(&good, None, directory.path(), &Told::default())
        .unwrap();
    assert_eq!(fetched.source, source("there.gguf"));
}

#[test]
fn slips_are_found_before_anything_is_tried() {
    let fetcher = Fetcher::new("/nowhere");
    let fetch = |sources: &[_], pin| fetcher.fetch(sources, pin, Path::new("."), &Told::default());
    assert!(matches!(fetch(&[], None), Err(FetchError::NoSource)));
    let typo = [source("hf:o/n@main/m.gguf"), source("pypi:made-up/m.gguf")];
    let error = fetch(&typo, None).unwrap_err();
    assert!(matches!(&error, FetchError::Source { text, .. } if text == "pypi:made-up/m.gguf"));
    let error = fetch(&typo[..1], Some("abc")).unwrap_err();
    assert!(matches!(error, FetchError::Pin { .. }));
}

#[test]
fn a_directory_is_a_model_if_it_has_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let (cache, path) = (directory.path().join("cache"), directory.path().join("m"));
    std::fs::create_dir(&path).unwrap();
    let fetcher = Fetcher::new(&cache);
    let text = path.display().to_string();
    std::fs::write(path.join("model.safetensors"), b"weights").unwrap();
    let error = fetch(&fetcher, &text, None).unwrap_err().to_string();
    assert!(error.contains("without `config.json`"), "{error}");
    std::fs::write(path.join("config.json"), b"{}").unwrap();
    let first = fetch(&fetcher, &text, None).unwrap();
    assert_eq!(first.path, path);
    let list = format!(
        "{}  config.json\n{}  model.safetensors\n",
        sum(b"{}"),
        sum(b"weights")
    );
    assert_eq!(first.sha256, sum(list.as_bytes()), "as sha256sum would");
    std::fs::write(path.join("README.md"), b"about").unwrap();
    assert_eq!(fetch(&fetcher, &text, Some(&first.sha256)).unwrap(), first);
    std::fs::write(path.join("config.json"), b"{ }").unwrap();
    let error = fetch(&fetcher, &text, Some(&first.sha256)).unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error}");
    std::fs::write(path.join("more.safetensors"), b"\x80\x02}q\x00(X\x05\x00").unwrap();
    assert!(fetch(&fetcher, &text, None).is_err(), "a pickle");
}
