//! The smallest parts of a formula: numbers, brackets, fractions, functions, units.

use num_bigint::BigInt;

use super::budget::{Step, Trouble};
use super::parser::{Parser, collapse, constant, times};
use super::token::Token;
use super::tree::{Constant, Function, Join, Node};
use super::words;

impl Parser {
    pub(super) fn primary(&mut self) -> Step<Node> {
        self.count()?;
        let quoted = self.tokens.get(self.at).is_some_and(|spaced| spaced.quoted);
        let Some(token) = self.next() else {
            return Err(Trouble::Unreadable("the formula ends too early".into()));
        };
        match token {
            Token::Numeral {
                value,
                places,
                exponent,
                ..
            } => Ok(scientific(value, places, exponent)),
            Token::Symbol(name) if quoted => Ok(Node::Symbol(name)),
            Token::Symbol(name) => self.symbol(name),
            Token::Constant(c) => Ok(constant(c)),
            Token::Word(word) => self.text(word),
            Token::Function(function) => self.function(function),
            Token::Fraction => self.fraction(),
            Token::Root => self.root(),
            Token::Binomial => {
                let above = self.argument()?;
                let below = self.argument()?;
                Ok(Node::Call(Function::Binomial, vec![above, below]))
            }
            Token::Mark('(') => self.brackets(false),
            Token::Mark('[') => self.brackets(true),
            Token::Mark('{') => self.braces(&Token::Mark('}')),
            Token::SetOpen => self.set(),
            Token::Mark('|') => self.absolute(&Token::Mark('|')),
            Token::AbsoluteOpen => self.absolute(&Token::AbsoluteClose),
            Token::FloorOpen => self.enclosed(Function::Floor, &Token::FloorClose),
            Token::CeilOpen => self.enclosed(Function::Ceil, &Token::CeilClose),
            Token::AngleOpen => {
                let items = self.items(&[Token::AngleClose])?;
                Ok(tuple(items, false, false))
            }
            Token::Begin(environment) => self.environment(&environment),
            Token::Ellipsis => Ok(Node::Ellipsis),
            Token::EmptySet => Ok(Node::Set(Vec::new())),
            Token::NumberSet('R') => Ok(real_line()),
            Token::NumberSet(name) => Ok(Node::Symbol(format!("set {name}"))),
            Token::Currency(sign) => self.money(sign),
            Token::Mark(sign @ ('-' | '+')) => {
                let inner = self.nested(Self::prefixed)?;
                Ok(if sign == '-' {
                    super::parser::negate(inner)
                } else {
                    inner
                })
            }
            Token::Unknown(name) => Err(Trouble::Unreadable(format!(
                "`\\{name}` has no known meaning"
            ))),
            _ => Err(Trouble::Unreadable(
                "a part of the formula is missing".into(),
            )),
        }
    }

    /// A symbol; the application of a function known by name if brackets follow one.
    fn symbol(&mut self, mut name: String) -> Step<Node> {
        if let Some(Token::Subscript(below)) = self.peek() {
            name = format!("{name}_{below}");
            self.at += 1;
        }
        let touching = self.peek() == Some(&Token::Mark('(')) && !self.spaced();
        let first = name.chars().next().unwrap_or('x');
        let always = matches!(first, 'f' | 'g' | 'h' | 'F' | 'G' | 'H');
        let simple_argument = matches!(
            self.peek_at(1),
            Some(Token::Symbol(_) | Token::Numeral { .. } | Token::Constant(_))
        ) && self.peek_at(2) == Some(&Token::Mark(')'));
        if touching && (always || (first.is_uppercase() && simple_argument)) {
            self.at += 1;
            let items = self.items(&[Token::Mark(')')])?;
            return Ok(Node::Named(name, items));
        }
        Ok(Node::Symbol(name))
    }

    /// `x_1`, `204_5`, `(...)_{10}`.
    pub(super) fn subscripted(&mut self, base: Node) -> Step<Node> {
        let Some(Token::Subscript(below)) = self.next() else {
            return Err(Trouble::Unreadable("nothing stands below".into()));
        };
        let digits = self.tokens.get(self.at.wrapping_sub(2)).map(|s| &s.token);
        match (&base, digits, below.parse::<u32>()) {
            (
                Node::Number { value, .. },
                Some(Token::Numeral {
                    digits,
                    places: None,
                    ..
                }),
                Ok(radix @ 2..=36),
            ) if value.is_integer() => Ok(Node::Numeral(digits.clone(), radix)),
            _ => Ok(Node::Named(format!("_{below}"), vec![base])),
        }
    }

