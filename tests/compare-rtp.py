#!/usr/bin/env python3
"""Holds the RTP streams that siptrace finds against those of tshark.

    tests/compare-rtp.py SIPTRACE CAPTURE...

Packets and losses of each stream must be equal, mean and largest jitter within 2 % (or 0.01 ms).
Where they are not, one of the rows in tests/compare-rtp.md must tell why, and must fit: each has a
condition below that is checked. Needs tshark. Exits with 1 if a difference has no reason.
"""

import collections
import json
import subprocess
import sys

TOLERANCE = 0.02
TOLERANCE_MS = 0.01


def tshark(capture):
    """The streams of `tshark -z rtp,streams`, by addresses and SSRC."""
    command = ["tshark", "-n", "-r", capture, "--enable-heuristic", "rtp_udp", "-q",
               "-z", "rtp,streams"]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    streams = {}
    for line in lines:
        words = line.split()
        at = next((n for n, word in enumerate(words) if word.startswith("0x")), None)
        if at != 6:
            continue
        # The payload column may have blanks; the figures are counted from the end.
        tail = [word for word in words[at + 1:] if word != "X"]
        figures = tail[-9:]
        source, destination = f"{words[2]}:{words[3]}", f"{words[4]}:{words[5]}"
        streams[(source, destination, int(words[6], 16))] = {
            "packets": int(figures[0]),
            "lost": int(figures[1]),
            "jitter": float(figures[7]),
            "max_jitter": float(figures[8]),
        }
    return streams


def siptrace(program, capture):
    """The streams of `siptrace analyze`, by addresses and SSRC; several uses of one together."""
    command = [program, "analyze", "--format", "json", capture]
    text = subprocess.run(command, capture_output=True, text=True).stdout
    if not text:
        # Not a capture that can be read.
        return {}
    analysis = json.loads(text)
    found = [stream for call in analysis["calls"] for stream in call["streams"]]
    streams = collections.defaultdict(dict)
    for stream in found + analysis["streams"]:
        ends = [stream[end].replace("[", "").replace("]", "") for end in ("source", "destination")]
        # A stream may belong to several calls, which are legs of one conversation.
        streams[(*ends, int(stream["ssrc"], 16))][stream["first_frame"]] = stream
    return {key: list(uses.values()) for key, uses in streams.items()}


def is_close(own, other):
    if own is None:
        return other == 0
    return abs(own - other) <= max(TOLERANCE_MS, TOLERANCE * max(abs(own), abs(other)))


def compare(uses, other):
    """What differs: names of figures with both values."""
    own = {
        "packets": sum(use["packets"] for use in uses),
        "lost": sum(use["lost"] for use in uses),
        "jitter": max((use["jitter_ms"] for use in uses), key=lambda j: j or 0),
        "max_jitter": max((use["max_jitter_ms"] for use in uses), key=lambda j: j or 0),
    }
    differences = {}
    for name, value in own.items():
        is_same = value == other[name] if name in ("packets", "lost") else is_close(value, other[name])
        if not is_same:
            differences[name] = (value, other[name])
    return differences


def packets_of(capture, key):
    """Time in ms, timestamp and bytes of media of each packet that tshark takes for this stream."""
    source, destination, ssrc = key
    fields = ["frame.time_relative", "rtp.timestamp", "rtp.payload", "ip.src", "ipv6.src",
              "udp.srcport", "udp.dstport"]
    command = ["tshark", "-n", "-r", capture, "--enable-heuristic", "rtp_udp",
               "-Y", f"rtp.ssrc == {ssrc}", "-T", "fields"]
    for field in fields:
        command += ["-e", field]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    ports = [source.rsplit(":", 1)[1], destination.rsplit(":", 1)[1]]
    rows = [line.split("\t") for line in lines]
    return [(float(row[0]) * 1000, int(row[1].split(",")[0]), row[2])
            for row in rows if row[5:7] == ports]


def has_jump(capture, key, uses):
    """A packet is a second too late or too early by its timestamp."""
    ticks_per_ms = (uses[0]["clock_rate"] or 8000) / 1000
    packets = packets_of(capture, key)
    return any(abs((b[0] - a[0]) - (b[1] - a[1]) / ticks_per_ms) >= 1000
               for a, b in zip(packets, packets[1:]))


def reason(capture, key, uses, other, differences):
    """The row of the table that explains the differences; none if no row does."""
    figures = set(differences)
    packets = sum(use["packets"] for use in uses)
    copies = sum(use["copies"] for use in uses)
    if copies and packets + copies == other["packets"]:
        return "copies"
    if packets > other["packets"] and is_t38(capture, key, packets - other["packets"]):
        return "t38"
    if figures <= {"jitter", "max_jitter"}:
        if other["jitter"] == 0 == other["max_jitter"]:
            return "clock"
        if any(use["dtmf"] for use in uses):
            return "events"
        if has_jump(capture, key, uses):
            return "jump"
    return None


def is_t38(capture, key, count):
    """tshark takes as many packets of the same way for T.38 or leaves them as data."""
    source, destination, _ = key
    wanted = (f"udp.srcport == {source.rsplit(':', 1)[1]} && "
              f"udp.dstport == {destination.rsplit(':', 1)[1]} && !rtp")
    command = ["tshark", "-n", "-r", capture, "--enable-heuristic", "rtp_udp", "-Y", wanted]
    return len(subprocess.run(command, capture_output=True, text=True).stdout.splitlines()) >= count


def main():
    program, captures = sys.argv[1], sys.argv[2:]
    compared, reasons, failures = 0, collections.Counter(), 0
    for capture in captures:
        own = siptrace(program, capture)
        # tshark takes half a second to start; a capture without RTP is not worth it.
        others = tshark(capture) if own else {}
        for key, other in others.items():
            name = "{}: {} -> {} 0x{:08x}".format(capture.rsplit("/", 1)[-1], *key)
            if key not in own:
                print(f"{name}: not found", other)
                failures += 1
                continue
            compared += 1
            differences = compare(own[key], other)
            if not differences:
                continue
            why = reason(capture, key, own[key], other, differences)
            reasons[why] += 1
            failures += why is None
            print(f"{name}: {why or 'NO REASON'} {differences}")
    print(f"{compared} streams compared, {sum(reasons.values())} differ: {dict(reasons)}")
    sys.exit(1 if failures else 0)


main()
