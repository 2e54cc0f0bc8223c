//! Parts of the text report that other formats show as they are.

use std::io;

use crate::analysis::Analysis;
use crate::catalogue::Lang;
use crate::finding::Finding;
use crate::report::document::Page;
use crate::report::style::Style;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::report::text::{TextOptions, Verbosity, capture, ladder, verdict};

/// Columns of a ladder that nobody wraps.
const COLUMNS: usize = 100;

/// The analysis as parts of text.
pub(crate) struct Parts<'a> {
    scene: Scene<'a>,
    page: Page,
}

impl<'a> Parts<'a> {
    /// The parts in a language.
    pub(crate) fn new(analysis: &'a Analysis, lang: Lang) -> Self {
        let page = Page { columns: COLUMNS, style: Style { color: false } };
        let options = TextOptions { lang, page, verbosity: Verbosity::Normal };
        Self { scene: Scene::new(analysis, &options), page }
    }

    /// What it comes to, in a line.
    pub(crate) fn verdict(&self) -> String {
        verdict::verdict(&self.scene)
    }

    /// Files, times and counts, each behind its name; lines without a name go on with the one
    /// before.
    pub(crate) fn capture(&self) -> Vec<(String, String)> {
        capture::facts(&self.scene)
    }

    /// What a reader must know before trusting the rest.
    pub(crate) fn notes(&self) -> Vec<String> {
        capture::notes(&self.scene)
    }

    /// The time of day, with the date where it is another day than that of the capture.
    pub(crate) fn time(&self, time: crate::time::Time) -> String {
        self.scene.clock.time(time)
    }

    /// A Call-ID with its number in the table of calls.
    pub(crate) fn call(&self, call_id: &str) -> String {
        self.scene.call(call_id)
    }

    /// The name of a piece of evidence, as it begins a line.
    pub(crate) fn evidence(&self, name: &str) -> String {
        self.scene.evidence(name)
    }

    /// Every Call-ID is listed, so that calls can be known by their numbers.
    pub(crate) fn lists_all_calls(&self) -> bool {
        self.scene.lists_all_calls()
    }

    /// The ladder of a finding; empty where it has none.
    pub(crate) fn ladder(&self, finding: &Finding) -> io::Result<String> {
        let mut out = Vec::new();
        let mut sheet = Sheet::new(self.page, &mut out);
        ladder::draw(&self.scene, &finding.ladder, finding.severity, &mut sheet)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}
