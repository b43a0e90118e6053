//! Holds values against schemas of the document: the keywords that it uses, and no others.

use std::collections::HashMap;
use std::sync::Mutex;

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that say nothing about whether a value is valid.
const NOTES: [&str; 10] = [
    "description",
    "title",
    "default",
    "examples",
    "example",
    "format",
    "discriminator",
    "contentEncoding",
    "$comment",
    "deprecated",
];

/// Holds values against the schemas of one document.
pub(crate) struct Checker<'a> {
    document: &'a Value,
    /// Whether a member that a schema does not name is a fault, unless it says `additionalProperties: true`. Clients must bear
    /// such members; our own answers may not have any that the document forgets.
    strict: bool,
}

impl<'a> Checker<'a> {
    /// For answers of ours: what the document does not describe is a fault.
    pub(crate) fn strict(document: &'a Value) -> Self {
        Self { document, strict: true }
    }

    /// What is wrong with `value`, each with the JSON pointer to it.
    pub(crate) fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, "", self.strict, &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, strict: bool, faults: &mut Vec<String>) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Object(schema) => schema,
            other => panic!("{at}: {other} is no schema"),
        };
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.check(self.resolve(reference), value, at, strict, faults);
        }
        let mut fault = |text: String| faults.push(format!("{at}: {text}"));
        for (keyword, wanted) in schema {
            match keyword.as_str() {
                "type" if !is_of_type(wanted, value) => fault(format!("{value} is not of type {wanted}")),
                "const" if value != wanted => fault(format!("{value} is not {wanted}")),
                "enum" if !wanted.as_array().is_some_and(|words| words.contains(value)) => {
                    fault(format!("{value} is none of {wanted}"))
                }
                "minimum" if value.as_f64() < wanted.as_f64() && value.is_number() => fault(format!("{value} is below {wanted}")),
                "maximum" if value.as_f64() > wanted.as_f64() => fault(format!("{value} is above {wanted}")),
                "minLength" if value.as_str().is_some_and(|text| text.chars().count() < size(wanted)) => {
                    fault("too short".into())
                }
                "maxLength" if value.as_str().is_some_and(|text| text.chars().count() > size(wanted)) => fault("too long".into()),
                "pattern" if value.as_str().is_some_and(|text| !matches(wanted, text)) => {
                    fault(format!("{value} does not match {wanted}"))
                }
                "minItems" if value.as_array().is_some_and(|items| items.len() < size(wanted)) => fault("too few items".into()),
                "maxItems" if value.as_array().is_some_and(|items| items.len() > size(wanted)) => fault("too many items".into()),
                "minProperties" if value.as_object().is_some_and(|map| map.len() < size(wanted)) => {
                    fault("too few members".into())
                }
                "maxProperties" if value.as_object().is_some_and(|map| map.len() > size(wanted)) => {
                    fault("too many members".into())
                }
                "type"
                | "const"
                | "enum"
                | "minimum"
                | "maximum"
                | "minLength"
                | "maxLength"
                | "pattern"
                | "minItems"
                | "maxItems"
                | "minProperties"
                | "maxProperties"
                | "uniqueItems"
                | "items"
                | "properties"
                | "patternProperties"
                | "propertyNames"
                | "additionalProperties"
                | "required"
                | "allOf"
                | "anyOf"
                | "oneOf" => {}
                other => assert!(NOTES.contains(&other) || other.starts_with("x-"), "the keyword {other} is not understood here"),
            }
        }
        if let Value::Object(map) = value {
            self.members(schema, map, at, strict, faults);
        }
        if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
            for (index, value) in values.iter().enumerate() {
                self.check(items, value, &format!("{at}/{index}"), self.strict, faults);
            }
        }
        for (index, part) in list(schema, "allOf").iter().enumerate() {
            // The first part describes the value, the others only narrow it.
            self.check(part, value, at, strict && index == 0, faults);
        }
        let fits = |part: &Value| {
            let mut faults = Vec::new();
            self.check(part, value, at, strict, &mut faults);
            faults
        };
        let any = list(schema, "anyOf");
        if !any.is_empty() && !any.iter().any(|part| fits(part).is_empty()) {
            faults.push(format!("{at}: {value} fits no alternative"));
        }
        let one: Vec<Vec<String>> = list(schema, "oneOf").iter().map(fits).collect();
        if !one.is_empty() && one.iter().filter(|faults| faults.is_empty()).count() != 1 {
            faults.push(format!("{at}: not exactly one alternative fits: {one:?}"));
        }
    }

    fn members(&self, schema: &Map<String, Value>, map: &Map<String, Value>, at: &str, strict: bool, faults: &mut Vec<String>) {
        for name in list(schema, "required").iter().filter_map(Value::as_str).filter(|&name| !map.contains_key(name)) {
            faults.push(format!("{at}: `{name}` is missing"));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        for (name, value) in map {
            let at = format!("{at}/{name}");
            if let Some(names) = schema.get("propertyNames") {
                self.check(names, &Value::from(name.as_str()), &at, strict, faults);
            }
            if let Some(property) = properties.and_then(|properties| properties.get(name)) {
                self.check(property, value, &at, self.strict, faults);
            } else if patterns.is_some_and(|patterns| patterns.keys().any(|pattern| matches(&pattern.as_str().into(), name))) {
                // A customer's own note.
            } else {
                match schema.get("additionalProperties") {
                    Some(Value::Bool(true)) => {}
                    Some(Value::Bool(false)) => faults.push(format!("{at}: not allowed")),
                    Some(other) => self.check(other, value, &at, self.strict, faults),
                    None if strict && properties.is_some() => faults.push(format!("{at}: not described by the document")),
                    None => {}
                }
            }
        }
    }

    /// A value of the document, behind any reference; `None` if it is not there.
    pub(crate) fn resolved<'b>(&self, value: &'b Value) -> Option<&'b Value>
    where
        'a: 'b,
    {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => Some(self.resolve(reference)),
            None => (!value.is_null()).then_some(value),
        }
    }

    fn resolve(&self, reference: &str) -> &'a Value {
        let found = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
        found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }
}

fn list<'s>(schema: &'s Map<String, Value>, keyword: &str) -> &'s [Value] {
    schema.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn size(wanted: &Value) -> usize {
    wanted.as_u64().and_then(|size| usize::try_from(size).ok()).expect("a size")
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    let is = |word: &str| match word {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    };
    match wanted {
        Value::String(word) => is(word),
        Value::Array(words) => words.iter().filter_map(Value::as_str).any(is),
        other => panic!("{other} is no type"),
    }
}

fn matches(pattern: &Value, text: &str) -> bool {
    static COMPILED: Mutex<Option<HashMap<String, Regex>>> = Mutex::new(None);
    let pattern = pattern.as_str().expect("a pattern");
    let mut compiled = COMPILED.lock().expect("lock");
    let compiled = compiled.get_or_insert_default();
    compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).expect("a pattern")).is_match(text)
}
