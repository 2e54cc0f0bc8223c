//! The small language of steps: `alice > bob INVITE`, `bob > alice 18x* @ringing`, `any order {`.
//!
//! One text is one message or the edge of a group. What comes out is a tree over numbered leaves;
//! `pattern` makes of it what is held against messages.

use crate::catalogue::edit_distance;
use crate::limits::{EXPECTED_STEP_DEPTH_MAX, EXPECTED_STEPS_MAX, STEPS_IN_ANY_ORDER_MAX};
use crate::sip::Method;

/// The most often that a step or group may be asked for by number.
const TIMES_MAX: u32 = 100;

/// What must be seen, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A message: its place among the leaves.
    Step(usize),
    /// `...`: anything.
    Rest,
    /// Several nodes together.
    Group {
        /// How they belong together.
        order: Order,
        /// Sequences of nodes: one, or for [`Order::Either`] one a branch.
        branches: Vec<Vec<Node>>,
        /// How often the whole comes.
        times: Times,
    },
}

/// How the nodes of a group follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// One after the other.
    Sequence,
    /// In any order.
    Any,
    /// One of the branches.
    Either,
}

/// How often something comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    /// At least so often.
    pub(super) min: u32,
    /// At most so often; without end if none.
    pub(super) max: Option<u32>,
}

impl Times {
    const ONCE: Self = Self { min: 1, max: Some(1) };
}

/// A message that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The name of the sender; none for anybody.
    pub(super) from: Option<String>,
    /// The name of the receiver; none for anybody.
    pub(super) to: Option<String>,
    /// Any of these.
    pub(super) kinds: Vec<Kind>,
    /// How often.
    pub(super) times: Times,
    /// The name by which the file speaks of it.
    pub(super) label: Option<String>,
    /// The message without parties and label, as it is written.
    pub(super) what: String,
    /// The line of the file.
    pub(super) line: usize,
    /// Where it stands in the file, in bytes.
    pub(super) at: usize,
}

/// A kind of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any message.
    Any,
    /// A request of that method, perhaps inside a dialog only.
    Request {
        /// The method.
        method: String,
        /// It must have a To-tag.
        in_dialog: bool,
    },
    /// A response.
    Response {
        /// Three digits or `x`.
        code: [u8; 3],
        /// To a request of that method; of any if none.
        method: Option<String>,
    },
}

/// A text of the file with its place.
#[derive(Clone, Debug)]
pub(super) struct Text<'t> {
    /// The text.
    pub(super) text: &'t str,
    /// The line of the file, from 1.
    pub(super) line: usize,
    /// Where its first character stands, in bytes.
    pub(super) at: usize,
}

/// What is wrong, and at which byte of the file.
pub(super) type Wrong = (usize, String);

/// The steps of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Steps {
    /// What must be seen.
    pub(super) nodes: Vec<Node>,
    /// The messages among it.
    pub(super) leaves: Vec<Step>,
}

/// A group that is not closed yet.
struct Open {
    order: Order,
    branches: Vec<Vec<Node>>,
    at: usize,
}

