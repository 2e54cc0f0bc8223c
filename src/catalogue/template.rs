//! Sentences with places to fill.
//!
//! `{name}` stands for a value; what stands in square brackets is left out when a value in it is
//! missing. Values are never read as templates: what a capture holds stays as it is.

/// What stands in for a missing value outside of brackets.
const MISSING: &str = "…";

/// The template with its places filled.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(open) = rest.find('[') {
        let (before, after) = rest.split_at(open);
        let Some(close) = after.find(']') else { break };
        out.push_str(&filled(before, values).0);
        let inside = after.get(1..close).unwrap_or_default();
        let (text, complete) = filled(inside, values);
        if complete {
            out.push_str(&text);
        } else if out.ends_with(' ') && after.get(close + 1..).is_some_and(joins_left) {
            out.pop();
        }
        rest = after.get(close + 1..).unwrap_or_default();
    }
    out.push_str(&filled(rest, values).0);
    out
}

/// The names of the places, in the order of the template: translations must have the same.
#[cfg(test)]
pub(crate) fn places(template: &str) -> Vec<&str> {
    template
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

/// A space before this text would be one too many.
fn joins_left(text: &str) -> bool {
    text.is_empty() || text.starts_with([' ', ',', '.', ';', ':', ')', '。', '、'])
}

fn filled(template: &str, values: &[(&str, &str)]) -> (String, bool) {
    let mut out = String::with_capacity(template.len() + 32);
    let mut complete = true;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, below)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|value| value.0 == name) {
            Some((_, value)) => out.push_str(value),
            None => {
                complete = false;
                out.push_str(MISSING);
            }
        }
        rest = below;
    }
    out.push_str(rest);
    (out, complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "{server} waited {wait_ms}[, {cause},] then sent {status}[ ({phrase})].";

    #[test]
    fn places_are_filled() {
        let values = [
            ("server", "b:5060"),
            ("wait_ms", "6.02 s"),
            ("cause", "timer C"),
            ("status", "502"),
            ("phrase", "Bad Gateway"),
        ];
        assert_eq!(
            fill(TEMPLATE, &values),
            "b:5060 waited 6.02 s, timer C, then sent 502 (Bad Gateway)."
        );
    }

    #[test]
    fn optional_parts_go_with_their_values() {
        let values = [("server", "b:5060"), ("wait_ms", "6.02 s"), ("status", "502")];
        assert_eq!(fill(TEMPLATE, &values), "b:5060 waited 6.02 s then sent 502.");
        assert_eq!(fill("Sent [{x}] on", &[]), "Sent on");
        assert_eq!(fill("Sent [{x}]", &[]), "Sent");
    }

    #[test]
    fn a_missing_value_elsewhere_is_an_ellipsis() {
        assert_eq!(fill("{server} fell silent", &[]), "… fell silent");
    }

    #[test]
    fn values_are_not_templates() {
        let values = [("server", "[{wait_ms}]")];
        assert_eq!(fill("{server} said[ {server}] a", &values), "[{wait_ms}] said [{wait_ms}] a");
    }

    #[test]
    fn broken_templates_stay_text() {
        assert_eq!(fill("a { b [ c", &[]), "a { b [ c");
        assert_eq!(fill("", &[]), "");
    }

    #[test]
    fn places_are_listed() {
        assert_eq!(places(TEMPLATE), ["server", "wait_ms", "cause", "status", "phrase"]);
    }
}
