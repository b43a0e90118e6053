//! A drawing in fewer characters: the same elements, shapes and text.
//!
//! What goes are remarks, notes of editors, white space between elements, and characters of numbers that say nothing. No number is
//! rounded, no element merged with another, no name changed: scripts and styles of the page that shows it find what they look for.

use std::collections::HashSet;

use ::xmlparser::{ElementEnd, Token, Tokenizer};

use super::{TITLE, values};
use crate::failure::Failure;
use crate::formats::support::damaged;

/// Namespaces of what editors note for themselves: no reader draws anything of them.
const EDITORS: [&str; 10] = [
    "inkscape.org/namespaces",
    "sodipodi.sourceforge.net",
    "ns.adobe.com/",
    "bohemiancoding.com/sketch",
    "www.serif.com",
    "vectornator.io",
    "krita.org/namespaces",
    "purl.org/dc",
    "creativecommons.org/ns",
    "www.w3.org/1999/02/22-rdf-syntax-ns",
];

/// Elements whose text is shown or read, spaces included.
const TEXTUAL: [&str; 10] =
    ["text", "tspan", "textPath", "tref", "title", "desc", "style", "script", "foreignObject", "flowRoot"];

/// Elements that are not written in the short form when they are empty: readers of HTML take that for an open one.
const LONG: [&str; 4] = ["script", "style", "a", "title"];

/// The drawing without what does not show; with `keep`, notes and remarks stay.
///
/// # Errors
/// [`Failure::Invalid`] where the text is no XML.
pub(super) fn minified(text: &str, keep: bool) -> Result<String, Failure> {
    let editors = if keep { HashSet::new() } else { editors(text)? };
    let all = Writer { keep, editors: &editors, unused: &HashSet::new(), ..Writer::new() }.write(text)?;
    // Declarations of names that are gone now; a prefix that is used anywhere, be it in a text, stays.
    let unused: HashSet<&str> = editors.iter().copied().filter(|prefix| !all.contains(&format!("{prefix}:"))).collect();
    if unused.is_empty() {
        return Ok(all);
    }
    Writer { keep, editors: &HashSet::new(), unused: &unused, ..Writer::new() }.write(&all)
}

fn tokens(text: &str) -> impl Iterator<Item = Result<Token<'_>, Failure>> {
    Tokenizer::from(text).map(|token| token.map_err(|error| damaged(TITLE, error)))
}

/// The prefixes that stand for nothing but editors' namespaces.
fn editors(text: &str) -> Result<HashSet<&str>, Failure> {
    let (mut editors, mut others) = (HashSet::new(), HashSet::new());
    for token in tokens(text) {
        if let Token::Attribute { prefix, local, value, .. } = token?
            && prefix.as_str() == "xmlns"
        {
            let is_editor = EDITORS.iter().any(|name| value.as_str().contains(name));
            (if is_editor { &mut editors } else { &mut others }).insert(local.as_str());
        }
    }
    Ok(editors.difference(&others).copied().collect())
}

/// An element that is open.
struct Open<'a> {
    name: (&'a str, &'a str),
    /// Whether white space counts in it.
    textual: bool,
    /// How much was written when it had been opened.
    length: usize,
}

struct Writer<'a> {
    keep: bool,
    editors: &'a HashSet<&'a str>,
    unused: &'a HashSet<&'a str>,
    out: String,
    open: Vec<Open<'a>>,
    /// How many elements are open within one that is left out, itself included.
    left_out: usize,
}

impl<'a> Writer<'a> {
    fn new() -> Self {
        static NONE: std::sync::LazyLock<HashSet<&str>> = std::sync::LazyLock::new(HashSet::new);
        Self { keep: false, editors: &NONE, unused: &NONE, out: String::new(), open: Vec::new(), left_out: 0 }
    }

    fn write(mut self, text: &'a str) -> Result<String, Failure> {
        for token in tokens(text) {
            let token = token?;
            if self.left_out > 0 {
                self.skip(&token);
            } else {
                self.token(&token);
            }
        }
        if !self.open.is_empty() || self.left_out > 0 {
            return Err(damaged(TITLE, "an element is not closed"));
        }
        Ok(self.out)
    }

    fn skip(&mut self, token: &Token<'a>) {
        match token {
            Token::ElementStart { .. } => self.left_out += 1,
            Token::ElementEnd { end: ElementEnd::Empty | ElementEnd::Close(..), .. } => self.left_out -= 1,
            _ => {}
        }
    }

