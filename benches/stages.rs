//! Every stage of an analysis by itself, with its throughput: `cargo bench --bench stages`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod support;

use support::Material;

fn stages(criterion: &mut Criterion) {
    let material = Material::new(8_000);
    let packets = support::media_packets(&material.media);
    let frames = support::read(&material.media.path);
    let mut group = criterion.benchmark_group("stages");
    group.sample_size(20);

    group.throughput(Throughput::Bytes(material.media.bytes));
    group.bench_function("capture", |b| b.iter(|| support::read(&material.media.path)));
    group.throughput(Throughput::Elements(frames));
    group.bench_function("packet", |b| b.iter(|| support::decode(&material.media)));
    group.bench_function("rtp", |b| b.iter(|| support::follow(&packets)));
    group.throughput(Throughput::Bytes(material.message_bytes()));
    group.bench_function("sip-head", |b| b.iter(|| support::heads(&material)));
    group.bench_function("sip-lex", |b| b.iter(|| support::lex(&material)));
    group.throughput(Throughput::Bytes(material.description_bytes()));
    group.bench_function("sdp", |b| b.iter(|| support::describe(&material)));
    group.throughput(Throughput::Bytes(material.tcp.bytes));
    group.bench_function("tcp", |b| b.iter(|| support::reassemble(&material.tcp)));
    group.throughput(Throughput::Elements(material.calls.len() as u64));
    group.bench_function("call", |b| b.iter(|| support::judge_calls(&material)));
    for (name, capture) in [
        ("analyze-media", &material.media),
        ("analyze-signalling", &material.signalling),
        ("analyze-tcp", &material.tcp),
    ] {
        group.throughput(Throughput::Bytes(capture.bytes));
        for threads in [1, 2] {
            group.bench_function(format!("{name}/{threads}"), |b| {
                b.iter(|| black_box(support::analyze(&capture.path, threads)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
