//! Comparison by property: on any text, and on expressions equal or different by construction.

use autodidact_verify::{Options, Outcome, compare_expressions};
use proptest::prelude::*;

/// Pieces that the reader looks for, which random text hardly ever holds.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\\frac",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "|",
        "^",
        "_",
        "\\sqrt",
        "1",
        "23",
        "0.5",
        "x",
        "y",
        "\\pi",
        "e",
        "i",
        "+",
        "-",
        "*",
        "/",
        "=",
        "<",
        "\\le",
        ",",
        ";",
        "\\pm",
        "!",
        "%",
        "\\sin",
        "\\ln",
        "\\cup",
        "\\infty",
        "\\in",
        "\\{",
        "\\}",
        "\\text{",
        "cm",
        "m",
        " ",
        "\\\\",
        "\\begin{pmatrix}",
        "\\end{pmatrix}",
        "&",
        "$",
        "\\$",
        "°",
        "or",
        "and",
        "three",
        "...",
        "\\boxed{",
        "1,000",
        ":",
        "\\left",
        "\\right",
        "½",
        "²",
        "\\binom",
        "\\log_2",
    ]);
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// A formula with a value for every point, as LaTeX, and the same formula written another way.
#[derive(Debug, Clone)]
enum Formula {
    Number(u32),
    Letter(char),
    Root(u32),
    Sum(Box<Formula>, Box<Formula>),
    Difference(Box<Formula>, Box<Formula>),
    Product(Box<Formula>, Box<Formula>),
    Half(Box<Formula>),
    Square(Box<Formula>),
    Sine(Box<Formula>),
}

fn formulas() -> impl Strategy<Value = Formula> {
    let leaf = prop_oneof![
        (1_u32..50).prop_map(Formula::Number),
        prop::sample::select(vec!['x', 'y', 'a']).prop_map(Formula::Letter),
        (2_u32..20).prop_map(Formula::Root),
    ];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone()
                .prop_map(|(a, b)| Formula::Sum(Box::new(a), Box::new(b))),
            two.clone()
                .prop_map(|(a, b)| Formula::Difference(Box::new(a), Box::new(b))),
            two.prop_map(|(a, b)| Formula::Product(Box::new(a), Box::new(b))),
            inner.clone().prop_map(|a| Formula::Half(Box::new(a))),
            inner.clone().prop_map(|a| Formula::Square(Box::new(a))),
            inner.prop_map(|a| Formula::Sine(Box::new(a))),
        ]
    })
}

impl Formula {
    fn latex(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Letter(c) => c.to_string(),
            Self::Root(n) => format!("\\sqrt{{{n}}}"),
            Self::Sum(a, b) => format!("\\left({}+{}\\right)", a.latex(), b.latex()),
            Self::Difference(a, b) => format!("({}-({}))", a.latex(), b.latex()),
            Self::Product(a, b) => format!("({})\\cdot({})", a.latex(), b.latex()),
            Self::Half(a) => format!("\\frac{{{}}}{{2}}", a.latex()),
            Self::Square(a) => format!("({})^2", a.latex()),
            Self::Sine(a) => format!("\\sin({})", a.latex()),
        }
    }

    /// The same value by other operations.
    fn rewritten(&self) -> String {
        match self {
            Self::Number(n) => format!("({}-{})", n + 3, 3),
            Self::Letter(c) => format!("(3{c}-2{c})"),
            Self::Root(n) => format!("\\frac{{{n}}}{{{n}^{{1/2}}}}"),
            Self::Sum(a, b) => format!("({} + {})", b.rewritten(), a.rewritten()),
            Self::Difference(a, b) => format!("(-({})+{})", b.rewritten(), a.rewritten()),
            Self::Product(a, b) => format!("({})({})", b.rewritten(), a.rewritten()),
            Self::Half(a) => format!("0.5*({})", a.rewritten()),
            Self::Square(a) => format!("({})*({})", a.rewritten(), a.latex()),
            Self::Sine(a) => format!("-\\sin(-({}))", a.rewritten()),
        }
    }
}

