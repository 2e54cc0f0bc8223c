//! Pieces of HTML: every text is escaped here, and what is given as markup was made here.
//!
//! Knows nothing of what the page is about.

use std::fmt::Write;

use crate::catalogue::Labels;
use crate::finding::Severity;
use crate::report::html::{escaped, inline};

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) is_number: bool,
}

impl<'a> Column<'a> {
    /// A column of words.
    pub(super) const fn words(name: &'a str) -> Self {
        Self { name, is_number: false }
    }

    /// Columns by the keys of their names, and whether they are numbers.
    pub(super) fn of(keys: &[(&'a str, bool)], words: &'a Labels) -> Vec<Self> {
        let column = |(key, is_number): &(&'a str, bool)| Self {
            name: words.get(key),
            is_number: *is_number,
        };
        keys.iter().map(column).collect()
    }

    /// The attribute of its cells.
    const fn class(self) -> &'static str {
        if self.is_number { " class=\"number\"" } else { "" }
    }

    /// A cell with that markup in it.
    pub(super) fn cell(self, markup: &str) -> String {
        format!("<td{}>{markup}</td>", self.class())
    }
}

/// A section with its heading; nothing without a body.
pub(super) fn section(id: &str, heading: &str, body: &str) -> String {
    if body.is_empty() {
        return String::new();
    }
    let heading = escaped(heading);
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-heading\">\n\
         <h2 id=\"{id}-heading\">{heading}</h2>\n{body}</section>\n"
    )
}

/// Names with their values; a value without a name goes on with the one before.
pub(super) fn facts(facts: &[(String, String)]) -> String {
    if facts.is_empty() {
        return String::new();
    }
    let mut out = "<dl class=\"facts\">\n".to_owned();
    for (name, value) in facts {
        if !name.is_empty() {
            let _ = write!(out, "<dt>{}</dt>", escaped(name));
        }
        let _ = writeln!(out, "<dd>{}</dd>", escaped(value));
    }
    out.push_str("</dl>\n");
    out
}

/// A paragraph of ours, with code between backticks.
pub(super) fn paragraph(class: &str, text: &str) -> String {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    format!("<p{class}>{}</p>\n", inline(text))
}

/// A list of texts of ours, `ul` or `ol`; nothing without items.
pub(super) fn list<T: AsRef<str>>(tag: &str, items: &[T]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: String =
        items.iter().map(|item| format!("<li>{}</li>\n", inline(item.as_ref()))).collect();
    format!("<{tag}>\n{items}</{tag}>\n")
}

/// A heading and what stands below it; nothing without that.
pub(super) fn below(heading: &str, body: &str) -> String {
    match body.is_empty() {
        true => String::new(),
        false => format!("<h4>{}</h4>\n{body}", escaped(heading)),
    }
}

/// A table whose cells are text.
pub(super) fn table(caption: &str, columns: &[Column<'_>], rows: &[Vec<String>]) -> String {
    let mut out = open_table("", caption, columns);
    for row in rows {
        let cells = row.iter().zip(columns);
        let cells: String = cells.map(|(text, column)| column.cell(&escaped(text))).collect();
        let _ = writeln!(out, "<tr>{cells}</tr>");
    }
    out.push_str(CLOSE_TABLE);
    out
}

/// The beginning of a table in a box of its own, which scrolls where it is too wide.
pub(super) fn open_table(id: &str, caption: &str, columns: &[Column<'_>]) -> String {
    let id = if id.is_empty() { String::new() } else { format!(" id=\"{id}\"") };
    let caption = escaped(caption);
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n\
         <table{id}><caption class=\"unseen\">{caption}</caption>\n<thead><tr>"
    );
    for column in columns {
        let name = escaped(column.name);
        let _ = write!(out, "<th scope=\"col\"{}>{name}</th>", column.class());
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    out
}

/// The end of a table.
pub(super) const CLOSE_TABLE: &str = "</tbody></table></div>\n";

/// The class that gives a severity its colour.
pub(super) fn class_of(severity: Option<Severity>) -> &'static str {
    severity.map_or("fine", Severity::name)
}
