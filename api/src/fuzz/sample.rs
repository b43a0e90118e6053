//! Valid requests, made from the document: a job's pipeline, any other body, parameters.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Makes values that fit the schemas of one document.
#[derive(Clone, Copy)]
pub(super) struct Sampler<'a>(pub(super) &'a Value);

impl Sampler<'_> {
    /// A value that fits `schema`, as far as a schema can say.
    pub(super) fn value(self, schema: &Value, rng: &mut Rng) -> Value {
        let schema = match schema["$ref"].as_str() {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).expect("a schema"),
            None => schema,
        };
        if schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == "tasks")) {
            return self.job(rng);
        }
        for choice in ["oneOf", "anyOf", "enum", "examples"] {
            if let Some(choices) = schema[choice].as_array().filter(|choices| !choices.is_empty()) {
                let chosen = &choices[rng.usize(..choices.len())];
                return if choice.ends_with("Of") { self.value(chosen, rng) } else { chosen.clone() };
            }
        }
        if let Some(value) = schema.get("const").or(schema.get("example")) {
            return value.clone();
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds[rng.usize(..kinds.len())].clone(),
            kind => kind.clone(),
        };
        match kinds.as_str() {
            Some("integer") => self.integer(schema, rng),
            Some("number") => json!(rng.f64()),
            Some("boolean") => json!(rng.bool()),
            Some("null") => Value::Null,
            Some("array") => {
                let least = schema["minItems"].as_u64().unwrap_or(0);
                (0..least.max(rng.u64(0..3))).map(|_| self.value(&schema["items"], rng)).collect()
            }
            Some("object") => self.object(schema, rng),
            _ => text(schema, rng),
        }
    }

    fn integer(self, schema: &Value, rng: &mut Rng) -> Value {
        let low = schema["minimum"].as_i64().unwrap_or(0);
        let high = schema["maximum"].as_i64().unwrap_or(low.saturating_add(1_000)).max(low);
        json!([low, high, rng.i64(low..=high), rng.i64(low..=low.saturating_add(20).min(high))][rng.usize(..4)])
    }

    fn object(self, schema: &Value, rng: &mut Rng) -> Value {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let optional = schema.get("x-also-in").is_none() && rng.u8(..3) == 0;
            if optional || required.iter().any(|wanted| wanted == name) {
                object.insert(name.clone(), self.value(schema, rng));
            }
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            for name in ["Accept", "X-Token"].iter().take(rng.usize(..3)) {
                object.insert((*name).to_owned(), self.value(values, rng));
            }
        }
        Value::Object(object)
    }

    /// A pipeline: one or two imports, some operations on what is there already, mostly an export.
    fn job(self, rng: &mut Rng) -> Value {
        let schemas = &self.0["components"]["schemas"];
        let all = schemas["TaskDefinition"]["oneOf"].as_array().expect("operations");
        let (mut imports, mut others) = (Vec::new(), Vec::new());
        for reference in all {
            let schema =
                self.0.pointer(reference["$ref"].as_str().expect("a reference").trim_start_matches('#')).expect("a schema");
            let takes_input = schema["properties"].get("input").is_some();
            if takes_input { others.push(schema) } else { imports.push(schema) }
        }
        let mut tasks = Map::new();
        for index in 0..rng.usize(1..4) {
            tasks.insert(format!("in{index}"), self.value(imports[rng.usize(..imports.len())], rng));
        }
        for index in 0..rng.usize(0..5) {
            let mut task = self.value(others[rng.usize(..others.len())], rng);
            let names: Vec<&String> = tasks.keys().collect();
            task["input"] = json!(names[rng.usize(..names.len())]);
            tasks.insert(format!("t{index}"), task);
        }
        let mut job = json!({ "tasks": tasks });
        if rng.u8(..3) == 0 {
            let tags = ["batch-2026-04", "ü", ""];
            job["tag"] = json!(tags[rng.usize(..3)]);
        }
        let envelope = schemas["JobRequest"]["properties"].as_object().expect("properties");
        for (name, schema) in envelope.iter().filter(|(name, _)| !["tasks", "tag"].contains(&name.as_str())) {
            if rng.u8(..8) == 0 {
                job[name] = self.value(schema, rng);
            }
        }
        job
    }
}

fn text(schema: &Value, rng: &mut Rng) -> Value {
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    if schema["contentEncoding"] == "base64" {
        return json!(["aGVsbG8=", "iVBORw0KGgo=", "/9j/4AAQSkZJRg=="][rng.usize(..3)]);
    }
    if schema["format"] == "uri" || pattern.contains("[Hh][Tt]") {
        return json!(["https://example.com/a.jpg", "https://example.com/b.png?x=1", "https://example.com/file"][rng.usize(..3)]);
    }
    if pattern.starts_with("^#") {
        return json!(["#fff", "#a1b2c3", "#00000080"][rng.usize(..3)]);
    }
    if pattern.contains("16}") {
        return json!(["jpeg", ".PNG", "tif", "webp"][rng.usize(..4)]);
    }
    if pattern.starts_with("^[!-~]") {
        // Mostly new ones: a key that comes again is answered as before.
        return json!(format!("k-{}", if rng.u8(..6) == 0 { rng.u32(..9) } else { rng.u32(..) }));
    }
    json!(["a", "photo.jpg", "x-1", "ünï.png", "all", "1-3"][rng.usize(..6)])
}
