//! Which formats are written, and where each of them goes.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::analysis::{Analysis, Keep, TranscriptsOf};
use crate::catalogue::{Lang, labels};
use crate::cli::files::{self, Files, is_stdout, whole_name};
use crate::cli::output::{OutputArgs, WriteError};
use crate::limits::{CALLS_MAX, FINDINGS_MAX, TRANSCRIPT_BYTES_PER_SHARD_MAX};
use crate::report::csv::Table;
use crate::report::text::{TextOptions, Verbosity};
use crate::report::{self, Outcome};

/// Calls that the text report may list.
const LISTED_CALLS: usize = 64;

/// Formats, each with the file that it goes to.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FormatArgs {
    /// Format of the output, with the file that it goes to; several may be given, one of them
    /// without a file
    #[arg(long, value_name = "FORMAT[=FILE]", value_parser = WantedParser)]
    format: Vec<Wanted>,
    /// What the lines of --format csv are
    #[arg(long, value_enum, value_name = "TABLE")]
    table: Option<TableArg>,
}

/// The formats of an analysis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person
    #[default]
    Text,
    /// For a program; `siptrace schema` describes it
    Json,
    /// The same line by line, while the capture is still being read
    Jsonl,
    /// A table for a spreadsheet
    Csv,
    /// For a ticket or the description of a change
    Markdown,
    /// The incident report as one page; `siptrace report` has more options for it
    Html,
    /// Test results for Jenkins, GitLab and others
    Junit,
    /// Static analysis results, version 2.1.0
    Sarif,
    /// Annotations on the run of a workflow at GitHub
    Github,
    /// Code quality at GitLab
    Gitlab,
}

/// What the lines of the table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TableArg {
    /// A Call-ID each
    Calls,
    /// A finding each [default]
    Findings,
    /// A SIP message each
    Messages,
    /// An RTP stream each
    Streams,
}

/// A format and the file that was named with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    format: Format,
    file: Option<PathBuf>,
}

/// Reads `FORMAT` and `FORMAT=FILE`.
#[derive(Clone, Debug)]
struct WantedParser;

impl TypedValueParser for WantedParser {
    type Value = Wanted;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Wanted, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, argument, value)?;
        let (name, file) = match text.split_once('=') {
            Some((name, file)) => (name, Some(file)),
            None => (text.as_str(), None),
        };
        let names = clap::builder::EnumValueParser::<Format>::new();
        let format = names.parse_ref(command, argument, std::ffi::OsStr::new(name))?;
        match file {
            Some("") => StringValueParser::new()
                .try_map(|_| Err("a file must follow the `=`"))
                .parse_ref(command, argument, value),
            file => Ok(Wanted { format, file: file.map(PathBuf::from) }),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = Format::value_variants().iter();
        Some(Box::new(values.filter_map(ValueEnum::to_possible_value)))
    }
}

/// Why the formats cannot be written as they were asked for; the exit code is 2.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormatError {
    /// Two would go to standard output.
    #[error("two formats have no file: {first} and {second}")]
    SeveralWithoutFile {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Two would go to one file.
    #[error("two formats would be written to {path:?}")]
    SameFile {
        /// The file as it was given last.
        path: PathBuf,
    },
    /// `-o` without a format that it is for.
    #[error("no format is left to be written to {path:?}")]
    NothingForOutput {
        /// The file.
        path: PathBuf,
    },
    /// `--table` without the format that it is for.
    #[error("--table is for --format csv, which was not asked for")]
    TableWithoutCsv,
}

impl FormatError {
    /// What the user may do, for the line after `hint:`.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::SeveralWithoutFile { second, .. } => {
                format!("name a file: `--format {second}=FILE`")
            }
            Self::SameFile { .. } => "name another file for one of them".to_owned(),
            Self::NothingForOutput { .. } => {
                "leave `-o` out, or the file of one of the formats".to_owned()
            }
            Self::TableWithoutCsv => "add `--format csv`".to_owned(),
        }
    }
}

/// Writes what there is to tell in one of the formats.
pub(super) type Render<'r> = dyn Fn(Format, &TextOptions, &mut dyn Write) -> io::Result<()> + 'r;

/// The formats of a run, each with its destination.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    all: Vec<(Format, OutputArgs)>,
    table: Table,
}