fn outcome(gold: &str, candidate: &str) -> Outcome {
    compare_expressions(gold, candidate, &Options::default()).outcome
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_text_panics(a in pieces(), b in pieces(), any in any::<String>()) {
        for (gold, candidate) in [(&a, &b), (&any, &a), (&a, &any)] {
            let found = compare_expressions(gold, candidate, &Options::default());
            prop_assert!(found.operations <= 5_000_000);
        }
    }

    #[test]
    fn reflexive(text in "[a-z0-9]{1,3}[-+*/^()a-z0-9 .,]{0,20}") {
        let nan = text.trim().eq_ignore_ascii_case("nan");
        prop_assume!(!nan);
        prop_assert_eq!(outcome(&text, &text), Outcome::Equal);
    }

    #[test]
    fn symmetric_when_asked(a in pieces(), b in pieces()) {
        let options = Options { symmetric: true, ..Options::default() };
        let there = compare_expressions(&a, &b, &options).outcome;
        let back = compare_expressions(&b, &a, &options).outcome;
        prop_assert_eq!(there, back, "{} | {}", a, b);
    }

    #[test]
    fn equal_by_construction(formula in formulas()) {
        let (gold, candidate) = (formula.latex(), formula.rewritten());
        let found = compare_expressions(&gold, &candidate, &Options::default());
        let budget = matches!(&found.outcome, Outcome::Unknown(why) if why.contains("budget"));
        prop_assert!(found.outcome == Outcome::Equal || budget, "{gold} | {candidate}: {found:?}");
    }

    #[test]
    fn different_by_one_edit(formula in formulas(), edit in 1_u32..9) {
        let gold = formula.latex();
        for candidate in [
            format!("{}+{edit}", formula.rewritten()),
            format!("{}+\\frac{{{edit}}}{{10^{{12}}}}", formula.latex()),
            format!("{}+b", formula.rewritten()),
        ] {
            let found = compare_expressions(&gold, &candidate, &Options::default());
            prop_assert_eq!(&found.outcome, &Outcome::Different, "{} | {}: {:?}", gold, candidate, found);
        }
    }

    #[test]
    fn type_setting_does_not_matter(formula in formulas()) {
        let latex = formula.latex();
        for candidate in [
            latex.replace("\\frac", "\\dfrac"),
            latex.replace("\\left", "").replace("\\right", ""),
            latex.replace("\\cdot", " \\times "),
            latex.replace('+', " + ").replace('-', " - "),
            format!("$\\displaystyle {latex}$"),
            format!("\\boxed{{{latex}}}"),
            format!("\\[ {latex}. \\]"),
            latex.replace('(', "\\bigl(").replace(')', "\\bigr)"),
        ] {
            let found = compare_expressions(&latex, &candidate, &Options::default());
            let budget = matches!(&found.outcome, Outcome::Unknown(why) if why.contains("budget"));
            prop_assert!(found.outcome == Outcome::Equal || budget, "{latex} | {candidate}: {found:?}");
        }
    }

    #[test]
    fn groups_of_thousands_do_not_matter(n in 1_000_i64..1_000_000_000_000, cents in 0_u32..100) {
        let digits = n.to_string();
        let grouped = |mark: &str| {
            let mut text = String::new();
            for (place, digit) in digits.chars().enumerate() {
                if place > 0 && (digits.len() - place) % 3 == 0 {
                    text.push_str(mark);
                }
                text.push(digit);
            }
            text
        };
        for mark in [",", "{,}", "\\,", ",\\!", " ", "\u{2009}"] {
            prop_assert_eq!(outcome(&digits, &grouped(mark)), Outcome::Equal, "{}", grouped(mark));
            let with_cents = format!("{digits}.{cents:02}");
            let candidate = format!("\\${}.{cents:02}", grouped(mark));
            prop_assert_eq!(outcome(&with_cents, &candidate), Outcome::Equal, "{}", candidate);
        }
        prop_assert_eq!(outcome(&digits, &grouped(",").replacen(',', "", 1).replace(',', "")), Outcome::Equal);
        prop_assert_eq!(outcome(&digits, &(n + 1).to_string()), Outcome::Different);
    }
}
