//! Axis ticks at numbers people like: 1, 2 or 5 times a power of ten.

/// The ticks of an axis, evenly spaced. The first and the last enclose the data.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ticks {
    /// At least two, ascending.
    pub(crate) values: Vec<f64>,
    /// Digits after the point that tell them apart.
    decimals: usize,
}

/// Numbers past this are drawn at it: a plot of them shows nothing, but must not overflow.
const LARGEST: f64 = 1e40;

impl Ticks {
    /// About `about` ticks that enclose `low` to `high`.
    pub(crate) fn new(low: f64, high: f64, about: usize) -> Self {
        let (low, high) = sensible(low, high);
        let step = nice((high - low) / about.max(1) as f64);
        let first = (low / step + 1e-9).floor();
        let intervals = ((high / step - 1e-9).ceil() - first).clamp(1.0, 100.0);
        Self {
            values: (0..=intervals as u32)
                .map(|i| (first + f64::from(i)) * step)
                .collect(),
            decimals: (-step.log10().floor()).clamp(0.0, 12.0) as usize,
        }
    }

    /// Ticks of counts from 0: never between two whole numbers.
    pub(crate) fn of_counts(high: u64, about: usize) -> Self {
        let high = high.max(1) as f64;
        Self::new(0.0, high.max(about as f64), about).up_to(high)
    }

    /// Without the ticks that nothing reaches.
    fn up_to(mut self, high: f64) -> Self {
        while self.values.len() > 2 && self.values[self.values.len() - 2] >= high {
            self.values.pop();
        }
        self
    }

    /// The lowest and the highest tick.
    pub(crate) fn ends(&self) -> (f64, f64) {
        let first = self.values.first().copied().unwrap_or(0.0);
        (first, self.values.last().copied().unwrap_or(1.0))
    }

    /// A tick as text.
    pub(crate) fn label(&self, tick: f64) -> String {
        // Adding zero turns -0 into 0.
        let tick = tick + 0.0;
        if tick.abs() >= 1e6 {
            format!("{tick:.1e}")
        } else {
            format!("{tick:.*}", self.decimals)
        }
    }
}

/// A range that is finite, ascending and wide enough to be divided.
fn sensible(low: f64, high: f64) -> (f64, f64) {
    let finite = |x: f64, otherwise: f64| {
        if x.is_finite() {
            x.clamp(-LARGEST, LARGEST)
        } else {
            otherwise
        }
    };
    let (a, b) = (finite(low, 0.0), finite(high, 1.0));
    let (low, high) = (a.min(b), a.max(b));
    let narrowest = 1e-6 * low.abs().max(high.abs());
    if high - low > narrowest {
        (low, high)
    } else {
        let half = if narrowest > 0.0 {
            1e5 * narrowest
        } else {
            0.5
        };
        (low - half, high + half)
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `step`.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let multiple = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|m| m * power >= step * (1.0 - 1e-9));
    multiple.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(ticks: &Ticks) -> Vec<String> {
        ticks.values.iter().map(|t| ticks.label(*t)).collect()
    }

    #[test]
    fn ticks_are_nice() {
        let percent = Ticks::new(0.0, 100.0, 5);
        assert_eq!(labels(&percent), ["0", "20", "40", "60", "80", "100"]);
        let loss = Ticks::new(0.31, 1.27, 5);
        assert_eq!(
            labels(&loss),
            ["0.2", "0.4", "0.6", "0.8", "1.0", "1.2", "1.4"]
        );
        assert_eq!(
            labels(&Ticks::new(-0.1, 0.1, 4)),
            ["-0.10", "-0.05", "0.00", "0.05", "0.10"]
        );
    }

    #[test]
    fn counts_have_whole_ticks() {
        assert_eq!(labels(&Ticks::of_counts(0, 5)), ["0", "1"]);
        assert_eq!(labels(&Ticks::of_counts(3, 5)), ["0", "1", "2", "3"]);
        assert_eq!(labels(&Ticks::of_counts(500, 5)).last().unwrap(), "500");
    }

    #[test]
    fn one_value_or_none_still_makes_an_axis() {
        for (low, high) in [
            (2.0, 2.0),
            (0.0, 0.0),
            (f64::NAN, f64::NAN),
            (f64::INFINITY, f64::NEG_INFINITY),
            (1e300, -1e300),
        ] {
            let ticks = Ticks::new(low, high, 5);
            assert!((2..=20).contains(&ticks.values.len()), "{ticks:?}");
        }
    }

    proptest! {
        #[test]
        fn ticks_enclose_the_data(a in -1e9_f64..1e9, b in -1e9_f64..1e9, about in 1_usize..10) {
            let ticks = Ticks::new(a, b, about);
            let (first, last) = ticks.ends();
            let slack = 1e-6 * (last - first);
            prop_assert!(first <= a.min(b) + slack && last >= a.max(b) - slack);
            prop_assert!(ticks.values.len() <= 2 * about + 3);
            prop_assert!(ticks.values.windows(2).all(|w| w[0] < w[1]));
        }

        #[test]
        fn any_number_makes_finite_ticks(a: f64, b: f64) {
            let ticks = Ticks::new(a, b, 5);
            prop_assert!(ticks.values.len() >= 2);
            prop_assert!(ticks.values.iter().all(|t| t.is_finite()));
        }
    }
}
