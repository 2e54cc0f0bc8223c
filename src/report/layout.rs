//! Lines of a text report: wrapped and padded by the columns that a terminal gives to each
//! character.
//!
//! Japanese has no spaces: a line may end between any two of its characters, but not before a
//! closing mark or after an opening one.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The narrowest text that is still laid out; a narrower terminal wraps for itself.
pub(crate) const WIDTH_MIN: usize = 40;

/// The widest running text: longer lines are hard to follow.
pub(crate) const WIDTH_MAX: usize = 100;

/// Columns that the text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The text with spaces behind it, to that many columns.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// The text in lines of at most `width` columns, each after `indent` spaces.
///
/// Line ends of the text stay; list items, `- `, hang. A word that is too long for a line gets
/// one of its own.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .flat_map(|line| {
            let hang = if line.starts_with("- ") { 2 } else { 0 };
            hanging(line, width, indent, hang)
        })
        .collect();
    lines.join("\n")
}

/// Like [`wrap`], with a mark such as `1.` before the first line and the others below its text.
pub(crate) fn wrap_item(mark: &str, text: &str, width: usize, indent: usize) -> String {
    let marked = format!("{mark} {text}").replace('\n', " ");
    hanging(&marked, width, indent, self::width(mark) + 1).join("\n")
}

/// The text cut to that many columns; an ellipsis stands for what is missing.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut room = columns.saturating_sub(1);
    for c in text.chars() {
        let needed = c.width().unwrap_or_default();
        if needed > room {
            break;
        }
        room -= needed;
        kept.push(c);
    }
    if columns > 0 {
        kept.push('…');
    }
    kept
}

/// Like [`wrap`] of one line, but no line is wider than `width`: a word that is too long for one
/// is broken, and the lines below the first have `hang` more spaces.
pub(crate) fn fold(line: &str, width: usize, indent: usize, hang: usize) -> Vec<String> {
    // A character of two columns must fit behind the spaces, or it would never be told.
    let width = width.max(indent + hang + 2);
    let mut lines = Vec::new();
    for line in hanging(line, width, indent, hang) {
        let mut rest = line;
        while self::width(&rest) > width {
            let head = head_of(&rest, width);
            let tail = rest.split_off(head);
            lines.push(std::mem::replace(&mut rest, " ".repeat(indent + hang) + &tail));
        }
        lines.push(rest);
    }
    lines
}

/// The text in two where that many columns end, rather behind a separator than inside a word; at
/// least one character comes before that.
pub(crate) fn split(text: &str, columns: usize) -> (&str, &str) {
    let end = head_of(text, columns);
    if end == text.len() {
        return (text, "");
    }
    let first = text.chars().next().map_or(0, char::len_utf8);
    let head = text.get(..end).unwrap_or_default();
    let separator = head.rfind([' ', ';', ',', '&']).map(|at| at + 1);
    let at = separator
        .filter(|at| width(text.get(*at..end).unwrap_or_default()) < columns / 3)
        .unwrap_or(end)
        .max(first);
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Bytes of the text that fill that many columns.
fn head_of(text: &str, columns: usize) -> usize {
    let mut room = columns;
    for (at, c) in text.char_indices() {
        match room.checked_sub(c.width().unwrap_or_default()) {
            Some(left) => room = left,
            None => return at,
        }
    }
    text.len()
}

fn hanging(line: &str, width: usize, indent: usize, hang: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut current = " ".repeat(indent);
    let mut columns = indent;
    let mut empty = true;
    for piece in pieces(line) {
        let space = usize::from(piece.spaced && !empty);
        let needed = self::width(piece.text);
        if !empty && columns + space + needed > width {
            lines.push(std::mem::replace(&mut current, " ".repeat(indent + hang)));
            columns = indent + hang;
        } else if space == 1 {
            current.push(' ');
            columns += 1;
        }
        current.push_str(piece.text);
        columns += needed;
        empty = false;
    }
    lines.push(current);
    lines.iter().map(|line| line.trim_end_matches(' ').to_owned()).collect()
}

/// What is not broken, and whether a space stands before it.
struct Piece<'a> {
    text: &'a str,
    spaced: bool,
}

fn pieces(line: &str) -> impl Iterator<Item = Piece<'_>> {
    words(line).into_iter().flat_map(|word| {
        let mut first = true;
        parts(word)
            .into_iter()
            .map(move |text| Piece { text, spaced: std::mem::replace(&mut first, false) })
    })
}

/// The words between spaces; a number stays with its unit, a mark with the word before it, as
/// French sets it.
fn words(line: &str) -> Vec<&str> {
    let mut words: Vec<&str> = Vec::new();
    let mut from = 0;
    for (at, _) in line.match_indices(' ').chain([(line.len(), "")]) {
        let word = line.get(from..at).unwrap_or_default();
        let rest = line.get(at + 1..).unwrap_or_default();
        let is_digit = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
        let is_number = !word.is_empty() && word.chars().all(is_digit);
        let is_held = is_number && begins_with_unit(rest) || word.ends_with('«');
        if is_held || begins_with_mark(rest) {
            continue;
        }
        if !word.is_empty() {
            words.push(word);
        }
        from = at + 1;
    }
    words
}

