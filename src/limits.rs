//! Bounds on everything that captured bytes can grow.
//!
//! Each bound has its reason; what a bound dropped is counted and named in the report.

/// Captures of one run: their numbers have 16 bits.
pub const CAPTURES_MAX: usize = 1 << 16;

/// Names of files that a note lists as passed over; more are counted.
pub const PASSED_OVER_NAMES_MAX: usize = 16;

/// Bytes one record of a capture may claim: the largest snap length that libpcap accepts, with room
/// for a header. A larger claim is damage.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// Bytes one block of a pcapng file may claim; libpcap has the same limit. Only secrets and names
/// come near it.
pub const PCAPNG_BLOCK_BYTES_MAX: usize = 16 << 20;

/// Interfaces of one pcapng section, and of all of them those that are described; a capture of a
/// large container host has a few hundred. Their places have 16 bits, of which the last is none.
pub const INTERFACES_MAX: usize = 65_535;

/// Names kept from the name resolution blocks of one capture.
pub const NAMES_MAX: usize = 65_536;

/// Bytes of one of them, and of what a capture says of an interface. A host has 255 at most (RFC
/// 1035, section 2.3.4), a description is a line.
pub const NAME_BYTES_MAX: usize = 1024;

/// Bytes of secrets kept from one capture: a million lines of a TLS key log are 170 MiB, real ones
/// are small.
pub const SECRET_BYTES_MAX: usize = 64 << 20;

/// Damaged places of a capture told apart; more are added up in the last one.
pub const DAMAGES_MAX: usize = 64;

/// Bytes that a compressed capture may unfold to, whatever its size.
pub const EXPANDED_BYTES_FREE: u64 = 1 << 30;

/// Beyond, bytes that one compressed byte may unfold to. Captures of nothing but the same keepalive
/// reach a hundred; zeros in gzip a thousand, in bzip2 several hundred thousand.
pub const EXPANSION_MAX: u64 = 250;

/// Link types of one capture listed in its description.
pub const LINK_TYPES_MAX: usize = 64;

/// Bytes read ahead as one block: large enough to keep a core busy, small enough to be scanned
/// while it is in the second level of the cache.
pub const BLOCK_BYTES: usize = 512 << 10;

/// Blocks decoded as one window, small enough that a window and the one that is being read are in
/// the cache. Fixed, so that results do not depend on the number of threads.
pub const WINDOW_BLOCKS: usize = 8;

/// Windows after which the calls that are over are looked for, if there were so few messages that
/// it was not worth it before.
pub const WINDOWS_PER_JUDGEMENT: usize = 8;

/// Blocks of a pipe, 64 KiB each, that wait for their turn; a larger one counts as several.
pub const PIPE_BLOCKS: usize = 256;

/// Bytes that the decoder of an xz file may take: its strongest level asks for 65 MiB, and a file
/// may claim gigabytes.
pub const XZ_DECODER_BYTES_MAX: u64 = 192 << 20;

/// Messages sampled of all captures together, to compare their clocks. A ring of a thousand files
/// has as many of each as tell a clock.
pub const CLOCK_SAMPLES_MAX: usize = 1 << 20;

/// Messages in streams whose places an excerpt remembers; those beyond come by themselves.
pub const EXCERPT_MESSAGES_MAX: usize = 1 << 20;

/// Headers inside headers: tunnels in tunnels, tags on tags.
pub const ENCAPSULATION_DEPTH_MAX: usize = 16;

/// Datagrams under reassembly from IP fragments at a time; the oldest gives way.
pub const FRAGMENTED_DATAGRAMS_MAX: usize = 1024;

/// Fragments of one datagram: 64 KiB in pieces of the smallest legal size would be 8192, real ones
/// have two or three.
pub const FRAGMENTS_PER_DATAGRAM_MAX: usize = 256;

/// Datagrams that never became whole and are described one by one; more are counted.
pub const LOST_DATAGRAMS_MAX: usize = 1024;

/// TCP flows followed at a time, both directions counted as one; the one that was silent longest
/// gives way.
pub const TCP_FLOWS_MAX: usize = 65_536;

