//! Answers made to hang, to fill the memory or to fool: each is decided within the budget.

use std::time::{Duration, Instant};

use autodidact_verify::{Options, Outcome, compare_expressions};

/// The budget of one direction, with room for the step that runs out of it.
const MOST_OPERATIONS: u64 = 5_000_000;

#[allow(clippy::too_many_lines)] // a list
fn hostile() -> Vec<String> {
    let many = |piece: &str, count: usize| piece.repeat(count);
    let nested = |open: &str, close: &str, count: usize| {
        format!("{}1{}", open.repeat(count), close.repeat(count))
    };
    let mut texts = vec![
        "5^5^5^5^5".to_owned(),
        "5^(5^(5^(5^(5^5))))".to_owned(),
        "9999999!".to_owned(),
        "9999999!!!!!!".to_owned(),
        "((((10!)!)!)!)!".to_owned(),
        "10^{10^{10}}".to_owned(),
        "10^{-10^{10}}".to_owned(),
        r"\binom{1000000000}{500000000}".to_owned(),
        r"\binom{100000}{1999}".to_owned(),
        r"\sqrt[1000000]{2}".to_owned(),
        r"\sqrt[1000000]{2}-\sqrt[999999]{2}".to_owned(),
        r"\sqrt[97]{2}+\sqrt[89]{3}+\sqrt[83]{5}".to_owned(),
        "(1+x)^{100000}".to_owned(),
        "(1+x)^{100000}(1+y)^{100000}".to_owned(),
        "1e999999999".to_owned(),
        "1e-999999999".to_owned(),
        "1e999999999999999999".to_owned(),
        "2^{1000000}".to_owned(),
        "x^{x^{x^{x}}}".to_owned(),
        "e^{e^{e^{e^{e}}}}".to_owned(),
        r"\sin(10^{1000})".to_owned(),
        r"\ln(\ln(\ln(\ln(10))))".to_owned(),
        r"e^{1000000}".to_owned(),
        r"\cos(\pi/999983)".to_owned(),
        r"\sin(x/999983)+\sin(999983x)".to_owned(),
        r"\arctan(10^{400})".to_owned(),
        r"\tan(\pi/2)".to_owned(),
        "1/0".to_owned(),
        "0/0".to_owned(),
        "0^0".to_owned(),
        r"\frac{1}{\sqrt{2}\sqrt{3}-\sqrt{6}}".to_owned(),
        r"\infty - \infty".to_owned(),
        r"\gcd(10^{1000}, 10^{999}+1)".to_owned(),
        many("(x+1)(x+2)(y+3)", 400),
        many("(x+1)", 2000),
        many("(a+b+c+d+e+f+g)", 300),
        many("x+", 5000) + "x",
        many("1+", 5000) + "1",
        many("\\sqrt{2}+", 1500) + "1",
        many("9", 100_000),
        format!("0.{}", many("9", 100_000)),
        many("9", 16_000),
        format!("0.{}1", many("9", 16_000)),
        format!("{}/{}", many("7", 8_000), many("3", 8_000)),
        format!("({}/{})^20", many("7", 3_000), many("3", 3_000)),
        nested("(", ")", 100_000),
        nested("{", "}", 100_000),
        nested("\\frac{1}{", "}", 20_000),
        nested("\\sqrt{", "}", 5_000),
        nested("\\sqrt{1+", "}", 50),
        nested("(", ")", 1_000),
        nested("\\text{", "}", 2_000),
        nested("\\mathrm{", "}", 2_000),
        nested("|", "|", 5_000),
        many("-", 16_000) + "1",
        many("!", 16_000),
        format!("3{}", many("!", 5_000)),
        many("(", 16_000),
        many("\\frac", 3_000),
        many("\\begin{pmatrix}", 1_000),
        many("^", 16_000),
        format!("2{}", many("^2", 5_000)),
        many("\\boxed{", 2_000),
        many("\\boxed{1}", 1_500),
        many("_", 16_000),
        many("x_", 8_000),
        many("\\pm 1", 3_000),
        many("1,", 8_000),
        many("x,", 8_000),
        many("(1,2),", 2_500),
        many("x<", 8_000) + "1",
        many("[0,1]\\cup", 1_700) + "[0,1]",
        many("1:", 8_000) + "1",
        many("x=", 8_000) + "1",
        many("5 m ", 4_000),
        many("\\sin ", 3_000) + "x",
        many("\\ln", 5_000) + "x",
        many("\\", 16_000),
        many("\\\\", 8_000),
        many("&", 16_000),
        many("apple ", 2_000),
        many("三", 5_000),
        "\u{0}\u{1}\u{7f}".to_owned(),
    ];
    let row = many("1 & ", 90) + "1";
    texts.push(format!(
        "\\begin{{pmatrix}}{}\\end{{pmatrix}}",
        many(&format!("{row} \\\\ "), 40)
    ));
    let square = many(&format!("{}1 \\\\ ", many("x & ", 9)), 10);
    let matrix = format!("\\begin{{pmatrix}}{square}\\end{{pmatrix}}");
    texts.push(matrix.repeat(20));
    texts
}

