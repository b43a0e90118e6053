//! The guide: chapters written by hand, with tables from the catalogue, the codes and the limits put in.

use convertfly_scheduler::catalog::{OperationEntry, OptionEntry, OptionKind};
use serde_json::Value;

use super::super::About;
use super::html::{escape, inline};
use crate::error::Code;

/// A chapter of the guide.
pub(super) struct Chapter {
    /// Fragment of its address.
    pub(super) id: &'static str,
    /// Title.
    pub(super) title: String,
    /// HTML.
    pub(super) body: String,
}

/// The chapters in order. The title is the text of the chapter's first heading.
const CHAPTERS: [(&str, &str); 12] = [
    ("introduction", include_str!("guide/introduction.html")),
    ("quick-start", include_str!("guide/quick_start.html")),
    ("authentication", include_str!("guide/authentication.html")),
    ("jobs", include_str!("guide/jobs.html")),
    ("files", include_str!("guide/files.html")),
    ("operations", include_str!("guide/operations.html")),
    ("formats", include_str!("guide/formats.html")),
    ("webhooks", include_str!("guide/webhooks.html")),
    ("rate-limits", include_str!("guide/rate_limits.html")),
    ("retries", include_str!("guide/retries.html")),
    ("errors", include_str!("guide/errors.html")),
    ("credits", include_str!("guide/credits.html")),
];

/// Every chapter with its tables.
pub(super) fn chapters(document: &Value, about: &About<'_>) -> Vec<Chapter> {
    let parts = [
        ("{{base}}", escape(about.public_url)),
        ("{{formats}}", formats(about)),
        ("{{operations}}", operations(about)),
        ("{{options}}", options(about)),
        ("{{errors}}", errors()),
        ("{{limits}}", limits(document)),
        ("{{prices}}", prices(about)),
    ];
    let fill = |body: &str| parts.iter().fold(body.to_owned(), |body, (name, text)| body.replace(name, text));
    let title = |body: &str| {
        let (_, rest) = body.split_once("<h2>").unwrap_or_default();
        rest.split_once("</h2>").map_or_else(String::new, |(title, _)| title.to_owned())
    };
    CHAPTERS.iter().map(|&(id, body)| Chapter { id, title: title(body), body: fill(body) }).collect()
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let cells = |cells: &[String], tag: &str| cells.iter().map(|cell| format!("<{tag}>{cell}</{tag}>")).collect::<String>();
    let head: Vec<String> = head.iter().map(|&text| text.to_owned()).collect();
    let body: String = rows.map(|row| format!("<tr>{}</tr>", cells(&row, "td"))).collect();
    format!("<div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>{body}</tbody></table></div>", cells(&head, "th"))
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Formats by category, with what each converts to.
fn formats(about: &About<'_>) -> String {
    let row = |format: &convertfly_scheduler::catalog::FormatEntry| {
        let outputs: Vec<String> =
            about.catalog.pairs.iter().filter(|pair| pair.from == format.name).map(|pair| code(&pair.to)).collect();
        let mut names: Vec<&str> = format.aliases.iter().chain(&format.extensions).map(String::as_str).collect();
        names.retain(|name| *name != format.name);
        names.sort_unstable();
        names.dedup();
        vec![
            code(&format.name),
            escape(&format.category),
            names.into_iter().map(code).collect::<Vec<_>>().join(" "),
            if outputs.is_empty() { "output only".to_owned() } else { outputs.join(" ") },
        ]
    };
    table(&["Format", "Category", "Also known as", "Converts to"], about.catalog.formats.iter().map(row))
}

fn price(operation: &OperationEntry, about: &About<'_>) -> String {
    match operation.credits {
        Some(0) => "free".to_owned(),
        Some(credits) => credits.to_string(),
        None => {
            let prices = about.catalog.pairs.iter().map(|pair| pair.credits);
            match (prices.clone().min(), prices.max()) {
                (Some(low), Some(high)) if low != high => format!("{low}–{high}"),
                (Some(price), _) => price.to_string(),
                _ => String::new(),
            }
        }
    }
}

fn operations(about: &About<'_>) -> String {
    let row = |operation: &OperationEntry| vec![code(&operation.name), inline(&operation.description), price(operation, about)];
    table(&["Operation", "Description", "Credits"], about.catalog.operations.iter().map(row))
}

/// The fields and options of every operation that has any.
fn options(about: &About<'_>) -> String {
    let mut html = String::new();
    for operation in &about.catalog.operations {
        if operation.fields.is_empty() && operation.options.is_empty() {
            continue;
        }
        html.push_str(&format!("<h3 id=\"operation-{}\">{}</h3>", operation.name.replace('/', "-"), code(&operation.name)));
        let fields = operation.fields.iter().map(|entry| option(entry, "field"));
        let options = operation.options.iter().map(|entry| option(entry, "option"));
        html.push_str(&table(&["Name", "Value", "Description"], fields.chain(options)));
    }
    html
}

fn option(entry: &OptionEntry, place: &str) -> Vec<String> {
    let mut value = kind(&entry.kind);
    if !entry.default.is_null() {
        let default = entry.default.as_str().map_or_else(|| entry.default.to_string(), str::to_owned);
        value.push_str(&format!("<br>default {}", code(&default)));
    }
    let required = if entry.required { " <em>required</em>" } else { "" };
    vec![format!("{}<br><small>{place}{required}</small>", code(&entry.name)), value, inline(&entry.help)]
}

/// The type and range of an option, for people.
fn kind(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Integer { min, max } => format!("integer, {min} to {max}"),
        OptionKind::IntegerOrWord { min, max, words } => {
            let words = words.iter().map(|word| code(word)).collect::<Vec<_>>().join(" ");
            format!("integer, {min} to {max}, or {words}")
        }
        OptionKind::Number { min, max } => format!("number, {min} to {max}"),
        OptionKind::OneOf { values } => values.iter().map(|value| code(value)).collect::<Vec<_>>().join(" "),
        OptionKind::OneOfIntegers { values } => values.iter().map(|value| code(&value.to_string())).collect::<Vec<_>>().join(" "),
        OptionKind::Headers => "object of HTTP headers, never shown again".to_owned(),
        OptionKind::Secret { .. } => "secret string, never shown again".to_owned(),
        OptionKind::Boolean => "true or false".to_owned(),
        OptionKind::Color => format!("colour, {}", code("#rrggbb")),
        OptionKind::Format => "format".to_owned(),
        OptionKind::StringMap => "object of strings".to_owned(),
        OptionKind::Base64 { max_bytes } => format!("base64, up to {} decoded", bytes(*max_bytes)),
        OptionKind::Url => "URL".to_owned(),
        OptionKind::Pages => format!("pages: {} {} {}", code("1-5"), code("1,3,5"), code("all")),
        OptionKind::Task => "name of a task".to_owned(),
        OptionKind::String { .. } => "string".to_owned(),
    }
}