impl FormatArgs {
    /// The files that are asked for.
    pub(super) fn wanted(&self, output: &OutputArgs) -> impl Iterator<Item = files::Wanted> {
        let named = self.format.iter().filter_map(|one| one.file.clone());
        let all = named.map(|path| OutputArgs { output: Some(path), ..output.clone() });
        all.chain([output.clone()]).filter_map(|one| one.wanted())
    }

    /// What is to be written where; text where nothing is said.
    ///
    /// # Errors
    ///
    /// When two would get into each other's way, or an option has nothing to work on.
    pub(super) fn outputs(&self, output: &OutputArgs) -> Result<Outputs, FormatError> {
        let default = [Wanted { format: Format::default(), file: None }];
        let wanted = if self.format.is_empty() { &default[..] } else { &self.format[..] };
        let mut without: Option<Format> = None;
        let mut files = BTreeSet::new();
        let mut all = Vec::new();
        for one in wanted {
            if one.file.is_none()
                && let Some(first) = without.replace(one.format)
            {
                let (first, second) = (first.name(), one.format.name());
                return Err(FormatError::SeveralWithoutFile { first, second });
            }
            let path = one.file.clone().or_else(|| output.output.clone());
            if let Some(path) =
                path.as_ref().filter(|path| !is_stdout(path) && !files.insert(whole_name(path)))
            {
                return Err(FormatError::SameFile { path: path.clone() });
            }
            all.push((one.format, OutputArgs { output: path, ..output.clone() }));
        }
        if let Some(path) = output.output.as_ref().filter(|_| without.is_none()) {
            return Err(FormatError::NothingForOutput { path: path.clone() });
        }
        if self.table.is_some() && wanted.iter().all(|one| one.format != Format::Csv) {
            return Err(FormatError::TableWithoutCsv);
        }
        Ok(Outputs { all, table: self.table.map_or(Table::default(), TableArg::table) })
    }
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
        }
    }
}

impl TableArg {
    fn table(self) -> Table {
        match self {
            Self::Calls => Table::Calls,
            Self::Findings => Table::Findings,
            Self::Messages => Table::Messages,
            Self::Streams => Table::Streams,
        }
    }
}

impl Outputs {
    /// What the run must keep for the formats.
    pub(super) fn keep(&self) -> Keep {
        let has = |format| self.all.iter().any(|(own, _)| *own == format);
        let is_only_text = self.all.iter().all(|(format, _)| *format == Format::Text);
        let has_ladders = has(Format::Text) || has(Format::Markdown) || has(Format::Html);
        let has_messages = has(Format::Csv) && self.table == Table::Messages;
        let has_examples = has(Format::Html);
        let transcripts_of = match has_examples && !has_messages {
            true => TranscriptsOf::Examples(Keep::EXAMPLES),
            false => TranscriptsOf::All,
        };
        let wants_messages = has_messages || has_examples;
        Keep {
            calls: if is_only_text { LISTED_CALLS } else { CALLS_MAX },
            transcripts: if wants_messages { TRANSCRIPT_BYTES_PER_SHARD_MAX } else { 0 },
            transcripts_of,
            findings: FINDINGS_MAX,
            ladders: if has_ladders { Keep::LADDERS } else { 0 },
            ..Keep::default()
        }
    }

    /// Where JSON lines go, if nothing else is asked for: then they can be written while the
    /// captures are read.
    pub(super) fn lines(&self) -> Option<&OutputArgs> {
        match self.all.as_slice() {
            [(Format::Jsonl, output)] => Some(output),
            _ => None,
        }
    }

    /// The only formats are these.
    pub(super) fn are_only(&self, formats: &[Format]) -> bool {
        self.all.iter().all(|(format, _)| formats.contains(format))
    }

    /// Writes every format, once all of them are rendered: the files and those that are there
    /// already get their names, all or none, and then standard output has its turn.
    ///
    /// # Errors
    ///
    /// When a file or standard output cannot be written to; a closed pipe is no error.
    pub(super) fn write(
        &self,
        lang: Lang,
        verbosity: Verbosity,
        mut files: Files,
        render: &Render<'_>,
    ) -> Result<(), WriteError> {
        let render = |format: Format, output: &OutputArgs, out: &mut dyn Write| {
            render(format, &TextOptions { lang, page: output.page(), verbosity }, out)
        };
        let is_file = |output: &OutputArgs| output.wanted().is_some();
        for (format, output) in self.all.iter().filter(|(_, output)| is_file(output)) {
            output.fill(&mut files, |out| render(*format, output, out))?;
        }
        // Whoever reads the output may look at the files when it ends.
        files.put_in_place()?;
        let mut to_stdout = self.all.iter().filter(|(_, output)| !is_file(output));
        to_stdout.try_for_each(|(format, output)| {
            output.fill(&mut Files::default(), |out| render(*format, output, out))
        })
    }

