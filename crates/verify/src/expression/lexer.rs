//! From text to tokens: LaTeX and plain notation meet here.

use num_bigint::BigInt;
use num_rational::BigRational;

use super::budget::{MAX_NODES, Step, Trouble};
use super::numeral::{self, Marks};
use super::token::{self, Spaced, Token};
use super::tree::{Constant, Relation};
use super::{units, words};

/// How ambiguous letters are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// What commas and points in numbers mean.
    pub marks: Marks,
    /// `5 m` is five metres and not five times m.
    pub units: bool,
}

/// Splits `text` into tokens.
pub(super) fn tokens(text: &str, reading: Reading) -> Step<Vec<Spaced>> {
    let mut lexer = Lexer {
        text: text.chars().collect(),
        at: 0,
        found: Vec::new(),
        spaced: false,
        quoted: false,
        reading,
        latex: text.contains('\\'),
        depth: 0,
        in_matrix: text.contains("\\begin"),
        odd_dollars: text.replace("\\$", "").matches('$').count() % 2 == 1,
        bracket_commas: false,
    };
    while lexer.at < lexer.text.len() {
        lexer.step()?;
        if lexer.found.len() > 2 * MAX_NODES {
            return Err(Trouble::Budget("the tokens"));
        }
    }
    Ok(lexer.found)
}

#[allow(clippy::struct_excessive_bools)] // each is one fact about the place that is read
pub(super) struct Lexer {
    pub(super) text: Vec<char>,
    pub(super) at: usize,
    pub(super) found: Vec<Spaced>,
    pub(super) spaced: bool,
    pub(super) quoted: bool,
    pub(super) reading: Reading,
    pub(super) latex: bool,
    pub(super) depth: usize,
    pub(super) in_matrix: bool,
    /// One dollar sign is a currency, as their number is odd.
    pub(super) odd_dollars: bool,
    /// Inside brackets commas separate, unless the brackets also hold commas with a space.
    pub(super) bracket_commas: bool,
}

impl Lexer {
    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    pub(super) fn push(&mut self, token: Token) {
        self.found.push(Spaced {
            token,
            after_space: self.spaced,
            quoted: self.quoted,
        });
        self.spaced = false;
    }

    pub(super) fn last(&self) -> Option<&Token> {
        self.found.last().map(|spaced| &spaced.token)
    }

    pub(super) fn mark(&mut self, token: Token, width: usize) {
        self.at += width;
        self.push(token);
    }

