//! Every error, as the author of a script reads it.

use super::HOSTS;
use crate::capture::script::expectations;

/// A script below three hosts (line 4 is its first), the column with the message, and the hint.
const WRONG: [(&str, &str, &str); 78] = [
    (
        "frobnicate",
        "1:line 4: cannot read \"frobnicate\"; a line begins with a time, ^, host, call, \
         transport, start or end",
        "",
    ),
    (
        "hots x 1.2.3.4",
        "1:line 4: cannot read \"hots\"; a line begins with a time, ^, host, call, transport, \
         start or end",
        "did you mean \"host\"?",
    ),
    (
        "0 alice > prxy INVITE",
        "11:line 4: no host named \"prxy\"; hosts are alice, proxy, bob",
        "did you mean \"proxy\"?",
    ),
    ("0 carol > bob INVITE", "3:line 4: no host named \"carol\"; hosts are alice, proxy, bob", ""),
    (
        "0 alice bob INVITE",
        "3:line 4: no > in this line; write TIME SOURCE > DESTINATION ACTION",
        "",
    ),
    ("0 alice >", "10:line 4: no destination; expected a host behind the >", ""),
    (
        "0 alice > bob",
        "11:line 4: nothing sent to \"bob\"; expected a method, a status or an action",
        "",
    ),
    (
        "0 alice > bob:0 INVITE",
        "15:line 4: \"0\" does not fit here; expected a number from 1 to 65535",
        "",
    ),
    (
        "1e3 alice > bob INVITE",
        "1:line 4: \"1e3\" is no time; times are seconds like 0, 1.5, +0.02 or 20ms",
        "",
    ),
    (
        "0 alice > bob INVTIE",
        "15:line 4: no method named \"INVTIE\"; expected a method, a status or one of forward, \
         again, raw, rtp, rtcp, icmp, tcp, tls, keepalive",
        "did you mean \"INVITE\"?",
    ),
    (
        "0 alice > bob forwrad",
        "15:line 4: cannot read \"forwrad\"; expected a method, a status or one of forward, \
         again, raw, rtp, rtcp, icmp, tcp, tls, keepalive",
        "did you mean \"forward\"?",
    ),
    (
        "0 alice > bob 99",
        "15:line 4: \"99\" is no status; a status is a number from 100 to 699",
        "",
    ),
    (
        "0 alice > bob 700",
        "15:line 4: \"700\" is no status; a status is a number from 100 to 699",
        "",
    ),
    (
        "0 alice > bob INVITE splt=3",
        "22:line 4: no option named \"splt\"; options here are call, tag, cseq, from, to, new, \
         sipfrag, sdp, unseen, tcp, udp, split, join, reorder, duplicate, lose-segment, \
         fragment, lose-fragment, cut, copy, clock",
        "did you mean \"split\"?",
    ),
    ("0 alice > bob INVITE split", "22:line 4: split needs a value; write split=VALUE", ""),
    (
        "0 alice > bob INVITE split=1",
        "28:line 4: \"1\" does not fit here; expected a number from 2 to 1000",
        "",
    ),
    ("0 alice > bob INVITE split=2 split=3", "30:line 4: split is given twice; once is enough", ""),
    ("0 alice > bob INVITE copy=1", "22:line 4: copy takes no value; write copy", ""),
    (
        "0 alice > bob INVITE reliable",
        "22:line 4: \"reliable\" does not belong on this line; options here are call, tag, cseq, \
         from, to, new, sipfrag, sdp, unseen, tcp, udp, split, join, reorder, duplicate, \
         lose-segment, fragment, lose-fragment, cut, copy, clock",
        "",
    ),
    (
        "0 alice > bob INVITE call=",
        "27:line 4: a value is missing; expected a name behind the =",
        "",
    ),
    (
        "0 alice > bob INVITE call=\"a b\"",
        "27:line 4: \"a b\" is no name for a call; expected letters, digits, - and _",
        "",
    ),
    (
        "0 alice > bob INVITE cut=\"x",
        "26:line 4: a quotation is not closed; expected another '\"'",
        "",
    ),
    (
        "0 alice > bob INVITE lose-fragment=1",
        "22:line 4: no fragments to lose; write fragment=SIZE too",
        "",
    ),
    (
        "0 alice > bob INVITE @a @b",
        "25:line 4: \"@b\" is no label for this line; a line has one label, like @invite",
        "",
    ),
    (
        "0 alice > bob INVITE @a\n1 alice > bob BYE @a",
        "20:line 5: label \"a\" is there already; each label names one line",
        "",
    ),
    (
        "0 alice > bob INVITE unseen @a",
        "30:line 4: \"a\" has no frame; the capture does not see this message",
        "",
    ),
    (
        "0 alice > bob INVITE tcp join",
        "26:line 4: join without a message to go with; a later tcp line of the same direction \
         must follow",
        "",
    ),
    (
        "0 alice > bob rtp for=x",
        "23:line 4: \"x\" is no time; times are seconds like 0, 1.5, +0.02 or 20ms",
        "",
    ),
    (
        "0 alice > bob rtp for=100000 every=0.001",
        "15:line 4: 100000000 RTP packets on one line; the limit is 100000 frames",
        "",
    ),
    (
        "0 alice > bob icmp",
        "15:line 4: icmp of what kind; expected port-unreachable, host-unreachable, \
         net-unreachable, prohibited, too-big, time-exceeded",
        "",
    ),
    (
        "0 alice > bob icmp port-unreachabel",
        "20:line 4: \"port-unreachabel\" is no kind of icmp; expected port-unreachable, \
         host-unreachable, net-unreachable, prohibited, too-big, time-exceeded",
        "did you mean \"port-unreachable\"?",
    ),
    (
        "0 alice > bob icmp port-unreachable",
        "15:line 4: no packet from bob to complain about; icmp quotes the last packet the other \
         way",
        "",
    ),
    (
        "0 alice > bob tcp reset",
        "19:line 4: \"reset\" is no kind of tcp; expected syn, fin, rst, ack",
        "did you mean \"rst\"?",
    ),
    ("0 alice > bob raw", "15:line 4: raw without a payload; expected | lines below it", ""),
    (
        "0 alice > bob raw\n  From: x",
        "3:line 5: cannot read \"From: x\"; below raw, each line begins with |",
        "",
    ),
    (
        "0 alice > bob raw\n| \\q",
        "3:line 5: no escape \"\\q\"; escapes are \\xNN, \\r, \\n, \\t, \\\\ and \\ at the end \
         of a line",
        "",
    ),
    ("0 alice > bob raw\n| \\x1", "3:line 5: \\x without two hex digits; write \\x00 to \\xff", ""),
    ("| x", "1:line 4: a | line that belongs to nothing; it must stand below raw or body TYPE", ""),
    (
        "  From: x",
        "3:line 4: an indented line that belongs to nothing; it must stand below a message",
        "lines that begin with a time, host or ^ start at the margin",
    ),
    (
        "0 alice > bob rtp\n  From: x",
        "3:line 5: rtp has no header; header lines stand below messages",
        "",
    ),
    (
        "0 alice > bob INVITE\n1 alice > bob again\n  From: x",
        "3:line 6: again cannot change the message; it sends the same bytes",
        "",
    ),
    (
        "0 alice > bob INVITE\n  From",
        "3:line 5: cannot read \"From\"; below a message stand Name: value, -Name, sdp, body TYPE",
        "",
    ),
    (
        "0 alice > bob INVITE\n  Fr om: x",
        "3:line 5: \"Fr om\" is no name of a header field; write Name: value",
        "raw sends a message as written",
    ),
    (
        "0 alice > bob INVITE\n  -",
        "3:line 5: \"\" is no name of a header field; write Name: value",
        "raw sends a message as written",
    ),
    (
        "0 alice > bob INVITE\n  sdp sendonyl",
        "7:line 5: \"sendonyl\" is no option of sdp; expected sendrecv, sendonly, recvonly, \
         inactive, port=, codecs=, address= or ptime=",
        "did you mean \"sendonly\"?",
    ),
    (
        "0 alice > bob INVITE\n  sdp codecs=PCMX",
        "14:line 5: \"PCMX\" is no codec known here; codecs are PCMU, PCMA, GSM, G722, G729, \
         opus, iLBC, telephone-event",
        "did you mean \"PCMU\"?",
    ),
    ("0 alice > bob INVITE sdp\n  sdp", "3:line 5: a second body; a message has one body", ""),
    (
        "0 alice > bob INVITE\n  body",
        "3:line 5: a body without a type; write body text/plain, then lines with |",
        "",
    ),
    (
        "0 alice > bob 200",
        "15:line 4: no request from bob that alice could answer; no request went from bob to \
         alice in call first",
        "a message that the capture misses can be written with unseen",
    ),
    (
        "0 alice > bob INVITE\n0 bob > alice 200 to=BYE",
        "15:line 5: no \"BYE\" from alice that bob could answer; requests on this hop are INVITE 1",
        "a message that the capture misses can be written with unseen",
    ),
    (
        "0 alice > bob CANCEL",
        "15:line 4: no INVITE from alice to bob to cancel; CANCEL goes where the INVITE went",
        "",
    ),
    (
        "0 alice > bob again",
        "15:line 4: no message from alice to bob to send again; again repeats an earlier line of \
         the same hop",
        "",
    ),
    (
        "0 alice > bob INVITE\n0 alice > bob again 200",
        "15:line 5: no 200 from alice to bob to send again; again repeats an earlier line of the \
         same hop",
        "",
    ),
    (
        "0 alice > bob forward",
        "15:line 4: nothing that alice could forward to bob; forward takes the last request that \
         alice got, or a response to bob",
        "",
    ),
    (
        "host alice 192.0.2.1",
        "6:line 4: host \"alice\" is there already; each host needs its own name",
        "",
    ),
    (
        "host 1 192.0.2.1",
        "6:line 4: \"1\" is no name for a host; names begin with a letter and have letters, \
         digits, - and _",
        "",
    ),
    (
        "host carol 192.0.2",
        "12:line 4: \"192.0.2\" is no address; expected one like 192.0.2.1, 192.0.2.1:5060 or \
         [2001:db8::1]:5060",
        "",
    ),
    (
        "host six 2001:db8::1\n0 alice > six INVITE",
        "15:line 5: alice has an IPv4 address and six an IPv6 one; both ends of a packet have \
         the same kind of address",
        "",
    ),
    (
        "start noon",
        "7:line 4: \"noon\" is no date and time; expected one like 2026-01-05T09:00:00Z",
        "",
    ),
    ("transport sctp", "11:line 4: \"sctp\" is no transport; expected udp or tcp", ""),
    ("call", "1:line 4: call says nothing; expected a name for the call", ""),
    ("end 1 2", "7:line 4: \"2\" behind the end of the line; end takes a time only", ""),
    ("^", "2:line 4: ^ without a rule; write ^ RULE, or ^ none", ""),
    (
        "^ Missing",
        "3:line 4: \"Missing\" is no name of a rule; rules are written like missing-ack-2xx",
        "",
    ),
    (
        "^ a wran",
        "5:line 4: cannot read \"wran\"; expected error, warn, info, certain, likely, possible, \
         frames=… or key=value",
        "did you mean \"warn\"?",
    ),
    (
        "0 alice > bob INVITE\n^ a frames=2",
        "12:line 5: \"2\" does not fit here; expected a number from 1 to 1",
        "the script makes 1 frames; labels are written @name",
    ),
    (
        "0 alice > bob INVITE @invite\n^ a frames=@invit",
        "12:line 5: no label \"@invit\"; labels are invite",
        "did you mean \"invite\"?",
    ),
    ("^ a frames=@invite", "12:line 4: no label \"@invite\"; no message line ends in a label", ""),
    ("^ none\n^ a", "3:line 4: none, but line 5 expects a finding; ^ none stands alone", ""),
    ("^ none warn", "3:line 4: none takes no values; write ^ none", ""),
    ("host carol", "1:line 4: a host needs a name and an address; write host NAME ADDRESS", ""),
    (
        "host carol 192.0.2.9 usr=x",
        "22:line 4: \"usr=x\" is no option of a host; options here are user=, domain=, inside=, \
         rport, agent=, server=, allow=",
        "",
    ),
    (
        "host carol 192.0.2.9 agent=",
        "28:line 4: a value is missing; expected a text, or - for no such field",
        "",
    ),
    (
        "call one id=a\ncall one id=b",
        "13:line 5: call one has the Call-ID \"a\"; each call has one Call-ID",
        "",
    ),
    (
        "0 alice > bob INVITE fragment=100 lose-fragment=9",
        "35:line 4: fragment 9 cannot be lost; the packet has 5",
        "",
    ),
    (
        "0 alice > bob INVITE tcp lose-segment=2",
        "26:line 4: segment 2 cannot be lost; the message has 1",
        "",
    ),
    (
        "0 alice > bob INVITE tcp lose-segment=1 @a",
        "42:line 4: \"a\" has no frame; the capture does not see this message",
        "",
    ),
    (
        "0 alice > bob INVITE\n1 bob > alice 200 OK splt=3",
        "22:line 5: no option named \"splt\"; options here are call, tag, cseq, to, reliable, sdp, \
         unseen, tcp, udp, split, join, reorder, duplicate, lose-segment, fragment, lose-fragment, \
         cut, copy, clock",
        "did you mean \"split\"?",
    ),
];

#[test]
fn errors_say_what_to_do() {
    for (script, message, hint) in WRONG {
        let error = expectations(&format!("{HOSTS}{script}\n")).expect_err(script);
        assert_eq!(format!("{}:{error}", error.column), message, "{script}");
        assert_eq!(error.hint.unwrap_or_default(), hint, "{script}");
    }
}
