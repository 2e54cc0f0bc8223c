//! How two status codes differ, said with the sentences of the language and of the entries.
//!
//! The sentences stand in `compare.md`. Entries are quoted whole, after words that lead to them,
//! so that no language has to bend them.

use crate::catalogue::labels::Lists;
use crate::catalogue::template::fill;
use crate::catalogue::{Lang, StatusClass, StatusText, entries, files, status};
use crate::rules;

static PATTERNS: Lists = Lists::new("compare.md");

/// Two status codes side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The first code.
    pub left: StatusText,
    /// The second code.
    pub right: StatusText,
    /// The difference in a few sentences.
    pub difference: String,
    /// Class, finality, who answers, what it means for the call, meaning, occasion.
    pub key_differences: Vec<String>,
    /// What to do at the one and at the other, a paragraph each.
    pub when_to_use: String,
    /// What it means when the one follows the other.
    pub sequence: Option<Sequence>,
    /// The language of the sentences.
    pub lang: Lang,
}

/// Two codes that follow one another in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The code that comes first.
    pub first: u16,
    /// The code that comes after it.
    pub then: u16,
    /// What that means.
    pub meaning: String,
    /// The name of the rule that reports it, if there is one.
    pub rule: Option<&'static str>,
}

/// What tells the two codes apart.
pub fn compare(left: u16, right: u16, lang: Lang) -> Comparison {
    let pair = Pair { left: status(left, lang), right: status(right, lang), lang };
    let (difference, key_differences, when_to_use) = if left == right {
        (pair.same_code(), pair.key_points(), pair.advice(&pair.left))
    } else {
        let advice = [pair.advice(&pair.left), pair.advice(&pair.right)];
        (pair.difference(), pair.key_differences(), advice.join("\n\n"))
    };
    Comparison {
        difference,
        key_differences,
        when_to_use,
        sequence: sequence(left, right, lang).or_else(|| sequence(right, left, lang)),
        left: pair.left,
        right: pair.right,
        lang,
    }
}

/// What it means when `then` follows `first`, if the catalogue has something to say about it.
fn sequence(first: u16, then: u16, lang: Lang) -> Option<Sequence> {
    let heading = format!("{first} {then}");
    [lang, Lang::En].into_iter().find_map(|lang| {
        let file = files::file(lang, "pairs.md")?;
        let (_, body) = entries::sections(file).find(|section| section.0 == heading)?;
        let rule = body.lines().find_map(|line| line.strip_prefix("rule:"));
        let lines: Vec<&str> = body.lines().filter(|line| !line.starts_with("rule:")).collect();
        let meaning = entries::prose(&lines.join("\n"));
        Some(Sequence { first, then, meaning, rule: rule.and_then(known_rule) })
    })
}

/// The rule of that name. A pair may name one that does not exist yet; nobody is sent there.
fn known_rule(name: &str) -> Option<&'static str> {
    rules::ALL.iter().map(|rule| rule.name).find(|known| *known == name.trim())
}

struct Pair {
    left: StatusText,
    right: StatusText,
    lang: Lang,
}

impl Pair {
    fn difference(&self) -> String {
        let names = [("left", &*self.left.name()), ("right", &*self.right.name())];
        let classes = if self.left.class == self.right.class {
            self.say(&format!("both-{}", self.left.class_code()), &names)
        } else {
            let right = self.kind(&self.right);
            let contrast = self.say("contrast", &[("sentence", &right)]);
            super::sentences(&[&self.kind(&self.left), &contrast])
        };
        let left = self.gist(&self.left);
        let right = self.gist(&self.right);
        super::sentences(&[&classes, &left, &right])
    }

    fn same_code(&self) -> String {
        let same = self.say("same-code", &[("name", &self.left.name())]);
        super::sentences(&[&same, &self.kind(&self.left), &self.gist(&self.left)])
    }

    fn key_differences(&self) -> Vec<String> {
        let mut points = vec![self.classes()];
        points.extend(self.finality());
        points.push(self.who_answers());
        points.extend(self.effects());
        points.extend([
            self.description(&self.left),
            self.description(&self.right),
            self.when(&self.left),
            self.when(&self.right),
        ]);
        points
    }

