//! The pieces an answer is read as.

use num_rational::BigRational;

use super::tree::{Constant, Function, Relation};

/// One piece.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A number without sign; `digits` are its digits as written, without marks.
    Numeral {
        value: BigRational,
        places: Option<u32>,
        digits: String,
        exponent: i64,
    },
    /// One letter, or a longer name that is one symbol (`\alpha`, `x'`).
    Symbol(String),
    /// What stands below a symbol, as written: `_1`, `_{n-1}`.
    Subscript(String),
    /// A word of a text.
    Word(String),
    Function(Function),
    /// `\arcsin` and the like are functions; this is the command itself.
    Constant(Constant),
    Relation(Relation),
    /// An operator or bracket in plain form.
    Mark(char),
    SetOpen,
    SetClose,
    AbsoluteOpen,
    AbsoluteClose,
    FloorOpen,
    FloorClose,
    CeilOpen,
    CeilClose,
    AngleOpen,
    AngleClose,
    Fraction,
    Root,
    Binomial,
    Begin(String),
    End(String),
    RowBreak,
    PlusMinus(bool),
    Union,
    Intersection,
    Without,
    Degree,
    Currency(&'static str),
    Percent,
    Ellipsis,
    And,
    Or,
    /// `\mathbb{R}` and its like.
    NumberSet(char),
    EmptySet,
    /// The remainder of a division.
    Mod,
    /// `\pmod{m}`: what stands before it counts modulo m.
    Modulo,
    /// A command without meaning here; the answer is unreadable if it matters.
    Unknown(String),
}

/// A token, and whether space stands before it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spaced {
    pub token: Token,
    pub after_space: bool,
    /// Written between `\text{` and `}`.
    pub quoted: bool,
}

/// Functions by their plain and LaTeX names.
pub(super) fn function(name: &str) -> Option<Function> {
    Some(match name {
        "sin" => Function::Sin,
        "cos" => Function::Cos,
        "tan" | "tg" => Function::Tan,
        "cot" | "ctg" => Function::Cot,
        "sec" => Function::Sec,
        "csc" | "cosec" => Function::Csc,
        "arcsin" | "asin" => Function::Arcsin,
        "arccos" | "acos" => Function::Arccos,
        "arctan" | "atan" | "arctg" => Function::Arctan,
        "sinh" => Function::Sinh,
        "cosh" => Function::Cosh,
        "tanh" => Function::Tanh,
        "exp" => Function::Exp,
        "ln" => Function::Ln,
        "log" | "lg" => Function::Log,
        "abs" => Function::Abs,
        "floor" => Function::Floor,
        "ceil" => Function::Ceil,
        "gcd" => Function::Gcd,
        "lcm" => Function::Lcm,
        "min" => Function::Min,
        "max" => Function::Max,
        "binom" | "binomial" => Function::Binomial,
        "factorial" => Function::Factorial,
        _ => return None,
    })
}

/// Names that are one symbol in LaTeX and in plain text.
pub(super) fn is_greek(name: &str) -> bool {
    matches!(
        name,
        "alpha"
            | "beta"
            | "gamma"
            | "delta"
            | "epsilon"
            | "varepsilon"
            | "zeta"
            | "eta"
            | "theta"
            | "vartheta"
            | "iota"
            | "kappa"
            | "lambda"
            | "mu"
            | "nu"
            | "xi"
            | "rho"
            | "sigma"
            | "tau"
            | "upsilon"
            | "phi"
            | "varphi"
            | "chi"
            | "psi"
            | "omega"
            | "Gamma"
            | "Delta"
            | "Theta"
            | "Lambda"
            | "Xi"
            | "Sigma"
            | "Phi"
            | "Psi"
            | "Omega"
            | "Pi"
            | "ell"
            | "hbar"
    )
}

/// A relation that is only compared as written.
pub(super) fn other(name: &str) -> Token {
    Token::Relation(Relation::Other(super::modular::hash(name, 0) as u32))
}

