//! Numbers against gold: which number of a statement is the answer, and what counts as equal.

use autodidact_core::Verification;
use num_bigint::BigInt;
use num_rational::BigRational;

use crate::expression;
use crate::extraction::{Place, Statement};
use crate::latex::Plain;
use crate::literal::Reading;
use crate::number::{Cluster, Value, clusters};
use crate::verifier::{cannot_tell, decided};

/// A gold answer that is one number.
pub(crate) struct NumericGold<'a> {
    gold: &'a str,
    wanted: Value,
}

impl<'a> NumericGold<'a> {
    /// Reads gold; the error says why it cannot be compared with.
    pub(crate) fn read(gold: &'a str) -> Result<Self, String> {
        let wanted =
            read_gold(gold).ok_or_else(|| format!("the gold answer `{gold}` is not one number"))?;
        Ok(Self { gold, wanted })
    }

    /// The freedom that this gold leaves in reading numbers.
    fn reading(&self) -> Reading {
        Reading {
            decimal_comma: !self.wanted.number.is_integer(),
            space_groups: self.wanted.number.numer().magnitude() >= &1000u32.into(),
        }
    }

    /// The number of a statement that is its answer, as it is written there; the error is the
    /// verification that says why there is none.
    pub(crate) fn written(&self, statement: &Statement<'_>) -> Result<String, Box<Verification>> {
        let plain = Plain::new(&statement.text);
        let found = clusters(&plain, self.reading());
        let place = statement.place.as_str();
        let Some(chosen) = choose(&plain, &found, statement) else {
            return Err(Box::new(cannot_tell(
                format!("no number found {place}"),
                None,
            )));
        };
        let written = plain.written(chosen.start, chosen.end).to_owned();
        if chosen.value.is_none() {
            let reason = format!("`{written}`, {place}, is not one number");
            return Err(Box::new(cannot_tell(reason, Some(written))));
        }
        let unit = chosen
            .value
            .as_ref()
            .map_or("", |value| value.unit.as_str());
        let measure = expression::is_unit(unit);
        Ok(if measure && !written.to_lowercase().ends_with(unit) {
            format!("{written} {unit}")
        } else {
            written
        })
    }
}

/// Compares the final number of a statement with gold, exactly, as rationals.
///
/// Percent signs: gold `10%` equals `10%`, `10` and `0.1`; gold `10` equals `10%` (the sign is
/// ignored, as lm-evaluation-harness does for GSM8K); gold `0.1` equals `10%`.
pub(crate) fn verify_number(gold: &NumericGold<'_>, statement: &Statement<'_>) -> Verification {
    let reading = gold.reading();
    let NumericGold { gold, wanted } = gold;
    let plain = Plain::new(&statement.text);
    let found = clusters(&plain, reading);
    let place = statement.place.as_str();
    let Some(chosen) = choose(&plain, &found, statement) else {
        return cannot_tell(format!("no number found {place}"), None);
    };
    let written = plain.written(chosen.start, chosen.end).to_owned();
    let Some(value) = &chosen.value else {
        let reason = format!("`{written}`, {place}, is not one number");
        return cannot_tell(reason, Some(written));
    };
    if let Some((theirs, ours)) = units_differ(value, wanted) {
        let how = format!("`{written}`, {place}, is in {theirs}, gold `{gold}` in {ours}");
        return decided(false, written, how);
    }
    let rule = agreement(value, wanted);
    let how = format!(
        "the number {place}, `{written}`, {} gold `{gold}`{}",
        if rule.is_some() { "equals" } else { "is not" },
        rule.unwrap_or("")
    );
    decided(rule.is_some(), written, how)
}

/// Gold must be exactly one number, with a unit or a currency at most.
fn read_gold(gold: &str) -> Option<Value> {
    let free = Reading {
        decimal_comma: true,
        space_groups: true,
    };
    let gold = gold.rsplit("####").next().unwrap_or(gold);
    let plain = Plain::new(gold);
    let mut found = clusters(&plain, free);
    if found.len() == 1 {
        found.pop()?.value
    } else {
        None
    }
}

