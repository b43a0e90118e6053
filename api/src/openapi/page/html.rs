//! Text and JSON as HTML.

use serde_json::Value;

/// Text as HTML text or attribute value.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// A line of the document's text: code between backticks, the rest as it is.
pub(super) fn inline(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            html.push_str(&format!("<code>{}</code>", escape(part)));
        } else {
            html.push_str(&escape(part));
        }
    }
    html
}

/// Indented JSON with its parts marked for colour.
pub(super) fn json(value: &Value) -> String {
    let mut html = String::new();
    write(value, 0, &mut html);
    html
}

fn write(value: &Value, depth: usize, html: &mut String) {
    let line = |depth: usize| format!("\n{}", "  ".repeat(depth));
    match value {
        Value::Object(map) if map.is_empty() => html.push_str("{}"),
        Value::Array(list) if list.is_empty() => html.push_str("[]"),
        Value::Object(map) => {
            html.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                html.push_str(if index > 0 { "," } else { "" });
                html.push_str(&format!("{}<b>{}</b>: ", line(depth + 1), escape(&Value::from(key.as_str()).to_string())));
                write(value, depth + 1, html);
            }
            html.push_str(&line(depth));
            html.push('}');
        }
        Value::Array(list) if list.iter().all(|value| !value.is_object() && !value.is_array()) => {
            html.push('[');
            for (index, value) in list.iter().enumerate() {
                html.push_str(if index > 0 { ", " } else { "" });
                write(value, depth, html);
            }
            html.push(']');
        }
        Value::Array(list) => {
            html.push('[');
            for (index, value) in list.iter().enumerate() {
                html.push_str(if index > 0 { "," } else { "" });
                html.push_str(&line(depth + 1));
                write(value, depth + 1, html);
            }
            html.push_str(&line(depth));
            html.push(']');
        }
        Value::String(_) => html.push_str(&format!("<i>{}</i>", escape(&value.to_string()))),
        other => html.push_str(&format!("<u>{other}</u>")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_of_a_text_becomes_markup() {
        assert_eq!(escape("<a href='x'>\"&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/a&gt;", "all five");
        assert_eq!(inline("a `<b>` c"), "a <code>&lt;b&gt;</code> c", "code");
        assert_eq!(json(&json!({ "<k>": "<v>" })), "{\n  <b>&quot;&lt;k&gt;&quot;</b>: <i>&quot;&lt;v&gt;&quot;</i>\n}", "JSON");
    }
}
