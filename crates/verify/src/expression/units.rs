//! Units of measurement, exactly: a scale to base units and a dimension.

use std::collections::HashMap;
use std::sync::LazyLock;

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::One;

/// Exponents of length, mass, time, angle, memory, and four currencies.
type Dimension = [i8; 9];

const LENGTH: usize = 0;
const MASS: usize = 1;
const TIME: usize = 2;
const ANGLE: usize = 3;
const MEMORY: usize = 4;
const DOLLAR: usize = 5;
const EURO: usize = 6;
const POUND: usize = 7;
const OTHER_MONEY: usize = 8;

/// A unit: known ones have a dimension, others only their words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    /// How many base units one of it is.
    pub scale: BigRational,
    dimension: Dimension,
    /// Words without a known meaning (`apples`), in lower case.
    pub label: String,
}

/// How two units stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinship {
    /// They measure the same thing; scales convert.
    Same,
    /// They measure different things.
    Different,
    /// At least one of them is not known well enough to say.
    Unclear,
}

impl Unit {
    /// No unit at all.
    pub(super) fn none() -> Self {
        Self {
            scale: BigRational::one(),
            dimension: [0; 9],
            label: String::new(),
        }
    }

    /// A unit by words only.
    pub(super) fn labelled(label: &str) -> Self {
        Self {
            label: label.to_lowercase(),
            ..Self::none()
        }
    }

    /// The degree of arc.
    pub(super) fn degree() -> Self {
        Self::base(1, 1, &[(ANGLE, 1)])
    }

    fn base(numerator: i64, divisor: i64, powers: &[(usize, i8)]) -> Self {
        let mut unit = Self::none();
        unit.scale = BigRational::new(BigInt::from(numerator), BigInt::from(divisor.max(1)));
        for (index, power) in powers {
            if let Some(slot) = unit.dimension.get_mut(*index) {
                *slot = *power;
            }
        }
        unit
    }

    /// Whether it is a known unit with a dimension.
    pub(super) fn is_known(&self) -> bool {
        self.dimension != [0; 9]
    }

    /// Whether it is an angle in degrees.
    pub(super) fn is_degree(&self) -> bool {
        *self == Self::degree()
    }

    /// The unit raised to a whole power.
    pub(super) fn power(&self, exponent: i8) -> Option<Self> {
        if exponent == 0 || exponent.unsigned_abs() > 6 {
            return None;
        }
        let mut unit = self.clone();
        unit.scale = self.scale.pow(i32::from(exponent));
        for slot in &mut unit.dimension {
            *slot = slot.checked_mul(exponent)?;
        }
        if !unit.label.is_empty() {
            unit.label = format!("{}^{exponent}", unit.label);
        }
        Some(unit)
    }

    /// The product of two units.
    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        let mut unit = self.clone();
        unit.scale = &self.scale * &other.scale;
        for (slot, more) in unit.dimension.iter_mut().zip(other.dimension) {
            *slot = slot.checked_add(more)?;
        }
        let words = [self.label.as_str(), other.label.as_str()];
        words.join(" ").trim().clone_into(&mut unit.label);
        Some(unit)
    }

    /// Compares what two units measure.
    pub(super) fn kinship(&self, other: &Self) -> Kinship {
        let same_words = same_label(&self.label, &other.label);
        match (self.is_known(), other.is_known()) {
            (true, true) if self.dimension != other.dimension => Kinship::Different,
            (true, true) | (false, false) if same_words => Kinship::Same,
            _ => Kinship::Unclear,
        }
    }
}

/// Whether one label says the same as the other, or part of it (`eggs`, `fresh egg`).
fn same_label(a: &str, b: &str) -> bool {
    let words = |label: &str| -> Vec<String> {
        label
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !matches!(*word, "" | "of" | "the" | "a" | "in" | "per" | "each"))
            .map(|word| word.strip_suffix('s').unwrap_or(word).to_owned())
            .collect()
    };
    let (a, b) = (words(a), words(b));
    a.iter().all(|word| b.contains(word)) || b.iter().all(|word| a.contains(word))
}

const LENGTHS: &[(&str, i64, i64)] = &[
    ("m|meter|metre", 1, 1),
    ("km|kilometer|kilometre", 1000, 1),
    ("dm|decimeter|decimetre", 1, 10),
    ("cm|centimeter|centimetre", 1, 100),
    ("mm|millimeter|millimetre", 1, 1000),
    ("μm|um|micrometer|micron", 1, 1_000_000),
    ("nm|nanometer|nanometre", 1, 1_000_000_000),
    ("mi|mile", 1_609_344, 1000),
    ("yd|yard", 9144, 10_000),
    ("ft|foot|feet", 3048, 10_000),
    ("in|inch|inche", 254, 10_000),
];
const MASSES: &[(&str, i64, i64)] = &[
    ("kg|kilogram|kilo", 1, 1),
    ("g|gram|gm", 1, 1000),
    ("mg|milligram", 1, 1_000_000),
    ("t|ton|tonne", 1000, 1),
    ("lb|lbs|pound", 45_359_237, 100_000_000),
    ("oz|ounce", 45_359_237, 1_600_000_000),
];
const TIMES: &[(&str, i64, i64)] = &[
    ("s|sec|second", 1, 1),
    ("ms|millisecond", 1, 1000),
    ("min|minute", 60, 1),
    ("h|hr|hour", 3600, 1),
    ("day|d", 86_400, 1),
    ("week|wk", 604_800, 1),
];
const VOLUMES: &[(&str, i64, i64)] = &[
    ("l|liter|litre", 1, 1000),
    ("ml|milliliter|millilitre|cc", 1, 1_000_000),
    ("cl|centiliter", 1, 100_000),
    ("gal|gallon", 3_785_411_784, 1_000_000_000_000),
    ("qt|quart", 946_352_946, 1_000_000_000_000),
];

