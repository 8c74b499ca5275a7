//! A million damaged files: every one is read or refused, without a panic, and without taking more
//! memory than twice its length and what an empty file takes.
//!
//! A failure names the file, the number of the mutation and the mutation itself; the same number
//! makes the same mutation again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test panics")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use autodidact_engine::{
    Adapter, AdapterLayout, Checkpoint, Model, ModelConfig, Sampler, Trainer, TrainerOptions,
    TrainingExample, gguf::GgufFile,
};
use common::directory::Directory;
use common::mutation::{EXTREMES, Mutation};
use common::{Draw, Parts};

/// Counts the bytes each thread holds, and the most it has held.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    // The thread may be on its way out, when its locals are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        MOST.with(|most| most.set(most.get().max(held.get())));
    });
}

#[expect(unsafe_code, reason = "an allocator that watches the system's")]
// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` held at once beyond what was held before.
fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let result = work();
    (result, (MOST.get() - before).max(0) as usize)
}

/// What reading the header of a GGUF or safetensors file takes whatever is in it: names, messages
/// and tables of a few entries, whose entries are larger in memory than in the file.
const HEADER: usize = 16 << 10;

/// What a tokenizer takes beside its vocabulary: the pre-tokenizer's regular expressions and the
/// template's environment, which depend on no file.
const TOKENIZER: usize = 1 << 20;

/// Reads bytes, or the file they are written to.
type Read = dyn Fn(&[u8], &Path) + Sync;

/// A kind of file: sound ones to damage, and what reads them.
struct Kind {
    name: &'static str,
    sound: Vec<u8>,
    /// How many of the first bytes are more than numbers of a tensor.
    header: usize,
    /// Bytes allowed beside twice the file's.
    constant: usize,
    mutations: usize,
    read: Box<Read>,
}

/// The golden model, cut down to one block of width 8: 7 kB, most of it vocabulary.
fn small_model() -> Vec<u8> {
    let mut parts = Parts::tiny();
    let sizes = [
        ("embedding_length", 8u32),
        ("block_count", 1),
        ("feed_forward_length", 8),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("rope.dimension_count", 4),
    ];
    for (key, value) in sizes {
        parts = parts.set(&format!("llama.{key}"), 4, value.to_le_bytes().to_vec());
    }
    parts
        .tensors
        .retain(|t| !t.name.starts_with("blk.1.") && t.name != "output.weight");
    for tensor in &mut parts.tensors {
        let vocabulary = tensor.name == "token_embd.weight";
        let keys = tensor.name.contains("attn_k") || tensor.name.contains("attn_v");
        if let Some(rows) = tensor.dims.get_mut(1) {
            *rows = if vocabulary {
                96
            } else if keys {
                4
            } else {
                8
            };
        }
        tensor.dims[0] = 8;
        let length = 4 * tensor.dims.iter().product::<u64>() as usize;
        tensor.data.truncate(length);
    }
    parts.aligned().bytes()
}

fn model(bytes: &[u8]) -> Model {
    Model::new(GgufFile::from_bytes(bytes.to_vec()).unwrap()).unwrap()
}

/// Bytes in front of the tensors of a GGUF file.
fn header_of(bytes: &[u8]) -> usize {
    let data: usize = Parts::of(bytes).tensors.iter().map(|t| t.data.len()).sum();
    bytes.len() - data
}

fn adapter_of(config: &ModelConfig) -> Adapter {
    let mut adapter = Adapter::new(AdapterLayout::new(config, 2, 4.0), 1);
    let mut draw = Draw::new(4);
    for value in &mut adapter.values {
        *value += draw.unit() as f32;
    }
    adapter
}

fn checkpoint_of(model: Model) -> Vec<u8> {
    let example = TrainingExample {
        tokens: vec![3, 4, 5, 6],
        prompt_tokens: 2,
    };
    let options = TrainerOptions {
        rank: 1,
        ..TrainerOptions::default()
    };
    let mut trainer = Trainer::new(Arc::new(model), vec![example], options).unwrap();
    trainer.step().unwrap();
    trainer.checkpoint().to_bytes().unwrap()
}

/// Opens a model; every two-hundredth that opens also computes.
fn open_model(bytes: &[u8], opened: &AtomicUsize) {
    let Ok(model) = GgufFile::from_bytes(bytes.to_vec()).and_then(Model::new) else {
        return;
    };
    if opened.fetch_add(1, Ordering::Relaxed).is_multiple_of(200) {
        let (model, before) = (Arc::new(model), MOST.get());
        if let Ok(sampler) = Sampler::new(model.clone(), None, 1) {
            let _ = sampler.logits(&[1, 2, 3]);
        }
        // Weights are the caller's to pay for: what counts here is opening.
        MOST.set(before);
    }
}