    pub(super) fn step(&mut self) -> Step<()> {
        let Some(c) = self.peek(0) else {
            return Ok(());
        };
        match c {
            '\\' => self.command()?,
            '$' => self.dollar(),
            c if c.is_whitespace() || c == '~' => {
                self.at += 1;
                self.spaced = true;
            }
            c if c.is_ascii_digit() => self.number()?,
            '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            '.' if self.peek(1) == Some('.') => {
                while self.peek(0) == Some('.') {
                    self.at += 1;
                }
                self.push(Token::Ellipsis);
            }
            '.' => self.at += 1,
            '_' => self.subscript(),
            '\'' | '′' => self.prime(),
            c if c.is_alphabetic() => self.letters(),
            _ => self.operator(c)?,
        }
        Ok(())
    }

    /// A dollar sign is a delimiter of formulas or a currency; before a number it is kept.
    fn dollar(&mut self) {
        self.at += 1;
        // An odd number of signs cannot all be delimiters.
        if self.odd_dollars && self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.odd_dollars = false;
            self.push(Token::Currency("$"));
            return;
        }
        self.spaced = true;
    }

    fn number(&mut self) -> Step<()> {
        let marks = if self.depth > 0 && self.reading.marks == Marks::Point && !self.bracket_commas
        {
            Marks::PointOnly
        } else {
            self.reading.marks
        };
        if let Some((token, end)) = numeral::read(&self.text, self.at, marks, self.latex) {
            self.at = end;
            let token = self.repeating(token);
            self.push(token);
            return Ok(());
        }
        Err(Trouble::Budget("the digits of a number"))
    }

    /// `0.1\overline{6}`: digits that repeat for ever.
    pub(super) fn repeating(&mut self, token: Token) -> Token {
        let name = self.command_name(1);
        let command =
            self.peek(0) == Some('\\') && matches!(name.as_str(), "overline" | "bar" | "dot");
        let point = self.at.checked_sub(1).and_then(|at| self.text.get(at)) == Some(&'.');
        let Token::Numeral { value, places, .. } = &token else {
            return token;
        };
        if !command || !(point || places.is_some()) {
            return token;
        }
        let start = self.at;
        self.at += 1 + name.len();
        let digits = self.raw_group();
        let count = digits.len() as u32;
        let (Ok(part), 1..=60, 0..=60) = (digits.parse::<BigInt>(), count, places.unwrap_or(0))
        else {
            self.at = start;
            return token;
        };
        let ten = |power: u32| num_traits::pow(BigInt::from(10), power as usize);
        let below = ten(places.unwrap_or(0)) * (ten(count) - 1);
        Token::Numeral {
            value: value + BigRational::new(part, below),
            places: None,
            digits: String::new(),
            exponent: 0,
        }
    }

    fn prime(&mut self) {
        self.at += 1;
        if let Some(Spaced {
            token: Token::Symbol(name),
            ..
        }) = self.found.last_mut()
        {
            name.push('\'');
        }
    }

    /// Takes a group in braces as written, or a single character; spaces are dropped.
    pub(super) fn raw_group(&mut self) -> String {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        let mut taken = String::new();
        if self.peek(0) != Some('{') {
            taken.extend(self.peek(0));
            self.at += 1;
            // Plain text writes `x_10`; LaTeX would need braces.
            while !self.latex
                && taken.chars().all(|c| c.is_ascii_digit())
                && self.peek(0).is_some_and(|c| c.is_ascii_digit())
            {
                taken.extend(self.peek(0));
                self.at += 1;
            }
            return taken;
        }
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                c if c.is_whitespace() => {}
                c => taken.push(c),
            }
            if depth == 0 {
                break;
            }
        }
        taken
    }

    fn subscript(&mut self) {
        self.at += 1;
        let start = self.at;
        let written = self.raw_group();
        if matches!(
            self.last(),
            Some(Token::Function(super::tree::Function::Log))
        ) {
            // A base is an expression: it is read again as a group.
            self.at = start;
            self.push(Token::Mark('_'));
            return;
        }
        let plain = written
            .replace("\\text", "")
            .replace("\\mathrm", "")
            .replace('\\', "");
        self.push(Token::Subscript(plain));
    }

    /// A run of letters: a word, a name, or symbols side by side.
    fn letters(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(char::is_alphabetic) {
            self.at += 1;
        }
        let run: String = self.text.iter().skip(start).take(self.at - start).collect();
        let glued = self.peek(0).is_some_and(|c| c.is_ascii_digit())
            || (self.quoted && self.peek(0) == Some('-'));
        let ordinal = matches!(run.as_str(), "st" | "nd" | "rd" | "th");
        if ordinal && !self.spaced && matches!(self.last(), Some(Token::Numeral { .. })) {
            return;
        }
        let minutes = run == "min" && self.is_unit_here(&run);
        if !minutes && let Some(token) = self.known_word(&run) {
            self.push(token);
            return;
        }
        if run.chars().count() == 1 && !self.is_unit_here(&run) {
            self.push(letter(&run));
            return;
        }
        let is_word = self.quoted
            || self.is_unit_here(&run)
            || (words::is_word(&run) && !self.is_product_here(&run))
            || (glued && run.chars().count() > 2);
        if is_word {
            self.push(Token::Word(run));
            return;
        }
        if self.split_function(&run) {
            return;
        }
        for c in run.chars() {
            self.push(letter(&c.to_string()));
        }
    }

    /// `by` and its kin are products of letters, unless they stand between numbers (`3 by 4`) or beside
    /// words.
    fn is_product_here(&self, run: &str) -> bool {
        if !matches!(run, "by" | "as" | "at" | "an") {
            return false;
        }
        let next = |ahead: usize| self.peek(0) == Some(' ') && self.peek(ahead).is_some();
        let number = self.spaced && matches!(self.last(), Some(Token::Numeral { .. }));
        let between = number && next(1) && self.peek(1).is_some_and(|c| c.is_ascii_digit());
        let letter = |ahead: usize| self.peek(ahead).is_some_and(char::is_alphabetic);
        let before_word = next(3) && (1..=3).all(letter);
        let after_word = matches!(self.last(), Some(Token::Word(_)));
        !(between || before_word || after_word)
    }

    /// `sinx`, `xor`: a name with letters around it.
    fn split_function(&mut self, run: &str) -> bool {
        for name in [
            "arcsin", "arccos", "arctan", "sqrt", "sin", "cos", "tan", "log", "ln",
        ] {
            let Some(rest) = run.strip_prefix(name) else {
                continue;
            };
            if rest.chars().count() != 1 {
                continue;
            }
            if let Some(token) = self.known_word(name) {
                self.push(token);
                self.push(letter(rest));
                return true;
            }
        }
        false
    }

    /// Whether a run of letters right after a number is a unit.
    fn is_unit_here(&self, run: &str) -> bool {
        if !self.reading.units {
            return false;
        }
        let value = matches!(
            self.last(),
            Some(
                Token::Numeral { .. }
                    | Token::Mark(')' | '}')
                    | Token::Constant(_)
                    | Token::Symbol(_)
            )
        );
        if self.quoted && value && run != "i" && run != "e" {
            return units::lookup(run).is_some();
        }
        let mut before = self.found.iter().rev();
        match before.next().map(|spaced| &spaced.token) {
            Some(Token::Numeral { .. } | Token::Word(_)) => units::lookup(run).is_some(),
            // `m/s`, `10^3 m`, `\frac{1}{2} m`.
            Some(Token::Mark('/')) => {
                matches!(before.next().map(|s| &s.token), Some(Token::Word(_)))
                    && units::lookup(run).is_some()
            }
            Some(Token::Mark(')' | '}') | Token::Constant(_)) => {
                run.chars().count() > 1 && units::lookup(run).is_some()
            }
            _ => false,
        }
    }

    fn known_word(&self, run: &str) -> Option<Token> {
        let after_value = matches!(
            self.last(),
            Some(
                Token::Numeral { .. }
                    | Token::Mark(')' | ']' | '}')
                    | Token::Symbol(_)
                    | Token::Constant(_)
                    | Token::Subscript(_)
                    | Token::SetClose
                    | Token::Word(_)
                    | Token::Percent
                    | Token::Degree
            )
        );
        match run {
            "pi" | "π" if !self.quoted => Some(Token::Constant(Constant::Pi)),
            "inf" | "infinity" | "oo" | "Infinity" | "Inf" => {
                Some(Token::Constant(Constant::Infinity))
            }
            "sqrt" => Some(Token::Root),
            "percent" | "pct" | "percentage" if after_value => Some(Token::Percent),
            "and" | "AND" => Some(Token::And),
            "or" | "OR" => Some(Token::Or),
            "in" if matches!(self.last(), Some(Token::Symbol(_))) => {
                Some(Token::Relation(Relation::In))
            }
            "U" if matches!(
                self.last(),
                Some(Token::Mark(')' | ']' | '}') | Token::SetClose)
            ) =>
            {
                Some(Token::Union)
            }
            "mod" if after_value || self.last() == Some(&Token::Mark('(')) => Some(Token::Mod),
            "x" if self.is_times_here() => Some(Token::Mark('*')),
            _ if self.quoted && run.chars().count() > 1 => None,
            _ if token::is_greek(run) && !self.quoted => Some(Token::Symbol(run.to_owned())),
            _ => token::function(run).map(Token::Function),
        }
    }

    /// `3 x 4`: the letter between two numbers, with spaces.
    fn is_times_here(&self) -> bool {
        self.spaced
            && matches!(self.last(), Some(Token::Numeral { .. }))
            && self.peek(0) == Some(' ')
            && self.peek(1).is_some_and(|c| c.is_ascii_digit())
    }

    fn operator(&mut self, c: char) -> Step<()> {
        let two = (c, self.peek(1));
        let relation = match two {
            ('<', Some('=')) => Some((Relation::LessEqual, 2)),
            ('>', Some('=')) => Some((Relation::GreaterEqual, 2)),
            // `5!=120` is about a factorial.
            ('!', Some('=')) if !self.after_number() => Some((Relation::NotEqual, 2)),
            ('=', Some('=')) => Some((Relation::Equal, 2)),
            ('=', _) => Some((Relation::Equal, 1)),
            ('<', _) => Some((Relation::Less, 1)),
            ('>', _) => Some((Relation::Greater, 1)),
            ('≤' | '⩽', _) => Some((Relation::LessEqual, 1)),
            ('≥' | '⩾', _) => Some((Relation::GreaterEqual, 1)),
            ('≠', _) => Some((Relation::NotEqual, 1)),
            ('≈' | '≃', _) => Some((Relation::Approximate, 1)),
            ('∈', _) => Some((Relation::In, 1)),
            _ => None,
        };
        if let Some((relation, width)) = relation {
            self.mark(Token::Relation(relation), width);
            return Ok(());
        }
        let (token, width) = match two {
            ('*', Some('*')) => (Token::Mark('^'), 2),
            ('+', Some('-')) if self.spaced || self.found.is_empty() => (Token::PlusMinus(true), 2),
            ('*' | '×' | '·' | '⋅' | '∙' | '∗', _) => (Token::Mark('*'), 1),
            ('/' | '÷' | '∕' | '⁄', _) => (Token::Mark('/'), 1),
            ('-' | '−' | '–' | '‐' | '‑' | '‒' | '－', _) => (Token::Mark('-'), 1),
            ('±', _) => (Token::PlusMinus(true), 1),
            ('∓', _) => (Token::PlusMinus(false), 1),
            ('√', _) => (Token::Root, 1),
            ('∞', _) => (Token::Constant(Constant::Infinity), 1),
            ('∪', _) => (Token::Union, 1),
            ('∩', _) => (Token::Intersection, 1),
            ('∅', _) => (Token::EmptySet, 1),
            ('∖', _) => (Token::Without, 1),
            ('°' | '∘', _) => (Token::Degree, 1),
            ('≡', _) => (token::other("equiv"), 1),
            ('→', _) => (token::other("to"), 1),
            ('⇒', _) => (token::other("implies"), 1),
            ('∉', _) => (token::other("notin"), 1),
            ('∥', _) => (token::other("parallel"), 1),
            ('⊥', _) => (token::other("perp"), 1),
            ('…' | '⋯', _) => (Token::Ellipsis, 1),
            ('€', _) => (Token::Currency("€"), 1),
            ('£', _) => (Token::Currency("£"), 1),
            ('¢', _) => (Token::Currency("¢"), 1),
            ('¥', _) => (Token::Currency("¥"), 1),
            ('₹', _) => (Token::Currency("₹"), 1),
            ('%' | '％', _) => (Token::Percent, 1),
            ('⟨', _) => (Token::AngleOpen, 1),
            ('⟩', _) => (Token::AngleClose, 1),
            ('⌊', _) => (Token::FloorOpen, 1),
            ('⌋', _) => (Token::FloorClose, 1),
            ('⌈', _) => (Token::CeilOpen, 1),
            ('⌉', _) => (Token::CeilClose, 1),
            (
                '+' | '^' | '!' | '|' | ',' | ';' | ':' | '(' | ')' | '[' | ']' | '{' | '}' | '&',
                _,
            ) => (Token::Mark(c), 1),
            _ => return self.typography(c),
        };
        self.brackets(&token);
        self.mark(token, width);
        Ok(())
    }

    /// Raised digits, prepared fractions, and marks that mean nothing.
    fn typography(&mut self, c: char) -> Step<()> {
        const RAISED: &str = "⁰¹²³⁴⁵⁶⁷⁸⁹";
        const FRACTIONS: &str =
            "½1 2 ⅓1 3 ⅔2 3 ¼1 4 ¾3 4 ⅕1 5 ⅖2 5 ⅗3 5 ⅘4 5 ⅙1 6 ⅛1 8 ⅜3 8 ⅝5 8 ⅞7 8";
        let digit = |value: usize| Token::Numeral {
            value: num_rational::BigRational::from_integer(value.into()),
            places: None,
            digits: value.to_string(),
            exponent: 0,
        };
        if let Some(value) = RAISED.chars().position(|raised| raised == c) {
            self.push(Token::Mark('^'));
            self.mark(digit(value), 1);
            return Ok(());
        }
        if let Some(place) = FRACTIONS.chars().position(|known| known == c) {
            let at = |ahead: usize| FRACTIONS.chars().nth(place + ahead)?.to_digit(10);
            if let (Some(above), Some(below)) = (at(1), at(3)) {
                self.push(Token::Fraction);
                self.push(digit(above as usize));
                self.mark(digit(below as usize), 1);
                return Ok(());
            }
        }
        if matches!(
            c,
            '"' | '“' | '”' | '`' | '?' | '\u{200b}' | '\u{feff}' | '’' | '#'
        ) {
            self.at += 1;
            return Ok(());
        }
        if c == '\u{2061}' || c == '\u{2062}' || ('\u{ff01}'..='\u{ff5e}').contains(&c) {
            // Full-width forms are their ASCII twins.
            let plain = char::from_u32((c as u32).wrapping_sub(0xfee0)).filter(char::is_ascii);
            match (plain, self.text.get_mut(self.at)) {
                (Some(plain), Some(slot)) => *slot = plain,
                _ => self.at += 1,
            }
            return Ok(());
        }
        Err(Trouble::Unreadable(format!(
            "the character `{c}` has no known meaning"
        )))
    }

    /// Keeps track of brackets, for the meaning of commas in numbers.
    pub(super) fn brackets(&mut self, token: &Token) {
        match token {
            Token::Mark('(' | '[' | '{') | Token::SetOpen => {
                if self.depth == 0 {
                    self.bracket_commas = self.has_spaced_comma();
                }
                self.depth += 1;
            }
            Token::Mark(')' | ']' | '}') | Token::SetClose => {
                self.depth = self.depth.saturating_sub(1);
            }
            _ => {}
        }
    }

    /// Whether the brackets that open here hold a comma that is followed by a space, or no
    /// second comma at all next to anything but digits.
    fn has_spaced_comma(&self) -> bool {
        let mut depth = 0_usize;
        let rest = self.text.iter().skip(self.at).take(400);
        let mut comma = false;
        for c in rest {
            if comma && c.is_whitespace() {
                return true;
            }
            comma = *c == ',';
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                ';' => return true,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        false
    }
}

fn letter(name: &str) -> Token {
    match name {
        "e" => Token::Constant(Constant::Euler),
        "π" => Token::Constant(Constant::Pi),
        "i" => Token::Constant(Constant::Imaginary),
        "α" => Token::Symbol("alpha".into()),
        "β" => Token::Symbol("beta".into()),
        "θ" => Token::Symbol("theta".into()),
        "λ" => Token::Symbol("lambda".into()),
        "φ" | "ϕ" => Token::Symbol("phi".into()),
        _ => Token::Symbol(name.to_owned()),
    }
}
