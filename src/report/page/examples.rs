//! Ladders of example calls: one for each entry that is told in full, each call drawn once, as long
//! as there is room.

use std::collections::BTreeMap;

use crate::analysis::CallSummary;
use crate::analysis::flow::{Flow, FlowOptions};
use crate::finding::Finding;
use crate::report::entries::Entry;
use crate::report::page::ladder;
use crate::report::page::scene::{Scene, cut};

/// Bytes of all ladders together; of entries beyond, the ladder is text.
const BYTES_MAX: usize = 5 << 20;

/// Legs of one conversation in one ladder; a wider one is hard to read.
const LEGS_MAX: usize = 4;

/// What is shown of the example of each entry that is told in full.
#[derive(Debug, Default)]
pub(super) struct Examples {
    shown: Vec<Shown>,
    /// The ladders in which calls are drawn, by the places of the calls.
    ids: BTreeMap<usize, String>,
    /// Ladders that there was no room for.
    pub(super) left_out: usize,
}

/// What is shown of an example.
#[derive(Debug, Default)]
pub(super) enum Shown {
    /// A ladder with the messages.
    Here { heading: String, figure: String },
    /// The call is in the ladder of that name.
    At { id: String, call: String },
    /// A ladder of the messages around the evidence.
    Text { heading: String, ladder: String },
    /// There is no call to show.
    #[default]
    Nothing,
}

impl Examples {
    /// Draws them.
    pub(super) fn of_scene(scene: &Scene<'_>) -> Self {
        let mut own = Self::default();
        let mut bytes = 0;
        for entry in scene.told().0 {
            let shown = own.example(scene, entry, bytes);
            if let Shown::Here { figure, .. } = &shown {
                bytes += figure.len();
            }
            own.shown.push(shown);
        }
        own
    }

    /// What is shown of the entry at that place.
    pub(super) fn of(&self, place: usize) -> &Shown {
        self.shown.get(place).unwrap_or(&Shown::Nothing)
    }

    /// The ladder in which the call at that place is drawn.
    pub(super) fn id(&self, place: usize) -> Option<&str> {
        self.ids.get(&place).map(String::as_str)
    }

    fn example(&mut self, scene: &Scene<'_>, entry: &Entry<'_>, bytes: usize) -> Shown {
        let place = scene.index.place(entry.finding);
        let call = place.and_then(|place| Some((place, scene.analysis.calls.get(place)?)));
        let Some((place, call)) = call.filter(|(_, call)| !call.transcript.is_empty()) else {
            return text(scene, entry);
        };
        if let Some(id) = self.ids.get(&place) {
            return Shown::At { id: id.clone(), call: scene.parts.call(&call.call_id) };
        }
        if bytes >= BYTES_MAX {
            self.left_out += 1;
            return text(scene, entry);
        }
        let places = legs(scene, place, call);
        let calls: Vec<&CallSummary> =
            places.iter().filter_map(|place| scene.analysis.calls.get(*place)).collect();
        let findings: Vec<&Finding> = scene.analysis.findings.iter().collect();
        let is_of_calls = |finding: &&&Finding| {
            scene.index.place(finding).is_some_and(|own| places.contains(&own))
        };
        let findings: Vec<&Finding> = findings.iter().filter(is_of_calls).copied().collect();
        let flow = Flow::of(&calls, &findings, &scene.analysis.hosts, &FlowOptions::default());
        let id = format!("ladder-{}", place + 1);
        let figure = ladder::ladder(&flow, &findings, &id, &scene.index);
        self.ids.extend(places.into_iter().map(|place| (place, id.clone())));
        Shown::Here { heading: heading(scene, &call.call_id), figure }
    }
}

fn heading(scene: &Scene<'_>, call_id: &str) -> String {
    scene.words.fill("page-example-of", &[("call", &cut(&scene.parts.call(call_id)))])
}

/// The ladder that the finding keeps itself.
fn text(scene: &Scene<'_>, entry: &Entry<'_>) -> Shown {
    let ladder = scene.parts.ladder(entry.finding).unwrap_or_default();
    match (&entry.finding.call_id, ladder.is_empty()) {
        (Some(call_id), false) => Shown::Text { heading: heading(scene, call_id), ladder },
        _ => Shown::Nothing,
    }
}

/// The call and the other legs of its conversation whose messages were kept.
fn legs(scene: &Scene<'_>, place: usize, call: &CallSummary) -> Vec<usize> {
    let mut places = vec![place];
    for linked in &call.linked {
        let is_it = |own: &CallSummary| own.call_id == linked.call_id && !own.transcript.is_empty();
        let found = scene.analysis.calls.iter().position(is_it);
        if let Some(found) = found.filter(|found| !places.contains(found)) {
            places.push(found);
        }
        if places.len() >= LEGS_MAX {
            break;
        }
    }
    places
}
