#!/usr/bin/env python3
"""Floods: captures made to exhaust whoever reads them.

    tests/floods.py target/release/siptrace [--only NAME,...] [--scale PERCENT] [--format json]

Makes each capture, has it analysed, and holds the run against what the project promises: 60 s,
512 MiB of memory, and the bound that was reached named in the report. The common floods are made in
full size, the rest by the scale.
Exits with 0, or with 1 where something is not as it should be. Needs Python's standard library only.
"""

import argparse
import bz2
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS_MAX = 60
MEMORY_MAX = 512 << 20
BOMB_BYTES = 10 << 30
PIECE = 16 << 20

FLOODS = []


def flood(*wanted, full=False, suffix="pcap", refusal=None):
    """Registers a maker, with the bounds that the report must name (of several with a bar between
    them one), or with what is said where nothing can be read. Some are made in full size whatever
    the scale is."""
    def register(make):
        FLOODS.append((make.__name__.replace("_", "-"), make, full, suffix, refusal, wanted))
        return make
    return register


# --- captures -------------------------------------------------------------------------------------

PCAP = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101)
START = 1_700_000_000


class Pcap:
    """A capture of raw IP, written as it is made; a packet every so many microseconds."""

    def __init__(self, out, gap=100):
        self.out, self.gap, self.now, self.held = out, gap, START * 1_000_000, []
        out.write(PCAP)

    def add(self, packet):
        self.held.append(struct.pack("<IIII", self.now // 1_000_000, self.now % 1_000_000,
                                     len(packet), len(packet)))
        self.held.append(packet)
        self.now += self.gap
        if len(self.held) >= 1 << 15:
            self.flush()

    def flush(self):
        self.out.write(b"".join(self.held))
        self.held.clear()


def host(number, net=10):
    return (net << 24) + number


def ip(source, destination, protocol, payload, number=1, fragment=0x4000):
    return struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(payload), number & 0xffff, fragment, 64,
                       protocol, 0, source, destination) + payload


def udp(source, destination, payload, ports=(5060, 5060), **more):
    header = struct.pack(">HHHH", *ports, 8 + len(payload), 0)
    return ip(source, destination, 17, header + payload, **more)


def tcp(source, destination, ports, sequence, flags, payload=b"", acknowledged=0):
    header = struct.pack(">HHIIBBHHH", *ports, sequence & 0xffffffff, acknowledged, 0x50, flags,
                         0xffff, 0, 0)
    return ip(source, destination, 6, header + payload)


def request(method, call_id, number=1, branch=b"0", user=b"bob", tag=b"1", more=b"", body=b""):
    return (b"%b sip:%b@example.net SIP/2.0\r\nVia: SIP/2.0/UDP a.example.net;branch=z9hG4bK%b\r\n"
            b"From: <sip:alice@example.net>;tag=%b\r\nTo: <sip:%b@example.net>\r\nCall-ID: %b\r\n"
            b"CSeq: %d %b\r\nMax-Forwards: 70\r\n%bContent-Length: %d\r\n\r\n%b"
            % (method, user, branch, tag, user, call_id, number, method, more, len(body), body))


def response(status, reason, method, call_id, number=1, branch=b"0", tag=b"1", to_tag=b"2",
             more=b"", body=b""):
    return (b"SIP/2.0 %d %b\r\nVia: SIP/2.0/UDP a.example.net;branch=z9hG4bK%b\r\n"
            b"From: <sip:alice@example.net>;tag=%b\r\nTo: <sip:bob@example.net>;tag=%b\r\n"
            b"Call-ID: %b\r\nCSeq: %d %b\r\n%bContent-Length: %d\r\n\r\n%b"
            % (status, reason, branch, tag, to_tag, call_id, number, method, more, len(body), body))


A, B = host(1), host(2)

# --- the common ones ---------------------------------------------------------------------------


@flood("open-calls", full=True)
def call_ids(out, count):
    """A million Call-IDs, an INVITE each."""
    capture = Pcap(out)
    for number in range(count):
        capture.add(udp(A, B, request(b"INVITE", b"c%d" % number, branch=b"%d" % number)))
    capture.flush()


