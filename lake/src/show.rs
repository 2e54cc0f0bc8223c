//! `siptrace-lake tables`: what there is to ask a lake for.

use std::io::{self, Write};

use siptrace::bytes::printable_str;

use crate::manifest::Manifest;
use crate::tables::{ALL, Column, PARTITION};

/// Writes the tables of the lake with their columns.
///
/// # Errors
///
/// When `out` cannot be written to.
pub(crate) fn tables(manifest: &Manifest, out: &mut dyn Write) -> io::Result<()> {
    for table in ALL {
        let objects = manifest.objects(table.name);
        let rows: u64 = objects.iter().map(|own| own.rows).sum();
        let bytes: u64 = objects.iter().map(|own| own.bytes).sum();
        let count = objects.len();
        writeln!(out, "{}: {}", table.name, table.meaning)?;
        writeln!(out, "  {rows} rows, {count} objects, {bytes} bytes")?;
        for column in table.columns.iter().chain(&PARTITION) {
            writeln!(out, "  {}", line(column))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "captures: {}", manifest.captures.len())?;
    for (index, capture) in manifest.captures.iter().enumerate() {
        writeln!(out, "  {index:5}  {}", printable_str(&capture.url))?;
    }
    Ok(())
}

fn line(column: &Column) -> String {
    let Column { name, kind, unit, is_nullable, meaning } = column;
    let null = if *is_nullable { "null" } else { "" };
    format!("{name:17} {:25} {unit:6} {null:5} {meaning}", kind.name())
}

/// The tables as they stand in the documentation.
#[cfg(test)]
pub(crate) fn markdown() -> String {
    let mut text = String::new();
    for table in ALL {
        text.push_str(&format!("### `{}`\n\n{}.\n\n", table.name, sentence(table.meaning)));
        text.push_str("| column | type | unit | null | meaning |\n|---|---|---|---|---|\n");
        for Column { name, kind, unit, is_nullable, meaning } in
            table.columns.iter().chain(&PARTITION)
        {
            let null = if *is_nullable { "yes" } else { "" };
            text.push_str(&format!(
                "| `{name}` | {} | {unit} | {null} | {meaning} |\n",
                kind.name()
            ));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_the_tables() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scale.md");
        let text = std::fs::read_to_string(path).expect("docs/scale.md");
        let (start, end) = ("<!-- tables -->\n\n", "<!-- end of tables -->");
        let at = text.find(start).expect("where tables begin") + start.len();
        let to = text.find(end).expect("where tables end");
        if std::env::var_os("SIPTRACE_BLESS").is_some() {
            let blessed = format!("{}{}{}", &text[..at], markdown(), &text[to..]);
            std::fs::write(path, blessed).expect("written");
            return;
        }
        assert!(text[at..to] == markdown(), "SIPTRACE_BLESS=1 writes them again");
    }
}