fn errors() -> String {
    let row = |code_: Code| vec![code(code_.name()), code_.status().as_u16().to_string(), inline(code_.meaning())];
    table(&["Code", "HTTP", "Description"], Code::all().map(row))
}

fn limits(document: &Value) -> String {
    let rows = document["x-limits"].as_object().into_iter().flatten();
    let row = |(name, limit): (&String, &Value)| {
        let value = limit["value"].as_u64().unwrap_or_default();
        let value = match name.rsplit('_').next() {
            Some("bytes") => bytes(value),
            Some("seconds") => format!("{value} s"),
            _ => value.to_string(),
        };
        vec![inline(limit["description"].as_str().unwrap_or_default()), value]
    };
    table(&["What", "At most"], rows.map(row))
}

/// A size in the largest unit that divides it.
fn bytes(size: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if size >= unit && size.is_multiple_of(unit) {
            return format!("{} {name}", size / unit);
        }
    }
    format!("{size} bytes")
}

/// What conversions cost, by the categories of source and target.
fn prices(about: &About<'_>) -> String {
    let category = |name: &str| about.catalog.format(name).map_or("", |format| &format.category);
    let mut classes: Vec<(String, u32, Vec<String>)> = Vec::new();
    for pair in &about.catalog.pairs {
        let name = match (category(&pair.from), category(&pair.to)) {
            (from, to) if from == to => from.to_owned(),
            (from, to) => format!("{from} to {to}"),
        };
        let example = format!("{} to {}", pair.from, pair.to);
        match classes.iter_mut().find(|(class, credits, _)| *class == name && *credits == pair.credits) {
            Some((.., examples)) if examples.len() < 3 && pair.from != pair.to => examples.push(example),
            Some(_) => {}
            None => classes.push((name, pair.credits, if pair.from == pair.to { Vec::new() } else { vec![example] })),
        }
    }
    let conversions = classes.into_iter().map(|(name, credits, examples)| {
        vec![format!("Conversion, {}", escape(&name)), credits.to_string(), escape(&examples.join(", "))]
    });
    let fixed = about.catalog.operations.iter().filter(|operation| operation.credits.is_some_and(|credits| credits > 0));
    let fixed = fixed.map(|operation| vec![code(&operation.name), price(operation, about), inline(&operation.description)]);
    let free = std::iter::once(vec!["Import and export".to_owned(), "free".to_owned(), String::new()]);
    table(&["Operation", "Credits", "Examples"], free.chain(conversions).chain(fixed))
}
