//! The help of the catalogue's commands in the language of the user.
//!
//! The English one is what clap makes of the arguments; for the other languages its words are
//! exchanged, and only when help is asked for. Knows nothing of what the commands do.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};

use super::config::Config;
use super::output;
use crate::catalogue::{Labels, Lang, labels};
use crate::report::layout;

/// A command with words of its own.
struct Help {
    name: &'static str,
    /// What follows the options in the usage line.
    operands: &'static str,
    /// Commands, each with the key of a note or nothing.
    examples: &'static [(&'static str, &'static str)],
}

const HELPS: [Help; 3] = [
    Help {
        name: "explain",
        operands: " <TOPIC>",
        examples: &[
            ("siptrace explain 502", ""),
            ("siptrace explain trying-then-server-failure", ""),
            ("siptrace explain TXN", "help-example-family"),
            ("siptrace explain 5xx", "help-example-class"),
            ("siptrace explain q850:27", "help-example-cause"),
            ("siptrace explain warning:305", "help-example-warning"),
            ("siptrace explain reason:STIR", "help-example-reason"),
            ("siptrace explain REFER --lang fr", ""),
        ],
    },
    Help {
        name: "compare",
        operands: " <A> <B>",
        examples: &[("siptrace compare 100 502", ""), ("siptrace compare 486 603 --lang pt", "")],
    },
    Help { name: "rules", operands: "", examples: &[] },
];

/// Columns of an example with a note.
const EXAMPLE_COLUMNS: usize = 30;

/// The command with the help that these arguments ask for in the user's language.
pub(super) fn translated(command: Command, arguments: &[OsString]) -> Command {
    let words: Vec<&str> = arguments.iter().skip(1).filter_map(|word| word.to_str()).collect();
    let is_help = |word: &&str| ["-h", "--help", "help"].contains(word);
    let named = words.iter().find(|word| **word != "help");
    let help = HELPS.iter().find(|help| named == Some(&help.name));
    let (Some(help), true) = (help, words.iter().any(is_help)) else { return command };
    match lang(&words) {
        Lang::En => command,
        lang => command.mut_subcommand(help.name, |command| exchange(command, help, labels(lang))),
    }
}

/// The language, before the arguments are parsed; a fault in them is not told here.
fn lang(words: &[&str]) -> Lang {
    let after = |at: usize| words.get(at + 1).copied();
    let asked_for = words.iter().enumerate().find_map(|(at, word)| {
        word.strip_prefix("--lang=").or_else(|| after(at).filter(|_| *word == "--lang"))
    });
    let asked_for = asked_for.and_then(|name| name.parse().ok());
    output::lang(asked_for, &Config::of(None).unwrap_or_default())
}

fn exchange(command: Command, help: &Help, words: Labels) -> Command {
    let options = words.get("help-options");
    let usage = format!("siptrace {} [{}]{}", help.name, options.to_uppercase(), help.operands);
    let template = template(help, words);
    let help_flag = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    command
        .about(words.get(&format!("help-{}", help.name)).to_owned())
        .long_about(None::<&str>)
        .override_usage(usage)
        .help_template(template)
        .disable_help_flag(true)
        .mut_args(|argument| with_words(argument, words))
        .arg(help_flag.help(words.get("help-help").to_owned()))
        .after_help(after_help(help, words))
}

/// The parts of the help below headings of the language, whose colon is not clap's.
fn template(help: &Help, words: Labels) -> String {
    let heading = |key: &str| words.pair(words.get(key), "").trim_end().to_owned();
    let usage = words.pair(words.get("help-usage"), "{usage}");
    let mut parts = vec![format!("{{about-with-newline}}\n{usage}\n")];
    if !help.operands.is_empty() {
        parts.push(format!("{}\n{{positionals}}\n", heading("help-arguments")));
    }
    parts.push(format!("{}\n{{options}}{{after-help}}", heading("help-options")));
    parts.join("\n")
}

/// The argument with its text; clap's own additions are in English and therefore left out.
fn with_words(argument: Arg, words: Labels) -> Arg {
    let text = words.get(&format!("help-{}", argument.get_id())).to_owned();
    let argument = argument.help(text).long_help(None::<&str>);
    match argument.get_action().takes_values() {
        true => argument.hide_default_value(true).hide_possible_values(true),
        false => argument,
    }
}

/// Examples and exit codes.
fn after_help(help: &Help, words: Labels) -> String {
    let heading = |key: &str| words.pair(words.get(key), "").trim_end().to_owned();
    let mut lines = Vec::new();
    if !help.examples.is_empty() {
        lines.push(heading("help-examples"));
    }
    for (example, note) in help.examples {
        let note = if note.is_empty() { "" } else { words.get(note) };
        let line = format!("  {}  {note}", layout::pad(example, EXAMPLE_COLUMNS));
        lines.push(line.trim_end().to_owned());
    }
    if !help.examples.is_empty() {
        lines.push(String::new());
    }
    lines.push(heading("help-exit-codes"));
    lines.extend(["0", "2"].map(|code| {
        let meaning = words.get(&format!("help-exit-{code}")).to_owned();
        format!("  {code}  {meaning}")
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    fn shown(arguments: &[&str]) -> String {
        let arguments: Vec<OsString> =
            ["siptrace"].iter().chain(arguments).map(OsString::from).collect();
        let command = translated(Arguments::command(), &arguments);
        let error = command.try_get_matches_from(&arguments).expect_err("help");
        assert!(!error.use_stderr(), "{error}");
        error.to_string()
    }

    #[test]
    fn help_speaks_the_language_asked_for() {
        for help in &HELPS {
            let english = shown(&[help.name, "--help", "--lang", "en"]);
            assert!(english.contains("Usage: siptrace"), "{english}");
            for lang in [Lang::Fr, Lang::Ja, Lang::Pt] {
                let words = labels(lang);
                for flag in ["-h", "--help"] {
                    let text = shown(&[help.name, flag, "--lang", lang.code()]);
                    let about = format!("help-{}", help.name);
                    let about = words.get(&about);
                    assert!(text.starts_with(about), "{lang}: {text}");
                    for word in ["Usage:", "Options:", "[default", "[possible", "Print help"] {
                        assert!(!text.contains(word), "{lang}: {text}");
                    }
                    assert!(!text.contains("help-"), "{lang}: {text}");
                }
            }
        }
    }

    #[test]
    fn the_english_words_are_those_of_the_program() {
        let command = Arguments::command();
        let words = labels(Lang::En);
        for help in &HELPS {
            let command = command.find_subcommand(help.name).expect("there");
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert_eq!(about, words.get(&format!("help-{}", help.name)));
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let text = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(words.get(&format!("help-{id}")).starts_with(&text), "{id}: {text}");
            }
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert_eq!(after, after_help(help, words));
        }
    }
}