    /// Members up to one of the closing tokens, which is taken too.
    fn items(&mut self, closing: &[Token]) -> Step<Vec<Node>> {
        let bars = std::mem::take(&mut self.bars);
        let items = self.nested(|parser| {
            let mut items = Vec::new();
            loop {
                if parser.peek().is_some_and(|token| closing.contains(token)) {
                    break;
                }
                items.push(parser.relation()?);
                match parser.peek() {
                    Some(Token::Mark(',' | ';') | Token::And | Token::Or) => parser.at += 1,
                    Some(token) if closing.contains(token) => break,
                    _ => return Err(Trouble::Unreadable("a bracket is not closed".into())),
                }
            }
            parser.at += 1;
            Ok(items)
        });
        self.bars = bars;
        items
    }

    /// After `(` or `[`: a group, a tuple or an interval.
    fn brackets(&mut self, closed_left: bool) -> Step<Node> {
        let before = self.at.checked_sub(2).and_then(|at| self.tokens.get(at));
        let in_rows =
            closed_left && matches!(before.map(|s| &s.token), Some(Token::Mark('[' | ',')));
        let items = self.items(&[Token::Mark(')'), Token::Mark(']')])?;
        let closed_right =
            self.tokens.get(self.at.wrapping_sub(1)).map(|s| &s.token) == Some(&Token::Mark(']'));
        if closed_left && closed_right && !items.is_empty() {
            let rows: Option<Vec<Vec<Node>>> = items
                .iter()
                .map(|item| match item {
                    Node::Tuple {
                        items,
                        closed_left: true,
                        closed_right: true,
                    } => Some(items.clone()),
                    _ => None,
                })
                .collect();
            if let Some(rows) = rows {
                return Ok(Node::Matrix(rows));
            }
        }
        if items.len() == 1 && !in_rows {
            return Ok(collapse(items, |items| Node::List(items, Join::Comma)));
        }
        if items.is_empty() {
            return Err(Trouble::Unreadable("the brackets are empty".into()));
        }
        Ok(tuple(items, closed_left, closed_right))
    }

    /// A group in braces; with commas in it, it is a set in plain notation.
    pub(super) fn braces(&mut self, close: &Token) -> Step<Node> {
        let items = self.items(std::slice::from_ref(close))?;
        if items.is_empty() {
            return Err(Trouble::Unreadable("the braces are empty".into()));
        }
        Ok(collapse(items, Node::Set))
    }

    fn set(&mut self) -> Step<Node> {
        let items = self.items(&[Token::SetClose])?;
        let builder = |item: &Node| matches!(item, Node::Chain(_, relations) if relations.iter().any(|relation| matches!(relation, super::tree::Relation::Other(_))));
        if items.iter().any(builder) {
            return Err(Trouble::Unreadable("a set given by a condition".into()));
        }
        Ok(Node::Set(items))
    }

    fn absolute(&mut self, close: &Token) -> Step<Node> {
        self.bars += 1;
        let inner = self.sum();
        self.bars = self.bars.saturating_sub(1);
        let inner = inner?;
        self.expect(close)?;
        Ok(Node::Call(Function::Abs, vec![inner]))
    }

    fn enclosed(&mut self, function: Function, close: &Token) -> Step<Node> {
        let inner = self.sum()?;
        self.expect(close)?;
        Ok(Node::Call(function, vec![inner]))
    }

    /// An argument of a command: a group, a single digit, or one symbol.
    fn argument(&mut self) -> Step<Node> {
        if self.eat('{') {
            return self.nested(|parser| parser.braces(&Token::Mark('}')));
        }
        if let Some(spaced) = self.tokens.get_mut(self.at)
            && let Token::Numeral {
                value,
                places: None,
                digits,
                exponent: 0,
            } = &mut spaced.token
            && digits.len() > 1
        {
            // `\frac12` is one half: each argument is one digit.
            let first = digits.remove(0).to_digit(10).unwrap_or(0);
            *value = num_rational::BigRational::from_integer(
                digits.parse::<BigInt>().unwrap_or_default(),
            );
            return Ok(Node::integer(i64::from(first)));
        }
        self.nested(Self::primary)
    }

