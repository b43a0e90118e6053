//! One request in curl, JavaScript and Python.

use serde_json::Value;

use super::html::escape;

/// A request to show.
pub(super) struct Sample<'a> {
    /// Method.
    pub(super) method: &'a str,
    /// URL with example values in it.
    pub(super) url: String,
    /// Whether it carries an API key.
    pub(super) key: bool,
    /// JSON body.
    pub(super) body: Option<&'a Value>,
    /// Whether raw bytes are sent.
    pub(super) bytes: bool,
}

/// The request in every language, as tabs.
pub(super) fn tabs(sample: &Sample<'_>) -> String {
    let languages = [("curl", curl(sample)), ("JavaScript", javascript(sample)), ("Python", python(sample))];
    let mut html = String::from("<div class=\"tabs\">");
    for (language, text) in languages {
        html.push_str(&format!("<pre data-lang=\"{language}\"><code>{}</code></pre>", escape(&text)));
    }
    html + "</div>"
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn curl(sample: &Sample<'_>) -> String {
    let mut lines = Vec::new();
    match sample.method {
        "GET" => lines.push(format!("curl \"{}\"", sample.url)),
        method => lines.push(format!("curl -X {method} \"{}\"", sample.url)),
    }
    if sample.key {
        lines.push("  -H \"Authorization: Bearer $CONVERTFLY_API_KEY\"".to_owned());
    }
    if let Some(body) = sample.body {
        lines.push("  -H \"Content-Type: application/json\"".to_owned());
        lines.push(format!("  -d '{}'", pretty(body).replace('\'', "'\\''")));
    }
    if sample.bytes {
        lines.push("  --data-binary @photo.jpg".to_owned());
    }
    lines.join(" \\\n")
}

fn javascript(sample: &Sample<'_>) -> String {
    let mut options = Vec::new();
    if sample.method != "GET" {
        options.push(format!("  method: \"{}\",", sample.method));
    }
    let mut headers = Vec::new();
    if sample.key {
        headers.push("    \"Authorization\": `Bearer ${process.env.CONVERTFLY_API_KEY}`,");
    }
    if sample.body.is_some() {
        headers.push("    \"Content-Type\": \"application/json\",");
    }
    if !headers.is_empty() {
        options.push(format!("  headers: {{\n{}\n  }},", headers.join("\n")));
    }
    if let Some(body) = sample.body {
        options.push(format!("  body: JSON.stringify({}),", pretty(body).replace('\n', "\n  ")));
    }
    if sample.bytes {
        options.push("  body: await openAsBlob(\"photo.jpg\"),".to_owned());
    }
    let import = if sample.bytes { "import { openAsBlob } from \"node:fs\";\n\n" } else { "" };
    let arguments = if options.is_empty() { String::new() } else { format!(", {{\n{}\n}}", options.join("\n")) };
    format!("{import}const res = await fetch(\"{}\"{arguments});", sample.url)
}

/// JSON as Python writes it.
fn literal(value: &Value) -> String {
    // Only the three words differ, and in our examples they are never part of a text.
    pretty(value).replace(": true", ": True").replace(": false", ": False").replace(": null", ": None")
}

fn python(sample: &Sample<'_>) -> String {
    let mut arguments = vec![format!("    \"{}\",", sample.url)];
    if sample.key {
        arguments.push("    headers={\"Authorization\": f\"Bearer {os.environ['CONVERTFLY_API_KEY']}\"},".to_owned());
    }
    if let Some(body) = sample.body {
        arguments.push(format!("    json={},", literal(body).replace('\n', "\n    ")));
    }
    if sample.bytes {
        arguments.push("    data=open(\"photo.jpg\", \"rb\"),".to_owned());
    }
    let import = if sample.key { "import os\nimport requests" } else { "import requests" };
    format!("{import}\n\nresp = requests.{}(\n{}\n)", sample.method.to_ascii_lowercase(), arguments.join("\n"))
}