@flood("tcp-flows", full=True)
def syns(out, count):
    """A million connections that are asked for."""
    capture = Pcap(out)
    for number in range(count):
        capture.add(tcp(host(number), B, (1024 + number % 60000, 5060), number, 2))
    capture.flush()


@flood("fragmented-packets", full=True)
def fragments(out, count):
    """A million first fragments of requests."""
    capture = Pcap(out)
    for number in range(count):
        text = request(b"INVITE", b"f%d" % number, branch=b"%d" % number)
        text += b" " * (-(len(text) + 8) % 8)
        capture.add(udp(host(number % 50000), B, text, number=number, fragment=0x2000))
    capture.flush()


@flood("messages-per-call", full=True)
def one_call(out, count):
    """One Call-ID with half a million messages."""
    capture = Pcap(out)
    for number in range(count // 2):
        capture.add(udp(A, B, request(b"OPTIONS", b"one", number + 1, b"%d" % number)))
    capture.flush()


@flood("tcp-unfinished|tcp-too-long", full=True)
def header_of_100_mb(out, _count):
    """A header field of 100 MB, over TCP."""
    capture = Pcap(out, 10)
    text = request(b"INVITE", b"long").split(b"Content-Length")[0] + b"X-Long: "
    ports = (40000, 5060)
    capture.add(tcp(A, B, ports, 0, 2))
    capture.add(tcp(A, B, ports, 1, 0x18, text))
    sequence, piece = 1 + len(text), b"a" * 1400
    while sequence < 100_000_000:
        capture.add(tcp(A, B, ports, sequence, 0x18, piece))
        sequence += len(piece)
    capture.flush()


def gzip(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def bomb(out, pack, piece, size=BOMB_BYTES):
    """Members one after another that unfold to so many bytes."""
    out.write(pack(PCAP))
    packed = pack(piece)
    for _ in range(size // len(piece)):
        out.write(packed)


def tiny_requests():
    """Records of short requests, as many as a piece takes."""
    packet = udp(A, B, b"OPTIONS sip:b SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n")
    record = struct.pack("<IIII", START, 0, len(packet), len(packet)) + packet
    return record * (PIECE // len(record))


def through(*command):
    def pack(data):
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    return pack


@flood(full=True, suffix="pcap.gz", refusal="unfold to more than")
def gzip_zeros(out, _count):
    """10 GB of zeros behind the header of a pcap."""
    bomb(out, gzip, bytes(PIECE))


@flood("note-expansion-limit", full=True, suffix="pcap.gz")
def gzip_requests(out, _count):
    """10 GB of short requests."""
    bomb(out, gzip, tiny_requests())


@flood("note-expansion-limit", suffix="pcap.gz")
def gzip_records(out, _count):
    """10 GB of records with a frame of noise."""
    record = struct.pack("<IIII", START, 0, 60, 60) + b"E" * 60
    bomb(out, gzip, record * (PIECE // len(record)))


@flood(suffix="pcap.gz", refusal="no capture format")
def gzip_in_gzip(out, _count):
    """A bomb in a bomb."""
    out.write(gzip(gzip(PCAP + bytes(PIECE)) * 640))


@flood(suffix="pcap.bz2", refusal="unfold to more than")
def bzip2_zeros(out, _count):
    bomb(out, bz2.compress, bytes(PIECE))


@flood(suffix="pcap.xz", refusal="unfold to more than")
def xz_zeros(out, _count):
    bomb(out, lzma.compress, bytes(PIECE))


@flood(suffix="pcap.zst", refusal="unfold to more than")
def zstd_zeros(out, _count):
    bomb(out, through("zstd", "-q"), bytes(PIECE))


@flood(suffix="pcap.lz4", refusal="unfold to more than")
def lz4_zeros(out, _count):
    bomb(out, through("lz4", "-q"), bytes(PIECE))


# --- Call-IDs and what stands in messages -----------------------------------------------------------


@flood("findings|calls", "legs")
def failed_calls(out, count):
    """Calls that fail and end, one after another."""
    capture = Pcap(out, 2000)
    for number in range(count // 3):
        call_id, branch = b"d%d" % number, b"%d" % number
        capture.add(udp(A, B, request(b"INVITE", call_id, branch=branch)))
        capture.add(udp(B, A, response(503, b"Full", b"INVITE", call_id, branch=branch)))
        capture.add(udp(A, B, request(b"ACK", call_id, branch=branch)))
    capture.flush()


@flood("open-calls")
def open_dialogs(out, count):
    """Calls that are answered and never end, with a description of 256 media in the first ones."""
    capture = Pcap(out, 500)
    media = b"".join(b"m=audio %d RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
                     % (10000 + 2 * number) for number in range(256))
    sdp = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n" + media
    kind = b"Content-Type: application/sdp\r\nContact: <sip:alice@10.0.0.1>\r\n"
    for number in range(count // 3):
        call_id, branch = b"o%d" % number, b"%d" % number
        body = sdp if number < count // 100 else b""
        capture.add(udp(A, B, request(b"INVITE", call_id, branch=branch, more=kind, body=body)))
        capture.add(udp(B, A, response(200, b"OK", b"INVITE", call_id, branch=branch, more=kind,
                                       body=body)))
        capture.add(udp(A, B, request(b"ACK", call_id, branch=b"%da" % number)))
    capture.flush()


@flood("messages-per-call")
def branches(out, count):
    """Many transactions, dialogs and tags under few Call-IDs."""
    capture = Pcap(out)
    for number in range(count // 2):
        call_id, own = b"b%d" % (number % 100), b"%d" % number
        capture.add(udp(A, B, request(b"INVITE", call_id, 1 + number, own, tag=own)))
        capture.add(udp(B, A, response(200, b"OK", b"INVITE", call_id, 1 + number, own, own, own)))
    capture.flush()


@flood()
def words(out, count):
    """Methods, statuses, reasons, user agents: each message has its own."""
    capture = Pcap(out, 1000)
    for number in range(count // 2):
        method, call_id = b"M%d" % number, b"w%d" % (number // 10)
        more = b"User-Agent: agent %d\r\n" % number
        capture.add(udp(A, B, request(method, call_id, number, b"%d" % number, more=more)))
        more = b"Server: server %d\r\nWarning: 399 w%d \"warning %d\"\r\n" % ((number,) * 3)
        capture.add(udp(B, A, response(400 + number % 300, b"reason %d" % number, method, call_id,
                                       number, b"%d" % number, more=more)))
    capture.flush()


@flood("registrations")
def registers(out, count):
    """REGISTER requests of a million users."""
    capture = Pcap(out, 500)
    for number in range(count // 2):
        call_id, user = b"r%d" % number, b"u%d" % number
        more = b"Contact: <sip:%b@10.9.8.7>\r\nExpires: 60\r\n" % user
        source = host(number, 11)
        own = b"%d" % number
        capture.add(udp(source, B, request(b"REGISTER", call_id, 1, own, user, more=more)))
        capture.add(udp(B, source, response(200, b"OK", b"REGISTER", call_id, 1, own, more=more)))
    capture.flush()


@flood("suspects")
def guesses(out, count):
    """Refused registrations of a million users from as many hosts."""
    capture = Pcap(out, 500)
    for number in range(count // 2):
        call_id, user, source = b"g%d" % number, b"u%d" % number, host(number, 11)
        own = b"%d" % number
        capture.add(udp(source, B, request(b"REGISTER", call_id, 1, own, user)))
        capture.add(udp(B, source, response(403, b"No", b"REGISTER", call_id, 1, own)))
    capture.flush()


@flood("open-calls")
def pings(out, count):
    """OPTIONS from a million hosts, half of them answered."""
    capture = Pcap(out, 100)
    for number in range(count * 2 // 3):
        call_id, source, own = b"p%d" % number, host(number, 12), b"%d" % number
        capture.add(udp(source, B, request(b"OPTIONS", call_id, 1, own)))
        if number % 2:
            capture.add(udp(B, source, response(200, b"OK", b"OPTIONS", call_id, 1, own)))
    capture.flush()


@flood()
def hosts(out, count):
    """Requests between a million pairs of hosts."""
    capture = Pcap(out, 1000)
    for number in range(count):
        own = b"%d" % number
        capture.add(udp(host(number, 13), host(number * 7 % (1 << 24), 14),
                        request(b"MESSAGE", b"h" + own, 1, own, own)))
    capture.flush()


@flood("hosts")
def packets_of_hosts(out, count):
    """Packets without SIP between two million pairs of hosts."""
    capture = Pcap(out, 10)
    for number in range(count * 2):
        capture.add(udp(host(number, 13), host(number * 7 % (1 << 24), 14), b"hello", (9, 9)))
    capture.flush()


@flood()
def headers(out, count):
    """Messages with thousands of header fields, parameters and routes."""
    capture = Pcap(out, 1000)
    route = b"Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n" * 200 + b"Route: <sip:h;lr>\r\n" * 400
    bulk = b"X: 1\r\n" * 2000 + b"Contact: <sip:a@h>" + b";a=b" * 3000 + b"\r\n"
    for number in range(count // 100):
        capture.add(udp(A, B, request(b"INVITE", b"e%d" % (number // 20), number, b"%d" % number,
                                      more=route + bulk)))
    capture.flush()


# --- streams ------------------------------------------------------------------------------------------


@flood("tcp-flows", "tcp-unfinished")
def unfinished(out, count):
    """Connections with the beginning of a message each."""
    capture = Pcap(out)
    text = request(b"INVITE", b"u")[:100]
    for number in range(count):
        ports = (1024 + number % 60000, 5060)
        capture.add(tcp(host(number, 15), B, ports, 1, 0x18, text))
    capture.flush()


@flood("tcp-flows")
def web_sockets(out, count):
    """WebSocket connections with the beginning of a frame each."""
    capture = Pcap(out)
    hello = (b"GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n"
             b"Sec-WebSocket-Version: 13\r\n\r\n")
    for number in range(count // 2):
        ports, source = (1024 + number % 60000, 80), host(number, 16)
        capture.add(tcp(source, B, ports, 1, 0x18, hello))
        frame = b"\x81\xfe\x01\x00\0\0\0\0" + request(b"INVITE", b"w")[:92]
        capture.add(tcp(source, B, ports, 1 + len(hello), 0x18, frame))
    capture.flush()


@flood("tcp-unread")
def gaps(out, count):
    """Connections that lack their first bytes, with much behind the gap."""
    capture = Pcap(out)
    for number in range(count // 10):
        ports, source = (1024 + number % 60000, 5060), host(number, 17)
        capture.add(tcp(source, B, ports, 0, 2))
        for part in range(2):
            capture.add(tcp(source, B, ports, 1001 + 1400 * part, 0x18, b"x" * 1400))
    capture.flush()


@flood("sctp-flows")
def sctp(out, count):
    """SCTP associations with the first fragment of a message each."""
    capture = Pcap(out)
    for number in range(count):
        text = request(b"INVITE", b"s")[:100]
        chunk = struct.pack(">BBHIHHI", 0, 2, 16 + len(text), number, 1, 0, 0) + text
        header = struct.pack(">HHII", 1024 + number % 60000, 5060, number, 0)
        capture.add(ip(host(number, 18), B, 132, header + chunk))
    capture.flush()


@flood()
def hep(out, count):
    """Half a million nodes that send HEP, each of them a message of its own call."""
    capture = Pcap(out)
    for number in range(count // 2):
        text = request(b"OPTIONS", b"n%d" % number, 1, b"%d" % number)
        chunks = [(1, b"\2"), (2, b"\x11"), (3, struct.pack(">I", host(number, 19))),
                  (4, struct.pack(">I", B)), (7, b"\x13\xc4"), (8, b"\x13\xc4"),
                  (9, struct.pack(">I", START + number // 10000)), (10, b"\0\0\0\0"), (11, b"\1"),
                  (12, struct.pack(">I", number)), (19, b"node %d" % number), (15, text)]
        body = b"".join(struct.pack(">HHH", 0, kind, 6 + len(data)) + data for kind, data in chunks)
        capture.add(udp(host(number, 20), B, b"HEP3" + struct.pack(">H", 6 + len(body)) + body,
                        (9060, 9060)))
    capture.flush()


# --- media and the network -----------------------------------------------------------------------------


@flood("rtp-streams")
def ssrcs(out, count):
    """RTP of a million sources, two packets each."""
    capture = Pcap(out)
    for number in range(count):
        for sequence in range(2):
            packet = struct.pack(">BBHII", 0x80, 0, sequence, 160 * sequence, number) + bytes(160)
            capture.add(udp(host(number, 21), B, packet, (10000 + number % 1000 * 2, 20000)))
    capture.flush()


@flood("disruptions")
def icmp(out, count):
    """ICMP errors about a million requests."""
    capture = Pcap(out)
    for number in range(count):
        quoted = udp(A, host(number, 22), request(b"INVITE", b"i%d" % number, branch=b"%d" % number))
        capture.add(ip(host(number, 22), A, 1, struct.pack(">BBHI", 3, 3, 0, 0) + quoted))
    capture.flush()


@flood("media-contacts")
def rtcp(out, count):
    """RTCP between a million pairs of hosts."""
    capture = Pcap(out)
    for number in range(count):
        packet = struct.pack(">BBHIIIIIIIIIIII", 0x81, 200, 12, number, 0, 0, 0, 0, 0, number, 0, 0,
                             0, 0, 0)
        capture.add(udp(host(number, 23), B, packet, (10001 + number % 1000 * 2, 20001)))
    capture.flush()


# --- captures themselves --------------------------------------------------------------------------------


@flood()
def tiny_records(out, count):
    """Ten times as many records of one byte."""
    out.write(PCAP)
    for second in range(count // 10000):
        out.write((struct.pack("<IIII", START + second, 0, 1, 1) + b"E") * 100_000)


def block(kind, body):
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", 12 + len(body))
    return struct.pack("<I", kind) + length + body + length


SECTION = block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
INTERFACE = block(1, struct.pack("<HHI", 101, 0, 0))


def option(code, data):
    return struct.pack("<HH", code, len(data)) + data + bytes(-len(data) % 4)


def packet_block(data, interface=0):
    time = (START * 1_000_000).to_bytes(8, "little")
    body = struct.pack("<I", interface) + time[4:] + time[:4] + struct.pack("<II", len(data),
                                                                            len(data))
    return block(6, body + data)


@flood(suffix="pcapng")
def interfaces(out, count):
    """A section with a million interfaces, each with a name of its own."""
    out.write(SECTION)
    for number in range(count):
        name = option(2, b"interface %d" % number) + option(0, b"")
        out.write(block(1, struct.pack("<HHI", 101, 0, 0) + name))
    out.write(packet_block(udp(A, B, request(b"OPTIONS", b"i"))))


@flood(suffix="pcapng")
def names(out, count):
    """A million names of hosts."""
    out.write(SECTION + INTERFACE)
    for number in range(count // 1000):
        records = []
        for own in range(number * 1000, number * 1000 + 1000):
            data = struct.pack(">I", host(own)) + b"host-%d.example.net\0" % own
            records.append(option(1, data))
        out.write(block(4, b"".join(records) + option(0, b"")))
    out.write(packet_block(udp(A, B, request(b"OPTIONS", b"n"))))


@flood(suffix="pcapng")
def options(out, count):
    """A packet with a comment of its own, a million times."""
    out.write(SECTION + INTERFACE)
    data = udp(A, B, request(b"OPTIONS", b"o"))
    for number in range(count):
        plain = packet_block(data)[8:-4]
        out.write(block(6, plain + option(1, b"comment %d" % number) + option(0, b"")))


@flood(suffix="pcapng")
def sections(out, count):
    """A million sections, each with an interface and a packet."""
    data = packet_block(udp(A, B, request(b"OPTIONS", b"s")))
    for _ in range(count // 100):
        out.write((SECTION + INTERFACE + data) * 100)


@flood(suffix="pcapng")
def secrets(out, count):
    """A million lines of a TLS key log."""
    out.write(SECTION + INTERFACE)
    for number in range(count // 1000):
        lines = b"".join(b"CLIENT_RANDOM %064x %096x\n" % (own, own)
                         for own in range(number * 1000, number * 1000 + 1000))
        out.write(block(10, struct.pack("<II", 0x544c534b, len(lines)) + lines))
    out.write(packet_block(udp(A, B, request(b"OPTIONS", b"s"))))


# --- the runs ---------------------------------------------------------------------------------------------


def labels():
    """What the report says in English of what bounds dropped and of captures, by key."""
    path = os.path.join(ROOT, "src", "catalogue", "en", "labels.md")
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"\n  +", " ", file.read())
    return dict(re.findall(r"^- ((?:dropped|note)-[a-z-]+): (.*)$", text, re.MULTILINE))


def peak(pid):
    """The most memory that a process has had. What `wait4` says is also of who started it."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            found = re.search(r"VmHWM:\s*(\d+) kB", file.read())
    except OSError:
        return 0
    return int(found.group(1)) << 10 if found else 0


def run(program, path, report, form, refusal):
    """Wall time, processor time and peak memory of an analysis, and what went wrong."""
    before = os.times()
    begin, memory = time.monotonic(), 0
    with open(report, "wb") as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen([program, "analyze", path, "--format", form, "--lang", "en"],
                                   stdout=stdout, stderr=stderr)
        while process.poll() is None:
            memory = max(memory, peak(process.pid))
            time.sleep(0.02)
        seconds, after = time.monotonic() - begin, os.times()
        processor = (after.children_user + after.children_system
                     - before.children_user - before.children_system)
        stderr.seek(0)
        said = stderr.read(1000).decode(errors="replace").strip()
    faults = []
    is_refused = process.returncode not in (0, 1)
    if is_refused != bool(refusal) or (refusal and refusal not in said):
        faults.append(f"exit code {process.returncode}: {said}")
    if seconds > SECONDS_MAX:
        faults.append(f"took longer than {SECONDS_MAX} s")
    if memory > MEMORY_MAX:
        faults.append(f"needed more than {MEMORY_MAX >> 20} MiB")
    return seconds, processor, memory, faults


def named(report, form, known):
    """The bounds that a report names."""
    with open(report, encoding="utf-8", errors="replace") as file:
        if form != "text":
            text = file.read()
            return set(re.findall(r'"([a-z-]+)": ?[1-9]', "".join(
                re.findall(r'"dropped": ?\{[^}]*\}', text)))) | set(
                    f"note-{kind}" for kind in re.findall(r'"kind": ?"([a-z-]+)"', text))
        text = " ".join(file.read().split())
    found = set()
    for key, label in known.items():
        pieces = [re.escape(piece) for piece in re.split(r"\{[a-z_]+\}", label)]
        if re.search(".{1,40}".join(pieces), text):
            found.add(key.removeprefix("dropped-"))
    return found


def attempt(own, known, folder, flood):
    """Makes one flood and has it analysed; true where all is as it should be."""
    name, make, full, suffix, refusal, wanted = flood
    path = os.path.join(folder, f"{name}.{suffix}")
    if not os.path.exists(path):
        with open(path + ".part", "wb") as out:
            make(out, 1_000_000 * (100 if full else own.scale) // 100)
        os.rename(path + ".part", path)
    report = os.path.join(folder, "report")
    seconds, processor, memory, faults = run(own.program, path, report, own.format, refusal)
    found = named(report, own.format, known)
    if full or own.scale >= 100:
        faults += [f"{bounds} is not named" for bounds in wanted
                   if not found.intersection(bounds.split("|"))]
    size = os.path.getsize(path) >> 20
    print(f"{name:18} {size:5} MiB {seconds:6.1f} s ({processor:5.1f} s) {memory >> 20:5} MiB  "
          + ", ".join(sorted(found)) + "".join(f"\n    FAULT: {fault}" for fault in faults),
          flush=True)
    if not own.keep:
        os.remove(path)
    return not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("program")
    parser.add_argument("--only", default="", help="names, with commas")
    parser.add_argument("--scale", type=int, default=100, help="percent of full size")
    parser.add_argument("--format", default="text", choices=["text", "json", "jsonl"])
    parser.add_argument("--keep", help="where to keep the captures")
    own = parser.parse_args()
    only = set(filter(None, own.only.split(",")))
    folder = own.keep or tempfile.mkdtemp(prefix="floods-")
    os.makedirs(folder, exist_ok=True)
    known, failed = labels(), 0
    try:
        for flood in FLOODS:
            if not only or flood[0] in only:
                failed += not attempt(own, known, folder, flood)
    finally:
        if not own.keep:
            shutil.rmtree(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
