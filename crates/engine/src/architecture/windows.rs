//! Which layers of a model see only a sliding window of positions.

/// How local layers (those with a window) and global ones alternate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPattern {
    /// Every layer is local, if the model has a window at all (Mistral 7B v0.1).
    AllLocal,
    /// Of every n layers the last is global (2: Gemma 2, 6: Gemma 3).
    GlobalEvery(usize),
}

impl WindowPattern {
    /// True if a layer is local.
    pub fn is_local(self, layer: usize) -> bool {
        match self {
            Self::AllLocal => true,
            Self::GlobalEvery(n) => layer % n != n - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_every_group_is_global() {
        let local = |n: usize| -> Vec<bool> {
            (0..6)
                .map(|l| WindowPattern::GlobalEvery(n).is_local(l))
                .collect()
        };
        assert_eq!(local(2), [true, false, true, false, true, false]);
        assert_eq!(local(6), [true, true, true, true, true, false]);
        assert_eq!(local(1), [false; 6]);
    }
}
