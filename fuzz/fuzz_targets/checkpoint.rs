//! Checkpoints of a training.
#![no_main]

use autodidact_engine::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::from_bytes(bytes) {
        let _ = checkpoint.to_bytes();
    }
});
