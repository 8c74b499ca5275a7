//! Buffers that begin on a cache line, and on huge pages if they are large.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// Floats of a cache line, which is also an AVX-512 vector.
const LINE: usize = 16;
/// Floats of a huge page, 2 MiB.
const HUGE_PAGE: usize = 512 << 10;

/// A vector of `f32` whose first element lies at the start of a cache line. Where a vector that is
/// loaded lies across two lines, it costs two loads; large allocations of the standard library begin
/// 16 bytes behind a page's start.
///
/// Crates for aligned vectors have no huge pages, which is why this is our own.
///
/// A large one may ask for huge pages: weights are read from one end to the other in every step, and
/// with pages of 4 KiB every 64 lines need another translation.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    memory: Memory,
    start: usize,
    length: usize,
}

#[derive(Debug)]
enum Memory {
    Heap(Vec<f32>),
    Pages(MmapMut),
}

impl Default for Memory {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl Memory {
    /// So many zeros at least.
    fn zeros(length: usize, huge_pages: bool) -> Self {
        if huge_pages
            && length >= HUGE_PAGE
            && let Ok(map) = MmapMut::map_anon((length + HUGE_PAGE) * size_of::<f32>())
        {
            // Where there are none, it is only slower.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
            return Self::Pages(map);
        }
        Self::Heap(vec![0.0; length + LINE])
    }

    fn floats(&self) -> &[f32] {
        match self {
            Self::Heap(data) => data,
            Self::Pages(map) => bytemuck::cast_slice(map),
        }
    }

    fn floats_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Heap(data) => data,
            Self::Pages(map) => bytemuck::cast_slice_mut(map),
        }
    }

    /// Where the first element should be.
    fn start(&self) -> usize {
        let boundary = match self {
            Self::Heap(_) => LINE,
            Self::Pages(_) => HUGE_PAGE,
        };
        let address = self.floats().as_ptr().addr() / size_of::<f32>();
        address.next_multiple_of(boundary) - address
    }
}

impl Aligned {
    /// So many zeros, never on huge pages: many equal buffers that begin on those would have their
    /// elements of the same index on the same cache sets.
    pub(crate) fn zeros(length: usize) -> Self {
        Self {
            length,
            ..Self::inside(Memory::zeros(length, false))
        }
    }

    /// Empty, with room for so many elements.
    pub(crate) fn with_capacity(length: usize) -> Self {
        Self::inside(Memory::zeros(length, true))
    }

    fn inside(memory: Memory) -> Self {
        Self {
            start: memory.start(),
            memory,
            length: 0,
        }
    }

    /// Makes it longer, by zeros, or shorter.
    pub(crate) fn resize(&mut self, length: usize) {
        let before = self.length;
        if self.start + length > self.memory.floats().len() {
            let mut larger = Self::with_capacity(length);
            larger.length = before;
            larger.copy_from_slice(self);
            *self = larger;
        }
        self.length = length;
        if length > before {
            self[before..].fill(0.0);
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory.floats()[self.start..self.start + self.length]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory.floats_mut()[self.start..self.start + self.length]
    }
}

impl Clone for Aligned {
    fn clone(&self) -> Self {
        let huge_pages = matches!(self.memory, Memory::Pages(_));
        let mut clone = Self::inside(Memory::zeros(self.length, huge_pages));
        clone.length = self.length;
        clone.copy_from_slice(self);
        clone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_on_a_cache_line_and_keeps_what_it_holds() {
        let mut aligned = Aligned::default();
        for length in [1, 5, 100, 70_000, 3, 600_000, 200_000, 1_300_000] {
            let before: Vec<f32> = aligned.iter().copied().take(length).collect();
            aligned.resize(length);
            assert_eq!(aligned.len(), length);
            assert_eq!(aligned.as_ptr().addr() % 64, 0, "length {length}");
            assert_eq!(&aligned[..before.len()], before);
            assert!(aligned[before.len()..].iter().all(|x| *x == 0.0));
            let numbers = (0u16..1000).cycle().map(f32::from);
            aligned.iter_mut().zip(numbers).for_each(|(x, i)| *x = i);
            let copy = aligned.clone();
            assert_eq!(&copy[..], &aligned[..]);
            assert_eq!(copy.as_ptr().addr() % 64, 0);
        }
    }
}
