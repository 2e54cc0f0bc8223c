//! A page of the catalogue as one HTML file: no script, nothing from the network.
//!
//! Everything is escaped here; Markdown is known only as far as the entries use it: paragraphs,
//! list items and code between backticks. Knows nothing of what the page is about.

use std::io::{self, Write};

use crate::bytes::printable_str;
use crate::catalogue::Lang;
use crate::report::document::{Block, Cell};
use crate::report::style::Role;

/// Follows the reader's choice of light or dark.
const STYLE: &str = "\
:root { color-scheme: light dark; --faint: #59636e; --line: #d1d9e0; --code: #eff2f5;
  --error: #c1121f; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --faint: #9198a1; --line: #3d444d;
  --code: #24292f; --error: #ff7b72; --warn: #e3b341; } }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 1.8rem; }
.byline { color: var(--faint); margin-top: 0; }
code { background: var(--code); border-radius: .2rem; padding: 0 .25rem; }
table { border-collapse: collapse; } dt { font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left;
  vertical-align: top; }
.error { color: var(--error); } .warn { color: var(--warn); }
";

/// Nothing is loaded and nothing runs.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// Writes the blocks as a whole HTML document.
pub(crate) fn html(blocks: &[Block], lang: Lang, out: &mut dyn Write) -> io::Result<()> {
    let title = blocks.iter().find_map(|block| match block {
        Block::Title(text) => Some(text.as_str()),
        _ => None,
    });
    writeln!(out, "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>", language_tag(lang))?;
    writeln!(out, "<meta charset=\"utf-8\">")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">")?;
    writeln!(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(out, "<title>{}</title>", escaped(title.unwrap_or("siptrace")))?;
    writeln!(out, "<style>\n{STYLE}</style>\n</head>\n<body>\n<main>")?;
    blocks.iter().try_for_each(|block| write_block(block, out))?;
    writeln!(out, "</main>\n</body>\n</html>")
}

/// The tag of BCP 47; the Portuguese is that of Brazil.
pub(crate) fn language_tag(lang: Lang) -> &'static str {
    match lang {
        Lang::En | Lang::Fr | Lang::Ja => lang.code(),
        Lang::Pt => "pt-BR",
    }
}

fn write_block(block: &Block, out: &mut dyn Write) -> io::Result<()> {
    match block {
        Block::Title(text) => writeln!(out, "<h1>{}</h1>", inline(text)),
        Block::Byline(facts) => {
            let facts: Vec<String> = facts.iter().map(|fact| inline(fact)).collect();
            writeln!(out, "<p class=\"byline\">{}</p>", facts.join(" · "))
        }
        Block::Heading(text) => writeln!(out, "<h2>{}</h2>", inline(text)),
        Block::Prose(text) => write_prose(text, out),
        Block::Bullets(items) => write_list("ul", items.iter().map(String::as_str), out),
        Block::Numbers(items) => write_list("ol", items.iter().map(String::as_str), out),
        Block::Facts(facts) => {
            writeln!(out, "<dl>")?;
            for (name, value) in facts {
                writeln!(out, "<dt>{}</dt><dd>{}</dd>", inline(name), inline(value))?;
            }
            writeln!(out, "</dl>")
        }
        Block::Table(rows) => write_table(rows, out),
    }
}

/// Paragraphs and the lists between them.
fn write_prose(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut items: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(item) = line.strip_prefix("- ") {
            items.push(item);
            continue;
        }
        if !items.is_empty() {
            write_list("ul", items.drain(..), out)?;
        }
        if !line.is_empty() {
            writeln!(out, "<p>{}</p>", inline(line))?;
        }
    }
    if items.is_empty() { Ok(()) } else { write_list("ul", items.into_iter(), out) }
}

fn write_list<'a>(
    tag: &str,
    mut items: impl Iterator<Item = &'a str>,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "<{tag}>")?;
    items.try_for_each(|item| writeln!(out, "<li>{}</li>", inline(item)))?;
    writeln!(out, "</{tag}>")
}

