//! Damaged and malicious GGUF files: always an error that says what is wrong, never a panic, and
//! never much more memory than the file is long.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use autodidact_engine::{Model, gguf::GgufFile};
use common::directory::Directory;
use common::{Parts, Tensor, golden, text};
use proptest::prelude::*;
use tempfile::TempDir;

/// Notes the largest single allocation of each thread.
struct Watching;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(size: usize) {
    // The thread may be on its way out, when its locals are gone.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
}

#[expect(unsafe_code, reason = "an allocator that watches the system's")]
// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// Reads the header; panics if that allocated anything much larger than the file.
fn read(bytes: &[u8]) -> Result<GgufFile, String> {
    let owned = bytes.to_vec();
    LARGEST.set(0);
    let result = GgufFile::from_bytes(owned);
    let largest = LARGEST.get();
    assert!(
        largest <= 4 * bytes.len() + 4096,
        "{largest} bytes at once for a file of {}",
        bytes.len()
    );
    result.map_err(|e| e.to_string())
}

#[track_caller]
fn refused(bytes: &[u8], part: &str) {
    let message = read(bytes).unwrap_err();
    assert!(message.contains(part), "`{message}` without `{part}`");
}

fn minimal(change: impl FnOnce(&mut Tensor)) -> Vec<u8> {
    let mut parts = Parts::minimal();
    change(&mut parts.tensors[0]);
    parts.bytes()
}

#[test]
fn every_truncation_is_an_error() {
    let whole = std::fs::read(golden("tiny.gguf")).unwrap();
    for length in 0..whole.len() {
        let message = read(&whole[..length]).unwrap_err();
        assert!(
            message.contains("truncated") || message.contains("not a GGUF"),
            "{length} bytes: {message}"
        );
    }
    assert!(read(&whole).is_ok());
}

#[test]
fn what_is_no_gguf_file_says_so() {
    refused(b"", "truncated");
    refused(b"PK\x03\x04 a zip archive", "not a GGUF model");
    refused(&[0; 64], "not a GGUF model");
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.gguf");
    std::fs::write(&empty, b"").unwrap();
    for path in [
        empty.as_path(),
        directory.path(),
        &directory.path().join("none"),
    ] {
        assert!(Model::open(path).is_err());
    }
}

#[test]
fn other_versions_are_refused() {
    for (version, part) in [
        (1, "version 1 is not supported"),
        (2, "version 2 is not supported"),
        (4, "version 4 is not supported"),
        (3 << 24, "big-endian"),
    ] {
        let mut parts = Parts::minimal();
        parts.version = version;
        refused(&parts.bytes(), part);
    }
}

#[test]
fn huge_counts_are_refused_before_anything_is_allocated() {
    for (at, what) in [(8, "the tensor count"), (16, "the metadata count")] {
        for count in [1000, u64::from(u32::MAX), u64::MAX / 2, u64::MAX] {
            let mut bytes = Parts::minimal().bytes();
            bytes[at..at + 8].copy_from_slice(&count.to_le_bytes());
            refused(&bytes, what);
        }
    }
}

#[test]
fn lengths_beyond_the_file_are_refused() {
    for length in [1 << 10, 1 << 40, u64::MAX - 4, u64::MAX] {
        let long = length.to_le_bytes().to_vec();
        refused(
            &Parts::minimal().set("long", 8, long.clone()).bytes(),
            "long",
        );
        for kind in [0u32, 4, 7, 8, 9, 12] {
            let array = [&kind.to_le_bytes()[..], &long].concat();
            refused(&Parts::minimal().set("array", 9, array).bytes(), "array");
        }
        // The length of the first key.
        let mut bytes = Parts::minimal().set("k", 4, vec![0; 4]).bytes();
        bytes[24..32].copy_from_slice(&long);
        refused(&bytes, "a metadata key");
    }
}

#[test]
fn odd_values_are_refused() {
    let with = |kind, value| Parts::minimal().set("odd", kind, value).bytes();
    refused(&with(13, vec![0; 8]), "unknown value type 13");
    refused(&with(7, vec![2]), "boolean 2");
    refused(
        &with(8, [&2u64.to_le_bytes()[..], b"\xff\xfe"].concat()),
        "UTF-8",
    );
    let nested = |depth: usize| {
        let mut value = Vec::new();
        for _ in 0..depth {
            value.extend(9u32.to_le_bytes());
            value.extend(1u64.to_le_bytes());
        }
        value.extend(4u32.to_le_bytes());
        value.extend(0u64.to_le_bytes());
        value
    };
    assert!(read(&with(9, nested(2))).is_ok());
    refused(&with(9, nested(5)), "nests arrays deeper");
    refused(&with(9, nested(100_000)), "nests arrays deeper");
    let mut twice = Parts::minimal().set("odd", 4, vec![0; 4]);
    twice.metadata.push(("odd".into(), 4, vec![1; 4]));
    refused(&twice.bytes(), "`odd` appears twice");
}