    /// A table has no place to say what it lacks, so that is said beside it.
    fn tell_what_is_missing(&self, analysis: &Analysis, lang: Lang) {
        let words = labels(lang);
        let bound = match self.table {
            Table::Messages => "transcripts",
            Table::Findings => "findings",
            Table::Calls | Table::Streams => return,
        };
        if let Some(count) = analysis.dropped.get(bound) {
            let text = words.pair(words.get(&format!("dropped-{bound}")), &words.count(*count));
            // What is said beside the table must not keep it from being written.
            let _ = writeln!(io::stderr().lock(), "siptrace: {text}");
        }
    }

    /// Writes an analysis in one of the formats.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(super) fn render(
        &self,
        format: Format,
        outcome: &Outcome<'_>,
        text: &TextOptions,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (analysis, lang) = (outcome.analysis, text.lang);
        match format {
            Format::Text => report::text::text(analysis, text, out),
            Format::Json => report::json::json(analysis, lang, out),
            Format::Jsonl => report::jsonl::jsonl(analysis, lang, out),
            Format::Csv => {
                self.tell_what_is_missing(analysis, lang);
                report::csv::csv(analysis, self.table, lang, out)
            }
            Format::Markdown => report::markdown::markdown(outcome, lang, out),
            Format::Html => report::page::page(outcome, lang, None, out),
            Format::Junit => report::junit::junit(outcome, lang, out),
            Format::Sarif => report::sarif::sarif(outcome, lang, out),
            Format::Github => report::github::github(outcome, lang, out),
            Format::Gitlab => report::gitlab::gitlab(outcome, lang, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        format: FormatArgs,
        #[command(flatten)]
        output: OutputArgs,
    }

    fn outputs(arguments: &[&str]) -> Result<Vec<(Format, Option<PathBuf>)>, FormatError> {
        let arguments = ["siptrace"].iter().chain(arguments);
        let command = Command::try_parse_from(arguments).expect("arguments");
        let outputs = command.format.outputs(&command.output)?;
        Ok(outputs.all.into_iter().map(|(format, output)| (format, output.output)).collect())
    }

    fn at(file: &str) -> Option<PathBuf> {
        Some(PathBuf::from(file))
    }

    #[test]
    fn each_format_has_its_file() {
        assert_eq!(outputs(&[]), Ok(vec![(Format::Text, None)]));
        assert_eq!(outputs(&["-o", "a"]), Ok(vec![(Format::Text, at("a"))]));
        let both = ["--format", "junit=out.xml", "--format", "text"];
        let expected = vec![(Format::Junit, at("out.xml")), (Format::Text, None)];
        assert_eq!(outputs(&both), Ok(expected));
        let with_output = ["--format", "json", "--format=sarif=x=y.sarif", "-o", "b.json"];
        let expected = vec![(Format::Json, at("b.json")), (Format::Sarif, at("x=y.sarif"))];
        assert_eq!(outputs(&with_output), Ok(expected));
    }

    #[test]
    fn formats_do_not_get_into_each_others_way() {
        let error = |arguments: &[&str]| outputs(arguments).expect_err("a clash").to_string();
        let two = error(&["--format", "json", "--format", "text"]);
        assert_eq!(two, "two formats have no file: json and text");
        let same = error(&["--format", "json=Cargo.toml", "--format", "csv=src/../Cargo.toml"]);
        assert_eq!(same, "two formats would be written to \"src/../Cargo.toml\"");
        let same = error(&["--format", "json", "--format", "csv=./new", "-o", "new"]);
        assert_eq!(same, "two formats would be written to \"./new\"");
        let unused = error(&["--format", "json=a", "-o", "b"]);
        assert_eq!(unused, "no format is left to be written to \"b\"");
        assert!(error(&["--table", "calls"]).starts_with("--table is for --format csv"));
    }

    #[test]
    fn an_unknown_format_is_named() {
        let parse = |format| Command::try_parse_from(["siptrace", "--format", format]);
        let error = parse("xml=a").map(|_| ()).expect_err("no such format").to_string();
        assert!(error.contains("'xml'") && error.contains("junit"), "{error}");
        let error = parse("json=").map(|_| ()).expect_err("no file").to_string();
        assert!(error.contains("a file must follow the `=`"), "{error}");
    }
}
