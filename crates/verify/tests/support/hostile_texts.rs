//! Texts that readers and comparers choke on.
#![allow(dead_code, reason = "whoever includes this takes what it needs")]

/// Repeated to any length.
pub(crate) const PIECES: [&str; 46] = [
    "\\boxed{",
    "\\boxed{1}",
    "\\boxed{1} and ",
    "\\boxed ",
    "\\fbox{",
    "{",
    "}",
    "{}",
    "[",
    "[1,",
    "(",
    "((",
    "$",
    "$ ",
    "$$",
    "$5 ",
    "\\(",
    "\\[",
    "\\begin{",
    "answer is ",
    "the answer is ",
    "answer ",
    "answer to ",
    "answer:\n",
    "Answer: 5\n",
    "#",
    "####",
    "#### ",
    "#### 5\n",
    "<think>",
    "</think>",
    "<answer>",
    "Q:",
    "\nQ: ",
    "\nProblem: ",
    "\nInput: x",
    "\n",
    " ",
    "{\"a\":",
    "{\"a\":[",
    "\"",
    "```",
    "```\n",
    "\\",
    "- ",
    "1, ",
];

/// Answers that would hang or fill the memory of who works them out.
#[allow(clippy::too_many_lines)] // a list
pub(crate) fn expressions() -> Vec<String> {
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

/// Pairs of gold and candidate with every one of [`expressions`] in them.
pub(crate) fn pairs() -> Vec<(String, String)> {
    let golds = ["5", r"\sqrt{2}+\pi x", r"x^2+\sin x = 3"];
    let of = |text: &String| {
        let against = golds.map(|gold| (gold.to_owned(), text.clone()));
        let own = [format!("({text})+0"), format!("{text} 1")];
        let own = own.map(|candidate| (text.clone(), candidate));
        against.into_iter().chain(own).collect::<Vec<_>>()
    };
    expressions().iter().flat_map(of).collect()
}
