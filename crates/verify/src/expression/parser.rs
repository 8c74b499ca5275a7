//! A Pratt parser from tokens to the tree of an answer.

use super::budget::{MAX_DEPTH, MAX_NODES, Step, Trouble};
use super::lexer::{self, Reading};
use super::token::{Spaced, Token};
use super::tree::{Constant, Join, Node, Relation};

/// Reads an answer.
pub(super) fn parse(text: &str, reading: Reading, number_words: bool) -> Step<Node> {
    let mut tokens = lexer::tokens(text, reading)?;
    trim(&mut tokens);
    if tokens.is_empty() {
        return Err(Trouble::Unreadable("there is no answer in it".into()));
    }
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
        nodes: 0,
        bars: 0,
        number_words,
    };
    let node = parser.list()?;
    match parser.peek() {
        None if depth(&node) > MAX_TREE_DEPTH => Err(Trouble::Budget("the nested formulas")),
        None => Ok(node),
        Some(token) => Err(Trouble::Unreadable(format!(
            "{} has no place in the formula",
            describe(token)
        ))),
    }
}

/// Deepest tree that later steps walk through.
const MAX_TREE_DEPTH: usize = 160;

fn depth(node: &Node) -> usize {
    let below = node.children().into_iter().map(depth).max();
    1 + below.unwrap_or(0)
}

/// Drops leading `=` and trailing separators.
fn trim(tokens: &mut Vec<Spaced>) {
    let skip = tokens
        .iter()
        .take_while(|spaced| {
            matches!(
                spaced.token,
                Token::Relation(Relation::Equal | Relation::Approximate)
                    | Token::Mark(',' | ';' | ':')
            )
        })
        .count();
    tokens.drain(..skip);
    while matches!(
        tokens.last().map(|spaced| &spaced.token),
        Some(Token::Mark(',' | ';' | ':') | Token::And | Token::RowBreak)
    ) {
        tokens.pop();
    }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Mark(c) => format!("`{c}`"),
        Token::Word(word) | Token::Symbol(word) => format!("`{word}`"),
        Token::Unknown(name) => format!("`\\{name}`"),
        Token::Numeral { digits, .. } => {
            format!("the number {}", digits.chars().take(20).collect::<String>())
        }
        Token::RowBreak => "a line break".to_owned(),
        _ => "a mark".to_owned(),
    }
}

