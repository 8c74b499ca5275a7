//! Whatever a model writes, and whatever a data set calls gold, there is a verdict and no panic.

use autodidact_core::{Choice, Verdict, VerifyKind};
use autodidact_verify::{Line, verify_answer};
use proptest::prelude::*;

fn choices() -> Vec<Choice> {
    [("A", "ignore"), ("B", "the desert"), ("C", "")]
        .map(|(label, text)| Choice {
            label: label.into(),
            text: text.into(),
        })
        .to_vec()
}

/// Texts made of the pieces the readers look for, which plain random text hardly ever holds.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("the answer is".to_owned()),
        prop::sample::select(vec![
            "####",
            "Answer:",
            "\\boxed{",
            "\\frac{",
            "}",
            "{",
            "(",
            ")",
            "(a)",
            "$",
            "%",
            "/",
            "-",
            "−",
            "1,000",
            "1.5e9",
            "10^",
            "^",
            "<think>",
            "</think>",
            "<scratch>",
            "</scratch>",
            "\n",
            ".",
            ",",
            ":",
            "=",
            " x ",
            "√",
            "½",
            "1/0",
            "million",
            "é",
            "°",
            "\\",
            "ß",
            "İ",
        ])
        .prop_map(str::to_owned),
        "[0-9]{1,30}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn json_values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map("[a-z]{0,3}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_input_panics(gold in pieces(), text in pieces(), any in any::<String>()) {
        for kind in VerifyKind::ALL {
            for (gold, text) in [(&gold, &text), (&any, &text), (&gold, &any)] {
                let found = verify_answer(kind, gold, &choices(), text);
                prop_assert!(!found.how.is_empty());
                let decided = !matches!(found.verdict, Verdict::CannotTell(_));
                prop_assert!(!decided || found.extracted.is_some());
            }
        }
    }

    #[test]
    fn no_line_panics(any in any::<Vec<u8>>(), pieces in pieces()) {
        drop(Line::parse(&String::from_utf8_lossy(&any)));
        let line = format!("{{\"gold\": {pieces}, \"candidate\": 5}}");
        drop(Line::parse(&line));
    }

    #[test]
    fn json_is_read_back(value in json_values()) {
        let text = serde_json::to_string(&value).unwrap_or_default();
        let pretty = format!("Here:\n```json\n{}\n```", serde_json::to_string_pretty(&value).unwrap_or_default());
        for answer in [&text, &pretty] {
            let found = verify_answer(VerifyKind::Json, &text, &[], answer);
            prop_assert!(found.verdict.is_right(), "{answer}: {found:?}");
        }
    }

    #[test]
    fn a_stated_number_is_found(n in -1_000_000_000i64..1_000_000_000, before in "[a-z ]{0,40}") {
        for text in [
            format!("{before}. The answer is {n}."),
            format!("{before}\n#### {n}"),
            format!("{before} \\boxed{{{n}}} and so on"),
            format!("{before} 7 Answer: {n}\n"),
        ] {
            for kind in [VerifyKind::Number, VerifyKind::Math] {
                let right = verify_answer(kind, &n.to_string(), &[], &text);
                prop_assert!(right.verdict.is_right(), "{text}: {right:?}");
                let wrong = verify_answer(kind, &(n + 1).to_string(), &[], &text);
                prop_assert_eq!(wrong.verdict, Verdict::Wrong);
            }
        }
    }
}

/// Long hostile texts end in time: every reader is linear, or bounded.
#[test]
fn long_texts_are_read_in_time() {
    let started = std::time::Instant::now();
    for piece in [
        "1/",
        "(",
        "\\frac{",
        "1-",
        "the answer is ",
        "<think>",
        "9",
        "1,",
        "- ",
        "10^",
    ] {
        let text = piece.repeat(20_000);
        for kind in [VerifyKind::Number, VerifyKind::Choice, VerifyKind::Exact] {
            verify_answer(kind, "A 5", &choices(), &text);
            verify_answer(kind, "5", &choices(), &text);
        }
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
