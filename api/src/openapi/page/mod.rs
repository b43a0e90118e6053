//! The reference for people: one page, made at start from the guide and the OpenAPI document. It needs nothing from outside:
//! style and script are in it, and its policy forbids everything else.

mod endpoints;
mod guide;
mod html;
mod samples;
mod schema;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::About;
use html::escape;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
const FRAME: &str = include_str!("frame.html");

/// The policy of the page: its own style and script, by their hashes, and nothing else.
pub(crate) fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// The page of `document`.
pub(crate) fn render(document: &Value, about: &About<'_>) -> String {
    let chapters = guide::chapters(document, about);
    let reference = endpoints::chapters(document, about.public_url);
    let mut menu = String::from("<h2>Guide</h2><ul>");
    for chapter in &chapters {
        menu.push_str(&format!("<li><a href=\"#{}\">{}</a></li>", chapter.id, escape(&chapter.title)));
    }
    menu.push_str("</ul><h2>Reference</h2>");
    for chapter in &reference {
        menu.push_str(&format!("<h3><a href=\"#{}\">{}</a></h3><ul>", chapter.id, escape(&chapter.title)));
        for (id, method, title) in &chapter.endpoints {
            menu.push_str(&format!(
                "<li><a href=\"#{id}\"><span class=\"verb {}\">{method}</span>{}</a></li>",
                method.to_ascii_lowercase(),
                escape(title)
            ));
        }
        menu.push_str("</ul>");
    }
    let mut main = String::new();
    for chapter in &chapters {
        main.push_str(&format!("<section id=\"{}\">{}</section>", chapter.id, chapter.body));
    }
    for chapter in &reference {
        main.push_str(&chapter.body);
    }
    // The style and the script come last: nothing is put into them.
    let page = FRAME.replace("{{version}}", env!("CARGO_PKG_VERSION"));
    let page = page.replace("{{menu}}", &menu).replace("{{main}}", &main);
    page.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
}