pub(super) struct Parser {
    pub(super) tokens: Vec<Spaced>,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) nodes: usize,
    /// How many `|` are open.
    pub(super) bars: usize,
    pub(super) number_words: bool,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spaced| &spaced.token)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead).map(|spaced| &spaced.token)
    }

    pub(super) fn spaced(&self) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|token| token.after_space)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|spaced| spaced.token.clone());
        self.at += 1;
        token
    }

    pub(super) fn eat(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, token: &Token) -> Step<()> {
        if self.peek() == Some(token) {
            self.at += 1;
            return Ok(());
        }
        Err(Trouble::Unreadable("a bracket is not closed".into()))
    }

    /// Goes one level down; every recursive rule passes here.
    pub(super) fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Step<T>) -> Step<T> {
        if self.depth >= MAX_DEPTH {
            return Err(Trouble::Budget("the nested brackets"));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }

    /// Counts a node that goes around the one before it, in a loop.
    fn wrap(&mut self, around: &mut usize) -> Step<()> {
        *around += 1;
        if *around > MAX_DEPTH {
            return Err(Trouble::Budget("the nested operators"));
        }
        self.count()
    }

    pub(super) fn count(&mut self) -> Step<()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Trouble::Budget("the parts of the formula"));
        }
        Ok(())
    }

    /// Members separated by commas, semicolons, `and`, `or`.
    pub(super) fn list(&mut self) -> Step<Node> {
        let mut groups = vec![Vec::new()];
        let mut semicolon = false;
        let mut join = Join::Comma;
        loop {
            let item = self.relation()?;
            if let Some(group) = groups.last_mut() {
                group.push(item);
            }
            let mut separated = false;
            loop {
                match self.peek() {
                    Some(Token::Mark(',') | Token::RowBreak) => {}
                    Some(Token::Mark(';')) => {
                        semicolon = true;
                        if !separated {
                            groups.push(Vec::new());
                        }
                    }
                    Some(Token::And) => join = Join::And,
                    Some(Token::Or) => join = Join::Or,
                    _ => break,
                }
                separated = true;
                self.at += 1;
            }
            if !separated || self.at >= self.tokens.len() {
                break;
            }
        }
        Ok(assemble(groups, semicolon, join))
    }

    /// A chain of relations: `-2 <= x < 7`, `x = 5 + 6 = 11`.
    pub(super) fn relation(&mut self) -> Step<Node> {
        let mut terms = vec![self.sets()?];
        let mut relations = Vec::new();
        while let Some(Token::Relation(relation)) = self.peek() {
            relations.push(*relation);
            self.at += 1;
            if self.peek() == Some(&Token::Relation(Relation::Equal)) {
                self.at += 1;
            }
            terms.push(self.sets()?);
        }
        match (terms.pop(), relations.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(last), false) => {
                terms.push(last);
                self.count()?;
                Ok(Node::Chain(terms, relations))
            }
            (None, _) => Err(Trouble::Unreadable(
                "a side of a relation is missing".into(),
            )),
        }
    }

    /// Unions and intersections.
    fn sets(&mut self) -> Step<Node> {
        let mut left = self.ratio()?;
        let mut around = 0;
        loop {
            let token = self.peek().cloned();
            match token {
                Some(Token::Union) => {
                    self.at += 1;
                    let right = self.ratio()?;
                    left = match left {
                        Node::Union(mut items) => {
                            items.push(right);
                            Node::Union(items)
                        }
                        first => Node::Union(vec![first, right]),
                    };
                }
                Some(Token::Intersection) => {
                    self.at += 1;
                    let right = self.ratio()?;
                    left = Node::Intersection(vec![left, right]);
                    self.wrap(&mut around)?;
                }
                Some(Token::Without) => {
                    self.at += 1;
                    let right = self.ratio()?;
                    left = Node::Without(Box::new(left), Box::new(right));
                    self.wrap(&mut around)?;
                }
                _ => return Ok(left),
            }
            self.count()?;
        }
    }

    fn ratio(&mut self) -> Step<Node> {
        let first = self.sum()?;
        if self.peek() != Some(&Token::Mark(':')) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.eat(':') {
            parts.push(self.sum()?);
        }
        self.count()?;
        Ok(Node::Ratio(parts))
    }

    pub(super) fn sum(&mut self) -> Step<Node> {
        self.nested(|parser| {
            let mut terms = vec![parser.product()?];
            let mut around = 0;
            loop {
                match parser.peek() {
                    Some(Token::Mark('+')) => {
                        parser.at += 1;
                        terms.push(parser.product()?);
                    }
                    Some(Token::Mark('-')) => {
                        parser.at += 1;
                        let term = parser.product()?;
                        terms.push(Node::Negate(Box::new(term)));
                    }
                    Some(Token::PlusMinus(plus)) => {
                        let plus = *plus;
                        parser.at += 1;
                        let right = parser.product()?;
                        let left = collapse(terms, Node::Sum);
                        terms = vec![Node::PlusMinus(Box::new(left), Box::new(right), plus)];
                        parser.wrap(&mut around)?;
                    }
                    _ => break,
                }
                parser.count()?;
            }
            Ok(collapse(terms, Node::Sum))
        })
    }

    /// Signs, then factors: the sign binds weaker than a product and a power.
    fn product(&mut self) -> Step<Node> {
        let mut negative = false;
        loop {
            match self.peek() {
                Some(Token::Mark('-')) => negative = !negative,
                Some(Token::Mark('+')) => {}
                Some(Token::PlusMinus(plus)) => {
                    let plus = *plus;
                    self.at += 1;
                    let right = self.factors()?;
                    let left = Box::new(Node::integer(0));
                    return Ok(Node::PlusMinus(left, Box::new(right), plus != negative));
                }
                _ => break,
            }
            self.at += 1;
        }
        let factors = self.factors()?;
        Ok(if negative { negate(factors) } else { factors })
    }

    fn factors(&mut self) -> Step<Node> {
        let first = self.prefixed()?;
        let mut product = self.mixed(first)?;
        let mut around = 0;
        loop {
            if matches!(
                self.peek(),
                Some(
                    Token::Mark('/')
                        | Token::Modulo
                        | Token::Mod
                        | Token::Word(_)
                        | Token::Degree
                        | Token::Percent
                        | Token::Currency(_)
                )
            ) {
                self.wrap(&mut around)?;
            }
            self.count()?;
            match self.peek() {
                Some(Token::Mark('*')) => {
                    self.at += 1;
                    let right = self.signed_factor()?;
                    product = times(product, right);
                }
                Some(Token::Mark('/')) => {
                    self.at += 1;
                    let right = self.signed_factor()?;
                    product = Node::Quotient(Box::new(product), Box::new(right));
                }
                Some(Token::Modulo) => {
                    self.at += 1;
                    let modulus = self.signed_factor()?;
                    product = Node::Named("modulo".into(), vec![product, modulus]);
                }
                // `3 (mod 5)`
                Some(Token::Mark('(')) if self.peek_at(1) == Some(&Token::Mod) => {
                    self.at += 2;
                    let modulus = self.sum()?;
                    self.expect(&Token::Mark(')'))?;
                    product = Node::Named("modulo".into(), vec![product, modulus]);
                }
                Some(Token::Mod) => {
                    self.at += 1;
                    let right = self.signed_factor()?;
                    product = Node::Call(super::tree::Function::Mod, vec![product, right]);
                }
                Some(Token::Word(_) | Token::Degree | Token::Percent) => {
                    product = self.unit_after(product)?;
                }
                Some(Token::Currency(_)) => product = self.currency_after(product),
                Some(token) if starts_factor(token, self.bars) => {
                    let numbers = matches!(token, Token::Numeral { .. })
                        && matches!(product, Node::Number { .. } | Node::Measured(..));
                    if numbers {
                        return Err(Trouble::Unreadable("two numbers stand side by side".into()));
                    }
                    let right = self.prefixed()?;
                    product = times(product, right);
                }
                _ => return Ok(product),
            }
        }
    }

    fn signed_factor(&mut self) -> Step<Node> {
        let mut negative = false;
        while let Some(Token::Mark(sign @ ('-' | '+'))) = self.peek() {
            negative ^= *sign == '-';
            self.at += 1;
        }
        let factor = self.prefixed()?;
        let factor = self.mixed(factor)?;
        Ok(if negative { negate(factor) } else { factor })
    }

    /// One factor with its postfix operators.
    pub(super) fn prefixed(&mut self) -> Step<Node> {
        let base = self.nested(Self::primary)?;
        self.postfix(base)
    }

    pub(super) fn postfix(&mut self, mut base: Node) -> Step<Node> {
        let mut around = 0;
        loop {
            self.wrap(&mut around)?;
            match self.peek() {
                Some(Token::Mark('^')) => {
                    if self.peek_at(1) == Some(&Token::Degree) {
                        self.at += 2;
                        base = Node::Measured(Box::new(base), self.degree_unit());
                        continue;
                    }
                    if let Some(skip) = self.braced_degree() {
                        self.at += skip;
                        base = Node::Measured(Box::new(base), self.degree_unit());
                        continue;
                    }
                    self.at += 1;
                    let exponent = self.nested(Self::exponent)?;
                    base = Node::Power(Box::new(base), Box::new(exponent));
                }
                Some(Token::Mark('!')) => {
                    self.at += 1;
                    if self.peek() == Some(&Token::Mark('!')) && !self.spaced() {
                        return Err(Trouble::Unreadable("a double factorial".into()));
                    }
                    base = Node::Call(super::tree::Function::Factorial, vec![base]);
                }
                Some(Token::Percent) => {
                    self.at += 1;
                    base = Node::Percent(Box::new(base));
                }
                Some(Token::Subscript(_)) => base = self.subscripted(base)?,
                _ => return Ok(base),
            }
        }
    }

    /// How many tokens `^{\circ}` takes, if it stands here.
    fn braced_degree(&self) -> Option<usize> {
        let braced = self.peek_at(1) == Some(&Token::Mark('{'))
            && self.peek_at(2) == Some(&Token::Degree)
            && self.peek_at(3) == Some(&Token::Mark('}'));
        braced.then_some(4)
    }

    /// What stands above: one primary, with sign, and further powers (`2^3^4` is `2^(3^4)`).
    fn exponent(&mut self) -> Step<Node> {
        let mut negative = false;
        while let Some(Token::Mark(sign @ ('-' | '+'))) = self.peek() {
            negative ^= *sign == '-';
            self.at += 1;
        }
        let mut base = self.nested(Self::primary)?;
        let mut around = 0;
        loop {
            self.wrap(&mut around)?;
            match self.peek() {
                Some(Token::Mark('^')) => {
                    self.at += 1;
                    let above = self.nested(Self::exponent)?;
                    base = Node::Power(Box::new(base), Box::new(above));
                }
                Some(Token::Subscript(_)) => base = self.subscripted(base)?,
                _ => break,
            }
        }
        Ok(if negative { negate(base) } else { base })
    }

    /// `1\frac{1}{2}` and `1 1/2` are sums.
    fn mixed(&mut self, first: Node) -> Step<Node> {
        let Node::Number {
            value,
            places: None,
        } = &first
        else {
            return Ok(first);
        };
        let previous = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let plain = matches!(previous.map(|s| &s.token), Some(Token::Numeral { .. }));
        if !plain || !value.is_integer() {
            return Ok(first);
        }
        let start = self.at;
        let part = match (self.peek(), self.peek_at(1), self.peek_at(2)) {
            (Some(Token::Fraction), ..) => self.nested(Self::primary)?,
            (Some(Token::Numeral { .. }), Some(Token::Mark('/')), Some(Token::Numeral { .. }))
                if self.spaced() =>
            {
                let above = self.primary()?;
                self.at += 1;
                let below = self.primary()?;
                Node::Quotient(Box::new(above), Box::new(below))
            }
            _ => return Ok(first),
        };
        if is_proper_fraction(&part) {
            return Ok(Node::Sum(vec![first, part]));
        }
        self.at = start;
        Ok(first)
    }
}