fn model_kind() -> Kind {
    let sound = small_model();
    let opened = AtomicUsize::new(0);
    Kind {
        name: "model",
        header: header_of(&sound),
        sound,
        constant: TOKENIZER,
        mutations: 90_000,
        read: Box::new(move |bytes, _| open_model(bytes, &opened)),
    }
}

fn gguf_kind() -> Kind {
    let mut parts = Parts::tiny();
    parts
        .metadata
        .retain(|(key, _, value)| value.len() < 200 || key.contains("token_type"));
    parts.tensors.truncate(3);
    for tensor in &mut parts.tensors {
        tensor.dims = vec![4, 2];
        tensor.data.truncate(32);
    }
    let sound = parts.aligned().bytes();
    Kind {
        name: "gguf",
        header: header_of(&sound),
        sound,
        constant: HEADER,
        mutations: 510_000,
        read: Box::new(|bytes, _| {
            if let Ok(file) = GgufFile::from_bytes(bytes.to_vec()) {
                let _ = file.texts("general.name");
                let _ = file.integers("tokenizer.ggml.token_type", 96);
            }
        }),
    }
}

fn checkpoint_kind() -> Kind {
    let sound = checkpoint_of(model(&small_model()));
    Kind {
        name: "checkpoint",
        header: 700.min(sound.len()),
        sound,
        constant: HEADER,
        mutations: 200_000,
        read: Box::new(|bytes, _| drop(Checkpoint::from_bytes(bytes))),
    }
}

fn gguf_adapter_kind() -> Kind {
    let model = model(&small_model());
    let config = model.config().clone();
    let sound = adapter_of(&config).to_gguf(&config).unwrap();
    Kind {
        name: "GGUF adapter",
        header: header_of(&sound),
        sound,
        constant: HEADER,
        mutations: 60_000,
        read: Box::new(move |bytes, directory| {
            let path = directory.join("adapter.gguf");
            std::fs::write(&path, bytes).unwrap();
            let _ = Adapter::from_gguf(&path, &config);
        }),
    }
}

/// The weights of a PEFT directory, or its configuration.
fn peft_kind(name: &'static str, damaged: usize, mutations: usize) -> Kind {
    let model = model(&small_model());
    let config = model.config().clone();
    let files = adapter_of(&config).to_peft(&config, "tiny").unwrap();
    let sound = files[damaged].1.clone();
    let (other, other_bytes) = files[1 - damaged].clone();
    let damaged = files[damaged].0;
    // An undamaged half counts as well.
    let constant = HEADER + 2 * other_bytes.len();
    Kind {
        name,
        header: sound.len().min(1500),
        sound,
        constant,
        mutations,
        read: Box::new(move |bytes, directory| {
            std::fs::write(directory.join(damaged), bytes).unwrap();
            let path = directory.join(other);
            if !path.exists() {
                std::fs::write(path, &other_bytes).unwrap();
            }
            let _ = Adapter::from_peft(directory, &config);
        }),
    }
}

/// One file of a directory as transformers saves models; the others are sound.
fn directory_kind(name: &'static str, damaged: &'static str, mutations: usize) -> Kind {
    let whole = tempfile::tempdir().unwrap();
    Directory::tiny().write(whole.path());
    let files = std::fs::read_dir(whole.path()).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name(), std::fs::read(entry.path()).unwrap())
    });
    let (mut sound, mut others) = (Vec::new(), Vec::new());
    for (file, bytes) in files {
        if file == damaged {
            sound = bytes;
        } else {
            others.push((file, bytes));
        }
    }
    let beside: usize = others.iter().map(|(_, bytes)| bytes.len()).sum();
    Kind {
        name,
        header: sound.len().min(1500),
        sound,
        constant: TOKENIZER + 2 * beside,
        mutations,
        read: Box::new(move |bytes, directory| {
            let path = directory.join(damaged);
            std::fs::write(&path, bytes).unwrap();
            for (file, bytes) in &others {
                let path = directory.join(file);
                if !path.exists() {
                    std::fs::write(path, bytes).unwrap();
                }
            }
            let _ = Model::open(directory);
        }),
    }
}

