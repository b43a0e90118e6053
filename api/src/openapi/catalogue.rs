//! The operations of the catalogue as schemas of what a request may say of a task.

use convertfly_scheduler::catalog::{Catalog, OperationEntry, OperationKind, OptionEntry, OptionKind};
use convertfly_scheduler::pages::MAX_LENGTH as MAX_PAGES;
use serde_json::{Map, Value, json};

use super::doc::reference;
use crate::validate::{IGNORE_ERROR, MAX_HEADERS, MAX_TIMEOUT, MAX_URL, TIMEOUT};

/// The schema of a task: one of the operations', told apart by `operation`.
pub(super) fn schemas(catalog: &Catalog) -> Map<String, Value> {
    let mut schemas: Map<String, Value> =
        catalog.operations.iter().map(|operation| (schema_name(&operation.name), task(catalog, operation))).collect();
    let mapping: Map<String, Value> = catalog
        .operations
        .iter()
        .map(|operation| (operation.name.clone(), format!("#/components/schemas/{}", schema_name(&operation.name)).into()))
        .collect();
    let one_of: Vec<Value> = catalog.operations.iter().map(|operation| reference(&schema_name(&operation.name))).collect();
    let definition = json!({
        "description": "A task of a request. Which fields it has depends on its operation.",
        "oneOf": one_of,
        "discriminator": { "propertyName": "operation", "mapping": mapping },
    });
    schemas.insert("TaskDefinition".to_owned(), definition);
    schemas
}

/// `import/url` -> `ImportUrlTask`.
pub(super) fn schema_name(operation: &str) -> String {
    let words = operation.split(|c: char| !c.is_ascii_alphanumeric());
    let capital = |word: &str| word.get(..1).map(|first| first.to_ascii_uppercase() + &word[1..]);
    words.filter_map(capital).collect::<String>() + "Task"
}

fn task(catalog: &Catalog, operation: &OperationEntry) -> Value {
    let mut properties = Map::new();
    let mut required = vec!["operation"];
    properties.insert("operation".to_owned(), json!({ "type": "string", "const": operation.name }));
    if operation.kind != OperationKind::Import {
        let names = json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": "string" } });
        let text = "Names of tasks whose output to use as input; a single name may stand alone.";
        properties.insert("input".to_owned(), json!({ "description": text, "anyOf": [names, { "type": "string" }] }));
        required.push("input");
    }
    properties.insert(
        IGNORE_ERROR.to_owned(),
        json!({
            "type": ["boolean", "null"], "default": false,
            "description": "Its failure does not fail the job: the tasks behind it go on with the files of their other inputs.",
        }),
    );
    let timeout = json!({
        "type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT,
        "description": "Seconds that it may take, if that is less than the server allows; then it ends with the error `TIMEOUT`.",
    });
    properties.insert(TIMEOUT.to_owned(), timeout.clone());
    for entry in &operation.fields {
        properties.insert(entry.name.clone(), value(catalog, entry));
        if entry.required {
            required.push(&entry.name);
        }
    }
    let mut options: Map<String, Value> =
        operation.options.iter().map(|entry| (entry.name.clone(), value(catalog, entry))).collect();
    // The names of options are understood beside `options`, too, as users of similar services write them.
    for (name, schema) in &options {
        let mut schema = schema.clone();
        schema["x-also-in"] = "options".into();
        properties.entry(name.clone()).or_insert(schema);
    }
    options.entry(TIMEOUT).or_insert(timeout);
    let names: Vec<&str> = operation.options.iter().filter(|entry| entry.required).map(|entry| entry.name.as_str()).collect();
    properties.insert(
        "options".to_owned(),
        json!({
            "type": "object", "description": "Settings of the operation.", "properties": options,
            "patternProperties": notes(), "additionalProperties": false,
        }),
    );
    let mut schema = json!({
        "title": operation.name, "description": operation.description, "type": "object", "required": required,
        "properties": properties, "patternProperties": notes(), "additionalProperties": false,
    });
    if !names.is_empty() {
        let either = |name: &&str| json!({ "anyOf": [{ "required": [name] }, { "required": ["options"], "properties": { "options": { "required": [name] } } }] });
        schema["allOf"] = names.iter().map(either).collect();
    }
    if let Some(credits) = operation.credits {
        schema["x-credits"] = credits.into();
    }
    schema
}

/// Keys that are the customer's own.
fn notes() -> Value {
    json!({ "^x-": { "description": "Ignored: for your own notes." } })
}

/// The schema of a field or option.
fn value(catalog: &Catalog, entry: &OptionEntry) -> Value {
    let mut schema = match &entry.kind {
        OptionKind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        OptionKind::IntegerOrWord { min, max, words } => {
            // Bounds say nothing of a text.
            let either = json!([{ "type": "integer" }, { "type": "string", "enum": words }]);
            json!({ "anyOf": either, "minimum": min, "maximum": max })
        }
        OptionKind::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        OptionKind::String { max_length } => json!({ "type": "string", "maxLength": max_length }),
        OptionKind::Boolean => json!({ "type": "boolean" }),
        OptionKind::OneOf { values } => json!({ "type": "string", "enum": values }),
        OptionKind::OneOfIntegers { values } => json!({ "type": "integer", "enum": values }),
        OptionKind::Color => json!({ "type": "string", "pattern": "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$" }),
        OptionKind::Format => {
            let names: Vec<&str> = catalog.formats.iter().map(|format| format.name.as_str()).collect();
            let alias =
                json!({ "type": "string", "pattern": "^\\.?[0-9A-Za-z]{1,16}$", "description": "An alias (`jpeg`, `.PNG`)." });
            json!({ "anyOf": [{ "type": "string", "enum": names }, alias] })
        }
        OptionKind::Pages => json!({
            "type": "string", "maxLength": MAX_PAGES, "pattern": "^\\s*([Aa][Ll][Ll]|[0-9, -]*[0-9][0-9, -]*)\\s*$", "examples": ["1-5", "1,3,5", "all"],
        }),
        OptionKind::Task => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$" }),
        OptionKind::StringMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        OptionKind::Headers => {
            json!({ "type": "object", "maxProperties": MAX_HEADERS.0, "additionalProperties": { "type": "string" }, "writeOnly": true })
        }
        OptionKind::Secret { max_length } => json!({ "type": "string", "maxLength": max_length, "writeOnly": true }),
        OptionKind::Base64 { max_bytes } => {
            json!({ "type": "string", "contentEncoding": "base64", "minLength": 1, "x-max-decoded-bytes": max_bytes })
        }
        OptionKind::Url => {
            json!({ "type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "maxLength": MAX_URL })
        }
    };
    schema["description"] = entry.help.as_str().into();
    if !entry.default.is_null() {
        schema["default"] = entry.default.clone();
    }
    schema
}
