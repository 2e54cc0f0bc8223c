//! File name patterns, for shells that do not expand them: `*`, `?`, `[a-z]`, `[!a-z]`.

use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Files that one pattern may name.
const MATCHES_MAX: usize = 65_536;

/// A path with a pattern in one of its parts.
#[derive(Debug)]
pub(super) struct Pattern<'p> {
    path: &'p Path,
}

impl<'p> Pattern<'p> {
    /// The path as a pattern, if it is one.
    pub(super) fn of(path: &'p Path) -> Option<Self> {
        let text = path.to_str()?;
        text.contains(['*', '?', '[']).then_some(Self { path })
    }

    /// The files that it names, by name.
    pub(super) fn matches(&self) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for component in self.path.components() {
            let part = component.as_os_str().to_string_lossy();
            let is_plain =
                !matches!(component, Component::Normal(_)) || !part.contains(['*', '?', '[']);
            found = found
                .into_iter()
                .flat_map(|folder| match is_plain {
                    true => vec![folder.join(component)],
                    false => entries(&folder, &part),
                })
                .take(MATCHES_MAX)
                .collect();
        }
        found.retain(|path| path.is_file());
        found.sort_unstable();
        found
    }
}

/// A pattern for text that a user writes: a name, a path, a URI, a Call-ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    pattern: Vec<char>,
}

impl Glob {
    /// The text as a pattern; without one of its marks it is the text itself.
    pub fn of(text: &str) -> Self {
        Self { pattern: text.chars().collect() }
    }

    /// The whole text fits.
    pub fn fits(&self, text: &str) -> bool {
        fits(&self.pattern, &text.chars().collect::<Vec<_>>())
    }

    /// The path, or its end after a slash, fits: `*.pcap` fits in every folder, `lab/*` in every
    /// folder `lab`. A star goes over slashes.
    pub fn fits_path(&self, path: &Path) -> bool {
        let text: Vec<char> = path.to_string_lossy().chars().collect();
        let slashes = text.iter().enumerate().filter(|(_, c)| std::path::is_separator(**c));
        let starts = slashes.map(|(at, _)| at + 1);
        std::iter::once(0)
            .chain(starts)
            .any(|start| fits(&self.pattern, text.get(start..).unwrap_or_default()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pattern.iter().try_for_each(|c| fmt::Write::write_char(f, *c))
    }
}

fn entries(folder: &Path, part: &str) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let pattern: Vec<char> = part.chars().collect();
    let names = fs::read_dir(here).into_iter().flatten().filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let text: Vec<char> = name.to_string_lossy().chars().collect();
        // Hidden files are meant only by a pattern that begins with their dot.
        let is_meant = text.first() != Some(&'.') || pattern.first() == Some(&'.');
        (is_meant && fits(&pattern, &text)).then(|| folder.join(name))
    });
    names.collect()
}

/// Whether the whole text fits the whole pattern. One star is remembered: a later one makes the
/// choice of an earlier one irrelevant, so the time is that of both lengths multiplied.
fn fits(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(t) {
        let rest = pattern.get(p..).unwrap_or_default();
        if rest.first() == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
        } else if let Some(used) = one(rest, *c) {
            p += used;
            t += 1;
        } else if let Some((after, tried)) = star {
            star = Some((after, tried + 1));
            (p, t) = (after, tried + 1);
        } else {
            return false;
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// How much of the pattern one character takes, if it fits.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match pattern.iter().skip(2).position(|end| *end == ']') {
            Some(end) => {
                let inside = pattern.get(1..end + 2).unwrap_or_default();
                set(inside, c).then_some(end + 3)
            }
            None => (c == '[').then_some(1),
        },
        plain => (*plain == c).then_some(1),
    }
}

fn set(inside: &[char], c: char) -> bool {
    let (is_inverted, mut rest) = match inside {
        ['!' | '^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut is_in = false;
    while let Some((first, after)) = rest.split_first() {
        rest = match after {
            ['-', last, after @ ..] => {
                is_in |= (*first..=*last).contains(&c);
                after
            }
            after => {
                is_in |= *first == c;
                after
            }
        };
    }
    is_in != is_inverted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_as_in_a_shell() {
        let cases = [
            ("*.pcap", "a.pcap", true),
            ("*.pcap", "a.pcapng", false),
            ("*.pcap*", "a.pcap.gz", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("?.pcap", "é.pcap", true),
            ("?.pcap", ".pcap", false),
            ("[abc]1", "b1", true),
            ("[a-c]1", "d1", false),
            ("[!a-c]1", "d1", true),
            ("[]a]1", "]1", true),
            ("[a", "[a", true),
            ("*", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            let [p, t] = [pattern, text].map(|part| part.chars().collect::<Vec<_>>());
            assert_eq!(fits(&p, &t), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_path_fits_from_any_of_its_folders_on() {
        let fits = |pattern: &str, path: &str| Glob::of(pattern).fits_path(Path::new(path));
        assert!(fits("*.pcap", "runs/lab/a.pcap") && fits("lab/*", "runs/lab/a.pcap"));
        assert!(fits("a.pcap", "runs/lab/a.pcap") && fits("runs/*.pcap", "runs/lab/a.pcap"));
        assert!(!fits("ab/*", "runs/lab/a.pcap") && !fits("lab", "runs/lab/a.pcap"));
        assert_eq!(Glob::of("a*[b]").to_string(), "a*[b]");
        assert!(Glob::of("*@example.com").fits("alice@example.com"));
    }

    #[test]
    fn long_patterns_are_fast() {
        let pattern: Vec<char> = "*a".repeat(1000).chars().collect();
        let text: Vec<char> = "a".repeat(4000).chars().chain(['b']).collect();
        assert!(!fits(&pattern, &text));
    }
}