impl Kind {
    /// Reads damaged bytes; on a panic or too much memory, says what they were.
    fn check(&self, bytes: &[u8], directory: &Path, what: &dyn Fn() -> String) {
        let work = || catch_unwind(AssertUnwindSafe(|| (self.read)(bytes, directory)));
        let (result, most) = most_held(work);
        assert!(result.is_ok(), "{}: a panic after {}", self.name, what());
        // The reader's own copy of the file, where it holds one, is part of the twice.
        let allowed = 2 * bytes.len() + self.constant;
        assert!(
            most <= allowed,
            "{}: {most} bytes for a file of {} after {}",
            self.name,
            bytes.len(),
            what()
        );
    }

    fn mutation(&self, number: usize, other: &[u8]) -> Vec<Mutation> {
        let mut draw = Draw::new(number as u64);
        let count = if draw.below(3) > 0 {
            1
        } else {
            2 + draw.below(3)
        };
        let header = self.header;
        (0..count)
            .map(|_| Mutation::draw(&mut draw, &self.sound, header, other))
            .collect()
    }

    /// All mutations whose number is `first` modulo `step`.
    fn mutate(&self, other: &[u8], first: usize, step: usize) {
        let directory = tempfile::tempdir_in(fast_directory()).unwrap();
        let mut bytes = Vec::new();
        for number in (first..self.mutations).step_by(step) {
            let mutations = self.mutation(number, other);
            bytes.clone_from(&self.sound);
            for mutation in &mutations {
                mutation.apply(&mut bytes);
            }
            let what = || format!("mutation {number}: {mutations:?}");
            self.check(&bytes, directory.path(), &what);
        }
    }

    /// Every truncation, and every extreme integer of four and eight bytes at every place of the
    /// header.
    fn systematic(&self) -> usize {
        let directory = tempfile::tempdir_in(fast_directory()).unwrap();
        let mut count = 0;
        for length in 0..self.sound.len() {
            let what = || format!("truncation to {length}");
            self.check(&self.sound[..length], directory.path(), &what);
            count += 1;
        }
        let mut bytes = self.sound.clone();
        for at in 0..self.header.saturating_sub(8).min(1000) {
            for (width, value) in [4, 8].into_iter().flat_map(|w| EXTREMES.map(|e| (w, e))) {
                bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
                let what = || format!("{value} in {width} bytes at {at}");
                self.check(&bytes, directory.path(), &what);
                bytes[at..at + 8].copy_from_slice(&self.sound[at..at + 8]);
                count += 1;
            }
        }
        count
    }
}

/// A directory in memory, where there is one: a hundred thousand small files need no disk.
fn fast_directory() -> std::path::PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

fn kinds() -> Vec<Kind> {
    vec![
        gguf_kind(),
        model_kind(),
        checkpoint_kind(),
        gguf_adapter_kind(),
        peft_kind("PEFT weights", 1, 100_000),
        peft_kind("PEFT configuration", 0, 40_000),
        directory_kind("directory's weights", "model.safetensors", 8_000),
        directory_kind("directory's configuration", "config.json", 20_000),
        directory_kind("directory's tokenizer", "tokenizer.json", 8_000),
    ]
}

#[test]
fn what_is_damaged_is_sound_at_first() {
    let model = model(&small_model());
    let config = model.config();
    let directory = tempfile::tempdir().unwrap();
    let adapter = adapter_of(config);
    for (name, bytes) in adapter.to_peft(config, "tiny").unwrap() {
        std::fs::write(directory.path().join(name), bytes).unwrap();
    }
    assert!(Adapter::from_peft(directory.path(), config).unwrap() == adapter);
    let path = directory.path().join("adapter.gguf");
    std::fs::write(&path, adapter.to_gguf(config).unwrap()).unwrap();
    assert!(Adapter::from_gguf(&path, config).unwrap() == adapter);
    assert!(GgufFile::from_bytes(gguf_kind().sound).is_ok());
    assert!(Checkpoint::from_bytes(&checkpoint_kind().sound).is_ok());
}

#[test]
fn a_million_mutations_are_read_or_refused() {
    let kinds = kinds();
    let other = [small_model(), kinds[2].sound[..400].to_vec()].concat();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let systematic = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (kinds, other, systematic) = (&kinds, &other, &systematic);
                scope.spawn(move || {
                    for (i, kind) in kinds.iter().enumerate() {
                        kind.mutate(other, thread, threads);
                        if i % threads == thread {
                            systematic.fetch_add(kind.systematic(), Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            if let Err(cause) = worker.join() {
                std::panic::resume_unwind(cause);
            }
        }
    });
    let drawn: usize = kinds.iter().map(|kind| kind.mutations).sum();
    assert!(drawn + systematic.into_inner() >= 1_000_000);
}
