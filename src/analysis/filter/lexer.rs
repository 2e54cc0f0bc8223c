//! From the text of an expression to its words and signs, each with its column.
//!
//! Knows nothing of fields: a word is whatever stands between blanks and signs.

use super::FilterError;

/// Characters of an expression; nobody writes a longer one by hand, and lists of calls are files.
const CHARS_MAX: usize = 8192;

/// A word or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Characters without quotes.
    Word(String),
    /// What stood in quotes.
    Quoted(String),
    /// The name in `header["X-Foo"]`.
    Header(String),
    Operator(Operator),
    /// `..`
    Range,
    Open,
    Close,
    Comma,
    And,
    Or,
    Not,
    End,
}

/// How a field is held against a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    Lacks,
}

impl Operator {
    /// As it is written.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "~",
            Self::Lacks => "!~",
        }
    }
}

/// A token and the column where it begins, from 1.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) token: Token,
    pub(super) column: usize,
}

/// Every token of the text; the last one is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, FilterError> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > CHARS_MAX {
        let problem = format!("the expression is longer than {CHARS_MAX} characters");
        return Err(FilterError::new(CHARS_MAX + 1, problem));
    }
    let mut lexer = Lexer { chars: &chars, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blanks();
        let column = lexer.at + 1;
        let token = lexer.next()?;
        let is_end = token == Token::End;
        tokens.push(Placed { token, column });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'c> {
    chars: &'c [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek(0).is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Result<Token, FilterError> {
        let Some(c) = self.peek(0) else { return Ok(Token::End) };
        if let Some((token, length)) = sign(c, self.peek(1)) {
            self.at += length;
            return Ok(token);
        }
        match c {
            '"' | '\'' => self.quoted(c).map(Token::Quoted),
            '&' | '|' => {
                let whole = if c == '&' { "and" } else { "or" };
                let error = FilterError::new(self.at + 1, format!("\"{c}\" alone means nothing"));
                Err(error.with_hint(format!("write `{whole}`, or `{c}{c}`")))
            }
            _ => self.word(),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, FilterError> {
        let start = self.at + 1;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match (c, self.peek(0)) {
                (c, _) if c == quote => return Ok(text),
                ('\\', Some(next)) if next == quote => {
                    text.push(quote);
                    self.at += 1;
                }
                // Whoever reads patterns undoes the other escapes.
                ('\\', Some('\\')) => {
                    text.push_str("\\\\");
                    self.at += 1;
                }
                (c, _) => text.push(c),
            }
        }
        let problem = format!("the quote {quote} that opens here is not closed");
        Err(FilterError::new(start, problem))
    }

    fn word(&mut self) -> Result<Token, FilterError> {
        let mut word = String::new();
        while let Some(c) = self.peek(0).filter(|c| is_of_word(*c)) {
            if c == '.' && self.peek(1) == Some('.') {
                break;
            }
            if c == '[' && word.eq_ignore_ascii_case("header") {
                return self.header().map(Token::Header);
            }
            word.push(c);
            self.at += 1;
        }
        Ok(Token::Word(word))
    }

    /// `["X-Foo"]`, with quotes or without.
    fn header(&mut self) -> Result<String, FilterError> {
        let opened = self.at + 1;
        self.at += 1;
        self.skip_blanks();
        let name = match self.peek(0) {
            Some(quote @ ('"' | '\'')) => self.quoted(quote)?,
            _ => {
                let mut name = String::new();
                while let Some(c) = self.peek(0).filter(|c| *c != ']' && !c.is_whitespace()) {
                    name.push(c);
                    self.at += 1;
                }
                name
            }
        };
        self.skip_blanks();
        if self.peek(0) != Some(']') || name.is_empty() {
            let error = FilterError::new(opened, "expected the name of a header and \"]\"");
            return Err(error.with_hint("as in `header[\"X-Foo\"] = bar`"));
        }
        self.at += 1;
        Ok(name)
    }
}

/// The sign that begins with these characters, and how many it takes.
fn sign(c: char, next: Option<char>) -> Option<(Token, usize)> {
    use Operator::{Contains, Equal, Greater, GreaterOrEqual, Lacks, Less, LessOrEqual, Unequal};
    let operator = match (c, next) {
        ('=', Some('=')) => (Equal, 2),
        ('=', Some('~')) => (Contains, 2),
        ('!', Some('=')) => (Unequal, 2),
        ('!', Some('~')) => (Lacks, 2),
        ('<', Some('=')) => (LessOrEqual, 2),
        ('>', Some('=')) => (GreaterOrEqual, 2),
        ('=', _) => (Equal, 1),
        ('<', _) => (Less, 1),
        ('>', _) => (Greater, 1),
        ('~', _) => (Contains, 1),
        _ => {
            return Some(match (c, next) {
                ('&', Some('&')) => (Token::And, 2),
                ('|', Some('|')) => (Token::Or, 2),
                ('.', Some('.')) => (Token::Range, 2),
                ('!', _) => (Token::Not, 1),
                ('(', _) => (Token::Open, 1),
                (')', _) => (Token::Close, 1),
                (',', _) => (Token::Comma, 1),
                _ => return None,
            });
        }
    };
    Some((Token::Operator(operator.0), operator.1))
}

fn is_of_word(c: char) -> bool {
    !c.is_whitespace() && !"()=,<>!~\"&|".contains(c)
}
