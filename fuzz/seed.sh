#!/usr/bin/env bash
# Fills fuzz/corpus with what the targets begin with: own fixtures and manuals, TLS sessions with their keys, and the
# files and folders named. Only what is made without names may be committed (fuzz/seeds).
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
mkdir -p fuzz/corpus
cargo run -q --release --manifest-path fuzz/Cargo.toml --bin seed -- fuzz/corpus fixtures docs tests/it/formats "$@"

# Sessions of OpenSSL with itself: a key log behind its length, then records, each behind its side and length.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=a \
  -keyout "$work/key" -out "$work/cert" 2>/dev/null || { echo "no openssl: no TLS sessions"; exit 0; }
mkdir -p "$here/fuzz/corpus/tls"
python3 - "$work" "$here/fuzz/corpus/tls" <<'PYTHON'
import os, ssl, struct, sys

work, out = sys.argv[1:]
INVITE = b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n" \
    b"To: <sip:b@a>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"


def session(name, version, ciphers):
    log = f"{work}/{name}.log"
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode, client.keylog_filename = False, ssl.CERT_NONE, log
    server.load_cert_chain(f"{work}/cert", f"{work}/key")
    for context in (client, server):
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
    ways = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    ends = [client.wrap_bio(ways[1], ways[0]), server.wrap_bio(ways[0], ways[1], server_side=True)]
    records = []

    def step(side, do):
        own = ways[0] if side == 0 else ways[1]
        try:
            do(ends[side])
        except ssl.SSLWantReadError:
            pass
        sent = own.read()
        if sent:
            own.write(sent)
            records.append((side, sent))

    for _ in range(4):
        for side in (0, 1):
            step(side, lambda end: end.do_handshake())
    step(0, lambda end: end.write(INVITE))
    step(1, lambda end: end.read(4096))
    step(1, lambda end: end.write(INVITE))
    keys = open(log, "rb").read()
    keys = b"".join(line + b"\n" for line in keys.split(b"\n") if line and not line.startswith((b"#", b"EXPORTER")))
    data = struct.pack(">H", len(keys)) + keys + b"\0"
    for side, sent in records:
        data += bytes([side]) + struct.pack(">H", len(sent)) + sent
    with open(f"{out}/session-{name}", "wb") as file:
        file.write(data)


session("13", ssl.TLSVersion.TLSv1_3, None)
for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA",
              "ECDHE-ECDSA-AES256-SHA384"):
    session("12-" + suite.lower(), ssl.TLSVersion.TLSv1_2, suite)
PYTHON
