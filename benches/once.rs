//! One stage, so many times, for whoever counts its instructions: `benches/instructions` does.
//!
//! Arguments: the stage, how often. Prints how many units of work one time is. Without arguments,
//! every stage runs once and says what it gave.

use std::hint::black_box;

mod support;

use support::Material;

const STAGES: [&str; 8] = ["capture", "packet", "rtp", "sip-head", "sip-lex", "sdp", "tcp", "call"];

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let material = Material::new(1_000);
    let [stage, times] = arguments.as_slice() else {
        for stage in STAGES {
            let (units, gave) = run(&material, stage, 1);
            report(&format!("{stage}: {units} units gave {gave}"));
        }
        return;
    };
    let times = times.parse().expect("a number");
    let (units, _) = run(&material, stage, times);
    report(&units.to_string());
}

#[allow(clippy::print_stdout, reason = "the script reads it")]
fn report(line: &str) {
    println!("{line}");
}

/// Runs the stage; returns the units of work of one time, and what the last time gave.
fn run(material: &Material, stage: &str, times: u32) -> (u64, u64) {
    let packets = support::media_packets(&material.media);
    let frames = support::read(&material.media.path);
    let messages = material.calls.iter().flatten().count() as u64;
    let (units, once): (u64, &dyn Fn() -> u64) = match stage {
        "capture" => (frames, &|| support::read(&material.media.path)),
        "packet" => (frames, &|| support::decode(&material.media)),
        "rtp" => (frames, &|| support::follow(&packets)),
        "sip-head" => (messages, &|| support::heads(material)),
        "sip-lex" => (messages, &|| support::lex(material)),
        "sdp" => (material.descriptions.len() as u64, &|| support::describe(material)),
        "tcp" => (messages, &|| support::reassemble(&material.tcp)),
        "call" => (messages, &|| support::judge_calls(material)),
        _ => panic!("there is no stage {stage}"),
    };
    let gave = (0..times).map(|_| black_box(once())).last();
    (units, gave.unwrap_or_default())
}