    fn key_points(&self) -> Vec<String> {
        let code = &self.left;
        let class = self.class_title(code);
        let mut points = vec![self.say("key-class-same", &[("class", &class)])];
        points.extend(code.class.map(|class| {
            let key = if class.is_provisional() { "key-provisional" } else { "key-final" };
            self.say(key, &[])
        }));
        points.push(self.say("key-who-same", &[("who", self.who(code))]));
        points.push(self.effect(code));
        points.push(self.description(code));
        points.push(self.when(code));
        points
    }

    fn classes(&self) -> String {
        let (left, right) = (&self.left, &self.right);
        let titles = [self.class_title(left), self.class_title(right)];
        match (left.class, right.class) {
            (Some(one), Some(other)) if one != other => self.say(
                "key-class",
                &[
                    ("left", &left.code.to_string()),
                    ("right", &right.code.to_string()),
                    ("class_left", &titles[0]),
                    ("class_right", &titles[1]),
                ],
            ),
            (Some(_), None) => self.only_one(left, &titles[0]),
            (None, Some(_)) => self.only_one(right, &titles[1]),
            (Some(_), Some(_)) | (None, None) => {
                self.say("key-class-same", &[("class", &titles[0])])
            }
        }
    }

    fn only_one(&self, code: &StatusText, class: &str) -> String {
        self.say("key-class-none", &[("code", &code.code.to_string()), ("class", class)])
    }

    fn finality(&self) -> Option<String> {
        let (left, right) = (self.left.class?, self.right.class?);
        let both = |provisional: &StatusText, last: &StatusText| {
            let codes = [provisional.code.to_string(), last.code.to_string()];
            let values = [("provisional", &*codes[0]), ("final", &*codes[1])];
            self.say("key-provisional-final", &values)
        };
        Some(match (left.is_provisional(), right.is_provisional()) {
            (true, false) => both(&self.left, &self.right),
            (false, true) => both(&self.right, &self.left),
            (true, true) => self.say("key-both-provisional", &[]),
            (false, false) => self.say("key-both-final", &[]),
        })
    }

    fn who_answers(&self) -> String {
        let (left, right) = (self.who(&self.left), self.who(&self.right));
        if left == right {
            return self.say("key-who-same", &[("who", left)]);
        }
        self.say(
            "key-who",
            &[
                ("left", &self.left.code.to_string()),
                ("right", &self.right.code.to_string()),
                ("who_left", left),
                ("who_right", right),
            ],
        )
    }

    fn effects(&self) -> Vec<String> {
        let effect = self.own_or_class("effect", &self.left);
        if effect == self.own_or_class("effect", &self.right) {
            return vec![self.say("key-effect-same", &[("effect", effect)])];
        }
        vec![self.effect(&self.left), self.effect(&self.right)]
    }

    fn effect(&self, code: &StatusText) -> String {
        let effect = self.own_or_class("effect", code);
        self.say("key-effect", &[("code", &code.code.to_string()), ("effect", effect)])
    }

    fn description(&self, code: &StatusText) -> String {
        let values = [("code", &*code.code.to_string()), ("description", &code.description)];
        self.say("key-description", &values)
    }

    fn when(&self, code: &StatusText) -> String {
        self.say("key-when", &[("code", &code.code.to_string()), ("when", &code.when)])
    }

    fn advice(&self, code: &StatusText) -> String {
        self.say("when-to-use", &[("name", &code.name()), ("fix", &code.fix)])
    }

    /// The sentence about the class of a code.
    fn kind(&self, code: &StatusText) -> String {
        self.say(&format!("is-{}", code.class_code()), &[("name", &code.name())])
    }

    /// The first sentence of the description.
    fn gist(&self, code: &StatusText) -> String {
        let values =
            [("code", &*code.code.to_string()), ("sentence", first_sentence(&code.description))];
        self.say("says", &values)
    }

