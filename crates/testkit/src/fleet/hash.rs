//! Numbers that look random and are the same every time.

/// A hash of several texts (FNV-1a, then the finisher of splitmix64).
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    mix(state)
}

/// The next number after this one.
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 up to, not including, 1.
pub(crate) fn unit(state: u64) -> f64 {
    (mix(state) >> 11) as f64 / (1_u64 << 53) as f64
}

/// One of the choices, of which there is at least one.
pub(crate) fn pick<'a>(state: u64, choices: &[&'a str]) -> &'a str {
    let index = (unit(state) * choices.len() as f64) as usize;
    choices.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{hash, mix, unit};

    #[test]
    fn the_borders_of_the_parts_count() {
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_eq!(hash(&["ab", "c"]), hash(&["ab", "c"]));
    }

    #[test]
    fn units_fill_the_interval_evenly() {
        let mut state = 1;
        let mut low = 0;
        for _ in 0..10_000 {
            state = mix(state);
            let unit = unit(state);
            assert!((0.0..1.0).contains(&unit));
            low += usize::from(unit < 0.3);
        }
        assert!((2_800..3_200).contains(&low), "{low}");
    }
}