/// Segments that wait for a missing one, a direction of a flow.
pub const TCP_WAITING_SEGMENTS_MAX: usize = 64;

/// Places where the capture lacks something that are remembered one by one; more are counted.
pub const LOSSES_MAX: usize = 4096;

/// Bytes that wait for a missing segment or for the rest of a message, a direction of a flow.
pub const TCP_WAITING_BYTES_MAX: usize = 256 << 10;

/// Bytes that wait or are unread, in all TCP flows together; the flows that were silent longest
/// give theirs up.
pub const TCP_HELD_BYTES_MAX: usize = 64 << 20;

/// TCP segments whose places are kept until they have been read, where messages are traced to their
/// frames; a connection that exceeds it gives its own up, and its messages have no place.
pub const TRACED_SEGMENTS_MAX: usize = 1 << 19;

/// SCTP flows with SIP or fragments followed at a time; the one that was silent longest gives way.
pub const SCTP_FLOWS_MAX: usize = 65_536;

/// Fragments of SCTP user messages that wait for others, a flow.
pub const SCTP_WAITING_CHUNKS_MAX: usize = 64;

/// Bytes of these fragments, a flow.
pub const SCTP_WAITING_BYTES_MAX: usize = 256 << 10;

/// Lines kept of TLS key logs; four of them are one connection.
pub const KEY_LINES_MAX: usize = 1_000_000;

/// Pairs of a server and a client remembered that had encrypted connections.
pub const ENCRYPTED_PEERS_MAX: usize = 65_536;

/// Bytes of one SIP message. RFC 3261 names no limit; a UDP datagram ends at 65,535, bodies on TCP
/// seldom pass 100 KiB.
pub const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Header fields looked at in one message.
pub const HEADERS_PER_MESSAGE_MAX: usize = 512;

/// Signed identities looked at in one message: the caller's, and one for each diversion.
pub const IDENTITIES_PER_MESSAGE_MAX: usize = 16;

/// Parts looked at in one multipart body.
pub const BODY_PARTS_MAX: usize = 32;

/// Multiparts inside multiparts.
pub const BODY_DEPTH_MAX: usize = 4;

/// Media descriptions looked at in one SDP; conferences have a few dozen.
pub const MEDIA_PER_SDP_MAX: usize = 256;

/// Formats looked at in one media description; there are 128 payload types.
pub const FORMATS_PER_MEDIA_MAX: usize = 256;

/// Messages kept of one Call-ID; more are counted, not judged. Nothing is said to be missing from
/// the first one on that was not kept.
pub const MESSAGES_PER_CALL_MAX: usize = 4096;

/// Subscriptions told apart in one call; a dialog has seldom more than two, and every NOTIFY is
/// compared with all of them.
pub const SUBSCRIPTIONS_PER_CALL_MAX: usize = 64;

/// Bytes of messages kept of one Call-ID.
pub const BYTES_PER_CALL_MAX: usize = 8 << 20;

/// Call-IDs open at a time; beyond, the one that was silent longest is judged early.
pub const OPEN_CALLS_MAX: usize = 200_000;

/// Bytes of memory that the messages of open calls take; beyond, the calls that were silent longest
/// are judged early. A call over two hops takes some 20 KiB.
pub const OPEN_BYTES_MAX: usize = 160 << 20;

/// Distinct Call-IDs told apart; beyond, one that comes again later is counted twice.
pub const CALL_IDS_MAX: usize = 16_000_000;

/// Bytes of a Call-ID and a branch that an ICMP error quotes; no error is longer than 1280 bytes
/// (RFC 4443, section 2.4; RFC 1812, section 4.3.2.3).
pub const DISRUPTION_BYTES_MAX: usize = 1280;

/// ICMP errors and ends of TCP connections that are remembered; those about one request or stream
/// count as one, and the oldest give way. A gateway that is down makes some for each call.
pub const DISRUPTIONS_MAX: usize = 65_536;

/// RTP streams followed at a time; the one that was silent longest gives way.
pub const RTP_STREAMS_MAX: usize = 100_000;

/// RTP flows that have a number at a time, for each thread; beyond, numbers are given anew.
pub const RTP_FLOWS_NAMED_MAX: usize = 65_536;

