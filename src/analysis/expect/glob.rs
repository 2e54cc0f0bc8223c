//! Patterns with `*` for any characters and `?` for one; `\*` and `\?` stand for themselves.

/// A pattern that a whole text fits or does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::analysis) struct Glob {
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Char(char),
}

impl Glob {
    /// The pattern that the text spells; every text does.
    pub(in crate::analysis) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' if matches!(chars.peek(), Some('*' | '?' | '\\')) => {
                    Piece::Char(chars.next().unwrap_or('\\'))
                }
                c => Piece::Char(c),
            });
        }
        pieces.dedup_by(|one, other| *one == Piece::Any && *other == Piece::Any);
        Self { pieces }
    }

    /// Whether the text fits as a whole.
    pub(in crate::analysis) fn fits(&self, text: &str) -> bool {
        self.fits_by(text, |own, other| own == other)
    }

    /// The same where capital and small ASCII letters are one.
    pub(super) fn fits_in_any_case(&self, text: &str) -> bool {
        self.fits_by(text, |own, other| own.eq_ignore_ascii_case(&other))
    }

    /// Goes back to the last `*` alone, so that the work is at most text times pattern.
    fn fits_by(&self, text: &str, is_same: impl Fn(char, char) -> bool) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut piece, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(c) = text.get(at) {
            let fits = match self.pieces.get(piece) {
                Some(Piece::Any) => {
                    retry = Some((piece, at));
                    piece += 1;
                    continue;
                }
                Some(Piece::One) => true,
                Some(Piece::Char(own)) => is_same(*own, *c),
                None => false,
            };
            if fits {
                (piece, at) = (piece + 1, at + 1);
                continue;
            }
            let Some((star, taken)) = retry else { return false };
            retry = Some((star, taken + 1));
            (piece, at) = (star + 1, taken + 1);
        }
        self.pieces.iter().skip(piece).all(|piece| *piece == Piece::Any)
    }
}

/// The text as a pattern that only this text fits.
pub(super) fn literal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_and_question_marks_for_one_character() {
        let cases = [
            ("alice", "alice", true),
            ("alice", "alicia", false),
            ("alice*", "alice", true),
            ("*@example.com", "alice@example.com", true),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b*c", "aXXbYYbZ", false),
            ("18?", "183", true),
            ("18?", "18", false),
            ("**", "", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("日*", "日本", true),
            ("", "", true),
            ("", "x", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Glob::new(pattern).fits(text), expected, "{pattern} {text}");
        }
        assert!(Glob::new("pcm?").fits_in_any_case("PCMU"));
    }

    #[test]
    fn a_literal_fits_itself_alone() {
        for text in ["a*b", "what?", "back\\slash", "\\*"] {
            let glob = Glob::new(&literal(text));
            assert!(glob.fits(text), "{text}");
            assert!(!glob.fits(&format!("{text}x")), "{text}");
        }
        assert!(!Glob::new(&literal("a*b")).fits("aXb"));
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let glob = Glob::new(&"*a".repeat(500));
        assert!(!glob.fits(&format!("{}b", "a".repeat(2000))));
    }
}
