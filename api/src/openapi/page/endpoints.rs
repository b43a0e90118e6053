//! The endpoints, chapter by chapter.

use serde_json::Value;

use super::html::{escape, inline, json};
use super::samples::{Sample, tabs};
use super::schema::Schemas;

/// A chapter of the reference.
pub(super) struct Chapter {
    /// Fragment of its address.
    pub(super) id: String,
    /// Title.
    pub(super) title: String,
    /// Its endpoints: fragment, method, title.
    pub(super) endpoints: Vec<(String, String, String)>,
    /// HTML.
    pub(super) body: String,
}

/// Every tag of the document with its operations.
pub(super) fn chapters(document: &Value, base: &str) -> Vec<Chapter> {
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter().map(|tag| chapter(document, tag, base)).collect()
}

fn chapter(document: &Value, tag: &Value, base: &str) -> Chapter {
    let title = text(tag, "name").to_owned();
    let id = format!("ref-{}", title.to_ascii_lowercase().replace(' ', "-"));
    let mut body = format!(
        "<section id=\"{id}\" class=\"chapter\"><h2>{}</h2><p>{}</p></section>",
        escape(&title),
        inline(text(tag, "description"))
    );
    let mut endpoints = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            if operation["tags"][0].as_str() == Some(&title) {
                let method = method.to_ascii_uppercase();
                body.push_str(&endpoint(document, path, &method, operation, base));
                endpoints.push((text(operation, "operationId").to_owned(), method, text(operation, "summary").to_owned()));
            }
        }
    }
    Chapter { id, title, endpoints, body }
}

fn endpoint(document: &Value, path: &str, method: &str, operation: &Value, base: &str) -> String {
    let schemas = Schemas(document);
    let mut left = format!(
        "<h3>{}</h3><p class=\"path\"><span class=\"verb {}\">{method}</span><code>{}</code></p>",
        escape(text(operation, "summary")),
        method.to_ascii_lowercase(),
        escape(path).replace('{', "<var>{").replace('}', "}</var>")
    );
    left.push_str(
        &text(operation, "description").split("\n\n").map(|text| format!("<p>{}</p>", inline(text))).collect::<String>(),
    );
    left.push_str(&permission(operation));
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let parameters: Vec<&Value> = parameters.iter().map(|parameter| schemas.resolve(parameter)).collect();
    for (place, title) in [("path", "Path"), ("query", "Query"), ("header", "Headers")] {
        let here: Vec<&Value> = parameters.iter().copied().filter(|parameter| parameter["in"] == place).collect();
        if !here.is_empty() {
            left.push_str(&format!("<h4>{title}</h4><dl class=\"members\">"));
            left.push_str(&here.into_iter().map(|parameter| row(schemas, parameter)).collect::<String>());
            left.push_str("</dl>");
        }
    }
    let media = &operation["requestBody"]["content"]["application/json"];
    if let Some(schema) = media.get("schema") {
        left.push_str(&format!("<h4>Body</h4>{}", schemas.members(schema)));
    }
    left.push_str(&answers(schemas, operation));
    let sample = Sample {
        method,
        url: format!("{base}{}", filled(path)),
        key: operation["security"].as_array().is_some_and(|security| !security.is_empty()),
        body: media.get("example"),
        bytes: operation["requestBody"]["content"].get("*/*").is_some(),
    };
    let mut right = tabs(&sample);
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if let Some(example) = answer["content"]["application/json"].get("example") {
            right.push_str(&format!("<pre data-lang=\"{status}\" class=\"answer\"><code>{}</code></pre>", json(example)));
        }
    }
    format!(
        "<section id=\"{}\" class=\"endpoint\"><div>{left}</div><div class=\"code\">{right}</div></section>",
        escape(text(operation, "operationId"))
    )
}

fn permission(operation: &Value) -> String {
    let keyless = operation["security"].as_array().is_none_or(Vec::is_empty);
    match operation["x-required-scope"].as_str() {
        Some("*") => "<p class=\"scope\">Needs a key with full access (<code>*</code>).</p>".to_owned(),
        Some(scope) => format!("<p class=\"scope\">Needs the scope <code>{}</code>.</p>", escape(scope)),
        None if keyless => "<p class=\"scope\">No API key.</p>".to_owned(),
        None => "<p class=\"scope\">Any API key.</p>".to_owned(),
    }
}

fn row(schemas: Schemas<'_>, parameter: &Value) -> String {
    let mut schema = parameter["schema"].clone();
    schema["description"] = parameter["description"].clone();
    schemas.row(text(parameter, "name"), &schema, parameter["required"] == true, 0)
}

/// Errors that any request may meet; the guide explains them once.
const COMMON: [&str; 8] = ["401", "403", "405", "408", "413", "429", "500", "503"];

fn answers(schemas: Schemas<'_>, operation: &Value) -> String {
    let mut html = String::from("<h4>Answers</h4><dl class=\"answers\">");
    let mut common = Vec::new();
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if COMMON.contains(&status.as_str()) && answer.get("$ref").is_some() {
            common.push(status.as_str());
            continue;
        }
        let target = answer["$ref"].as_str().and_then(|target| schemas.0.pointer(target.trim_start_matches('#')));
        let answer = target.unwrap_or(answer);
        let class = if status.starts_with('4') || status.starts_with('5') { "bad" } else { "good" };
        html.push_str(&format!("<dt class=\"{class}\">{status}</dt><dd>{}", inline(text(answer, "description"))));
        if class == "good" {
            let schema = &answer["content"]["application/json"]["schema"];
            let data = schema["properties"].get("data").unwrap_or(schema);
            let data = data.get("items").unwrap_or(data);
            let rows = schemas.members(data);
            if !rows.is_empty() {
                html.push_str(&format!("<details><summary>Members</summary>{rows}</details>"));
            }
        }
        html.push_str("</dd>");
    }
    html.push_str("</dl>");
    if !common.is_empty() {
        html.push_str(&format!(
            "<p class=\"scope\">As any request: {}, see <a href=\"#errors\">Errors</a>.</p>",
            common.join(", ")
        ));
    }
    html
}

/// A path with examples in its placeholders.
fn filled(path: &str) -> String {
    let examples = [
        ("{job}", "job_7kX9mP2qR"),
        ("{task}", "convert"),
        ("{token}", "abc123"),
        ("{file}", "file_Xk9mPm3n"),
        ("{delivery}", "dlv_0f3c9a"),
        ("{webhook}", "wh_Abc123"),
        ("{key}", "key_Xk9m"),
    ];
    examples.iter().fold(path.to_owned(), |path, (name, example)| path.replace(name, example))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
