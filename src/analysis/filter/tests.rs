//! Expressions that are right, wrong, and anything at all.

use proptest::prelude::*;

use super::*;

fn fault(text: &str) -> (String, Option<String>) {
    let error = text.parse::<Filter>().expect_err(text);
    (error.to_string(), error.hint().map(str::to_owned))
}

#[test]
fn what_is_right_is_read() {
    for text in [
        "alice",
        "+49",
        "200",
        "sip:alice@example.com",
        "[2001:db8::1]:5060",
        "\"a word and (signs)\"",
        "status = 503",
        "status == 5xx && not (state=busy || state = declined)",
        "status in (486, 600, 400..409) or status not in (18x)",
        "header.X-Tenant = 7 and header[\"X-Foo\"] ~ bar and header[X-Bar] present",
        "user-agent ~ 'it''s'",
        "user-agent !~ Desk",
        "peer = 10.0.0.0/8 and server = pbx:5060 and client = [2001:db8::1]:5060",
        "time = 10:15..10:30 and start >= 2026-11-21 and end < 2026-11-21T10:15:30Z",
        "duration > 2m and pdd = 200ms..3s and talk >= 1m30s and ring > 0",
        "rule = TXN and rule = ack-* and severity >= warn",
        "loss > 1.5% and mos < 3.5 and jitter > 30ms and codec = pcmu",
        "frame = 17 or frame = 2#17 or frame = #3..5",
        "NOT state = Failed AND Kind = CALL",
        "!alice !bob",
    ] {
        let filter: Filter = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.to_string(), text);
    }
}

#[test]
fn what_is_wrong_has_its_column_and_advice() {
    let cases = [
        ("", "column 1: the expression is empty", "as in `status = 5xx`"),
        ("stauts = 503", "column 1: no field is named \"stauts\"", "did you mean `status`?"),
        ("a and zzzzzz = 1", "column 7: no field is named \"zzzzzz\"", "the fields are from, to"),
        ("status = 5o3", "column 10: expected a status such as 503 or 5xx, not \"5o3\"", ""),
        (
            "status",
            "column 7: expected an operator after the field \"status\", not the end",
            "`status present`",
        ),
        ("status =", "column 9: expected a status such as 503 or 5xx, not the end", ""),
        ("status ~ 5", "column 8: \"~\" does not fit \"status\"", "here fit = != < <= > >= and in"),
        ("from > alice", "column 6: \">\" does not fit \"from\"", "here fit = != ~ !~ and in"),
        ("state = busi", "column 9: expected one of trying", "did you mean `busy`?"),
        ("(status = 503", "column 1: the \"(\" that opens here is not closed", ""),
        ("status = 503)", "column 13: \")\" closes nothing", ""),
        ("from = \"alice", "column 8: the quote \" that opens here is not closed", ""),
        ("a & b", "column 3: \"&\" alone means nothing", "write `and`, or `&&`"),
        ("status:503", "column 1: expected an operator after \"status\"", "`status = 503`"),
        ("status in 503", "column 11: expected \"(\" and a list, not \"503\"", "(486, 600)"),
        ("status in (503 or", "column 16: expected \",\" or \")\", not \"or\"", ""),
        ("pdd > 3", "column 7: expected a span with its unit", ""),
        ("status = 600..400", "column 15: the range ends before it begins", ""),
        ("from = a..b", "column 9: a range does not fit here", "ranges are for numbers"),
        ("time > 25:00", "column 8: expected a time such as 10:15", ""),
        ("peer = 10.0.0.300", "column 8: expected an address, a network or a name", ""),
        (
            "rule = missing-ack-2x",
            "column 8: no rule has the code",
            "did you mean `missing-ack-2xx`?",
        ),
        ("alice and", "column 10: expected a field or a word to search for, not the end", ""),
        ("and", "column 1: expected a field or a word to search for, not \"and\"", ""),
        ("header[] = 1", "column 7: expected the name of a header", "as in `header"),
        ("\"status\" = 1", "column 10: a field has no quotes", ""),
        ("a .. b", "column 3: expected a field or a word to search for, not \"..\"", ""),
    ];
    for (text, problem, hint) in cases {
        let (told, advice) = fault(text);
        assert!(told.starts_with(problem), "{text}: {told}");
        assert_eq!(advice.is_some(), !hint.is_empty(), "{text}: {advice:?}");
        assert!(advice.unwrap_or_default().contains(hint), "{text}");
    }
}

#[test]
fn depth_and_length_have_bounds() {
    let deep = format!("{}a{}", "(".repeat(65), ")".repeat(65));
    assert!(fault(&deep).0.contains("more than 64 parentheses"));
    assert!(fault(&format!("{}a", "not ".repeat(100))).0.contains("more than 64"));
    let right = format!("{}a{}", "(".repeat(60), ")".repeat(60));
    assert!(right.parse::<Filter>().is_ok());
    assert!(fault(&"a ".repeat(5000)).0.contains("longer than 8192 characters"));
}

#[test]
fn what_a_filter_needs_is_known() {
    let needs = |text: &str| {
        let filter: Filter = text.parse().expect(text);
        (filter.needs_messages(), filter.needs_media())
    };
    assert_eq!(needs("alice and status = 503"), (false, false));
    assert_eq!(needs("a or not (b and ua ~ x)"), (true, false));
    assert_eq!(needs("frame = 7 and loss > 1"), (true, true));
}

#[test]
fn errors_are_safe_to_show() {
    let (told, hint) = fault("\u{1b}[2J = 1");
    assert!(!told.contains('\u{1b}') && !hint.unwrap_or_default().contains('\u{1b}'), "{told}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_has_a_column(
        text in "(status|from|time|peer|header\\[|frame|rule|pdd| |=|!=|~|>|\\.\\.|\\(|\\)|,|and|or\
            |not|in|present|\"|'|5xx|10:15|200ms|10.0.0.1|\\PC){0,16}",
    ) {
        if let Err(error) = text.parse::<Filter>() {
            prop_assert!(error.to_string().starts_with("column "), "{error}");
        }
    }
}