fn write_table(rows: &[Vec<Cell>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<table>")?;
    for row in rows {
        write!(out, "<tr>")?;
        for cell in row {
            let tag = if cell.role == Role::Heading { "th" } else { "td" };
            let class = match cell.role {
                Role::Severity(severity) => format!(" class=\"{}\"", severity.name()),
                Role::Plain
                | Role::Title
                | Role::Heading
                | Role::Name
                | Role::Faint
                | Role::Missing
                | Role::Added
                | Role::Changed => String::new(),
            };
            write!(out, "<{tag}{class}>{}</{tag}>", inline(cell.text.trim_end()))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table>")
}

/// Escaped text with what stands between backticks as code.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('`');
    out.push_str(&escaped(parts.next().unwrap_or_default()));
    while let Some(code) = parts.next() {
        match parts.next() {
            Some(after) => {
                out.push_str(&format!("<code>{}</code>{}", escaped(code), escaped(after)));
            }
            // A backtick without its partner stands for itself.
            None => out.push_str(&format!("`{}", escaped(code))),
        }
    }
    out
}

/// Text in which nothing is markup, for attributes too.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// A value from a capture that stands in a sentence of ours, for [`isolated`]. These marks are in
/// no text that is safe to show.
pub(super) fn isolate(value: String) -> String {
    format!("\u{2068}{}\u{2069}", printable_str(&value))
}

/// Escaped text in which values cannot turn the direction of what stands around them.
pub(super) fn isolated(text: &str) -> String {
    let open = text.matches('\u{2068}').count();
    let missing = open.saturating_sub(text.matches('\u{2069}').count());
    let text = escaped(text).replace('\u{2068}', "<bdi>").replace('\u{2069}', "</bdi>");
    text + &"</bdi>".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(blocks: &[Block], lang: Lang) -> String {
        let mut out = Vec::new();
        html(blocks, lang, &mut out).expect("a vector takes all");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn everything_is_escaped() {
        let nasty = "<script>alert(\"1\")</script> & 'x' `<b>`".to_owned();
        let blocks = [
            Block::Title(nasty.clone()),
            Block::Byline(vec![nasty.clone()]),
            Block::Heading(nasty.clone()),
            Block::Prose(format!("{nasty}\n\n- {nasty}")),
            Block::Bullets(vec![nasty.clone()]),
            Block::Numbers(vec![nasty.clone()]),
            Block::Facts(vec![(nasty.clone(), nasty.clone())]),
            Block::Table(vec![vec![Cell::new(Role::Plain, nasty)]]),
        ];
        let page = page(&blocks, Lang::En);
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("<b>"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;").count(), 11);
        assert!(page.contains("<code>&lt;b&gt;</code>"));
    }

    #[test]
    fn a_value_keeps_its_direction_to_itself() {
        let text = format!("from {} on", isolate("<\u{5d0}>".to_owned()));
        assert_eq!(isolated(&text), "from <bdi>&lt;\u{5d0}&gt;</bdi> on");
        assert_eq!(isolated("\u{2068}cut off…"), "<bdi>cut off…</bdi>");
    }

    #[test]
    fn the_head_names_language_charset_and_title() {
        let blocks = [Block::Title("502 Bad Gateway".into())];
        let french = page(&blocks, Lang::Fr);
        assert!(french.starts_with("<!DOCTYPE html>\n<html lang=\"fr\">"));
        assert!(french.contains("<meta charset=\"utf-8\">"));
        assert!(french.contains("<title>502 Bad Gateway</title>"));
        assert!(page(&blocks, Lang::Pt).contains("<html lang=\"pt-BR\">"));
        assert!(french.contains("content=\"default-src 'none'; "));
        assert!(!french.contains("://"), "nothing comes from the network");
    }

    #[test]
    fn prose_is_paragraphs_and_lists() {
        let page = page(&[Block::Prose("One.\n\n- a\n- b\n\nTwo `x` and ` left".into())], Lang::En);
        let body = page.split("<main>\n").nth(1).and_then(|rest| rest.split("</main>").next());
        let expected = "<p>One.</p>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n\
            <p>Two <code>x</code> and ` left</p>\n";
        assert_eq!(body, Some(expected));
    }
}