#[test]
fn tensors_outside_the_file_or_on_each_other_are_refused() {
    let behind = minimal(|t| {
        t.offset = 32;
        t.data.truncate(31);
    });
    refused(&behind, "ends past the end");
    refused(&minimal(|t| t.offset = 1 << 40), "ends past the end");
    refused(&minimal(|t| t.offset = u64::MAX - 31), "ends past the end");
    refused(&minimal(|t| t.offset = 4), "unaligned offset 4");
    refused(&minimal(|t| t.dims = vec![9]), "ends past the end");
    let mut parts = Parts::minimal();
    let mut second = parts.tensors[0].clone();
    parts.tensors.push(second.clone());
    refused(&parts.bytes(), "overlap");
    second.offset = 32;
    parts.tensors[1] = second.clone();
    refused(&parts.bytes(), "`t` appears twice");
    second.name = "u".into();
    parts.tensors[1] = second;
    assert!(read(&parts.bytes()).is_ok());
    parts.tensors[0].dims = vec![9];
    refused(&parts.bytes(), "`t` and `u` overlap");
}

#[test]
fn impossible_shapes_and_types_are_refused() {
    refused(&minimal(|t| t.dims = vec![0]), "shape [0]");
    refused(&minimal(|t| t.dims = vec![8, 0]), "shape [8, 0]");
    refused(
        &minimal(|t| t.dims = vec![1 << 33, 1 << 33]),
        "impossible shape",
    );
    refused(&minimal(|t| t.dims = vec![u64::MAX]), "impossible shape");
    refused(&minimal(|t| t.dims = vec![1 << 62]), "impossible shape");
    refused(&minimal(|t| t.dims = vec![1; 5]), "5 dimensions");
    for kind in [4, 5, 9, 10, 31, u32::MAX] {
        refused(&minimal(|t| t.kind = kind), &format!("storage type {kind}"));
    }
    for kind in [2, 3, 6, 7, 8, 12, 13, 14] {
        refused(&minimal(|t| t.kind = kind), "cannot store");
    }
}

#[test]
fn wrong_alignments_are_refused() {
    for alignment in [0u32, 1, 4, 31, 48, u32::MAX] {
        let value = alignment.to_le_bytes().to_vec();
        let bytes = Parts::minimal().set("general.alignment", 4, value).bytes();
        refused(&bytes, "`general.alignment`");
    }
    let wrong_type = Parts::minimal().set("general.alignment", 8, text("32"));
    refused(&wrong_type.bytes(), "`general.alignment`");
}

#[test]
fn long_arrays_cost_no_more_than_the_file() {
    let mut array = [&7u32.to_le_bytes()[..], &1_000_000u64.to_le_bytes()].concat();
    array.resize(array.len() + 1_000_000, 1);
    assert!(read(&Parts::minimal().set("flags", 9, array).bytes()).is_ok());
}

/// Length of the header of the tiny model: everything before its tensors' bytes.
fn header_length(bytes: &[u8]) -> usize {
    let data: usize = Parts::of(bytes).tensors.iter().map(|t| t.data.len()).sum();
    bytes.len() - data
}

/// The tiny directory, written once for each thread.
fn directory() -> &'static Path {
    thread_local! {
        static DIRECTORY: &'static TempDir = {
            let directory = Box::leak(Box::new(tempfile::tempdir().unwrap()));
            Directory::tiny().write(directory.path());
            directory
        };
    }
    DIRECTORY.with(|directory| directory.path())
}

/// Opens the tiny directory with some bytes of one file changed; of the weights, in the header.
fn open_flipped(file: &str, flips: &[(prop::sample::Index, u8)]) {
    let path = directory().join(file);
    let whole = std::fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    let end = match file {
        "model.safetensors" => 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize,
        _ => whole.len(),
    };
    for (at, value) in flips {
        bytes[at.index(end)] = *value;
    }
    std::fs::write(&path, bytes).unwrap();
    LARGEST.set(0);
    let opened = Model::open(directory());
    let largest = LARGEST.get();
    std::fs::write(&path, &whole).unwrap();
    // The tokenizers crate has buffers of its own, whatever the file says.
    if opened.is_err() && file != "tokenizer.json" {
        let weights = std::fs::metadata(directory().join("model.safetensors"));
        assert!(largest as u64 <= 2 * weights.unwrap().len(), "{largest}");
    }
}

#[test]
fn every_truncation_of_a_directory_s_files_is_an_error() {
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let path = directory().join(file);
        let whole = std::fs::read(&path).unwrap();
        let lengths = (0..whole.len()).step_by(whole.len() / 150 + 1);
        for length in lengths {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Model::open(directory()).is_err(), "{file}: {length}");
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(Model::open(directory()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever the flips make of the header, nothing panics, neither in the reader nor in what
    /// builds a model from the result.
    #[test]
    fn flipped_header_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = std::fs::read(golden("tiny.gguf")).unwrap();
        let header = header_length(&bytes);
        for (at, value) in flips {
            bytes[at.index(header)] = value;
        }
        if let Ok(file) = read(&bytes) {
            let _ = Model::new(file);
        }
    }

    #[test]
    fn noise_behind_the_magic_number_never_panics(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [b"GGUF\x03\0\0\0", &noise[..]].concat();
        let _ = read(&bytes);
    }

    /// The same for each file of a directory.
    #[test]
    fn flipped_bytes_in_a_directory_never_panic(
        file in prop::sample::select(vec![
            "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        ]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        open_flipped(file, &flips);
    }

    /// Small numbers make counts and lengths that nearly fit.
    #[test]
    fn small_noise_never_panics(noise in prop::collection::vec(0u8..4, 0..400)) {
        let bytes = [b"GGUF\x03\0\0\0", &noise[..]].concat();
        let _ = read(&bytes);
    }
}