impl Steps {
    /// The steps that the texts spell.
    ///
    /// # Errors
    ///
    /// What is wrong, and at which byte of the file.
    pub(super) fn parse(texts: &[Text<'_>]) -> Result<Self, Wrong> {
        let mut leaves = Vec::new();
        let mut open = vec![Open { order: Order::Sequence, branches: vec![Vec::new()], at: 0 }];
        for text in texts {
            let words = text.text.trim();
            match words {
                "..." => push(&mut open, Node::Rest),
                "any order {" | "either {" | "{" => {
                    if open.len() > EXPECTED_STEP_DEPTH_MAX {
                        return Err((text.at, "groups are nested too deeply".to_owned()));
                    }
                    let order = match words {
                        "{" => Order::Sequence,
                        "either {" => Order::Either,
                        _ => Order::Any,
                    };
                    open.push(Open { order, branches: vec![Vec::new()], at: text.at });
                }
                "} or {" => match open.last_mut() {
                    Some(group) if group.order == Order::Either => group.branches.push(Vec::new()),
                    _ => return Err((text.at, "`} or {` belongs into `either {`".to_owned())),
                },
                _ if words.starts_with('}') => close(&mut open, text)?,
                _ => {
                    push(&mut open, Node::Step(leaves.len()));
                    leaves.push(step(text)?);
                }
            }
            if leaves.len() > EXPECTED_STEPS_MAX {
                let problem = format!("more than {EXPECTED_STEPS_MAX} steps");
                return Err((text.at, problem));
            }
        }
        let first = open.pop();
        if let Some(unclosed) = first.as_ref().filter(|_| !open.is_empty()) {
            return Err((unclosed.at, "this group has no `}`".to_owned()));
        }
        let nodes = first.and_then(|mut root| root.branches.pop()).unwrap_or_default();
        Ok(Self { nodes, leaves })
    }
}

fn push(open: &mut [Open], node: Node) {
    if let Some(branch) = open.last_mut().and_then(|group| group.branches.last_mut()) {
        branch.push(node);
    }
}

fn close(open: &mut Vec<Open>, text: &Text<'_>) -> Result<(), Wrong> {
    if open.len() < 2 {
        return Err((text.at, "`}` without a group".to_owned()));
    }
    let behind = text.text.trim().trim_start_matches('}').trim();
    let times = match behind {
        "" => Times::ONCE,
        _ => times(behind).ok_or_else(|| (text.at, wrong_times(behind)))?,
    };
    let Some(group) = open.pop() else { return Ok(()) };
    let members = group.branches.first().map_or(0, Vec::len);
    if group.order == Order::Any && members > STEPS_IN_ANY_ORDER_MAX {
        let problem = format!("at most {STEPS_IN_ANY_ORDER_MAX} steps can be in any order");
        return Err((group.at, problem));
    }
    push(open, Node::Group { order: group.order, branches: group.branches, times });
    Ok(())
}

/// `?`, `*`, `+`, `{2}`, `{2,}`, `{2,4}`.
fn times(text: &str) -> Option<Times> {
    match text {
        "?" => return Some(Times { min: 0, max: Some(1) }),
        "*" => return Some(Times { min: 0, max: None }),
        "+" => return Some(Times { min: 1, max: None }),
        _ => {}
    }
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n <= TIMES_MAX);
    let (min, max) = match inside.split_once(',') {
        None => (number(inside)?, Some(number(inside)?)),
        Some((min, max)) if max.trim().is_empty() => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    let is_sane = max.is_none_or(|max| max >= min && max > 0);
    is_sane.then_some(Times { min, max })
}

fn wrong_times(text: &str) -> String {
    format!(
        "`{text}` does not say how often; expected `?`, `*`, `+`, `{{2}}`, `{{2,}}` or `{{2,4}}`, \
         up to {TIMES_MAX}"
    )
}

/// `FROM > TO WHAT [@LABEL]`.
fn step(text: &Text<'_>) -> Result<Step, Wrong> {
    let place = |part: &str| text.at + (part.as_ptr() as usize - text.text.as_ptr() as usize);
    let shape = || {
        let problem = "expected a step such as `alice > bob INVITE`, a group such as \
                       `any order {`, or `...`";
        (text.at, problem.to_owned())
    };
    let (from, rest) = text.text.split_once('>').ok_or_else(shape)?;
    let from = from.trim().trim_end_matches('-').trim_end();
    let rest = rest.trim_start();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (to, rest) = rest.split_at(end);
    for name in [from, to] {
        if !is_name(name) && name != "*" {
            let problem = format!("`{name}` is no name of a party");
            return Err((place(name), problem));
        }
    }
    let (rest, label) = match rest.split_once('@') {
        Some((rest, label)) if is_name(label.trim()) => (rest, Some(label.trim().to_owned())),
        Some((_, label)) => return Err((place(label), "expected a label behind `@`".to_owned())),
        None => (rest, None),
    };
    let what = rest.trim();
    if what.is_empty() {
        return Err((place(rest), "expected a method or status behind the parties".to_owned()));
    }
    let (kinds, times) = message(what).map_err(|(at, problem)| (place(what) + at, problem))?;
    let named = |name: &str| (name != "*").then(|| name.to_owned());
    Ok(Step {
        from: named(from),
        to: named(to),
        kinds,
        times,
        label,
        what: what.split_whitespace().collect::<Vec<_>>().join(" "),
        line: text.line,
        at: text.at,
    })
}

/// A name of a party or label: letters, digits, `-`, `_` and `.`.
pub(super) fn is_name(name: &str) -> bool {
    let may_be = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.chars().all(may_be)
}

/// Alternatives with `|` between them, and how often; else what is wrong, and at which byte.
fn message(what: &str) -> Result<(Vec<Kind>, Times), Wrong> {
    let end = what.trim_end();
    let start_of_times = match end.chars().last() {
        Some('?' | '*' | '+') => end.len() - 1,
        Some('}') => end.rfind('{').unwrap_or(end.len()),
        _ => end.len(),
    };
    let (kinds, often) = end.split_at(start_of_times);
    let times = match often {
        "" => Times::ONCE,
        _ => times(often).ok_or_else(|| (start_of_times, wrong_times(often)))?,
    };
    let trimmed = kinds.trim();
    let inside = trimmed.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let alternatives = inside.unwrap_or(trimmed);
    let mut found = Vec::new();
    for alternative in alternatives.split('|') {
        let at = alternative.as_ptr() as usize - what.as_ptr() as usize;
        let lead = alternative.len() - alternative.trim_start().len();
        found.push(kind(alternative.trim()).map_err(|problem| (at + lead, problem))?);
    }
    Ok((found, times))
}

fn kind(text: &str) -> Result<Kind, String> {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let second = words.next();
    if let Some(extra) = words.next() {
        return Err(format!("`{extra}` is too much; use `|` between alternatives"));
    }
    if let Some(code) = status(first) {
        let method = second.map(method).transpose()?;
        return Ok(Kind::Response { code, method });
    }
    match (first, second) {
        (_, Some(extra)) => {
            Err(format!("`{extra}` is too much; only a status is followed by a method"))
        }
        ("any", None) => Ok(Kind::Any),
        (first, None) => match first.strip_prefix("re-") {
            Some(rest) => Ok(Kind::Request { method: method(rest)?, in_dialog: true }),
            None => Ok(Kind::Request { method: method(first)?, in_dialog: false }),
        },
    }
}

/// Three digits of which the last ones may be `x`.
pub(super) fn status(text: &str) -> Option<[u8; 3]> {
    let code: [u8; 3] = text.as_bytes().try_into().ok()?;
    let is_digit_or_x = |byte: &u8| byte.is_ascii_digit() || *byte == b'x';
    let is_sane = matches!(code, [b'1'..=b'6', _, _])
        && code.iter().all(is_digit_or_x)
        && (code[1] != b'x' || code[2] == b'x');
    is_sane.then_some(code)
}

/// Whether the status is one of those that the pattern stands for.
pub(super) fn fits(pattern: [u8; 3], status: u16) -> bool {
    let digits = [status / 100 % 10, status / 10 % 10, status % 10];
    pattern.iter().zip(digits).all(|(own, digit)| *own == b'x' || u16::from(own - b'0') == digit)
}

/// Methods that somebody may have misspelt.
const METHODS: [&str; 14] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
];

