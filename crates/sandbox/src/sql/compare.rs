//! Rows as values, and when they are the same.

use rusqlite::types::ValueRef;

/// Digits of a number that count; sums depend on the order of rows in the last ones.
const DIGITS: usize = 10;

/// A value, so written that equal ones are the same. Numbers compare by value, whatever their type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Null,
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<ValueRef<'_>> for Cell {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Number(number.to_string()),
            ValueRef::Real(number) => Self::Number(real(number)),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_owned()),
        }
    }
}

fn real(number: f64) -> String {
    // Whole numbers that a 64-bit float holds exactly are written as such.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        return (number as i64).to_string();
    }
    let text = format!("{number:.*e}", DIGITS - 1);
    // A sum that is a whole number but for its last digits.
    match text.parse::<f64>() {
        Ok(rounded) if rounded.fract() == 0.0 && rounded.abs() < 9_007_199_254_740_992.0 => {
            (rounded as i64).to_string()
        }
        _ => text,
    }
}

pub(super) type Rows = Vec<Vec<Cell>>;

/// True if two results are the same, in order or as multisets.
pub(super) fn same(mut one: Rows, mut other: Rows, ordered: bool) -> bool {
    if !ordered {
        one.sort();
        other.sort();
    }
    one == other
}

/// True if a query ends with an ORDER BY of its own, not of a part in parentheses.
pub(super) fn orders(query: &str) -> bool {
    let plain = outside(query).to_lowercase();
    let words: Vec<&str> = plain
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    words.windows(2).any(|pair| pair == ["order", "by"])
}

/// The query without comments, texts, names in quotes and what stands in parentheses.
fn outside(query: &str) -> String {
    let mut kept = String::new();
    let mut depth = 0_usize;
    let mut rest = query.chars().peekable();
    while let Some(c) = rest.next() {
        let end = match c {
            '\'' | '"' | '`' => c,
            '[' => ']',
            '-' if rest.peek() == Some(&'-') => '\n',
            '/' if rest.peek() == Some(&'*') => {
                let mut star = false;
                rest.next();
                for c in rest.by_ref() {
                    if star && c == '/' {
                        break;
                    }
                    star = c == '*';
                }
                kept.push(' ');
                continue;
            }
            _ => {
                match c {
                    '(' => depth += 1,
                    ')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                kept.push(if depth == 0 { c } else { ' ' });
                continue;
            }
        };
        kept.push(' ');
        rest.by_ref().find(|c| *c == end);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_an_order_of_the_whole_counts() {
        assert!(orders("SELECT a FROM t ORDER  BY a"));
        assert!(orders("select a from t order/* x */by\na limit 1"));
        assert!(!orders("SELECT a FROM (SELECT a FROM t ORDER BY a)"));
        assert!(!orders("SELECT rank() OVER (ORDER BY a) FROM t"));
        assert!(!orders("SELECT 'order by' FROM t -- order by a"));
        assert!(!orders("SELECT a AS \"order by\" FROM t"));
    }

    #[test]
    fn numbers_are_the_same_by_value() {
        let cell = |x: f64| Cell::from(ValueRef::Real(x));
        assert_eq!(cell(3.0), Cell::from(ValueRef::Integer(3)));
        assert_eq!(cell(0.1 + 0.2), cell(0.3));
        assert_eq!(
            cell(2.999_999_999_999_999_6),
            Cell::from(ValueRef::Integer(3))
        );
        assert_ne!(cell(0.3), cell(0.300_001));
        assert_ne!(Cell::from(ValueRef::Text(b"3")), cell(3.0));
    }

    proptest! {
        #[test]
        fn any_query_can_be_looked_at(query in "(order by|\\(|\\)|'|\"|/\\*|\\*/|--|\n|\\[|é)*") {
            orders(&query);
        }

        #[test]
        fn multisets_do_not_care_for_order(rows in prop::collection::vec(0_i64..4, 0..6)) {
            let rows: Rows = rows.iter().map(|n| vec![Cell::Number(n.to_string())]).collect();
            let mut turned = rows.clone();
            turned.reverse();
            prop_assert!(same(rows.clone(), turned.clone(), false));
            prop_assert_eq!(same(rows.clone(), turned.clone(), true), rows == turned);
        }
    }
}