/// Picks the cluster that is the answer.
///
/// After a mark, a number that follows at once counts (`The answer is 72. Next question …`);
/// where words come between (`The answer is that each of the 3 gets 4`), the last one of the line.
/// In an equation the last side that is one number counts. Without a mark it is the last number.
fn choose<'a>(
    plain: &Plain<'_>,
    found: &'a [Cluster],
    statement: &Statement<'_>,
) -> Option<&'a Cluster> {
    match statement.place {
        Place::Unmarked => found.last(),
        Place::Boxed => equation(plain, found).or_else(|| match found {
            [only] => Some(only),
            // `\boxed{1, 2}` is a list. Report it as such by its first part that has no value.
            _ => found.iter().find(|cluster| cluster.value.is_none()),
        }),
        Place::Marked => {
            let first = found.first()?;
            let direct = !plain.chars[..first.start]
                .iter()
                .any(|c| c.is_alphanumeric());
            let end = line_end(plain, first.start, direct);
            let count = found.iter().take_while(|cluster| cluster.start < end);
            let line = &found[..count.count()];
            let fallback = if direct { line.first() } else { line.last() };
            equation(plain, line).or(fallback)
        }
    }
}

/// Where the statement that contains `from` ends: the end of its sentence, or of its line.
fn line_end(plain: &Plain<'_>, from: usize, sentence: bool) -> usize {
    let ends = |at: &usize| match plain.chars[*at] {
        '\n' => true,
        '.' | '?' | ';' => sentence && plain.chars.get(at + 1).is_none_or(|c| c.is_whitespace()),
        _ => false,
    };
    (from..plain.chars.len())
        .find(ends)
        .unwrap_or(plain.chars.len())
}

/// In `a = b = c` the last side that starts with one number.
fn equation<'a>(plain: &Plain<'_>, found: &'a [Cluster]) -> Option<&'a Cluster> {
    let first = found.first()?;
    let mut chosen = None;
    let mut seen_sign = plain.chars[..first.start].contains(&'=');
    let mut any_sign = seen_sign;
    if seen_sign || first.value.is_some() {
        chosen = Some(first);
    }
    for pair in found.windows(2) {
        let between = pair[0].end.min(pair[1].start)..pair[1].start;
        seen_sign = plain.chars[between].contains(&'=');
        any_sign |= seen_sign;
        if seen_sign && pair[1].value.is_some() {
            chosen = Some(&pair[1]);
        }
    }
    chosen.filter(|_| any_sign)
}

/// The two units, if both numbers have one that is known and not the same. Units are never converted
/// here; other words after a number (`apples`) are not compared.
fn units_differ<'a>(value: &'a Value, wanted: &'a Value) -> Option<(&'a str, &'a str)> {
    let same = expression::same_unit(&value.unit, &wanted.unit)?;
    (!same).then_some((value.unit.as_str(), wanted.unit.as_str()))
}

