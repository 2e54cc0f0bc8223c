//! The `|` lines that spell out a payload, read and written.

use super::error::{Error, quoted};
use super::word::Word;

/// The `|` lines that give exactly these bytes, each with a line end; at least one.
pub fn payload_lines(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "| \\\n".to_owned();
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        text.push_str("| ");
        write_line(line, &mut text);
        if end.is_none() {
            text.push('\\');
        }
        text.push('\n');
        rest = after.get(2..).unwrap_or(&[]);
    }
    text
}

/// Letters of any script stay; what an editor could change or hide becomes an escape.
fn write_line(line: &[u8], text: &mut String) {
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut buffer = [0; 4];
            match c {
                '\\' => text.push_str("\\\\"),
                ' '..='~' => text.push(c),
                c if c.is_alphanumeric() => text.push(c),
                c => write_bytes(c.encode_utf8(&mut buffer).as_bytes(), text),
            }
        }
        write_bytes(chunk.invalid(), text);
    }
    if line.ends_with(b" ") {
        text.pop();
        write_bytes(b" ", text);
    }
}

fn write_bytes(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// Appends a line, its escapes resolved, and CRLF unless it ends in a backslash.
pub(super) fn read_line(line: Word<'_>, bytes: &mut Vec<u8>) -> Result<(), Error> {
    let text = line.part(1, line.text.len());
    let line = if text.text.starts_with(' ') { text.part(1, text.text.len()) } else { text };
    let mut chars = line.text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            let mut buffer = [0; 4];
            bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
            continue;
        }
        match chars.next() {
            None => return Ok(()),
            Some((_, 'r')) => bytes.push(b'\r'),
            Some((_, 'n')) => bytes.push(b'\n'),
            Some((_, 't')) => bytes.push(b'\t'),
            Some((_, '\\')) => bytes.push(b'\\'),
            Some((_, 'x')) => {
                let digits = line.text.get(at + 2..at + 4).unwrap_or("");
                let is_hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let Some(byte) = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex) else {
                    let place = line.part(at, at + 2);
                    return Err(place.error("\\x without two hex digits", "write \\x00 to \\xff"));
                };
                bytes.push(byte);
                chars.nth(1);
            }
            Some((_, other)) => {
                let found = format!("no escape {}", quoted(&format!("\\{other}")));
                let expected = "escapes are \\xNN, \\r, \\n, \\t, \\\\ and \\ at the end of a line";
                return Err(line.part(at, at + 1).error(found, expected));
            }
        }
    }
    bytes.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_the_same() {
        let cases: [&[u8]; 9] = [
            b"",
            b"\r\n\r\n",
            b"a",
            b"a\r\n b \r\n",
            b" ",
            b"\\ \\x00 \0\xff\n\r\t",
            b"\r",
            b"\r\n ",
            "Ä日\u{202e}\u{2028}é ".as_bytes(),
        ];
        for case in cases {
            let mut read = Vec::new();
            let text = payload_lines(case);
            for line in text.lines() {
                read_line(Word::line(line, 1), &mut read).expect("readable");
            }
            assert_eq!(read, case, "{text}");
        }
    }
}