/// The method that a step names, or what is wrong with it.
pub(super) fn method(text: &str) -> Result<String, String> {
    if Method::of(text.as_bytes()).is_known() {
        return Ok(text.to_owned());
    }
    let upper = text.to_ascii_uppercase();
    let far = (text.chars().count() / 3).clamp(1, 2);
    let near = METHODS.iter().find(|known| edit_distance(&upper, known) <= far);
    match near {
        Some(known) => Err(format!("there is no method `{text}`; did you mean `{known}`?")),
        None if text == upper && is_name(text) && !text.starts_with(|c: char| c.is_numeric()) => {
            Ok(upper)
        }
        None => Err(format!("`{text}` is neither a method nor a status such as `200` or `18x`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Steps, Wrong> {
        let texts: Vec<_> =
            texts.iter().zip(1..).map(|(text, line)| Text { text, line, at: line * 100 }).collect();
        Steps::parse(&texts)
    }

    fn only(text: &str) -> Step {
        parse(&[text]).expect(text).leaves.pop().expect("a step")
    }

    fn wrong(texts: &[&str]) -> Wrong {
        parse(texts).expect_err("wrong")
    }

    #[test]
    fn a_step_names_parties_message_times_and_label() {
        let step = only("alice > bob  200 INVITE | 202 +  @answer");
        assert_eq!((step.from.as_deref(), step.to.as_deref()), (Some("alice"), Some("bob")));
        let invite = Some("INVITE".to_owned());
        let expected = [
            Kind::Response { code: *b"200", method: invite },
            Kind::Response { code: *b"202", method: None },
        ];
        assert_eq!(step.kinds, expected);
        assert_eq!(step.times, Times { min: 1, max: None });
        assert_eq!(step.label.as_deref(), Some("answer"));
        assert_eq!(step.what, "200 INVITE | 202 +");
        assert_eq!(only("* -> bob any?").from, None);
        assert_eq!(only("a > b (180 | 183){2,4}").times, Times { min: 2, max: Some(4) });
        let request = Kind::Request { method: "INVITE".to_owned(), in_dialog: true };
        assert_eq!(only("a > b re-INVITE").kinds, [request]);
    }

    #[test]
    fn groups_nest() {
        let steps = parse(&[
            "any order {",
            "a > b BYE",
            "either {",
            "b > a 200",
            "} or {",
            "...",
            "}",
            "}?",
        ]);
        let steps = steps.expect("groups");
        let [Node::Group { order: Order::Any, branches, times }] = steps.nodes.as_slice() else {
            panic!("{:?}", steps.nodes)
        };
        assert_eq!(*times, Times { min: 0, max: Some(1) });
        let [Node::Step(0), Node::Group { order: Order::Either, branches: either, .. }] =
            branches[0].as_slice()
        else {
            panic!("{branches:?}")
        };
        assert_eq!(either.as_slice(), [vec![Node::Step(1)], vec![Node::Rest]]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let cases = [
            ("alice bob INVITE", 100, "expected a step such as"),
            ("alice > bob INVTE", 112, "there is no method `INVTE`; did you mean `INVITE`?"),
            ("alice > bob", 111, "expected a method or status"),
            ("alice > bob 200 | 7xx", 118, "`7xx` is neither a method nor a status"),
            ("alice > bob 200{4,2}", 115, "`{4,2}` does not say how often"),
            ("alice > bob 200 @", 117, "expected a label behind `@`"),
            ("ali ce > bob 200", 100, "`ali ce` is no name of a party"),
            ("}", 100, "`}` without a group"),
            ("{", 100, "this group has no `}`"),
            ("} or {", 100, "`} or {` belongs into `either {`"),
        ];
        for (text, at, problem) in cases {
            let (place, told) = wrong(&[text]);
            assert!(told.starts_with(problem), "{text}: {told}");
            assert_eq!(place, at, "{text}");
        }
    }

    #[test]
    fn patterns_of_statuses() {
        assert!(fits(*b"18x", 183) && !fits(*b"18x", 199) && fits(*b"2xx", 202));
        assert_eq!(status("1x3"), None);
        assert_eq!(status("700"), None);
        assert_eq!(status("20"), None);
    }
}