fn begins_with_mark(text: &str) -> bool {
    let word = text.split([' ', ',', '.', ')']).next().unwrap_or_default();
    !word.is_empty() && word.chars().all(|c| ":;?!»".contains(c))
}

fn begins_with_unit(text: &str) -> bool {
    let word =
        text.split([' ', ',', '.', ';', ':', ')', '）', '、', '。']).next().unwrap_or_default();
    ["ms", "s", "min", "h", "%"].contains(&word)
}

/// The word cut at every place where a line may end.
fn parts(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut before: Option<char> = None;
    for (at, c) in word.char_indices() {
        if before.is_some_and(|before| may_break(before, c)) {
            parts.extend(word.get(start..at));
            start = at;
        }
        before = Some(c);
    }
    parts.extend(word.get(start..));
    parts
}

fn may_break(before: char, after: char) -> bool {
    (is_wide(before) || is_wide(after)) && !closes(after) && !opens(before)
}

fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

/// Must not begin a line.
fn closes(c: char) -> bool {
    "、。，．・：；？！ー々）」』】〉》〕］｝…‥％ぁぃぅぇぉっゃゅょァィゥェォッャュョヵヶ,.:;?!)]}%\"'”’»\u{a0}"
        .contains(c)
}

/// Must not end a line.
fn opens(c: char) -> bool {
    "（「『【〈《〔［｛([{“‘«\u{a0}".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_words() {
        let text = "The server had taken the request and answered late.";
        let expected = "  The server had taken\n  the request and\n  answered late.";
        assert_eq!(wrap(text, 22, 2), expected);
        assert_eq!(wrap("", 20, 2), "");
        assert_eq!(wrap("a\n\nb", 20, 1), " a\n\n b");
    }

    #[test]
    fn a_long_word_gets_a_line_of_its_own() {
        let text = "see sip:alice@very-long-host.example.com now";
        assert_eq!(wrap(text, 12, 0), "see\nsip:alice@very-long-host.example.com\nnow");
    }

    #[test]
    fn a_number_stays_with_its_unit() {
        assert_eq!(
            wrap("due within 200 ms, or 64*T1 = 32 s", 14, 0),
            "due within\n200 ms, or\n64*T1 = 32 s"
        );
        assert_eq!(wrap("jitter at most 2.19 ms", 19, 0), "jitter at most\n2.19 ms");
        assert_eq!(wrap("ジッタ（最大 4 ms）", 15, 0), "ジッタ（最大\n4 ms）");
        assert_eq!(wrap("code 502 stays", 8, 0), "code 502\nstays");
    }

    #[test]
    fn a_mark_stays_with_its_word() {
        assert_eq!(
            wrap("la cause : un « délai dépassé »", 10, 0),
            "la cause :\nun « délai\ndépassé »"
        );
    }

    #[test]
    fn list_items_hang() {
        assert_eq!(wrap("- one two three\n- four", 10, 1), " - one two\n   three\n - four");
        assert_eq!(wrap_item("10.", "one two", 9, 0), "10. one\n    two");
    }

    #[test]
    fn japanese_wraps_by_columns() {
        let text = "ゲートウェイが「不正な応答」を受け取った。";
        let wrapped = wrap(text, 16, 2);
        assert_eq!(wrapped, "  ゲートウェイが\n  「不正な応答」\n  を受け取った。");
        assert!(wrapped.lines().all(|line| width(line) <= 16));
    }

    #[test]
    fn no_line_begins_with_a_closing_mark() {
        let text =
            "これは長い文章です、そして続きます。終わり。ロードとシステムのデータ（例）です。";
        for columns in 8..40 {
            for line in wrap(text, columns, 0).lines() {
                assert!(!line.starts_with(closes), "{columns}: {line}");
                assert!(!line.ends_with(opens), "{columns}: {line}");
            }
        }
    }

    #[test]
    fn japanese_and_latin_text_mix() {
        let wrapped = wrap("サーバーは 502 Bad Gateway を返す", 14, 0);
        assert_eq!(wrapped, "サーバーは 502\nBad Gateway を\n返す");
    }

    #[test]
    fn no_folded_line_is_too_wide() {
        let text = "see sip:alice@very-long-host.example.com、日本語日本語 now";
        for columns in 12..50 {
            let lines = fold(text, columns, 2, 3);
            assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:?}");
            let joined: String = lines.concat().replace(' ', "");
            assert_eq!(joined, text.replace(' ', ""), "{columns}");
        }
    }

    #[test]
    fn folding_ends_where_there_is_no_room() {
        assert_eq!(fold("日本 ab", 3, 4, 2), ["    日本", "      ab"]);
        assert_eq!(fold("", 0, 9, 0), [""]);
    }

    #[test]
    fn cut_text_ends_with_an_ellipsis() {
        assert_eq!(cut("Trying", 6), "Trying");
        assert_eq!(cut("Trying", 4), "Try…");
        assert_eq!(cut("警告", 3), "警…");
        assert_eq!(cut("警告", 2), "…");
        assert_eq!(cut("警告", 0), "");
    }

    #[test]
    fn columns_are_padded_by_width() {
        assert_eq!(pad("警告", 6), "警告  ");
        assert_eq!(pad("warning", 3), "warning");
    }
}
