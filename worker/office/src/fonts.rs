//! Fonts that a document asks for and that are not here: what is drawn without them looks different, and lines may break elsewhere.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::archive::parts;

/// Lists the fonts of the machine; a part of fontconfig, which LibreOffice needs itself.
const LIST: &str = "/usr/bin/fc-list";

/// Families in whose place others of the same widths are taken, so that no line breaks elsewhere; and those of symbols, which LibreOffice has.
const TWINS: [&str; 14] = [
    "arial",
    "helvetica",
    "times",
    "times new roman",
    "courier",
    "courier new",
    "calibri",
    "cambria",
    "symbol",
    "wingdings",
    "wingdings 2",
    "wingdings 3",
    "webdings",
    "opensymbol",
];

/// Parts that name fonts, and what stands before a name there.
const NAMED: [(&str, &[&str]); 6] = [
    ("word/document.xml", &["w:ascii=\"", "w:hAnsi=\"", "w:cs=\"", "w:eastAsia=\""]),
    ("ppt/slides/slide1.xml", &["<a:latin typeface=\"", "<a:ea typeface=\"", "<a:cs typeface=\""]),
    ("ppt/theme/theme1.xml", &["<a:latin typeface=\""]),
    ("xl/styles.xml", &["<name val=\""]),
    ("content.xml", &["svg:font-family=\"", "fo:font-family=\""]),
    ("styles.xml", &["svg:font-family=\"", "fo:font-family=\""]),
];

/// Bytes of such a part, at most.
const MAX_PART: u64 = 64 << 20;

/// Names that are told, at most, and their characters.
const MOST: usize = 8;
const MAX_NAME: usize = 64;

static HERE: OnceLock<HashSet<String>> = OnceLock::new();

/// Finds out which fonts are here. Has to come before the process is confined, after which it starts no other.
pub(crate) fn look() {
    let output = Command::new(LIST).args([":", "family"]).output();
    let listed = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let _ = HERE.set(families(&listed));
}

/// The families of such a list, in small letters: a font a line, its names separated by commas.
fn families(listed: &str) -> HashSet<String> {
    listed.lines().flat_map(|line| line.split(',')).map(|name| name.replace('\\', "").trim().to_lowercase()).collect()
}

/// Those that the document asks for and that are not here; none where it is not known what is here.
pub(crate) fn replaced(document: &Path) -> Vec<String> {
    let Some(here) = HERE.get().filter(|here| !here.is_empty()) else { return Vec::new() };
    let wanted = NAMED.map(|(part, _)| part);
    let Some(parts) = File::open(document).ok().and_then(|file| parts(&file, &wanted, MAX_PART)) else { return Vec::new() };
    let mut missing = BTreeSet::new();
    for (part, content) in &parts.contents {
        let marks = NAMED.iter().find(|(name, _)| name == part).map_or(&[][..], |(_, marks)| *marks);
        missing.extend(names(&String::from_utf8_lossy(content), marks).filter(|name| !is_here(name, here)));
    }
    missing.into_iter().take(MOST).collect()
}

/// Whatever stands in quotes behind one of the marks.
fn names<'a>(xml: &'a str, marks: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let behind = |mark: &'a &str| xml.split(*mark).skip(1).filter_map(|rest| rest.split('"').next());
    let clean = |name: &str| name.replace("&apos;", "").replace("&amp;", "&").trim_matches(['\'', ' ']).to_owned();
    marks.iter().flat_map(behind).map(clean)
}

fn is_here(name: &str, here: &HashSet<String>) -> bool {
    let small = name.to_lowercase();
    // `+mn-lt` is the theme's font; `Arial;Helvetica` and `Arial, sans-serif` are choices.
    let chosen = small.split([';', ',']).map(str::trim).any(|name| here.contains(name) || TWINS.contains(&name));
    name.is_empty() || name.starts_with('+') || name.len() > MAX_NAME || chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fonts_that_are_not_here_are_found() {
        let here = families("DejaVu Sans,DejaVu Sans Condensed\nNoto Sans\\-Mono\n");
        let xml = "<w:rFonts w:ascii=\"Aptos\" w:hAnsi=\"DejaVu Sans Condensed\" w:cs=\"Arial\"/><w:rFonts w:ascii=\"noto sans-mono\"/>\
                   <w:rFonts w:ascii=\"+mn-lt\" w:hAnsi=\"Nowhere;DejaVu Sans\"/><w:rFonts w:ascii=\"\"/>";
        let found: Vec<_> = names(xml, NAMED[0].1).filter(|name| !is_here(name, &here)).collect();
        assert_eq!(found, ["Aptos"], "all others are here, have a twin, or are no name");
        assert_eq!(names("<a:latin typeface=\"A &amp; B\"/>", NAMED[1].1).collect::<Vec<_>>(), ["A & B"], "as it is read");
    }
}
