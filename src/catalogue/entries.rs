//! The Markdown and the tables in which the words are kept, read without building a tree.
//!
//! A file of entries has `## key rest of the heading` lines with `### field` lines below; a list
//! has `- key: text` lines, which may go on indented below. Only the entry asked for is read.
//! Knows nothing of what an entry is about.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// The heading `key …` with the text below it, up to the next `## ` line.
pub(crate) fn section<'a>(file: &'a str, key: &str) -> Option<(&'a str, &'a str)> {
    sections(file).find(|(heading, _)| first_word(heading) == key)
}

/// Every `## ` heading with the text below it.
pub(crate) fn sections(file: &str) -> impl Iterator<Item = (&str, &str)> {
    split_at_headings(file, "## ")
}

/// The text of `### name` in a section, as [`prose`]; empty text counts as missing.
pub(crate) fn field(section: &str, name: &str) -> Option<String> {
    split_at_headings(section, "### ")
        .find(|(heading, _)| *heading == name)
        .map(|(_, body)| prose(body))
        .filter(|text| !text.is_empty())
}

/// The key of a heading: its first word.
pub(crate) fn first_word(heading: &str) -> &str {
    heading.split_whitespace().next().unwrap_or_default()
}

fn split_at_headings<'a>(
    text: &'a str,
    marker: &'static str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = line_start(rest, marker)?;
        let after = rest.get(start + marker.len()..)?;
        let (heading, below) = after.split_once('\n').unwrap_or((after, ""));
        let end = line_start(below, marker).unwrap_or(below.len());
        rest = below.get(end..).unwrap_or_default();
        Some((heading.trim(), below.get(..end).unwrap_or_default().trim()))
    })
}

fn line_start(text: &str, marker: &str) -> Option<usize> {
    if text.starts_with(marker) {
        return Some(0);
    }
    let mut from = 0;
    loop {
        let newline = from + memchr::memchr(b'\n', text.as_bytes().get(from..)?)?;
        if text.get(newline + 1..)?.starts_with(marker) {
            return Some(newline + 1);
        }
        from = newline + 1;
    }
}

/// Running text: wrapped lines joined, paragraphs apart by an empty line, list items each on a
/// line of their own that begins with `- `.
pub(crate) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            gap = !out.is_empty();
        } else if out.is_empty() {
            out.push_str(line);
        } else if line.starts_with("- ") {
            out.push_str(if gap && !last_line(&out).starts_with("- ") { "\n\n" } else { "\n" });
            out.push_str(line);
            gap = false;
        } else if gap {
            out.push_str("\n\n");
            out.push_str(line);
            gap = false;
        } else {
            join(&mut out, line);
        }
    }
    out
}

/// The items of a `- ` list, each as one line of text.
pub(crate) fn items(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.strip_prefix("- "), items.last_mut()) {
            (Some(item), _) => items.push(item.trim().to_owned()),
            (None, Some(last)) => join(last, line),
            (None, None) => {}
        }
    }
    items
}

/// The `- key: text` items of a list file with the keys in the order of the file. Most texts are a
/// line of it as it stands, and every start of the program reads a file of more than a thousand.
pub(crate) fn pairs(file: &str) -> Vec<(&str, Cow<'_, str>)> {
    let mut pairs: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(file.len() / 32);
    let (mut rest, mut open) = (file, false);
    while !rest.is_empty() {
        let line = until(b'\n', rest).unwrap_or(rest);
        rest = rest.get(line.len() + 1..).unwrap_or_default();
        let item = line.strip_prefix("- ");
        if let Some((item, key)) = item.and_then(|item| Some((item, until(b':', item)?))) {
            let text = item.get(key.len() + 1..).unwrap_or_default();
            pairs.push((key.trim_ascii(), Cow::Borrowed(text.trim_ascii())));
            open = true;
        } else if let (true, true, Some((_, last))) =
            (open, line.starts_with("  "), pairs.last_mut())
        {
            join(last.to_mut(), line.trim());
        } else {
            open = false;
        }
    }
    pairs
}

/// The text before the first such byte of ASCII.
fn until(byte: u8, text: &str) -> Option<&str> {
    text.get(..memchr::memchr(byte, text.as_bytes())?)
}