#[test]
fn hostile_answers_stay_within_the_budget() {
    let options = Options::default();
    let texts = hostile();
    let mut slow = Vec::new();
    for text in &texts {
        for (gold, candidate) in [
            ("5", text.clone()),
            (r"\sqrt{2}+\pi x", text.clone()),
            (r"x^2+\sin x = 3", text.clone()),
            (text.as_str(), format!("({text})+0")),
            (text.as_str(), format!("{text} 1")),
        ] {
            let started = Instant::now();
            let found = compare_expressions(gold, &candidate, &options);
            let took = started.elapsed();
            let shown: String = format!("{gold} | {candidate}").chars().take(90).collect();
            assert!(
                found.operations <= MOST_OPERATIONS,
                "{shown}: {} operations",
                found.operations
            );
            assert!(took < Duration::from_secs(2), "{shown}: {took:?}");
            if took > Duration::from_millis(40) {
                slow.push(format!("{took:?} {} operations: {shown}", found.operations));
            }
        }
    }
    println!("{}", slow.join("\n"));
}

#[test]
fn a_hostile_answer_still_equals_itself() {
    let options = Options {
        symmetric: true,
        ..Options::default()
    };
    for text in hostile() {
        let expected = compare_expressions(&text, &text, &options).outcome;
        let shown: String = text.chars().take(60).collect();
        if text.chars().any(char::is_alphanumeric) {
            assert_eq!(expected, Outcome::Equal, "{shown}");
        }
    }
}

/// Numbers that differ by little, by much, or only in what a weak check does not see.
#[test]
fn what_only_looks_equal_is_not_accepted() {
    let options = Options {
        symmetric: true,
        ..Options::default()
    };
    let mersenne = "2305843009213693951";
    let pairs = [
        ("1/2004!", "1/2006!"),
        ("1/2^{99}", "1/2^{98}"),
        ("0", "10^{-400}"),
        ("0", "2^{-100000}"),
        ("1", "1+10^{-300}"),
        (r"\sqrt{2}", r"\sqrt{2}+10^{-300}"),
        (r"\pi", r"\pi+10^{-100}"),
        ("x", &format!("x+{mersenne}x")),
        ("0", &format!("{mersenne} \\cdot (2^{{61}}-1)")),
        ("x", "x^{2305843009213693951}"),
        ("x", "x+x(x-1)(x-2)(x-3)(x-4)"),
        ("10^{400}", "10^{400}+1"),
        (r"e^{\pi\sqrt{163}}", "262537412640768744"),
        (
            r"\sqrt{1000001}+\sqrt{1000025}+\sqrt{1000031}",
            r"\sqrt{1000002}+\sqrt{1000022}+\sqrt{1000033}",
        ),
        ("5^5^5^5^5", "5^5^5^5^6"),
        ("9999999!", "9999998!"),
        (r"\pm 2021", "2021"),
        ("12:00", "1:00"),
        ("3x-y+13=0", "3x+4y+14=0"),
        ("5 m", "5 cm"),
        ("1-1/e", "1+1/e"),
        ("e^{e^{e^{e^e}}}", "e^{e^{e^{e^{e+1}}}}"),
    ];
    for (gold, candidate) in pairs {
        let found = compare_expressions(gold, candidate, &options);
        assert_ne!(
            found.outcome,
            Outcome::Equal,
            "{gold} | {candidate}: {found:?}"
        );
    }
}
