//! From words and signs to a tree of tests.
//!
//! `or` binds less than `and`, `and` less than `not`; what stands side by side is joined by `and`.

use super::field::{self, Field, Type};
use super::lexer::{Operator, Placed, Token, tokens};
use super::matcher::Matcher;
use super::search::Search;
use super::{FilterError, Node, Test};
use crate::catalogue;

/// Parentheses and `not` inside each other: far more than anybody can follow, few enough for any
/// stack.
const DEPTH_MAX: usize = 64;

/// The tree of the expression.
pub(super) fn parse(text: &str) -> Result<Node, FilterError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0 };
    if *parser.token() == Token::End {
        let error = FilterError::new(1, "the expression is empty");
        return Err(error.with_hint("as in `status = 5xx`, or a word to search for"));
    }
    let root = parser.either(0)?;
    match parser.token() {
        Token::End => Ok(root),
        Token::Close => Err(parser.wrong("\")\" closes nothing")),
        _ => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

struct Parser<'t> {
    tokens: &'t [Placed],
    at: usize,
}

impl<'t> Parser<'t> {
    fn ahead(&self, count: usize) -> &'t Token {
        self.tokens.get(self.at + count).map_or(&Token::End, |placed| &placed.token)
    }

    fn token(&self) -> &'t Token {
        self.ahead(0)
    }

    fn column(&self) -> usize {
        let placed = self.tokens.get(self.at).or(self.tokens.last());
        placed.map_or(1, |placed| placed.column)
    }

    fn take(&mut self) {
        self.at += 1;
    }

    /// The token is that word without quotes, in small letters or in capitals.
    fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.ahead(ahead), Token::Word(own) if own.eq_ignore_ascii_case(word))
    }

    fn wrong(&self, problem: impl AsRef<str>) -> FilterError {
        FilterError::new(self.column(), problem)
    }

    fn expected(&self, what: &str) -> FilterError {
        self.wrong(format!("expected {what}, not {}", shown(self.token())))
    }

    fn is_or(&self) -> bool {
        *self.token() == Token::Or || self.is_word(0, "or")
    }

    fn is_and(&self) -> bool {
        *self.token() == Token::And || self.is_word(0, "and")
    }

    fn either(&mut self, depth: usize) -> Result<Node, FilterError> {
        let first = self.both(depth)?;
        let mut nodes = vec![first];
        while self.is_or() {
            self.take();
            nodes.push(self.both(depth)?);
        }
        Ok(joined(nodes, Node::Any))
    }

    fn both(&mut self, depth: usize) -> Result<Node, FilterError> {
        let first = self.one(depth)?;
        let mut nodes = vec![first];
        loop {
            if self.is_and() {
                self.take();
            } else if self.is_or() || matches!(self.token(), Token::Close | Token::End) {
                break;
            }
            nodes.push(self.one(depth)?);
        }
        Ok(joined(nodes, Node::All))
    }

    fn one(&mut self, depth: usize) -> Result<Node, FilterError> {
        if depth > DEPTH_MAX {
            let problem = format!("more than {DEPTH_MAX} parentheses inside each other");
            return Err(self.wrong(problem));
        }
        if *self.token() == Token::Not || self.is_word(0, "not") {
            self.take();
            return Ok(Node::Not(Box::new(self.one(depth + 1)?)));
        }
        match self.token() {
            Token::Open => {
                let opened = self.column();
                self.take();
                let node = self.either(depth + 1)?;
                if *self.token() != Token::Close {
                    let error = FilterError::new(opened, "the \"(\" that opens here is not closed");
                    return Err(error);
                }
                self.take();
                Ok(node)
            }
            Token::Header(name) => {
                let field = Field::Header(name.clone());
                self.take();
                self.test(field, "header[…]")
            }
            Token::Word(word) if !is_keyword(word) => self.word(word),
            Token::Quoted(text) => {
                let node = Node::Search(Search::new(text));
                self.take();
                match self.token() {
                    Token::Operator(_) => Err(self.wrong("a field has no quotes")),
                    _ => Ok(node),
                }
            }
            _ => Err(self.expected("a field or a word to search for")),
        }
    }

    /// A test on a field, or a word to search for.
    fn word(&mut self, word: &'t str) -> Result<Node, FilterError> {
        if let Some(field) = Field::named(word) {
            self.take();
            return self.test(field, word);
        }
        let is_test = matches!(self.ahead(1), Token::Operator(_))
            || self.is_word(1, "present")
            || (self.is_word(1, "in") && *self.ahead(2) == Token::Open);
        if is_test {
            return Err(unknown(self.column(), word));
        }
        if let Some((name, rest)) = word.split_once(':')
            && Field::named(name).is_some()
        {
            let error = self.wrong(format!("expected an operator after \"{name}\""));
            let hint = format!("write `{name} = {rest}`, or quotes to search for the text");
            return Err(error.with_hint(hint));
        }
        self.take();
        Ok(Node::Search(Search::new(word)))
    }

    /// What stands behind a field.
    fn test(&mut self, field: Field, name: &str) -> Result<Node, FilterError> {
        if self.is_word(0, "present") {
            self.take();
            return Ok(Node::Test(Test { field, matchers: Vec::new() }));
        }
        let is_negated = self.is_word(0, "not") && self.is_word(1, "in");
        if is_negated {
            self.take();
        }
        if self.is_word(0, "in") {
            self.take();
            let matchers = self.list(&field)?;
            return Ok(negated(Test { field, matchers }, is_negated));
        }
        let Token::Operator(operator) = *self.token() else {
            let error = self.expected(&format!("an operator after the field \"{name}\""));
            let hint =
                format!("`{name} present` asks whether there is one; quotes search for the text");
            return Err(error.with_hint(hint));
        };
        let column = self.column();
        self.take();
        let (operator, is_negated) = match operator {
            Operator::Unequal => (Operator::Equal, true),
            Operator::Lacks => (Operator::Contains, true),
            other => (other, false),
        };
        let kind = field.kind();
        if !kind.takes(operator) {
            let sign = operator.sign();
            let error = FilterError::new(column, format!("\"{sign}\" does not fit \"{name}\""));
            return Err(error.with_hint(kind.operators()));
        }
        let matcher = self.matcher(kind, operator)?;
        Ok(negated(Test { field, matchers: vec![matcher] }, is_negated))
    }

    /// `(a, b..c)`
    fn list(&mut self, field: &Field) -> Result<Vec<Matcher>, FilterError> {
        if *self.token() != Token::Open {
            return Err(self
                .expected("\"(\" and a list")
                .with_hint("as in `status in (486, 600)`"));
        }
        self.take();
        let mut matchers = Vec::new();
        loop {
            matchers.push(self.matcher(field.kind(), Operator::Equal)?);
            match self.token() {
                Token::Comma => self.take(),
                Token::Close => {
                    self.take();
                    return Ok(matchers);
                }
                _ => return Err(self.expected("\",\" or \")\"")),
            }
        }
    }

    /// A value or a range of values.
    fn matcher(&mut self, kind: Type, operator: Operator) -> Result<Matcher, FilterError> {
        let column = self.column();
        let low = self.value(kind)?;
        if *self.token() != Token::Range {
            return Matcher::of(kind, operator, low).map_err(|wrong| wrong.at(column));
        }
        if operator != Operator::Equal || !kind.has_order() {
            let error = self.wrong("a range does not fit here");
            return Err(
                error.with_hint("ranges are for numbers and times, behind `=` or in a list")
            );
        }
        self.take();
        let end = self.column();
        let high = self.value(kind)?;
        Matcher::range(kind, (low, column), (high, end))
    }

    fn value(&mut self, kind: Type) -> Result<&'t str, FilterError> {
        let value = match self.token() {
            Token::Word(word) if !is_keyword(word) => word,
            Token::Quoted(text) => text,
            _ => return Err(self.expected(&kind.example())),
        };
        self.take();
        Ok(value)
    }
}

