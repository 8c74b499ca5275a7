//! The step checker on whatever a model may write.

use autodidact_tasks::{StepCheck, check_equations};
use proptest::prelude::*;

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "=", " + ", " - ", "-", " * ", "/", " x ", "x", "(", ")", "%", " of ", "^", "$", "**",
            "<<", ">>", ".", ",", "\n", ":", " apples ", "é", "\\frac", "\\times", "2x", " 1/0",
            "\\", "≈", "−", "'", "a",
        ])
        .prop_map(str::to_owned),
        "[0-9]{1,40}",
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in pieces(), any in any::<String>()) {
        check_equations(&text);
        check_equations(&any);
    }

    #[test]
    fn true_equations_are_sound_and_false_ones_are_not(
        a in 0i64..100_000, b in 1i64..100_000, operator in prop::sample::select(vec!['+', '-', '*']),
        off in prop::sample::select(vec![-10i64, -1, 1, 7]),
        unit in prop::sample::select(vec!["", " apples", " dollars"]),
        before in prop::sample::select(vec!["", "So ", "Tom has ", "- ", "Step 1: "]),
    ) {
        let value = match operator { '+' => a + b, '-' => a - b, _ => a * b };
        let text = |value: i64| format!("{before}{a}{unit} {operator} {b}{unit} = {value}{unit}.");
        prop_assert_eq!(check_equations(&text(value)), StepCheck::Sound, "{}", text(value));
        let wrong = check_equations(&text(value + off));
        prop_assert!(matches!(wrong, StepCheck::FalseStep(_)), "{}: {:?}", text(value + off), wrong);
    }
}

/// Letters of more than one byte, where an `x` would be a product.
#[test]
fn letters_of_any_width_are_words() {
    for text in ["\u{16ff0}", "3 \u{16ff0}4 = 2", "3é", "3 × é", "é-3 = 4"] {
        assert_eq!(check_equations(text), StepCheck::NothingToCheck, "{text}");
    }
}

#[test]
fn long_hostile_texts_end_in_time() {
    let started = std::time::Instant::now();
    for piece in [
        "1+",
        "1=",
        "(",
        "9",
        "1 apples ",
        "2^",
        "1 * 99999999999999999999 ",
        "1+1=2 ",
    ] {
        check_equations(&piece.repeat(50_000));
        check_equations(&format!("{}=1", piece.repeat(50_000)));
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
