//! Texts as models write them, and the answer in each.
#![allow(clippy::unwrap_used, reason = "a failed test panics")]

use autodidact_core::{Choice, Flag, Verdict, VerifyKind};
use autodidact_verify::NumberFormat::{Automatic, Comma, Point};
use autodidact_verify::{Policies, Request, Tolerance, explain, verify_answer};

fn letter(verdict: &Verdict) -> char {
    match verdict {
        Verdict::Right => 'r',
        Verdict::Wrong => 'w',
        Verdict::CannotTell(_) => '?',
    }
}

/// `n` means not right: wrong or undecided.
#[track_caller]
fn assert_verdicts(kind: VerifyKind, cases: &[(&str, &str, char)]) {
    let mut failed = Vec::new();
    for (gold, text, expected) in cases {
        let found = verify_answer(kind, gold, &[], text);
        let got = letter(&found.verdict);
        let fits = if *expected == 'n' {
            got != 'r'
        } else {
            got == *expected
        };
        if !fits {
            failed.push(format!(
                "gold {gold}, text {text:?}, wanted {expected}: {found:?}"
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Rows 86 to 91 and 102 to 109 of the table of equivalence cases.
#[test]
fn words_letters_and_boxes() {
    assert_verdicts(
        VerifyKind::Math,
        &[
            (r"\text{13}", "13", 'r'),
            (r"\text{E}", "E", 'r'),
            ("d", r"\text{E}", 'n'),
            ("C", r"\text{(C)}", 'r'),
            (r"\text{Evelyn}", "Evelyn", 'r'),
            ("odd", r"\text{odd}", 'r'),
            ("Even", "Even", 'r'),
            ("odd", "Even", 'n'),
            ("A", "Because B is valid", 'n'),
            ("D", r"So \boxed{\frac{q}{\Delta E}} holds. Answer: D", 'r'),
            ("A", "Answer seems to be A", 'r'),
            (
                "72",
                "<think>maybe 24, or 48</think> The answer is 72.",
                'r',
            ),
            ("42", r"\[ \boxed{42} \]", 'r'),
            ("9", "$\n9\n$", 'r'),
            ("1/2", r"\boxed{\frac{1}{2}}", 'r'),
            ("4", r"first \boxed{3} then \boxed{4}", 'r'),
            ("3", r"first \boxed{3} then \boxed{4}", 'n'),
            (r"\boxed{1}\boxed{2}", r"\boxed{1,2}", 'r'),
            ("1, 2", r"\boxed{1}\boxed{2}", 'r'),
            ("-2,1", r"\boxed{-2,1}", 'r'),
        ],
    );
}

/// What the two rules of lm-evaluation-harness get wrong on GSM8K.
#[test]
fn answers_that_extraction_by_one_pattern_loses() {
    assert_verdicts(
        VerifyKind::Math,
        &[
            ("18", "#### 18", 'r'),
            ("18", "The answer is 18.", 'r'),
            ("18", "The answer is 18.00.", 'r'),
            ("29", "costs $29.00.", 'r'),
            ("70000", "#### $70,000", 'r'),
            ("70000", "#### 70,000.00", 'r'),
            ("3", "####3", 'r'),
            ("7", "She has 5 apples, not 7.", 'n'),
            ("72", "The answer is 72.\nQ2: 5+5 = 10", 'r'),
            ("10", "The answer is 72.\nQ2: 5+5 = 10", 'n'),
            ("0.5", "1/2", 'r'),
            ("7", "7/3", 'n'),
            ("3", "7/3", 'n'),
            ("12", "It is 12:30", 'n'),
            ("30", "It is 12:30", 'n'),
            ("20", "20%", 'r'),
        ],
    );
}

#[test]
fn prose_around_an_answer() {
    assert_verdicts(
        VerifyKind::Math,
        &[
            ("5", "Therefore x = 5.", 'r'),
            ("5", "Therefore, $x = 5$.", 'r'),
            (
                "5",
                "x = 5. We can check: 2 * 5 = 10.\nTherefore x = 5.",
                'r',
            ),
            ("12", "The answer is 5 apples + 7 apples = 12 apples.", 'r'),
            ("12", "The answer is 5 + 7 = 12 apples.", 'r'),
            ("4", "The answer is that each of the 3 friends gets 4.", 'r'),
            ("5", "The answer is 5 because 2 + 3 = 5.", 'r'),
            (
                "18",
                "Janet makes 9 * 2 = $18 every day at the farmer's market.",
                'r',
            ),
            ("18 dollars", "#### 18", 'r'),
            (
                "1/2",
                r"The answer is $\frac{1}{2}$, since half of them are red.",
                'r',
            ),
            ("1/2", r"**Final Answer:** \(\frac{1}{2}\)", 'r'),
            ("1/2", "## Final Answer\n\n$$\n\\frac{1}{2}\n$$\n", 'r'),
            ("5 m", "The answer is 500 cm.", 'r'),
            ("5 m", "The answer is 5 cm.", 'n'),
            ("(1,2)", "The answer is (1, 2).", 'r'),
            ("(1,2)", "The answer is (2, 1).", 'n'),
            ("{1,2}", r"The answer is $\{2, 1\}$.", 'r'),
            ("[0,1)", "The answer is [0, 1).", 'r'),
            ("Evelyn", "The answer is Evelyn.", 'r'),
            ("Evelyn", "The answer is Evelyn and Tom.", 'n'),
            ("5", "The answer is 5 or 6.", 'n'),
            ("5", "The answer is 6, not 5.", 'n'),
            ("5", "The answer is not 5.", 'n'),
            ("5", r"The answer is \boxed{\text{The answer is } 5}", 'r'),
            ("120", "The answer is 5!", 'r'),
            ("5", "The answer is 5!", 'r'),
            ("5", "<answer>5</answer>", 'r'),
            ("5", "<answer> 5 apples </answer>", 'r'),
            ("5", "I think so. Ans: 5", 'r'),
            ("3", "three", 'r'),
            ("5", "答案是5。", 'r'),
            ("5", "Die Antwort ist 5.", 'r'),
            ("x^2+1", "The answer is $x^2 + 1$.", 'r'),
            ("x^2+1", "The answer is x^2 - 1.", 'n'),
            ("5", "", '?'),
            ("5", "I do not know.", 'n'),
            ("5", "The answer is", '?'),
            ("nan", "nan", '?'),
            ("", "5", '?'),
        ],
    );
}

#[test]
fn reasoning_is_no_answer() {
    for block in [
        "<think>The answer is 5.</think>",
        "<thinking>The answer is 5.</thinking>",
        "<THINK>\\boxed{5}</THINK>",
        "The answer is 5.</think>",
        "[THINK]The answer is 5.[/THINK]",
        "◁think▷The answer is 5.◁/think▷",
        "<reasoning>The answer is 5.</reasoning>",
        "<|begin_of_thought|>#### 5<|end_of_thought|>",
        "<|channel|>analysis<|message|>The answer is 5.<|end|><|start|>assistant<|channel|>final<|message|>",
        "<think>a <think>b</think> The answer is 5.</think>",
    ] {
        for kind in [VerifyKind::Math, VerifyKind::Number] {
            let text = format!("{block} The answer is 7.");
            let found = verify_answer(kind, "7", &[], &text);
            assert_eq!(found.verdict, Verdict::Right, "{text}: {found:?}");
            assert!(found.flags.is_empty(), "{text}: {found:?}");
            let found = verify_answer(kind, "5", &[], block);
            assert_ne!(found.verdict, Verdict::Right, "{block}: {found:?}");
        }
    }
    let open = verify_answer(VerifyKind::Math, "5", &[], "<think>The answer is 5.");
    assert!(matches!(open.verdict, Verdict::CannotTell(_)), "{open:?}");
}

#[test]
fn what_the_model_asks_itself_is_no_answer() {
    for tail in [
        "\n\nQ: What is 4 + 4?\nA: The answer is 8.",
        "\nQuestion: What is 4 + 4?\nAnswer: 8",
        "\n\nQuestion 2: 4 + 4?\nThe answer is 8.",
        "\n\nProblem: 4 + 4\nAnswer: 8",
        "\nHuman: and 4 + 4?\nAssistant: The answer is 8.",
        "<|im_end|>\n<|im_start|>user\n4 + 4? The answer is 8.",
        "</s> The answer is 8.",
    ] {
        for kind in [VerifyKind::Math, VerifyKind::Number] {
            let text = format!("2 + 3 = 5. The answer is 5.{tail}");
            let found = verify_answer(kind, "5", &[], &text);
            assert_eq!(found.verdict, Verdict::Right, "{text}: {found:?}");
            assert!(found.flags.is_empty(), "{text}: {found:?}");
        }
    }
}

#[test]
fn an_echoed_question_is_passed_over() {
    let question = "Tom has 3 boxes of 4 pens. The answer is a number. How many pens has he?";
    for text in [
        format!("{question} 12"),
        format!("Q: {question}\nA: 3 * 4 = 12. The answer is 12."),
        format!("{}\n12", question.replace(' ', "\n")),
        format!("12\n\n{question} 7"),
        format!("Q: What is 1 + 1?\nA: The answer is 2.\n\nQ: {question}\nA: The answer is 12."),
    ] {
        let request = Request {
            prompt: Some(question),
            ..Request::new(VerifyKind::Math, "12", &text)
        };
        let found = explain(&request, &Policies::default());
        assert_eq!(
            found.verification.verdict,
            Verdict::Right,
            "{text}: {found:?}"
        );
    }
}

#[test]
fn gold_tells_unit_and_tolerance() {
    assert_verdicts(
        VerifyKind::Math,
        &[
            (r#"{"value": "5", "unit": "m"}"#, "500 cm", 'r'),
            (r#"{"value": "5", "unit": "m"}"#, "5", 'r'),
            (r#"{"value": "5", "unit": "m"}"#, "5 cm", 'n'),
            (r#"{"value": 9.81, "tolerance": 0.01}"#, "9.8", 'r'),
            (r#"{"value": 9.81, "tolerance": 0.01}"#, "9.7", 'w'),
            (r#"{"value": 200, "tolerance": "1%"}"#, "201.5", 'r'),
            (r#"{"value": 200, "tolerance": "1%"}"#, "203.5", 'w'),
            (r#"{"value": "1/3", "places": 3}"#, "0.333", 'r'),
            (r#"{"value": "{1,2}", "type": "set"}"#, "2, 1", 'r'),
            (r#"{"value": "1,2", "type": "list"}"#, "2, 1", 'w'),
            (r#"{"value": 5, "type": "number"}"#, "so 2 + 3 is 5", 'r'),
        ],
    );
    assert_verdicts(
        VerifyKind::Number,
        &[
            (
                r#"{"value": 9.81, "tolerance": 0.01}"#,
                "The answer is 9.8 in all.",
                'r',
            ),
            (
                r#"{"value": 9.81, "tolerance": 0.01}"#,
                "The answer is 9.7.",
                'w',
            ),
            (r#"{"value": 5, "unit": "m"}"#, "It is 500 cm.", 'r'),
        ],
    );
    let policies = Policies {
        tolerance: Some(Tolerance::Absolute(0.5)),
        ..Policies::default()
    };
    let request = Request::new(VerifyKind::Math, "10", "10.4");
    assert_eq!(
        explain(&request, &policies).verification.verdict,
        Verdict::Right
    );
}

#[test]
fn the_locale_decides_about_commas_and_points() {
    let read = |format, gold: &str, text: &str| {
        let policies = Policies {
            number_format: format,
            ..Policies::default()
        };
        let kinds = [VerifyKind::Math, VerifyKind::Number];
        kinds.map(|kind| {
            letter(
                &explain(&Request::new(kind, gold, text), &policies)
                    .verification
                    .verdict,
            ) == 'r'
        })
    };
    assert_eq!(read(Comma, "1.000", "1000"), [true, true]);
    assert_eq!(read(Automatic, "1.000", "1000"), [false, false]);
    assert_eq!(
        read(Comma, "1.234,5", "The answer is 1.234,50."),
        [true, true]
    );
    assert_eq!(
        read(Point, "1234.5", "The answer is 1,234.50."),
        [true, true]
    );
    assert_eq!(read(Automatic, "1000.99", "1000,99"), [true, true]);
    assert!(!read(Point, "1000.99", "1000,99")[0]);
}

#[test]
fn choices_by_letter_and_by_text() {
    let choices: Vec<Choice> = [
        ("A", "sink"),
        ("B", "fish market"),
        ("C", "market"),
        ("D", "$E = mc^2$"),
    ]
    .map(|(label, text)| Choice {
        label: label.into(),
        text: text.into(),
    })
    .to_vec();
    for (gold, text, expected) in [
        ("B", "The answer is (B).", 'r'),
        ("B", "The answer is fish market.", 'r'),
        ("C", "The answer is market (c).", 'r'),
        ("C", "The answer is fish market.", 'w'),
        ("fish market", "Answer: B", 'r'),
        ("B", "<think>(A)? (C)?</think>So it is (B).", 'r'),
        ("A", "I would say a fish market", 'w'),
        ("A", "Because B is valid", '?'),
        ("C", r"\boxed{\text{C}}", 'r'),
        ("C", r"It is $\Delta C$", '?'),
        ("A", "The answer is (A) or (B).", '?'),
    ] {
        let found = verify_answer(VerifyKind::Choice, gold, &choices, text);
        assert_eq!(
            letter(&found.verdict),
            expected,
            "gold {gold}, text {text:?}: {found:?}"
        );
    }
}

/// Well-formed answers are read alike both ways.
#[test]
fn the_two_readings_agree_on_well_formed_texts() {
    let mut fired = Vec::new();
    for n in [0i64, 7, 42, 1234, 70000] {
        for text in [
            format!("So there are {n} in all. The answer is {n}."),
            format!("3 + 4 = 7. So 7 * 2 = 14. Therefore, the answer is {n}."),
            format!("Step 1: 2 + 3 = 5.\nStep 2: done.\n#### {n}"),
            format!("We add 2 and 3.\n\n\\boxed{{{n}}}"),
            format!("We add.\n\n**Answer:** ${n}"),
            format!("The final answer is $\\boxed{{{n}}}$. I hope it is correct."),
            format!("Answer: {n} apples"),
            format!("<think>7 or 9?</think>\n\nThe answer is **{n}**."),
        ] {
            for kind in [VerifyKind::Number, VerifyKind::Math] {
                let found = verify_answer(kind, &n.to_string(), &[], &text);
                assert_eq!(found.verdict, Verdict::Right, "{text}: {found:?}");
                if found
                    .flags
                    .iter()
                    .any(|flag| matches!(flag, Flag::ExtractorsDisagree { .. }))
                {
                    fired.push(text.clone());
                }
            }
        }
    }
    assert!(fired.is_empty(), "{fired:?}");
}

/// The published cases, as texts: finding an answer must not lose what comparing it decides.
#[test]
fn the_tables_hold_for_texts() {
    let mut failed = Vec::new();
    let tables = [
        include_str!("data/equivalence.tsv"),
        include_str!("data/extraction.tsv"),
        include_str!("data/own_cases.tsv"),
    ];
    for line in tables.iter().flat_map(|table| table.lines()) {
        if line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let ([number, gold, candidate, expectation] | [number, gold, candidate, expectation, ""]) =
            fields.as_slice()
        else {
            continue;
        };
        let candidate = &candidate.replace('⏎', "\n");
        let found = verify_answer(VerifyKind::Math, gold, &[], candidate);
        if (*expectation == "equal") != (found.verdict == Verdict::Right) {
            failed.push(format!(
                "{number}: {gold} | {candidate}, {expectation}: {found:?}"
            ));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