/// A scale, its divisor, and the power of a base unit that is measured.
type Simple = (i64, i64, (usize, i8));

/// All names of the tables above.
static SIMPLE: LazyLock<HashMap<&'static str, Simple>> = LazyLock::new(|| {
    let mut found = HashMap::new();
    for (table, power) in [
        (LENGTHS, (LENGTH, 1)),
        (MASSES, (MASS, 1)),
        (TIMES, (TIME, 1)),
        (VOLUMES, (LENGTH, 3)),
    ] {
        for (names, scale, divisor) in table {
            for name in names.split('|') {
                found.entry(name).or_insert((*scale, *divisor, power));
            }
        }
    }
    found
});

/// Looks a single word up; plural and case are forgiven where that is safe.
pub(super) fn lookup(word: &str) -> Option<Unit> {
    let lower = word.trim_end_matches('.').to_lowercase();
    // Abbreviations keep their case: `M` is no metre. `L` and `KM` are written either way.
    let exact = word.chars().count() > 2
        || word == lower
        || matches!(word, "L" | "mL" | "KM" | "Km" | "Kg");
    if !exact {
        return special(word);
    }
    let find = |name: &str| {
        let simple = SIMPLE.get(name);
        let simple = simple.map(|(scale, divisor, power)| Unit::base(*scale, *divisor, &[*power]));
        simple.or_else(|| special(name))
    };
    find(&lower).or_else(|| {
        let singular = lower.strip_suffix('s').filter(|_| lower.len() > 3)?;
        find(singular)
    })
}

fn special(word: &str) -> Option<Unit> {
    let energy: &[(usize, i8)] = &[(LENGTH, 2), (MASS, 1), (TIME, -2)];
    let power: &[(usize, i8)] = &[(LENGTH, 2), (MASS, 1), (TIME, -3)];
    let force: &[(usize, i8)] = &[(LENGTH, 1), (MASS, 1), (TIME, -2)];
    let pressure: &[(usize, i8)] = &[(LENGTH, -1), (MASS, 1), (TIME, -2)];
    let (numerator, divisor, powers): (i64, i64, &[(usize, i8)]) = match word {
        "degree" | "deg" => (1, 1, &[(ANGLE, 1)]),
        "mph" => (44_704, 100_000, &[(LENGTH, 1), (TIME, -1)]),
        "kmh" | "kph" => (10, 36, &[(LENGTH, 1), (TIME, -1)]),
        "acre" => (40_468_564_224, 10_000_000, &[(LENGTH, 2)]),
        "hectare" | "ha" => (10_000, 1, &[(LENGTH, 2)]),
        "J" | "joule" => (1, 1, energy),
        "kJ" | "kilojoule" => (1000, 1, energy),
        "MJ" => (1_000_000, 1, energy),
        "cal" | "calorie" => (4184, 1000, energy),
        "kcal" | "kilocalorie" => (4184, 1, energy),
        "kWh" | "kwh" => (3_600_000, 1, energy),
        "W" | "watt" => (1, 1, power),
        "kW" | "kilowatt" => (1000, 1, power),
        "N" | "newton" => (1, 1, force),
        "kN" => (1000, 1, force),
        "Pa" | "pascal" => (1, 1, pressure),
        "kPa" => (1000, 1, pressure),
        "atm" => (101_325, 1, pressure),
        "Hz" | "hertz" => (1, 1, &[(TIME, -1)]),
        "kHz" => (1000, 1, &[(TIME, -1)]),
        "bit" => (1, 8, &[(MEMORY, 1)]),
        "byte" => (1, 1, &[(MEMORY, 1)]),
        "kB" | "kilobyte" => (1000, 1, &[(MEMORY, 1)]),
        "MB" | "megabyte" => (1_000_000, 1, &[(MEMORY, 1)]),
        "GB" | "gigabyte" => (1_000_000_000, 1, &[(MEMORY, 1)]),
        "$" | "usd" | "USD" | "dollar" => (1, 1, &[(DOLLAR, 1)]),
        "cent" | "¢" => (1, 100, &[(DOLLAR, 1)]),
        "€" | "eur" | "EUR" | "euro" => (1, 1, &[(EURO, 1)]),
        "£" | "gbp" | "GBP" => (1, 1, &[(POUND, 1)]),
        "¥" | "yuan" | "yen" | "₹" | "rupee" | "rs" | "Rs" => {
            let mut unit = Unit::base(1, 1, &[(OTHER_MONEY, 1)]);
            unit.label = word.to_lowercase();
            return Some(unit);
        }
        _ => return None,
    };
    Some(Unit::base(numerator, divisor, powers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_exactly() {
        let ratio = |a: &str, b: &str| {
            let (a, b) = (lookup(a).unwrap(), lookup(b).unwrap());
            assert_eq!(a.kinship(&b), Kinship::Same);
            a.scale / b.scale
        };
        assert_eq!(ratio("m", "cm"), BigRational::from_integer(100.into()));
        assert_eq!(ratio("hours", "min"), BigRational::from_integer(60.into()));
        assert_eq!(
            ratio("feet", "inches"),
            BigRational::from_integer(12.into())
        );
        assert_eq!(
            ratio("dollars", "cents"),
            BigRational::from_integer(100.into())
        );
    }

    #[test]
    fn what_is_not_a_unit_is_not_found() {
        for word in ["M", "x", "apples", "K", ""] {
            assert_eq!(lookup(word), None, "{word}");
        }
        let (metre, second) = (lookup("m").unwrap(), lookup("s").unwrap());
        assert_eq!(metre.kinship(&second), Kinship::Different);
    }
}
