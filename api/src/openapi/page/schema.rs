//! A schema as a list of its members.

use serde_json::{Map, Value};

use super::html::{escape, inline};

/// Deepest nesting that is unfolded.
const DEPTH: usize = 5;

/// Renders schemas of one document.
#[derive(Clone, Copy)]
pub(super) struct Schemas<'a>(pub(super) &'a Value);

impl<'d> Schemas<'d> {
    /// The schema itself, behind any reference.
    pub(super) fn resolve<'a>(self, schema: &'a Value) -> &'a Value
    where
        'd: 'a,
    {
        let target = schema.get("$ref").and_then(Value::as_str);
        target.and_then(|target| self.0.pointer(target.trim_start_matches('#'))).unwrap_or(schema)
    }

    /// The members of an object.
    pub(super) fn members(self, schema: &Value) -> String {
        self.rows(schema, 0)
    }

    fn rows(self, schema: &Value, depth: usize) -> String {
        let schema = self.resolve(schema);
        if let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) {
            return alternatives.iter().map(|schema| self.alternative(schema, depth)).collect();
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return String::new() };
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let shown = properties.iter().filter(|(_, schema)| schema.get("x-also-in").is_none());
        let rows: String = shown.map(|(name, schema)| self.row(name, schema, required.contains(&name.as_str()), depth)).collect();
        format!("<dl class=\"members\">{rows}</dl>")
    }

    fn alternative(self, schema: &Value, depth: usize) -> String {
        let schema = self.resolve(schema);
        let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
        format!(
            "<details><summary><code>{}</code> {}</summary>{}</details>",
            escape(text("title")),
            inline(text("description")),
            self.rows(schema, depth + 1)
        )
    }

    /// One member.
    pub(super) fn row(self, name: &str, given: &Value, required: bool, depth: usize) -> String {
        let schema = self.resolve(given);
        let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let required = if required { "<em>required</em>" } else { "" };
        let mut html = format!(
            "<dt><code>{}</code> <span class=\"kind\">{}</span> {required}</dt><dd>{}{}",
            escape(name),
            escape(&self.kind(schema)),
            inline(text),
            bounds(schema)
        );
        if let Some(inner) = self.inner(schema).filter(|_| depth < DEPTH) {
            let rows = self.rows(inner, depth + 1);
            if !rows.is_empty() {
                html.push_str(&format!("<details><summary>Members</summary>{rows}</details>"));
            }
        }
        html + "</dd>"
    }

    /// What lies inside: a member list, an array's items, a map's values.
    fn inner<'a>(self, schema: &'a Value) -> Option<&'a Value>
    where
        'd: 'a,
    {
        if schema.get("properties").or(schema.get("oneOf")).is_some() {
            return Some(schema);
        }
        let inside = schema.get("items").or(schema.get("additionalProperties")).filter(|inside| inside.is_object())?;
        self.inner(self.resolve(inside))
    }

    /// The type in a word or two.
    fn kind(self, schema: &Value) -> String {
        let schema = self.resolve(schema);
        if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
            let mut kinds: Vec<String> = any.iter().map(|schema| self.kind(schema)).collect();
            kinds.dedup();
            return kinds.join(" or ");
        }
        match schema.get("type") {
            Some(Value::String(word)) if word == "array" => {
                schema.get("items").map_or_else(|| "array".to_owned(), |items| format!("{}[]", self.kind(items)))
            }
            Some(Value::String(word)) if word == "object" && schema.get("additionalProperties").is_some_and(Value::is_object) => {
                "map".to_owned()
            }
            Some(Value::String(word)) => word.clone(),
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            _ if schema.get("oneOf").is_some() => "object".to_owned(),
            _ => "any".to_owned(),
        }
    }
}

/// Range, words and default of a value.
fn bounds(schema: &Value) -> String {
    let Value::Object(schema) = schema else { return String::new() };
    let mut notes = Vec::new();
    match (number(schema, "minimum"), number(schema, "maximum")) {
        // A bound of ten digits is there for programs.
        (Some(low), Some(high)) if high.len() > 9 => notes.push(format!("{low} or more")),
        (Some(low), Some(high)) => notes.push(format!("{low} to {high}")),
        _ => {}
    }
    let words =
        schema.get("enum").or_else(|| schema.get("anyOf").and_then(|any| any.get(0)?.get("enum"))).and_then(Value::as_array);
    if let Some(words) = words.filter(|words| words.len() <= 24) {
        let words: Vec<String> =
            words.iter().filter_map(Value::as_str).map(|word| format!("<code>{}</code>", escape(word))).collect();
        notes.push(format!("one of {}", words.join(", ")));
    }
    if let Some(default) = schema.get("default") {
        notes.push(format!(
            "default <code>{}</code>",
            escape(&default.as_str().map_or_else(|| default.to_string(), str::to_owned))
        ));
    }
    if notes.is_empty() { String::new() } else { format!("<p class=\"bounds\">{}</p>", notes.join(" · ")) }
}

fn number(schema: &Map<String, Value>, key: &str) -> Option<String> {
    schema.get(key).filter(|value| value.is_number()).map(Value::to_string)
}