    fn fraction(&mut self) -> Step<Node> {
        let above = self.argument()?;
        let below = self.argument()?;
        Ok(Node::Quotient(Box::new(above), Box::new(below)))
    }

    fn root(&mut self) -> Step<Node> {
        let index = if self.eat('[') {
            let mut items = self.items(&[Token::Mark(']')])?;
            items.pop().unwrap_or_else(|| Node::integer(2))
        } else {
            Node::integer(2)
        };
        let radicand = if self.eat('{') {
            self.nested(|parser| parser.braces(&Token::Mark('}')))?
        } else {
            self.nested(Self::primary)?
        };
        Ok(Node::Root(Box::new(radicand), Box::new(index)))
    }

    fn function(&mut self, function: Function) -> Step<Node> {
        let mut power = None;
        let mut base = None;
        loop {
            match self.peek() {
                Some(Token::Mark('^')) if power.is_none() => {
                    self.at += 1;
                    power = Some(self.function_power()?);
                }
                Some(Token::Mark('_')) if base.is_none() => {
                    self.at += 1;
                    base = Some(self.log_base()?);
                }
                _ => break,
            }
        }
        let mut arguments = self.arguments()?;
        if let Some(base) = base {
            arguments.push(base);
        }
        let inverse = power.as_ref().is_some_and(is_minus_one);
        let call = match (inverse, inverse_of(function)) {
            (true, Some(inverse)) => return Ok(Node::Call(inverse, arguments)),
            _ => Node::Call(function, arguments),
        };
        Ok(match power {
            Some(power) => Node::Power(Box::new(call), Box::new(power)),
            None => call,
        })
    }

    fn function_power(&mut self) -> Step<Node> {
        if self.eat('{') {
            return self.nested(|parser| parser.braces(&Token::Mark('}')));
        }
        let negative = self.eat('-');
        let power = self.nested(Self::primary)?;
        Ok(if negative {
            super::parser::negate(power)
        } else {
            power
        })
    }

    fn log_base(&mut self) -> Step<Node> {
        // `\log_28` is the logarithm of 8 to base 2.
        if matches!(self.peek(), Some(Token::Numeral { digits, .. }) if digits.len() > 1)
            && !matches!(self.peek_at(1), Some(Token::Mark('(' | '{')))
            && matches!(
                self.peek_at(1),
                None | Some(Token::Mark('+' | '-' | ',' | ')' | '}'))
            )
        {
            return self.argument();
        }
        if self.eat('{') {
            return self.nested(|parser| parser.braces(&Token::Mark('}')));
        }
        self.nested(Self::primary)
    }

    /// The arguments of a function, with or without brackets.
    fn arguments(&mut self) -> Step<Vec<Node>> {
        match self.peek() {
            Some(Token::Mark('(')) => {
                self.at += 1;
                return self.items(&[Token::Mark(')')]);
            }
            Some(Token::Mark('[')) => {
                self.at += 1;
                return self.items(&[Token::Mark(']')]);
            }
            Some(Token::Mark('{')) => {
                self.at += 1;
                return self.items(&[Token::Mark('}')]);
            }
            _ => {}
        }
        // `\sin 2x \cos y`: the argument ends at an operator or at the next function.
        let negative = self.eat('-');
        let mut product = self.nested(Self::prefixed)?;
        loop {
            let goes_on = match self.peek() {
                Some(Token::Mark('/')) => {
                    // `\sin x/2` and `\sin \pi/6`, but not `\sin x / \cos x`.
                    if matches!(self.peek_at(1), Some(Token::Numeral { .. }))
                        && !matches!(product, Node::Quotient(..))
                    {
                        self.at += 1;
                        let below = self.nested(Self::prefixed)?;
                        product = Node::Quotient(Box::new(product), Box::new(below));
                        continue;
                    }
                    false
                }
                Some(
                    Token::Symbol(_)
                    | Token::Constant(_)
                    | Token::Root
                    | Token::Fraction
                    | Token::Numeral { .. },
                ) => true,
                _ => false,
            };
            if !goes_on {
                break;
            }
            let factor = self.nested(Self::prefixed)?;
            product = times(product, factor);
        }
        Ok(vec![if negative {
            super::parser::negate(product)
        } else {
            product
        }])
    }

