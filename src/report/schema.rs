//! The schema of the JSON formats, made from the types that write them.
//!
//! JSON Schema, draft 2020-12. Fields may be added, so what is not listed is not forbidden.

use std::borrow::Cow;
use std::io::{self, Write};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value as Json;

use crate::finding::{Confidence, Severity, Value};
use crate::report::check::CheckJson;
use crate::report::json::Document;
use crate::report::jsonl::Line;
use crate::time::{Span, Time};

/// What is described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Described {
    /// The document of the format `json`.
    #[default]
    Json,
    /// A line of the format `jsonl`.
    Jsonl,
    /// The document of `siptrace check --format json`.
    Check,
}

/// Writes the schema.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn schema(described: Described, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &of(described))?;
    writeln!(out)
}

fn of(described: Described) -> Json {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let (title, schema) = match described {
        Described::Json => {
            ("siptrace analyze --format json", generator.into_root_schema_for::<Document<'_>>())
        }
        Described::Jsonl => {
            ("siptrace analyze --format jsonl", generator.into_root_schema_for::<Line<'_>>())
        }
        Described::Check => {
            ("siptrace check --format json", generator.into_root_schema_for::<CheckJson<'_>>())
        }
    };
    let mut schema = schema.to_value();
    plain_names(&mut schema);
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("title".to_owned(), title.into());
    }
    schema
}

/// Takes the mark of the mirror types from the names of the definitions.
fn plain_names(schema: &mut Json) {
    match schema {
        Json::Object(fields) => {
            if let Some(Json::String(reference)) = fields.get_mut("$ref")
                && let Some(plain) = reference.strip_suffix("Json")
            {
                *reference = plain.to_owned();
            }
            if let Some(Json::Object(definitions)) = fields.get_mut("$defs") {
                *definitions = std::mem::take(definitions)
                    .into_iter()
                    .map(|(name, definition)| {
                        (name.strip_suffix("Json").unwrap_or(&name).to_owned(), definition)
                    })
                    .collect();
            }
            fields.values_mut().for_each(plain_names);
        }
        Json::Array(items) => items.iter_mut().for_each(plain_names),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number" })
    }
}

impl JsonSchema for Severity {
    fn schema_name() -> Cow<'static, str> {
        "Severity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How bad something is, the worst first.",
            "type": "string",
            "enum": [Self::Error.name(), Self::Warn.name(), Self::Info.name()],
        })
    }
}

impl JsonSchema for Confidence {
    fn schema_name() -> Cow<'static, str> {
        "Confidence".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How sure something is: the trace alone proves it, another reading \
                            would be odd, other readings fit as well.",
            "type": "string",
            "enum": [Self::Certain.name(), Self::Likely.name(), Self::Possible.name()],
        })
    }
}

impl JsonSchema for Value {
    fn schema_name() -> Cow<'static, str> {
        "Value".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A piece of evidence: a number, a text, a word of the catalogue, an \
                            `address:port`, yes or no, or several of them.",
            "type": ["number", "string", "boolean", "array"],
            "items": generator.subschema_for::<Self>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every property with the path that leads to it.
    fn properties<'a>(schema: &'a Json, path: &str, found: &mut Vec<(String, &'a Json)>) {
        match schema {
            Json::Object(fields) => {
                for (name, below) in fields {
                    let path = format!("{path}/{name}");
                    match below.as_object().filter(|_| name == "properties") {
                        Some(own) => {
                            for (name, property) in own {
                                found.push((format!("{path}/{name}"), property));
                                properties(property, &format!("{path}/{name}"), found);
                            }
                        }
                        None => properties(below, &path, found),
                    }
                }
            }
            Json::Array(items) => items.iter().for_each(|item| properties(item, path, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    #[test]
    fn every_field_is_described_with_its_unit() {
        for described in [Described::Json, Described::Jsonl, Described::Check] {
            let schema = of(described);
            let mut found = Vec::new();
            properties(&schema, "", &mut found);
            assert!(found.len() > 60, "{}", found.len());
            for (path, property) in found {
                // What tells the kinds apart is a constant.
                let is_constant = property.get("const").is_some();
                let text = property.get("description").and_then(Json::as_str).unwrap_or_default();
                assert!(is_constant || !text.is_empty(), "{path} has no description");
                let needs_unit = path.ends_with("_ms") || path.ends_with("/ms");
                assert!(!needs_unit || text.contains("millisecond"), "{path}: {text}");
                let is_percent = path.ends_with("_percent");
                let names_share = text.contains("percent") || text.contains("hundred");
                assert!(!is_percent || names_share, "{path}: {text}");
            }
        }
    }

    #[test]
    fn definitions_have_plain_names() {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let raw = generator.into_root_schema_for::<Document<'_>>().to_value();
        let count = |schema: &Json| schema["$defs"].as_object().map(serde_json::Map::len);
        assert_eq!(count(&of(Described::Json)), count(&raw), "two have one name");
        let schema = of(Described::Json).to_string();
        assert!(schema.contains("\"#/$defs/Call\"") && !schema.contains("Json\""), "{schema}");
    }
}