/// Appends the next line of wrapped text: after a space, but not between two wide characters,
/// since Japanese has no spaces.
fn join(out: &mut String, line: &str) {
    let wide = |c: Option<char>| c.and_then(UnicodeWidthChar::width) == Some(2);
    let no_space = wide(out.chars().next_back()) && wide(line.chars().next());
    if !out.is_empty() && !no_space {
        out.push(' ');
    }
    out.push_str(line);
}

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

/// A table with a header line, columns apart by tabs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    text: &'static str,
}

/// One line of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    header: &'static str,
    line: &'static str,
}

impl Table {
    /// The table in a `.tsv` file.
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text }
    }

    /// Every line but the header.
    pub(crate) fn rows(self) -> impl Iterator<Item = Row> {
        let mut lines = self.text.lines();
        let header = lines.next().unwrap_or_default();
        lines.filter(|line| !line.is_empty()).map(move |line| Row { header, line })
    }

    /// The line whose first column is `key`, in any case of letters.
    pub(crate) fn row(self, key: &str) -> Option<Row> {
        self.rows().find(|row| row.key().eq_ignore_ascii_case(key))
    }
}

impl Row {
    /// The first column.
    pub(crate) fn key(self) -> &'static str {
        self.line.split('\t').next().unwrap_or_default()
    }

    /// The column of that name; empty when the table lacks it.
    pub(crate) fn column(self, name: &str) -> &'static str {
        self.header
            .split('\t')
            .position(|column| column == name)
            .and_then(|at| self.line.split('\t').nth(at))
            .unwrap_or_default()
            .trim()
    }

    /// The column as a list; commas, semicolons and spaces part its items.
    pub(crate) fn list(self, name: &str) -> impl Iterator<Item = &'static str> {
        self.column(name).split([',', ';', ' ']).filter(|item| !item.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Title\n\nIntro.\n\n## 50 Short\n\n### when\n\nNever.\n\n## 502 Bad\n\n\
        ### description\n\nOne line\ngoes on.\n\n- item one\n  wraps\n- item two\n\nSecond.\n\n\
        ### fix\n";

    #[test]
    fn a_key_is_the_whole_first_word() {
        let (heading, body) = section(FILE, "502").expect("there");
        assert_eq!(heading, "502 Bad");
        assert!(body.starts_with("### description"));
        assert_eq!(section(FILE, "5"), None);
        assert_eq!(sections(FILE).map(|(heading, _)| heading).collect::<Vec<_>>().len(), 2);
    }

    #[test]
    fn wrapped_lines_become_running_text() {
        let (_, entry) = section(FILE, "502").expect("there");
        let text = "One line goes on.\n\n- item one wraps\n- item two\n\nSecond.";
        assert_eq!(field(entry, "description").as_deref(), Some(text));
        assert_eq!(field(entry, "fix"), None, "empty counts as missing");
        assert_eq!(field(entry, "when"), None, "of another entry");
    }

    #[test]
    fn japanese_lines_join_without_a_space() {
        assert_eq!(prose("ゲートウェイが\n応答した。"), "ゲートウェイが応答した。");
        assert_eq!(prose("応答は\nSIP である"), "応答は SIP である");
    }

    #[test]
    fn list_items_may_wrap() {
        assert_eq!(items("- a\n  b\n- c\n"), ["a b", "c"]);
        let file = "## Group\n\n- key: text\n  goes on\n- other: x: y\n\nnot this\n  nor this\n";
        assert_eq!(pairs(file), [("key", "text goes on".into()), ("other", "x: y".into())]);
    }

    #[test]
    fn columns_are_found_by_name() {
        let table = Table::new("code\tname\tsip\n1\tUnallocated\t404, 410\n2\tNo route\t\n");
        let row = table.row("1").expect("there");
        assert_eq!(row.column("name"), "Unallocated");
        assert_eq!(row.list("sip").collect::<Vec<_>>(), ["404", "410"]);
        assert_eq!(table.row("2").expect("there").list("sip").count(), 0);
        assert_eq!(row.column("absent"), "");
    }
}
