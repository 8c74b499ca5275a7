//! Numbers as people read them. None of these ever writes "NaN" or an infinity: what is unknown is
//! a dash.

use autodidact_star::wilson;

/// Stands for a number that is unknown or makes no sense.
pub(crate) const NONE: &str = "–";

/// A measured proportion with its 95% Wilson interval, from the counts alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// Right answers, at most `total`.
    pub right: u32,
    /// Questions, at least one.
    pub total: u32,
    /// 0 to 1.
    pub value: f64,
    /// Lower end of the interval, at most `value`.
    pub low: f64,
    /// Upper end of the interval, at least `value`.
    pub high: f64,
}

impl Share {
    /// `None` without questions: nothing was measured then, which is not the same as 0%.
    pub fn new(right: u32, total: u32) -> Option<Self> {
        if total == 0 {
            return None;
        }
        let right = right.min(total);
        let value = f64::from(right) / f64::from(total);
        let (low, high) = wilson(right, total);
        Some(Self {
            right,
            total,
            value,
            // Rounding can put an end of the interval past the value at 0 and at 1.
            low: low.min(value),
            high: high.max(value),
        })
    }

    /// `12.5%`
    pub fn percent(&self) -> String {
        percent(self.value)
    }

    /// `10.1–15.2%`
    pub fn interval(&self) -> String {
        format!("{:.1}–{:.1}%", 100.0 * self.low, 100.0 * self.high)
    }
}

/// `12.5%` for 0.125.
pub fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.1}%", 100.0 * share.clamp(0.0, 1.0))
    } else {
        NONE.to_owned()
    }
}

/// A difference of two proportions in percentage points: `+12.5`, `−3.0`, `±0.0`.
pub fn points(difference: f64) -> String {
    let tenths = (1000.0 * difference).round();
    if !tenths.is_finite() {
        NONE.to_owned()
    } else if tenths == 0.0 {
        "±0.0".to_owned()
    } else {
        let sign = if tenths > 0.0 { '+' } else { '−' };
        format!("{sign}{:.1}", tenths.abs() / 10.0)
    }
}

/// `1,234,567`
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Like [`count`], but no wider than seven characters.
pub fn short_count(n: u64) -> String {
    match n {
        0..1_000_000 => count(n),
        1_000_000..1_000_000_000 => format!("{:.1}M", n as f64 / 1e6),
        1_000_000_000..1_000_000_000_000 => format!("{:.1}G", n as f64 / 1e9),
        _ => format!("{:.0e}", n as f64),
    }
}

/// `1 loop`, `2 loops`
pub(crate) fn plural(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n as u64))
}

/// A number of three decimals, for losses.
pub(crate) fn decimal(x: f64) -> String {
    if !x.is_finite() {
        NONE.to_owned()
    } else if x.abs() >= 1e6 {
        format!("{x:.1e}")
    } else {
        format!("{x:.3}")
    }
}

/// `p = 0.012`, `p = 3e-15`; for a test that cannot be told apart from certainty, `p < 1e-300`.
pub fn p_value(p: f64) -> String {
    if !(0.0..=1.0).contains(&p) {
        return "p unknown".to_owned();
    }
    if p < 1e-300 {
        return "p < 1e-300".to_owned();
    }
    let text = if p >= 0.995 {
        "1".to_owned()
    } else if p >= 0.1 {
        format!("{p:.2}")
    } else if p >= 0.01 {
        format!("{p:.3}")
    } else if p >= 0.0095 {
        // Never rounded up to the level it is below of.
        return "p < 0.01".to_owned();
    } else if p >= 0.001 {
        format!("{p:.3}")
    } else {
        format!("{p:.0e}")
    };
    format!("p = {text}")
}

/// `4.2 s`, `3 min 20 s`, `2 h 05 min`
pub fn duration(seconds: f64) -> String {
    if !(0.0..1e15).contains(&seconds) {
        return NONE.to_owned();
    }
    // Compared after rounding, so that 59.97 s is not printed as 60.0 s.
    if (10.0 * seconds).round() < 600.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    let (hours, minutes) = (whole / 3600, whole / 60 % 60);
    if hours == 0 {
        format!("{minutes} min {:02} s", whole % 60)
    } else {
        format!("{} h {minutes:02} min", count(hours))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values() {
        for (p, text) in [
            (0.0, "p < 1e-300"),
            (1e-310, "p < 1e-300"),
            (3.1e-15, "p = 3e-15"),
            (0.000_95, "p = 9e-4"),
            (0.0042, "p = 0.004"),
            (0.009_99, "p < 0.01"),
            (0.01, "p = 0.010"),
            (0.123, "p = 0.12"),
            (1.0, "p = 1"),
            (f64::NAN, "p unknown"),
            (-0.1, "p unknown"),
            (f64::INFINITY, "p unknown"),
        ] {
            assert_eq!(p_value(p), text, "{p}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(short_count(999_999), "999,999");
        assert_eq!(short_count(u64::from(u32::MAX)), "4.3G");
        assert_eq!(plural(1, "loop"), "1 loop");
        assert_eq!(plural(0, "loop"), "0 loops");
    }

    #[test]
    fn durations() {
        for (seconds, text) in [
            (0.0, "0.0 s"),
            (59.94, "59.9 s"),
            (59.97, "1 min 00 s"),
            (200.0, "3 min 20 s"),
            (7500.0, "2 h 05 min"),
            (f64::NAN, NONE),
            (-1.0, NONE),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn differences_and_shares() {
        assert_eq!(points(0.435), "+43.5");
        assert_eq!(points(-0.03), "−3.0");
        assert_eq!(points(-0.0001), "±0.0");
        assert_eq!(points(f64::NAN), NONE);
        assert_eq!(percent(f64::INFINITY), NONE);
        assert_eq!(Share::new(0, 0), None);
        let all = Share::new(9, 3).unwrap();
        assert_eq!((all.right, all.percent().as_str()), (3, "100.0%"));
        assert!(all.low < 1.0 && all.high >= 1.0);
    }
}