    fn who(&self, code: &StatusText) -> &'static str {
        self.own_or_class("who", code)
    }

    fn own_or_class(&self, what: &str, code: &StatusText) -> &'static str {
        PATTERNS
            .lookup(self.lang, &format!("{what}-{}", code.code))
            .or_else(|| PATTERNS.lookup(self.lang, &format!("{what}-{}", code.class_code())))
            .unwrap_or_default()
    }

    fn class_title(&self, code: &StatusText) -> String {
        let none = || super::labels(self.lang).get("no-class").to_owned();
        code.class.map_or_else(none, |class: StatusClass| class.title(self.lang))
    }

    fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        fill(PATTERNS.lookup(self.lang, key).unwrap_or_default(), values)
    }
}

/// The first sentence of a text; the whole text if its end cannot be told.
pub(crate) fn first_sentence(text: &str) -> &str {
    let ends_sentence = |at: usize, mark: char| {
        let rest = text.get(at + mark.len_utf8()..).unwrap_or_default();
        mark == '。'
            || rest.is_empty()
            || rest.strip_prefix([' ', '\n']).is_some_and(|next| {
                next.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit() || c == '`')
            })
    };
    text.char_indices()
        .filter(|(_, c)| matches!(c, '.' | '。'))
        .find(|(at, mark)| ends_sentence(*at, *mark))
        .and_then(|(at, mark)| text.get(..at + mark.len_utf8()))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::catalogue::registered;
    use crate::catalogue::template::places;

    #[test]
    fn every_language_has_the_same_patterns() {
        let english = PATTERNS.texts(Lang::En);
        for lang in Lang::ALL {
            let texts = PATTERNS.texts(lang);
            let keys: BTreeSet<_> = english.keys().collect();
            let own: BTreeSet<_> = texts.keys().collect();
            let missing: Vec<_> = keys.symmetric_difference(&own).collect();
            assert!(missing.is_empty(), "compare.md of {lang} lacks or has more: {missing:?}");
            for (key, text) in texts {
                let expected: BTreeSet<_> = places(&english[key]).into_iter().collect();
                assert_eq!(places(text).into_iter().collect::<BTreeSet<_>>(), expected, "{key}");
            }
        }
    }

    #[test]
    fn the_first_sentence_ends_at_its_full_stop() {
        let cases = [
            ("The next hop has it. More.", "The next hop has it."),
            ("As RFC 3261 4.2 says, e.g. here. More.", "As RFC 3261 4.2 says, e.g. here."),
            ("Only one", "Only one"),
            ("次のホップが受け取った。続く。", "次のホップが受け取った。"),
        ];
        for (text, expected) in cases {
            assert_eq!(first_sentence(text), expected);
        }
    }

    #[test]
    fn every_pair_can_be_compared_in_every_language() {
        let codes: Vec<u16> = registered().map(|code| code.0).chain([409, 499, 27, 700]).collect();
        for lang in Lang::ALL {
            for &left in &codes {
                for &right in &codes {
                    let pair = compare(left, right, lang);
                    let texts = [&pair.difference, &pair.when_to_use];
                    for text in texts.into_iter().chain(&pair.key_differences) {
                        assert!(!text.is_empty(), "{left} {right} {lang}");
                        assert!(!text.contains(['{', '}']), "{left} {right} {lang}: {text}");
                        assert!(!text.contains('…'), "{left} {right} {lang}: {text}");
                        assert_eq!(doubled_word(text), None, "{left} {right} {lang}: {text}");
                    }
                    assert!(pair.key_differences.len() >= 5, "{left} {right} {lang}");
                }
            }
        }
    }

    /// A word that stands twice in a row, as in "when when".
    fn doubled_word(text: &str) -> Option<&str> {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.windows(2).find_map(|pair| {
            let is_word = pair[0].chars().all(char::is_alphabetic);
            let grammar = ["vous", "nous"].contains(&pair[0].to_lowercase().as_str());
            let doubled = pair[0].to_lowercase() == pair[1].to_lowercase();
            (is_word && doubled && !grammar).then_some(pair[0])
        })
    }

    #[test]
    fn doubled_words_are_noticed() {
        assert_eq!(doubled_word("You meet 502 when when a proxy"), Some("when"));
        assert_eq!(doubled_word("Quand quand un proxy"), Some("Quand"));
        assert_eq!(doubled_word("100 100 is fine"), None);
    }

    #[test]
    fn a_pair_that_follows_one_another_names_the_rule() {
        let sequence = compare(100, 502, Lang::En).sequence.expect("in pairs.md");
        assert_eq!((sequence.first, sequence.then), (100, 502));
        assert_eq!(sequence.rule, Some("trying-then-server-failure"));
        assert!(!sequence.meaning.contains("rule:"));
        let backwards = compare(502, 100, Lang::En).sequence.expect("the same");
        assert_eq!((backwards.first, backwards.then), (100, 502));
        assert_eq!(compare(100, 699, Lang::En).sequence, None);
    }

    #[test]
    fn pairs_have_two_codes_each() {
        for (lang, _, file) in files::all().iter().filter(|file| file.1 == "pairs.md") {
            for (heading, body) in entries::sections(file) {
                let codes: Vec<_> = heading.split(' ').map(str::parse::<u16>).collect();
                assert!(matches!(codes[..], [Ok(_), Ok(_)]), "{lang}: {heading}");
                assert!(!entries::prose(body).is_empty(), "{lang}: {heading}");
            }
        }
    }

    #[test]
    fn a_code_with_itself_has_nothing_to_tell_apart() {
        let pair = compare(502, 502, Lang::En);
        assert!(pair.difference.starts_with("Both sides are 502 (Bad Gateway), so there is"));
        let final_one = "It is final: it ends the transaction.";
        assert!(pair.key_differences.iter().any(|point| point == final_one));
        assert_eq!(pair.when_to_use.matches("502 (Bad Gateway)").count(), 1);
    }

    #[test]
    fn the_pages_that_came_first_keep_their_facts() {
        let cases: [(u16, u16, &[&str]); 5] = [
            (100, 500, &["Provisional", "Server Failure", "dial tone", "database", "log"]),
            (100, 501, &["further responses", "INFO, UPDATE, PRACK", "`Allow`"]),
            (100, 502, &["INVITE", "invalid response", "network path", "next hop"]),
            (183, 502, &["ringback", "announcement", "SDP", "codec", "telephone network"]),
            (202, 502, &["REFER", "NOTIFY", "subscription", "transfer target"]),
        ];
        for (left, right, facts) in cases {
            let pair = compare(left, right, Lang::En);
            let all = format!("{} {}", pair.key_differences.join(" "), pair.when_to_use);
            for fact in facts {
                assert!(all.contains(fact), "{left} {right}: {fact}");
            }
        }
    }

    #[test]
    fn their_protocol_words_stand_in_every_language() {
        let cases: [(u16, u16, &[&str]); 5] = [
            (100, 500, &["INVITE", "1xx", "5xx", "503"]),
            (100, 501, &["INVITE", "INFO", "UPDATE", "PRACK", "`Allow`"]),
            (100, 502, &["INVITE", "SDP", "DNS", "`Content-Length`"]),
            (183, 502, &["SDP", "RTP", "early media", "PSTN"]),
            (202, 502, &["REFER", "NOTIFY", "`Contact`"]),
        ];
        let own = |lang: Lang, word: &str| match (lang, word) {
            (Lang::Fr, "early media") => "média anticipé".to_owned(),
            (Lang::Ja, "early media") => "アーリーメディア".to_owned(),
            (Lang::Pt, "early media") => "mídia antecipada".to_owned(),
            (Lang::En, "PSTN") => "telephone network".to_owned(),
            (Lang::Fr, "PSTN") => "RTC".to_owned(),
            _ => word.to_owned(),
        };
        for lang in Lang::ALL {
            for (left, right, facts) in cases {
                let pair = compare(left, right, lang);
                let all = format!("{} {}", pair.key_differences.join(" "), pair.when_to_use);
                for fact in facts.iter().map(|word| own(lang, word)) {
                    assert!(all.contains(&fact), "{left} {right} {lang}: {fact}");
                }
            }
        }
    }
}