/// RTP streams looked at in one call: audio and video both ways on some hops, and again after each
/// hold.
pub const STREAMS_PER_CALL_MAX: usize = 256;

/// RTP streams without a call that a report lists; more are counted.
pub const STREAMS_LISTED_MAX: usize = 1000;

/// Ways between two endpoints on which RTCP, STUN or DTLS was seen; more are counted.
pub const CONTACTS_MAX: usize = 100_000;

/// Sources told apart in the RTCP of one way, and those they report on.
pub const RTCP_SOURCES_MAX: usize = 16;

/// Spells of activity remembered of one RTP stream; the last one grows beyond.
pub const RTP_SPELLS_MAX: usize = 32;

/// Runs of one payload type remembered of one RTP stream; the last one grows beyond. A digit that
/// is pressed makes two.
pub const RTP_RUNS_MAX: usize = 64;

/// Telephone events remembered of one RTP stream; more are counted. A calling card takes 40 digits.
pub const TELEPHONE_EVENTS_MAX: usize = 128;

/// Spells of a run without a long pause that are told apart; beyond, pauses are forgotten and
/// counted, and nothing is said to be missing after the first of them.
pub const SPELLS_MAX: usize = 1024;

/// Moments remembered, of each shard, in which RTP streams lack packets; later ones are not.
pub const GAP_MOMENTS_MAX: usize = 4096;

/// Hosts, pairs of hosts and targets of INVITEs remembered as seen.
pub const HOSTS_MAX: usize = 1_000_000;

/// Intervals of the time line; more make them wider.
pub const INTERVALS_MAX: usize = 512;

/// Hosts whose figures are kept apart; more count in the sums alone.
pub const PEERS_MAX: usize = 65_536;

/// Windows of ten seconds in which messages between two hosts are counted; some twenty bytes each,
/// in a table that is full by seven eighths. Two busy hosts have 8640 of them a day.
pub const TRAFFIC_WINDOWS_MAX: usize = 7 << 18;

/// Hosts whose calls are counted by how long they lasted.
pub const TALK_HOSTS_MAX: usize = 1 << 16;

/// Lengths of calls told apart, of all hosts. The calls of a busy host have some thousands.
pub const TALK_LENGTHS_MAX: usize = 1 << 17;

/// OPTIONS remembered with what became of them; some 150 bytes each where every host sends one. A
/// host that asks another one twice a minute sends 2880 a day.
pub const PINGS_MAX: usize = 1 << 18;

/// Differences between the clocks of speakers and of the capture, in seconds.
pub const CLOCK_OFFSETS_MAX: usize = 1 << 12;

/// Registrations remembered, with what ended them or missed them, a part of the run. A device that
/// refreshes in time takes two.
pub const REGISTRATIONS_MAX: usize = 1 << 14;

/// Hosts of which is kept what they dialled abroad.
pub const DIALLED_HOSTS_MAX: usize = 1 << 15;

/// Refused numbers that are told apart, of all hosts. A trunk has some thousands a day.
pub const DIALLED_NUMBERS_MAX: usize = 1 << 16;

/// Slots of ten seconds in which the requests to servers are counted. A busy server has 8640 of
/// them a day.
pub const LOAD_SLOTS_MAX: usize = 1 << 19;

/// Refused requests with Retry-After that are remembered.
pub const LOAD_TOLD_MAX: usize = 1 << 16;

/// Hosts of which is kept what they were refused; so many users, too, whose credentials were
/// accepted.
pub const SUSPECT_HOSTS_MAX: usize = 1 << 18;

/// Refused requests remembered, of all hosts; a hundred bytes each. A scan makes some thousands.
pub const SUSPECT_REFUSALS_MAX: usize = 1 << 18;

/// Findings kept with all their evidence, a kilobyte each; more are counted. A part of the run
/// keeps its share.
pub const FINDINGS_MAX: usize = 100_000;

/// Causes that a finding names from the same call; others stand in the report all the same.
pub const SIGNS_PER_FINDING_MAX: usize = 64;

