//! Telling the processor what will be read.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for bytes that will be read soon. Rows of a quantized tensor are read side by side, a few
/// lines of each at a time, which is more streams than the processor follows on its own.
pub(crate) fn prefetch(bytes: &[u8]) {
    for line in bytes.chunks(LINE) {
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "an instruction without a safe name")]
        // SAFETY: a prefetch reads nothing, faults never, and every processor has it.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast());
        }
        let _ = line;
    }
}