fn negated(test: Test, is_negated: bool) -> Node {
    let node = Node::Test(test);
    if is_negated { Node::Not(Box::new(node)) } else { node }
}

/// One node as it is, several as one.
fn joined(mut nodes: Vec<Node>, join: impl Fn(Vec<Node>) -> Node) -> Node {
    match (nodes.pop(), nodes.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            nodes.extend(last);
            join(nodes)
        }
    }
}

fn is_keyword(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// No field has the name.
fn unknown(column: usize, name: &str) -> FilterError {
    let error = FilterError::new(column, format!("no field is named \"{name}\""));
    match catalogue::nearest(name, field::names()) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => {
            let names: Vec<&str> = field::names().collect();
            error.with_hint(format!("the fields are {}", names.join(", ")))
        }
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Word(text) | Token::Quoted(text) => format!("\"{text}\""),
        Token::Header(name) => format!("\"header[{name}]\""),
        Token::Operator(operator) => format!("\"{}\"", operator.sign()),
        Token::Range => "\"..\"".to_owned(),
        Token::Open => "\"(\"".to_owned(),
        Token::Close => "\")\"".to_owned(),
        Token::Comma => "\",\"".to_owned(),
        Token::And => "\"&&\"".to_owned(),
        Token::Or => "\"||\"".to_owned(),
        Token::Not => "\"!\"".to_owned(),
        Token::End => "the end".to_owned(),
    }
}