/// Findings that a part of the run keeps in any case, if the whole may: calls are not spread
/// evenly.
pub const FINDINGS_PER_SHARD_MIN: usize = 4096;

/// Findings that were told and are still compared with those on later calls.
pub const COMPARED_FINDINGS_MAX: usize = 1000;

/// Messages of one written script: a script makes 100,000 frames, and a message over TCP needs up
/// to four of them.
pub const SCRIPT_MESSAGES_MAX: usize = 20_000;

/// RTP packets of one written script, for the same reason.
pub const SCRIPT_PACKETS_MAX: u64 = 60_000;

/// Bytes of messages kept in the transcripts of one shard of the calls; calls beyond have none.
pub const TRANSCRIPT_BYTES_PER_SHARD_MAX: usize = 16 << 20;

/// Bytes of a file of expectations; one that somebody wrote has some thousands.
pub const EXPECTATION_BYTES_MAX: usize = 1 << 20;

/// Steps that one call may be expected to have.
pub const EXPECTED_STEPS_MAX: usize = 1000;

/// Groups of steps inside each other.
pub const EXPECTED_STEP_DEPTH_MAX: usize = 8;

/// Steps of one group in any order: each one more doubles the states.
pub const STEPS_IN_ANY_ORDER_MAX: usize = 6;

/// States that the steps of one call may have.
pub const PATTERN_STATES_MAX: usize = 1 << 13;

/// States times messages that are held against each other; some tens of bytes each.
pub const COMPARED_STEPS_MAX: usize = 1 << 21;

/// Calls that no expectation is for that are named one by one; more are counted.
pub const UNEXPECTED_CALLS_MAX: usize = 100;

/// Calls kept for a report that lists them; more are counted.
pub const CALLS_MAX: usize = 2_000_000;

/// Bytes of memory that the calls of one shard take which are kept for a report; some thousand for
/// a call. Those beyond are counted.
pub const CALL_BYTES_PER_SHARD_MAX: usize = 10 << 20;

/// Calls of one shard of which is kept what it takes to find the other legs of a conversation.
pub const LEGS_PER_SHARD_MAX: usize = 16_000;

/// Calls that were told and are still looked at for the other legs of later ones.
pub const LEGS_TOLD_MAX: usize = 20_000;

/// Hosts remembered that received one INVITE: in an IMS core a dozen.
pub const LEG_HOSTS_MAX: usize = 16;

/// Header fields of one call remembered that tie it to others.
pub const LEG_MARKS_MAX: usize = 16;

/// Other legs that one call is linked with.
pub const LINKS_PER_LEG_MAX: usize = 8;

/// Calls that share a value before it counts as no mark of a single conversation; a call to a large
/// group of phones has a few dozen legs.
pub const LEGS_PER_VALUE_MAX: usize = 32;

/// Earlier calls with the same number or address that are weighed against each other; where there
/// are more, the number tells nothing.
pub const LEG_CANDIDATES_MAX: usize = 64;

/// Characters of a captured value that a finding quotes.
pub const QUOTED_CHARS_MAX: usize = 200;

/// Cells of the table in which two sequences of a comparison are laid side by side; larger ones are
/// searched in a band around the diagonal. A thousand messages against a thousand fit.
pub const DIFF_CELLS_MAX: usize = 1 << 20;

/// Steps of one call that are compared with those of another; later ones are counted.
pub const DIFF_STEPS_MAX: usize = 4096;

/// Distinct differences of messages that are counted over all calls of two captures.
pub const DIFF_CHANGES_MAX: usize = 1 << 16;

/// Calls without a partner that a comparison lists on each side; more are counted.
pub const DIFF_UNPAIRED_MAX: usize = 1000;

/// Kinds of messages that tell how much alike two calls are.
pub const DIFF_KINDS_MAX: usize = 64;

/// Bytes that `redact` remembers for frames of streams and fragments: as many as signalling over
/// TCP has in a capture of some ten gigabytes.
pub const REDACTED_BYTES_MAX: usize = 1 << 30;

/// Bytes of the latest messages of streams that `redact` keeps for segments that come again.
pub const REPEATED_BYTES_MAX: usize = 32 << 20;
