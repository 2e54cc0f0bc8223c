#!/usr/bin/env python3
"""Holds what siptrace writes against readers and schemas that others made.

Usage: validate-formats.py SIPTRACE [CAPTURE...]; without captures, those of the fixtures.

Needs the Python package jsonschema (exit code 77 without it). Takes xmllint, an XSD for JUnit (JUNIT_XSD) and
the schema of SARIF (SARIF_SCHEMA, or the crate serde-sarif in the registry of cargo) where they are there, and
says what it had to leave out.
"""
import copy
import csv
import glob
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

try:
    import jsonschema
except ImportError:
    print("the Python package jsonschema is not installed")
    sys.exit(77)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLES = ["calls", "findings", "messages", "streams"]
FORMATS = ["json", "jsonl", "markdown", "junit", "sarif", "github", "gitlab", "text"]

# The grammar of junit-10.xsd, which Jenkins checks its inputs with: attributes and children.
JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id",
         "package", "file", "log", "url"},
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
    ),
    "testcase": ({"name", "time", "classname", "group"}, {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}
JUNIT_REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}}

COMMAND = re.compile(r"::(error|warning|notice) file=([^,:]+)(,line=\d+)?,title=([^,:\r\n]+)::([^\r\n]+)")


def closed(schema):
    """The schema with everything forbidden that it does not list: what is not described must not be written."""
    schema = copy.deepcopy(schema)

    def close(part):
        if isinstance(part, dict):
            has_own = "properties" in part or "oneOf" in part and "type" not in part
            if has_own and part.get("type") == "object":
                part["unevaluatedProperties"] = False
            for below in part.values():
                close(below)
        elif isinstance(part, list):
            for below in part:
                close(below)

    def open_parts_of(part):
        # What is put together from a definition and more is closed as a whole.
        if isinstance(part, dict):
            if "properties" in part and "$ref" in part:
                name = part["$ref"].rsplit("/", 1)[1]
                schema["$defs"][name].pop("unevaluatedProperties", None)
            for below in part.values():
                open_parts_of(below)
        elif isinstance(part, list):
            for below in part:
                open_parts_of(below)

    close(schema)
    # The lines of the summary and the first ones are definitions that a `type` is added to; each is used once.
    open_parts_of(schema)
    return schema


def run(*arguments):
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout.decode()


def validator(schema):
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def check_junit(path, xsd):
    tree = ElementTree.parse(path)
    for element in tree.iter():
        attributes, children = JUNIT[element.tag]
        assert set(element.attrib) <= attributes, (element.tag, element.attrib)
        assert JUNIT_REQUIRED.get(element.tag, set()) <= set(element.attrib), (element.tag, element.attrib)
        assert {child.tag for child in element} <= children, element.tag
    cases = tree.getroot().findall("testsuite/testcase")
    failures = tree.getroot().findall("testsuite/testcase/failure")
    assert (str(len(cases)), str(len(failures))) == (tree.getroot().get("tests"), tree.getroot().get("failures"))
    if shutil.which("xmllint"):
        subprocess.run(["xmllint", "--noout", *(["--schema", xsd] if xsd else []), path], check=True,
                       stderr=subprocess.DEVNULL if xsd else None)


def check_csv(path):
    text = open(path, newline="", encoding="utf-8").read()
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert rows and all(len(row) == len(rows[0]) for row in rows), path
    for row in rows:
        for field in row:
            is_number = re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", field)
            assert is_number or not field.startswith(("=", "+", "-", "@", "\t", "\r")), field
    return len(rows) - 1


def check_lines(path, lines):
    for line in open(path, encoding="utf-8"):
        value = json.loads(line)
        lines.validate(value)


def found(patterns):
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.expanduser(pattern))):
            return path
    return None


def check_suite(siptrace, outcome, sarif):
    """What `check` writes of the interop suite: met, and with an expectation that none of its captures meets."""
    with tempfile.TemporaryDirectory() as folder:
        odd = os.path.join(folder, "odd.toml")
        with open(odd, "w", encoding="utf-8") as file:
            file.write("[[call]]\nstatus = 603\nsteps = [\"caller > callee INVITE\", \"callee > caller 603\"]\n")
        for more in [], ["--expect", odd]:
            out = {name: os.path.join(folder, name) for name in ("json", "junit", "sarif")}
            formats = [f"--format={name}={path}" for name, path in out.items()]
            argv = [siptrace, "check", "fixtures/ci", "--force", *formats, *more]
            code = subprocess.run(argv, cwd=ROOT, check=False, stdout=subprocess.DEVNULL).returncode
            assert code == (1 if more else 0), f"{argv}: exit code {code}"
            document = json.load(open(out["json"]))
            outcome.validate(document)
            verdicts = [own["met"] for capture in document["captures"] for own in capture["expectations"]]
            assert verdicts and all(verdicts) == (not more), verdicts
            check_junit(out["junit"], None)
            if sarif:
                sarif.validate(json.load(open(out["sarif"])))


def main():
    siptrace, captures = sys.argv[1], sys.argv[2:]
    if not captures:
        captures = glob.glob(os.path.join(ROOT, "fixtures/captures/*.pcap*"))
        captures += glob.glob(os.path.join(ROOT, "fixtures/rules/*/fires*.sip"))[::7]
        captures += glob.glob(os.path.join(ROOT, "tests/it/formats/*.sip"))
    document = validator(closed(json.loads(run(siptrace, "schema"))))
    lines = validator(closed(json.loads(run(siptrace, "schema", "jsonl"))))
    home = os.environ.get("CARGO_HOME", "~/.cargo")
    sarif_schema = os.environ.get("SARIF_SCHEMA") or found([home + "/registry/src/*/serde-sarif-*/src/schema.json"])
    sarif = validator(json.load(open(sarif_schema))) if sarif_schema else None
    xsd = os.environ.get("JUNIT_XSD") or found([os.path.join(ROOT, "../shared/schemas/junit-10.xsd")])
    check_suite(siptrace, validator(closed(json.loads(run(siptrace, "schema", "check")))), sarif)
    rows = 0
    with tempfile.TemporaryDirectory() as folder:
        for place, capture in enumerate(sorted(captures)):
            out = {name: os.path.join(folder, name) for name in FORMATS + TABLES}
            formats = [f"--format={name}={out[name]}" for name in FORMATS]
            run(siptrace, "analyze", os.path.relpath(capture, ROOT), "--force", *formats, "--lang", "en")
            for table in TABLES if place % 4 == 0 else []:
                run(siptrace, "analyze", capture, "--force", f"--format=csv={out[table]}", "--table", table)
                rows += check_csv(out[table])
            try:
                document.validate(json.load(open(out["json"])))
                check_lines(out["jsonl"], lines)
                check_junit(out["junit"], xsd)
                if sarif:
                    sarif.validate(json.load(open(out["sarif"])))
                issues = json.load(open(out["gitlab"]))
                names = [issue["fingerprint"] for issue in issues]
                assert len(names) == len(set(names)), "fingerprints are not unique"
                for line in open(out["github"], encoding="utf-8"):
                    assert COMMAND.fullmatch(line.rstrip("\n")), line
            except Exception:
                print(f"{capture}:", file=sys.stderr)
                raise
    print(f"{len(captures)} captures, {rows} rows of tables: JSON, JSON lines, CSV, JUnit, GitHub and GitLab read back")
    print(f"SARIF: {'by ' + sarif_schema if sarif else 'no schema at hand'}")
    print(f"JUnit: {'by ' + xsd if xsd else 'by its grammar; no XSD at hand'}"
          f"{'' if shutil.which('xmllint') else ', without xmllint'}")


main()