fn is_proper_fraction(node: &Node) -> bool {
    let Node::Quotient(above, below) = node else {
        return false;
    };
    match (above.as_ref(), below.as_ref()) {
        (
            Node::Number {
                value: above,
                places: None,
            },
            Node::Number {
                value: below,
                places: None,
            },
        ) => above < below && above.is_integer() && below.is_integer(),
        _ => false,
    }
}

/// Whether a token can begin a factor that multiplies what stands before it.
fn starts_factor(token: &Token, bars: usize) -> bool {
    match token {
        Token::Numeral { .. }
        | Token::Symbol(_)
        | Token::Function(_)
        | Token::Constant(_)
        | Token::SetOpen
        | Token::AbsoluteOpen
        | Token::FloorOpen
        | Token::CeilOpen
        | Token::AngleOpen
        | Token::Fraction
        | Token::Root
        | Token::Binomial
        | Token::Ellipsis
        | Token::Unknown(_)
        | Token::Begin(_) => true,
        Token::Mark(c) => matches!(c, '(' | '[' | '{') || (*c == '|' && bars == 0),
        _ => false,
    }
}

fn assemble(mut groups: Vec<Vec<Node>>, semicolon: bool, join: Join) -> Node {
    groups.retain(|group| !group.is_empty());
    let nested = semicolon && groups.iter().any(|group| group.len() > 1);
    if nested {
        let lists = groups
            .into_iter()
            .map(|group| collapse(group, |items| Node::List(items, Join::Comma)));
        return Node::List(lists.collect(), join);
    }
    let items: Vec<Node> = groups.into_iter().flatten().collect();
    collapse(items, |items| Node::List(items, join))
}

/// The only item, or all of them under `parent`.
pub(super) fn collapse(mut items: Vec<Node>, parent: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match (items.len(), items.pop()) {
        (1, Some(only)) => only,
        (_, Some(last)) => {
            items.push(last);
            parent(items)
        }
        (_, None) => Node::Set(Vec::new()),
    }
}

/// The product, flat.
pub(super) fn times(left: Node, right: Node) -> Node {
    match left {
        Node::Product(mut factors) => {
            factors.push(right);
            Node::Product(factors)
        }
        left => Node::Product(vec![left, right]),
    }
}

/// The negative, kept under a unit or a percent sign.
pub(super) fn negate(node: Node) -> Node {
    match node {
        Node::Measured(inner, unit) => Node::Measured(Box::new(negate(*inner)), unit),
        Node::Percent(inner) => Node::Percent(Box::new(negate(*inner))),
        Node::Number { value, places } => Node::Number {
            value: -value,
            places,
        },
        other => Node::Negate(Box::new(other)),
    }
}

/// The named constant as a node.
pub(super) fn constant(constant: Constant) -> Node {
    Node::Constant(constant)
}
