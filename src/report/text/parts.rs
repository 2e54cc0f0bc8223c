//! Parts of the text report that other formats show as they are.

use std::io;

use crate::analysis::{Analysis, Host, Incident, StreamSummary};
use crate::catalogue::{Lang, RuleText};
use crate::finding::Finding;
use crate::packet::Endpoint;
use crate::report::document::Page;
use crate::report::style::Style;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;
use crate::report::text::{
    TextOptions, Verbosity, capture, finding, incident, ladder, screened, streams, verdict,
};

pub(crate) use crate::report::text::capture::is_on_capture;
pub(crate) use crate::report::text::verdict::{FAILED, is_proven_error};

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

    /// Calls that failed: refused, without an answer, or broken by what an error tells.
    pub(crate) fn failed(&self) -> u64 {
        verdict::failed(&self.scene)
    }

    /// What a reader wants to know below the message of a finding, or of an incident that it is an
    /// example of, each behind its name.
    pub(crate) fn facts(
        &self,
        finding: &Finding,
        incident: Option<&Incident>,
        rule: &RuleText,
    ) -> Vec<(String, String)> {
        match incident {
            Some(incident) => incident::facts(&self.scene, incident, finding, rule),
            None => finding::facts(&self.scene, finding, rule),
        }
    }

    /// Where else the fault was seen, a line each, behind the key of its heading.
    pub(crate) fn signs(&self, finding: &Finding) -> Vec<(&'static str, Vec<String>)> {
        finding::signs(&self.scene, finding)
    }

    /// `192.0.2.1:4000 > 192.0.2.2:5000 · PCMA · 891 packets · 0.0 % lost · …`
    pub(crate) fn stream(&self, stream: &StreamSummary) -> String {
        streams::line(stream, self.scene.words)
    }

    /// What was set aside by decisions of the user, counted.
    pub(crate) fn set_aside(&self) -> Vec<String> {
        screened::counts(&self.scene)
    }

    /// An address, with the name that the user gives to the host.
    pub(crate) fn host(&self, address: Host) -> String {
        self.scene.host(address)
    }

    /// An address and port, with the name that the user gives to the host.
    pub(crate) fn endpoint(&self, end: Endpoint) -> String {
        self.scene.endpoint(end)
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