/// What a LaTeX command stands for, where one token says it.
pub(super) fn command(name: &str) -> Option<Token> {
    Some(match name {
        "frac" | "dfrac" | "tfrac" | "cfrac" => Token::Fraction,
        "sqrt" => Token::Root,
        "binom" | "dbinom" | "tbinom" => Token::Binomial,
        "times" | "cdot" | "ast" | "bullet" => Token::Mark('*'),
        "div" => Token::Mark('/'),
        "pm" => Token::PlusMinus(true),
        "mp" => Token::PlusMinus(false),
        "pi" => Token::Constant(Constant::Pi),
        "infty" | "infin" => Token::Constant(Constant::Infinity),
        "le" | "leq" | "leqslant" => Token::Relation(Relation::LessEqual),
        "ge" | "geq" | "geqslant" => Token::Relation(Relation::GreaterEqual),
        "lt" => Token::Relation(Relation::Less),
        "gt" => Token::Relation(Relation::Greater),
        "ne" | "neq" => Token::Relation(Relation::NotEqual),
        "approx" | "simeq" | "doteq" | "thickapprox" => Token::Relation(Relation::Approximate),
        "in" => Token::Relation(Relation::In),
        "equiv" | "cong" | "sim" | "parallel" | "perp" | "notin" | "subset" | "subseteq"
        | "supset" | "supseteq" | "to" | "propto" | "mid" | "nmid" | "implies" | "iff" | "ni" => {
            other(name)
        }
        "rightarrow" | "longrightarrow" => other("to"),
        "Rightarrow" | "Longrightarrow" => other("implies"),
        "Leftrightarrow" => other("iff"),
        "cup" | "bigcup" => Token::Union,
        "cap" | "bigcap" => Token::Intersection,
        "setminus" | "backslash" => Token::Without,
        "emptyset" | "varnothing" => Token::EmptySet,
        "circ" | "degree" | "degrees" => Token::Degree,
        "ldots" | "dots" | "cdots" | "dotsc" | "vdots" | "dotsb" => Token::Ellipsis,
        "lfloor" => Token::FloorOpen,
        "rfloor" => Token::FloorClose,
        "lceil" => Token::CeilOpen,
        "rceil" => Token::CeilClose,
        "langle" => Token::AngleOpen,
        "rangle" => Token::AngleClose,
        "lvert" => Token::AbsoluteOpen,
        "rvert" => Token::AbsoluteClose,
        "vert" => Token::Mark('|'),
        "lbrace" => Token::SetOpen,
        "rbrace" => Token::SetClose,
        "lbrack" => Token::Mark('['),
        "rbrack" => Token::Mark(']'),
        "land" | "wedge" => Token::And,
        "lor" | "vee" => Token::Or,
        "bmod" | "mod" => Token::Mod,
        "pmod" => Token::Modulo,
        "euro" => Token::Currency("€"),
        "pounds" => Token::Currency("£"),
        "colon" => Token::Mark(':'),
        _ => return None,
    })
}

/// Commands that only set type; they are skipped.
pub(super) fn is_layout(name: &str) -> bool {
    matches!(
        name,
        "left"
            | "right"
            | "big"
            | "Big"
            | "bigg"
            | "Bigg"
            | "bigl"
            | "bigr"
            | "Bigl"
            | "Bigr"
            | "biggl"
            | "biggr"
            | "displaystyle"
            | "textstyle"
            | "scriptstyle"
            | "limits"
            | "nolimits"
            | "quad"
            | "qquad"
            | "middle"
            | "thinspace"
            | "hfill"
            | "boldsymbol"
            | "bm"
            | "mathbf"
            | "mathit"
            | "mathsf"
            | "mathcal"
            | "vec"
            | "overrightarrow"
            | "underline"
            | "angle"
            | "triangle"
            | "hline"
            | "therefore"
            | "limitsup"
            | "strut"
            | "cancel"
    )
}

/// Commands whose argument is text.
pub(super) fn is_text(name: &str) -> bool {
    matches!(
        name,
        "text"
            | "mbox"
            | "hbox"
            | "textbf"
            | "textit"
            | "textrm"
            | "textnormal"
            | "textsf"
            | "texttt"
            | "mathrm"
            | "operatorname"
            | "rm"
            | "emph"
    )
}