    fn environment(&mut self, name: &str) -> Step<Node> {
        let is_matrix = name.ends_with("matrix") || name.ends_with("matrix*") || name == "array";
        if !is_matrix {
            let lines = matches!(
                name,
                "align" | "align*" | "aligned" | "cases" | "gathered" | "equation" | "equation*"
            );
            return if lines {
                Err(Trouble::Unreadable(format!(
                    "`{name}` holds several formulas"
                )))
            } else {
                Err(Trouble::Unreadable(format!(
                    "the environment `{name}` has no known meaning"
                )))
            };
        }
        let rows = self.nested(Self::rows)?;
        let width = rows.first().map_or(0, Vec::len);
        if width == 0 || rows.iter().any(|row| row.len() != width) {
            return Err(Trouble::Unreadable(
                "the rows of a matrix differ in length".into(),
            ));
        }
        if name == "vmatrix" {
            return Err(Trouble::Unreadable("a determinant".into()));
        }
        Ok(Node::Matrix(rows))
    }

    fn rows(&mut self) -> Step<Vec<Vec<Node>>> {
        let mut rows = vec![Vec::new()];
        loop {
            match self.peek() {
                Some(Token::End(_)) => {
                    self.at += 1;
                    break;
                }
                Some(Token::RowBreak) => {
                    self.at += 1;
                    rows.push(Vec::new());
                }
                Some(Token::Mark('&')) => self.at += 1,
                None => return Err(Trouble::Unreadable("a matrix does not end".into())),
                Some(_) => {
                    let entry = self.relation()?;
                    if let Some(row) = rows.last_mut() {
                        row.push(entry);
                    }
                }
            }
        }
        rows.retain(|row| !row.is_empty());
        Ok(rows)
    }

    /// Words where a factor is expected: number words, or text.
    fn text(&mut self, first: String) -> Step<Node> {
        let mut words = vec![first];
        loop {
            // `twenty-five`
            let ahead = usize::from(self.peek() == Some(&Token::Mark('-')));
            let Some(Token::Word(word)) = self.peek_at(ahead) else {
                break;
            };
            if ahead == 1 && words::number(std::slice::from_ref(word)).is_none() {
                break;
            }
            words.push(word.clone());
            self.at += 1 + ahead;
        }
        if self.number_words
            && let Some((value, taken)) = words::number(&words)
        {
            let number = Node::rational(num_rational::BigRational::from_integer(value));
            self.at -= words.len() - taken;
            return Ok(number);
        }
        let lower = words.join(" ").to_lowercase();
        match lower.as_str() {
            "all real numbers" | "all reals" | "the real numbers" => return Ok(real_line()),
            "no solution" | "no solutions" | "no real solution" | "no real solutions"
            | "empty set" | "the empty set" => return Ok(Node::Set(Vec::new())),
            _ => {}
        }
        if matches!(lower.as_str(), "nan" | "undefined") {
            return Err(Trouble::Unreadable("it says that there is no value".into()));
        }
        Ok(Node::Text(lower))
    }
}

fn scientific(value: num_rational::BigRational, places: Option<u32>, exponent: i64) -> Node {
    let number = Node::Number { value, places };
    if exponent == 0 {
        return number;
    }
    let power = Node::Power(
        Box::new(Node::integer(10)),
        Box::new(Node::integer(exponent)),
    );
    Node::Product(vec![number, power])
}

fn tuple(items: Vec<Node>, closed_left: bool, closed_right: bool) -> Node {
    Node::Tuple {
        items,
        closed_left,
        closed_right,
    }
}

fn real_line() -> Node {
    let infinity = Node::Constant(Constant::Infinity);
    tuple(
        vec![Node::Negate(Box::new(infinity.clone())), infinity],
        false,
        false,
    )
}

fn is_minus_one(node: &Node) -> bool {
    *node == Node::integer(-1)
}

fn inverse_of(function: Function) -> Option<Function> {
    match function {
        Function::Sin => Some(Function::Arcsin),
        Function::Cos => Some(Function::Arccos),
        Function::Tan => Some(Function::Arctan),
        _ => None,
    }
}
