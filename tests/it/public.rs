//! Captures from the field: as many messages and Call-IDs as tshark counts, or a reason why not.

use std::fs;

use siptrace::analysis::Analysis;
use siptrace::capture::Source;
use siptrace::pipeline;

use crate::outcome::options;
use crate::shared;

/// File, what the table expects, what siptrace says (messages with copies, Call-IDs), and why.
const DIFFERENCES: &[(&str, [u64; 2], [u64; 2], &str)] = &[
    (
        "CESNET__ipfixprobe__inputs-sip.pcap",
        [45, 15],
        [40, 15],
        "five ICMP errors quote a message; a quote is no message that was sent once more",
    ),
    (
        "OISF__suricata-verify__http-evader-486-input.pcap",
        [0, 0],
        [1, 0],
        "an HTTP server answers with the start line of SIP, which is what it was made for",
    ),
    (
        "nextcaller__sip-capture__no-to-tag.pcap",
        [0, 0],
        [1, 0],
        "an INVITE whose URI has no scheme, without Call-ID; kept, with its anomalies",
    ),
    ("ntop__nDPI__http_on_sip_port.pcap", [2, 0], [0, 0], "HTTP on port 5060 is no SIP"),
    (
        "open5gs__open5gs__ipsec_to_nonipsec_call.pcapng",
        [55, 3],
        [62, 3],
        "seven messages in ESP without encryption; tshark has them when it is told to look",
    ),
    (
        "pentesteracademy__voipshark__SIP-over-TLS-RTP-Normal_Call_two_parties.pcap",
        [40, 10],
        [0, 0],
        "TLS with RSA key exchange: the table was made with the private key, which is not there",
    ),
    (
        "sipcapture__hep-wireshark__hep.pcap",
        [0, 0],
        [6, 1],
        "HEP, which tshark 4.0.17 does not read",
    ),
];

#[test]
fn public_captures_have_their_messages() {
    let Some(folder) = shared::path("captures") else { return };
    let table = fs::read_to_string(folder.join("public.tsv")).expect("the table is readable");
    let mut differences = Vec::new();
    let mut files = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let file = columns[0];
        let number = |column: usize| columns[column].parse::<u64>().unwrap_or(0);
        let expected = [number(7), number(8)];
        let path = folder.join("public").join(file);
        files += 1;
        let analysis = Source::open(&path, 0)
            .map_err(pipeline::Error::Capture)
            .and_then(|source| pipeline::run(vec![source], &options(), &|_| ()));
        let ours = match analysis {
            Ok(Analysis { totals, .. }) => [totals.sip_messages + totals.copies, totals.call_ids],
            // Which captures cannot be read, and why, another test says.
            Err(_) => [0, 0],
        };
        let known = DIFFERENCES.iter().find(|(name, ..)| *name == file);
        let (said, allowed) = known.map_or((expected, expected), |row| (row.1, row.2));
        if said != expected || allowed != ours {
            differences.push(format!("{file}: expected {expected:?}, ours {ours:?}"));
        }
    }
    assert!(files >= 143, "{files} files");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(DIFFERENCES.len() <= 8);
}
