//! What a caller may decide: every point where sensible graders differ is an option.

/// How many wrong digits are forgiven.
///
/// A tolerance applies where one side is written as a decimal, and a distance or a share between whole
/// numbers too; `1/3` and `1/4` never become equal by it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    /// Both sides agree when rounded to this many digits after the point.
    Places(u32),
    /// The difference is at most this share of gold (`0.01` is one percent).
    Relative(f64),
    /// The difference is at most this.
    Absolute(f64),
}

/// How commas and points inside numbers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NumberFormat {
    /// `1,234.5`: the point is the decimal mark. A lone `1,22` is a decimal if the other side is
    /// written as one number with a decimal point, otherwise two numbers.
    #[default]
    Automatic,
    /// `1,234.5`: a comma never is a decimal mark.
    Point,
    /// `1.234,5`: the comma is the decimal mark, points group thousands.
    Comma,
}

/// What a percent sign on one side only means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Percent {
    /// `10%` equals both `10` and `0.1`.
    #[default]
    Either,
    /// `10%` equals `0.1` only.
    Fraction,
}

/// The policies of a comparison; [`Options::default`] is what graders of mathematics expect.
///
/// Two defaults are not symmetric, because gold is trusted and the candidate is not: an interval
/// as candidate answers gold's inequality but an inequality does not answer gold's interval (it may
/// only echo the question), and a numeral in another base is not worked out for gold in base ten.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools)] // each is an independent policy with its own name
pub struct Options {
    /// Compare in both directions: equal if either direction says so.
    pub symmetric: bool,
    /// How far decimals may be off; `None` is exact, up to `rounded_places`.
    pub tolerance: Option<Tolerance>,
    /// A decimal with at least this many digits after the point counts as equal to an exact value
    /// that it rounds correctly (`0.333333` for `1/3`); `None` never does.
    pub rounded_places: Option<u32>,
    /// How commas and points in numbers are read.
    pub number_format: NumberFormat,
    /// What a percent sign on one side means.
    pub percent: Percent,
    /// `(1,3)` equals `{1,3}`, written in the same order.
    pub lenient_set_tuple: bool,
    /// `three` equals `3`, `$1.2 million` equals `1200000`.
    pub number_words: bool,
    /// A candidate `-2 <= x <= 7` answers gold `x in [-2,7]`.
    pub inequality_answers_interval: bool,
    /// `204_5` equals its decimal value `54`.
    pub convert_bases: bool,
    /// Units are converted (`5 m` equals `500 cm`); otherwise they must be the same.
    pub convert_units: bool,
    /// A candidate without unit answers gold that has one, and the other way round.
    pub accept_missing_unit: bool,
    /// A formula may begin or end at a line break (`$`, a line with `9`, `$`), as models write it.
    /// Otherwise such a `$` opens no formula, which is how Markdown reads it, and what stands there is
    /// not accepted.
    pub lenient_delimiters: bool,
    /// The unit a bare gold number is in (`"cm"`).
    pub gold_unit: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            symmetric: false,
            tolerance: None,
            rounded_places: Some(6),
            number_format: NumberFormat::Automatic,
            percent: Percent::Either,
            lenient_set_tuple: true,
            number_words: true,
            inequality_answers_interval: false,
            convert_bases: false,
            convert_units: true,
            accept_missing_unit: true,
            lenient_delimiters: true,
            gold_unit: None,
        }
    }
}