/// How the two are equal, in words that complete a sentence; `None` if they are not.
fn agreement(value: &Value, wanted: &Value) -> Option<&'static str> {
    let hundredth = |number: &BigRational| number / BigInt::from(100);
    match (value.percent, wanted.percent) {
        _ if value.number == wanted.number => Some(if value.percent == wanted.percent {
            ""
        } else {
            ", the percent sign ignored"
        }),
        (true, false) if hundredth(&value.number) == wanted.number => Some(" as a fraction"),
        (false, true) if value.number == hundredth(&wanted.number) => Some(" as a fraction"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use autodidact_core::{Verdict, VerifyKind};

    use super::*;
    use crate::verify_answer;

    fn verify_number(gold: &str, text: &str) -> Verification {
        verify_answer(VerifyKind::Number, gold, &[], text)
    }

    #[track_caller]
    fn assert_verdicts(cases: &[(&str, &str, char)]) {
        for (gold, text, expected) in cases {
            let found = verify_number(gold, text);
            let got = match found.verdict {
                Verdict::Right => 'r',
                Verdict::Wrong => 'w',
                Verdict::CannotTell(_) => '?',
            };
            assert_eq!(got, *expected, "gold {gold}, text {text:?}: {found:?}");
        }
    }

    #[test]
    fn cases_that_lm_eval_gets_wrong() {
        assert_verdicts(&[
            ("18", "#### 18", 'r'),
            ("18", "The answer is 18.", 'r'),
            ("18", "The answer is 18.00.", 'r'),
            ("29", "costs $29.00.", 'r'),
            ("70000", "#### $70,000", 'r'),
            ("70000", "#### 70,000.00", 'r'),
            ("3", "####3", 'r'),
            ("5", "She has 5 apples, not 7.", 'w'),
            ("72", "The answer is 72.\nQ2: 5+5 = 10", 'r'),
            ("0.5", "1/2", 'r'),
            ("7", "7/3", 'w'),
            ("3", "7/3", 'w'),
            ("10", "10-5", '?'),
            ("5", "10-5", '?'),
            ("12", "It is 12:30", '?'),
            ("30", "It is 12:30", '?'),
            ("20", "20%", 'r'),
        ]);
    }

    #[test]
    fn ways_to_write_a_number() {
        assert_verdicts(&[
            ("7425000", "7,425,000", 'r'),
            ("1000", "1 000", 'r'),
            ("1000.99", "1000,99", 'r'),
            ("1,22", "1.22", 'r'),
            ("1.000", "1000", 'w'),
            ("0.4", ".4", 'r'),
            ("1000.99", "$1,000.99", 'r'),
            ("1000.99", "1,000.99 €", 'r'),
            ("1000.99", "1,000.99m^2", 'r'),
            ("2", "AZYUK2A", '?'),
            ("19", "COVID-19", '?'),
            ("10/9", r"\frac{10}{9}", 'r'),
            ("1/3", r"\boxed{\frac13 \text{meters}}", 'r'),
            ("1/3", r"k = \dfrac{1}{3}", 'r'),
            ("-1/2", r"\frac{-1}{2}", 'r'),
            ("3/2", r"1\frac{1}{2}", 'r'),
            ("1.5", "the answer is 1 1/2 cups", 'r'),
            ("90", r"90^\circ", 'r'),
            ("5", r"5\text{cm}", 'r'),
            ("32349", r"32,\!349", 'r'),
            ("32349", "32, 349", 'w'),
            ("4", "004", 'r'),
            ("4", r"4\sqrt2", '?'),
            ("1000", "10^{3}", 'r'),
            ("300000000", r"3 \times 10^8", 'r'),
            ("0.00015", "1.5e-4", 'r'),
            ("0", "-0", 'r'),
            ("-5", "The answer is −5.", 'r'),
            ("-5", "The answer is -$5", 'r'),
            ("5", "The answer is:\n- 5 apples", 'r'),
            ("5", "+5", 'r'),
            ("1200000", "$1.2 million", 'r'),
            ("2021", r"\pm 2021", '?'),
            ("5", "5-year-old", 'r'),
        ]);
    }

    #[test]
    fn percent_policy() {
        assert_verdicts(&[
            ("10%", "10%", 'r'),
            ("10%", "10 percent", 'r'),
            ("10%", "10", 'r'),
            ("10%", "0.1", 'r'),
            (r"10\%", r"\boxed{10\%}", 'r'),
            ("10", "10%", 'r'),
            ("0.1", "10%", 'r'),
            ("10", "0.1", 'w'),
            ("10%", "1000", 'w'),
        ]);
    }

    #[test]
    fn the_last_statement_and_its_equation_count() {
        assert_verdicts(&[
            ("4", r"first \boxed{3} then \boxed{4}", 'r'),
            ("12", "The answer is 5 + 7 = 12 apples.", 'r'),
            ("12", "The answer is 5 apples + 7 apples = 12 apples.", 'r'),
            ("12", "The answer is 12 = 3 x 4.", 'r'),
            ("11", r"The answer is x \approx 11", 'r'),
            ("4", "The answer is that each of the 3 friends gets 4.", 'r'),
            ("72", "<think>24, 48</think> The answer is 72.", 'r'),
            ("42", r"\[ \boxed{42} \]", 'r'),
            ("5", "I do not know.", '?'),
            ("5", "", '?'),
            ("5", "5 is what I thought. The answer is", '?'),
            ("2", r"\boxed{-2,1}", '?'),
            ("1", r"\boxed{1, 2}", '?'),
            ("13", r"\boxed{\text{13}}", 'r'),
            ("125 miles", r"\boxed{125\textnormal{ miles}}", 'r'),
            ("5 m", "5 cm", 'w'),
            ("5 m", "5 meters", 'r'),
            ("many", "5", '?'),
        ]);
    }

    #[test]
    fn the_answer_is_reported_as_written() {
        let found = verify_number("70000", "Thus. The answer is $70,000.00 in all.");
        assert_eq!(found.extracted.as_deref(), Some("$70,000.00"), "{found:?}");
        assert!(found.how.contains("after the last answer mark"));
    }
}
