//! LaTeX commands in an answer.

use super::budget::Step;
use super::lexer::Lexer;
use super::token::{self, Token};
use super::tree::Relation;

impl Lexer {
    pub(super) fn command(&mut self) -> Step<()> {
        let Some(c) = self.peek(1) else {
            self.at += 1;
            return Ok(());
        };
        if c.is_ascii_alphabetic() {
            return self.named_command();
        }
        self.at += 2;
        match c {
            '{' => {
                self.at -= 1;
                self.brackets(&Token::SetOpen);
                self.at += 1;
                self.push(Token::SetOpen);
            }
            '}' => {
                self.brackets(&Token::SetClose);
                self.push(Token::SetClose);
            }
            '%' => self.push(Token::Percent),
            '$' => self.push(Token::Currency("$")),
            '|' => self.push(Token::Mark('|')),
            '&' => self.push(Token::And),
            '\\' => self.double_backslash(),
            '(' | ')' | '[' | ']' | '!' | ',' | ';' | ':' | ' ' | '>' | '\n' | '-' | '/' => {
                self.spaced |= c != '!';
            }
            _ => {}
        }
        Ok(())
    }

    /// `\\` breaks a row, unless a known command was escaped twice (`\\frac`).
    fn double_backslash(&mut self) {
        let name = self.command_name(0);
        let is_command = token::command(&name).is_some()
            || token::is_layout(&name)
            || token::is_text(&name)
            || name == "boxed";
        if !self.in_matrix && is_command {
            self.at -= 1;
        } else if self.in_matrix {
            self.push(Token::RowBreak);
        } else {
            self.spaced = true;
        }
    }

    /// The letters of the command whose name starts `ahead` of here.
    pub(super) fn command_name(&self, ahead: usize) -> String {
        self.text
            .iter()
            .skip(self.at + ahead)
            .take_while(|c| c.is_ascii_alphabetic())
            .take(24)
            .collect()
    }

    fn named_command(&mut self) -> Step<()> {
        let name = self.command_name(1);
        self.at += 1 + name.len();
        match name.as_str() {
            "left" | "right" if self.peek(0) == Some('|') => {
                let token = if name == "left" {
                    Token::AbsoluteOpen
                } else {
                    Token::AbsoluteClose
                };
                self.mark(token, 1);
            }
            "left" | "right" | "big" | "Big" if self.peek(0) == Some('.') => self.at += 1,
            "begin" | "end" => {
                let environment = self.raw_group();
                if environment == "array" && name == "begin" && self.peek(0) == Some('{') {
                    self.raw_group();
                }
                self.push(if name == "begin" {
                    Token::Begin(environment)
                } else {
                    Token::End(environment)
                });
            }
            "boxed" | "fbox" => {}
            "mathbb" => {
                let set = self.raw_group();
                self.push(Token::NumberSet(set.chars().next().unwrap_or(' ')));
            }
            "not" => self.negated(),
            "hspace" | "vspace" | "phantom" | "label" | "tag" => {
                self.raw_group();
            }
            "overline" | "bar" | "hat" | "widehat" | "tilde" => self.accent(&name),
            _ if token::is_text(&name) && self.quoted => self.spaced = true,
            _ if token::is_text(&name) => self.quoted_text()?,
            _ if token::is_layout(&name) => self.spaced = true,
            _ => self.symbol_command(&name),
        }
        Ok(())
    }

    pub(super) fn after_number(&self) -> bool {
        !self.spaced && matches!(self.last(), Some(Token::Numeral { .. } | Token::Mark(')')))
    }

    /// `\not=` and `\not\in`.
    fn negated(&mut self) {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        if self.peek(0) == Some('=') {
            self.mark(Token::Relation(Relation::NotEqual), 1);
            return;
        }
        let name = self.command_name(1);
        self.at += 1 + name.len();
        self.push(token::other(&format!("not{name}")));
    }

    /// A mark over one letter makes another letter; over several it only names a segment.
    fn accent(&mut self, name: &str) {
        let start = self.at;
        let under = self.raw_group();
        let mut letters = under.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if letter.is_lowercase() => {
                let name = if name == "overline" {
                    "bar"
                } else {
                    name.trim_start_matches("wide")
                };
                self.push(Token::Symbol(format!("{letter} {name}")));
            }
            _ => {
                self.at = start;
                self.spaced = true;
            }
        }
    }

    fn symbol_command(&mut self, name: &str) {
        if let Some(token) = token::command(name) {
            self.push(token);
        } else if let Some(function) = token::function(name) {
            self.push(Token::Function(function));
        } else if token::is_greek(name) {
            self.push(Token::Symbol(name.trim_start_matches("var").to_owned()));
        } else if let Some(rest) = name.strip_prefix("quad") {
            // `\quadx`: the space and a letter.
            self.at -= rest.len();
            self.spaced = true;
        } else {
            self.push(Token::Unknown(name.to_owned()));
        }
    }

    /// The argument of `\text`: the same tokens, marked as quoted.
    fn quoted_text(&mut self) -> Step<()> {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
        if self.peek(0) != Some('{') {
            return Ok(());
        }
        self.at += 1;
        let was = self.quoted;
        self.quoted = true;
        self.spaced = true;
        let mut depth = 1_usize;
        while let Some(c) = self.peek(0) {
            match c {
                '{' => depth += 1,
                '}' => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        break;
                    }
                }
                '\\' if self.command_name(1).starts_with("text") => {
                    self.at += 1 + self.command_name(1).len();
                    continue;
                }
                _ => {}
            }
            if matches!(c, '{' | '}') {
                self.at += 1;
            } else {
                self.step()?;
            }
        }
        self.quoted = was;
        self.spaced = true;
        Ok(())
    }
}