    fn token(&mut self, token: &Token<'a>) {
        let textual = self.open.last().is_some_and(|open| open.textual);
        match *token {
            Token::Declaration { .. } => {}
            Token::Comment { span, .. } if self.keep => self.out.push_str(span.as_str()),
            Token::Comment { .. } => {}
            // The type of the document says nothing; what it declares inside does.
            Token::EmptyDtd { .. } => {}
            Token::ProcessingInstruction { target, span, .. } => {
                if self.keep || target.as_str() == "xml-stylesheet" {
                    self.out.push_str(span.as_str());
                }
            }
            Token::DtdStart { span, .. } | Token::EntityDeclaration { span, .. } | Token::DtdEnd { span } => {
                self.out.push_str(span.as_str());
            }
            Token::Cdata { span, .. } => self.out.push_str(span.as_str()),
            Token::Text { text } => {
                let blank = text.as_str().bytes().all(|byte| byte.is_ascii_whitespace());
                if textual || !blank {
                    self.out.push_str(text.as_str());
                }
            }
            Token::ElementStart { prefix, local, .. } => {
                let name = (prefix.as_str(), local.as_str());
                if self.editors.contains(name.0) || (name.1 == "metadata" && !self.keep && !textual) {
                    self.left_out = 1;
                    return;
                }
                self.out.push('<');
                self.name(name);
                let textual = textual || TEXTUAL.contains(&name.1);
                self.open.push(Open { name, textual, length: 0 });
            }
            Token::Attribute { prefix, local, value, .. } => self.attribute(prefix.as_str(), local.as_str(), value.as_str()),
            Token::ElementEnd { end: ElementEnd::Open, .. } => {
                self.out.push('>');
                if let Some(open) = self.open.last_mut() {
                    open.length = self.out.len();
                }
            }
            Token::ElementEnd { end: ElementEnd::Empty, .. } => {
                self.out.push_str("/>");
                self.open.pop();
            }
            Token::ElementEnd { end: ElementEnd::Close(prefix, local), .. } => {
                let open = self.open.pop();
                let in_html = self.open.iter().any(|open| open.name.1 == "foreignObject");
                if open.is_some_and(|open| open.length == self.out.len()) && !LONG.contains(&local.as_str()) && !in_html {
                    self.out.pop();
                    self.out.push_str("/>");
                    return;
                }
                self.out.push_str("</");
                self.name((prefix.as_str(), local.as_str()));
                self.out.push('>');
            }
        }
    }

    fn name(&mut self, (prefix, local): (&str, &str)) {
        if !prefix.is_empty() {
            self.out.push_str(prefix);
            self.out.push(':');
        }
        self.out.push_str(local);
    }

    fn attribute(&mut self, prefix: &str, local: &str, value: &str) {
        let undeclared = prefix == "xmlns" && self.unused.contains(local);
        if undeclared || (self.editors.contains(prefix) && prefix != "xmlns") {
            return;
        }
        let short = if prefix.is_empty() { values::shortened(local, value) } else { None };
        let value = short.as_deref().unwrap_or(value);
        let quote = if value.contains('"') { '\'' } else { '"' };
        self.out.push(' ');
        self.name((prefix, local));
        self.out.push('=');
        self.out.push(quote);
        self.out.push_str(value);
        self.out.push(quote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_show_goes() {
        let text = r##"<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape"
     xmlns:xlink="http://www.w3.org/1999/xlink" width="20" height="10" inkscape:version="1.0">
  <metadata><rdf>who and where</rdf></metadata>
  <inkscape:grid id="g"><inkscape:line/></inkscape:grid>
  <g id="a" inkscape:label="Layer 1">
    <path d="M 0.50,0.0 L +10.0 -5 z" fill="#ff0000"  />
    <g></g>
  </g>
  <text x="1">a <tspan> b </tspan>
  </text>
  <style> .a { fill: red } </style>
</svg>
"##;
        let wanted = concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="20" height="10">"#,
            r##"<g id="a"><path d="M.5 0 10-5z" fill="#f00"/><g/></g>"##,
            "<text x=\"1\">a <tspan> b </tspan>\n  </text><style> .a { fill: red } </style></svg>",
        );
        assert_eq!(minified(text, false).as_deref(), Ok(wanted), "all of it");
        let kept = minified(text, true).expect("it is XML");
        for part in ["made by hand", "who and where", "inkscape:grid", "inkscape:label"] {
            assert!(kept.contains(part), "{part} is kept on request");
        }
    }

    #[test]
    fn entities_quotes_and_cdata_stay_as_they_are() {
        for text in [
            r##"<!DOCTYPE svg [<!ENTITY c "#123456">]><svg xmlns="http://www.w3.org/2000/svg"><rect fill="&c;"/>&c;</svg>"##,
            r#"<svg><style><![CDATA[ a > b { } ]]></style><a t='say "it"' u="don't">x</a><script></script></svg>"#,
            r#"<?xml-stylesheet href="a.css"?><svg><foreignObject><p> a </p> <b></b></foreignObject></svg>"#,
        ] {
            assert_eq!(minified(text, false).as_deref(), Ok(text), "nothing to take away");
        }
        assert!(minified("<svg><g", false).is_err(), "cut off");
    }

    #[test]
    fn a_prefix_that_is_used_in_a_value_stays_declared() {
        let text = concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/">"#,
            r#"<animate attributeName="dc:title"/></svg>"#,
        );
        assert_eq!(minified(text, false).as_deref(), Ok(text), "a script may look for it");
    }
}
