//! What drawings have in common: numbers as SVG writes them, texts that fit, a figure around a
//! drawing with its words for those who do not see it.
//!
//! Colours are classes; the style sheet gives them their light and their dark. Knows nothing of
//! what is drawn.

use std::fmt::Write;

use crate::catalogue::Labels;
use crate::report::html::escaped;
use crate::report::layout;

/// A length in a drawing: a tenth of a unit is finer than a printer.
pub(super) fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    let sign = if tenths < 0 { "-" } else { "" };
    let tenths = tenths.unsigned_abs();
    match tenths % 10 {
        0 => format!("{sign}{}", tenths / 10),
        rest => format!("{sign}{}.{rest}", tenths / 10),
    }
}

/// Text in a drawing, escaped.
pub(super) struct Text<'a> {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) class: &'a str,
    pub(super) text: &'a str,
}

impl Text<'_> {
    /// Puts it into a drawing.
    pub(super) fn draw(&self, out: &mut String) {
        let (x, y, text) = (number(self.x), number(self.y), escaped(self.text));
        let _ = write!(out, "<text x=\"{x}\" y=\"{y}\" class=\"{}\">{text}</text>", self.class);
    }
}

/// A line in a drawing.
pub(super) fn line([x1, y1, x2, y2]: [f64; 4], class: &str, out: &mut String) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(number);
    let _ =
        write!(out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" class=\"{class}\"/>");
}

/// A rectangle in a drawing.
pub(super) fn rect([x, y, width, height]: [f64; 4], class: &str, out: &mut String) {
    let [x, y, width, height] = [x, y, width, height].map(number);
    let _ = write!(
        out,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{class}\"/>"
    );
}

/// The text cut to the room, where `column` is the width of a narrow character.
pub(super) fn fitting(text: &str, room: f64, column: f64) -> String {
    layout::cut(text, (room / column).max(0.0) as usize)
}

/// A drawing with its heading, and its figures as a table.
pub(super) struct Figure<'a> {
    /// Unlike all others of the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// What the drawing shows, in a sentence.
    pub(super) told: &'a str,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) drawing: &'a str,
    /// Name and class of each colour that has to be explained.
    pub(super) legend: &'a [(&'a str, &'a str)],
    /// The heads of the columns and the rows; the first column names the row.
    pub(super) head: &'a [&'a str],
    pub(super) rows: &'a [Vec<String>],
}

impl Figure<'_> {
    /// The figure as HTML.
    pub(super) fn html(&self, words: Labels) -> String {
        let (id, title, told) = (self.id, escaped(self.title), escaped(self.told));
        let (width, height) = (number(self.width), number(self.height));
        let mut out = format!("<figure class=\"chart\" id=\"{id}\">\n<figcaption>{title}");
        let _ = writeln!(out, "<small>{told}</small></figcaption>");
        if !self.legend.is_empty() {
            out.push_str("<ul class=\"chart-legend\" aria-hidden=\"true\">");
            for (name, class) in self.legend {
                let _ = write!(out, "<li><span class=\"{class}\"></span>{}</li>", escaped(name));
            }
            out.push_str("</ul>\n");
        }
        let _ = writeln!(
            out,
            "<div class=\"chart-box\"><svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\
             <title id=\"{id}-title\">{title}</title><desc id=\"{id}-desc\">{told}</desc>{}\
             </svg></div>",
            self.drawing
        );
        let summary = escaped(words.get("page-chart-data"));
        let _ = write!(out, "<details class=\"chart-data\"><summary>{summary}</summary>");
        table(self.head, self.rows, &mut out);
        out.push_str("</details>\n</figure>\n");
        out
    }
}

/// A table whose first column names the rows.
pub(super) fn table(head: &[&str], rows: &[Vec<String>], out: &mut String) {
    out.push_str("<div class=\"chart-table\"><table><thead><tr>");
    for name in head {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(name));
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (cell, at) in row.iter().zip(0..) {
            let cell = escaped(cell);
            let _ = match at {
                0 => write!(out, "<th scope=\"row\">{cell}</th>"),
                _ => write!(out, "<td>{cell}</td>"),
            };
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Lang, labels};

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1.04, "1"),
            (12.25, "12.3"),
            (-0.04, "0"),
            (-3.5, "-3.5"),
            (640.0, "640"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
        assert_eq!(number(f64::NAN), "0");
    }

    #[test]
    fn every_text_of_a_figure_is_escaped() {
        let nasty = "<script>\"&'";
        let mut drawing = String::new();
        Text { x: 1.0, y: 2.0, class: "label", text: nasty }.draw(&mut drawing);
        let figure = Figure {
            id: "chart-x",
            title: nasty,
            told: nasty,
            width: 10.0,
            height: 5.0,
            drawing: &drawing,
            legend: &[(nasty, "bar")],
            head: &[nasty],
            rows: &[vec![nasty.to_owned(), nasty.to_owned()]],
        };
        let html = figure.html(labels(Lang::En));
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;&quot;&amp;&#39;").count(), 9, "{html}");
    }
}
