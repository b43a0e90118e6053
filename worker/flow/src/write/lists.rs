//! Lists as documents have them (ECMA-376, 17.9): what a level counts with, and which level of which list a paragraph is of.

use crate::layout::lists::{Form, Item, Level, Levels};

/// The lists of a document.
pub(super) fn numbering(lists: &[Levels]) -> String {
    let kinds: String = lists
        .iter()
        .enumerate()
        .map(|(index, levels)| {
            let levels: String = levels.iter().enumerate().map(|(level, kind)| self::level(level, kind.as_ref())).collect();
            format!(
                "<w:abstractNum w:abstractNumId=\"{index}\"><w:multiLevelType w:val=\"hybridMultilevel\"/>{levels}</w:abstractNum>"
            )
        })
        .collect();
    let number = |index| format!("<w:num w:numId=\"{}\"><w:abstractNumId w:val=\"{index}\"/></w:num>", index + 1);
    kinds + &(0..lists.len()).map(number).collect::<String>()
}

/// A level; one that no item has counts as those above do not.
fn level(index: usize, kind: Option<&Level>) -> String {
    let spare = Level { form: Form::Bullet('•'), opens: false, after: None, start: 1, is_flush: false };
    let kind = kind.unwrap_or(&spare);
    let name = match kind.form {
        Form::Bullet(_) => "bullet",
        Form::Decimal => "decimal",
        Form::LowerLetter => "lowerLetter",
        Form::UpperLetter => "upperLetter",
        Form::LowerRoman => "lowerRoman",
        Form::UpperRoman => "upperRoman",
    };
    let number = index + 1;
    let (open, after) = (if kind.opens { "(" } else { "" }, kind.after.map(String::from).unwrap_or_default());
    // Bullets are of a font that every reader has.
    let (text, font) = match kind.form {
        Form::Bullet(what) => (what.to_string(), "<w:rPr><w:rFonts w:ascii=\"Arial\" w:hAnsi=\"Arial\" w:cs=\"Arial\"/></w:rPr>"),
        _ => (format!("{open}%{number}{after}"), ""),
    };
    let space = if kind.is_flush { "<w:suff w:val=\"space\"/>" } else { "" };
    format!(
        "<w:lvl w:ilvl=\"{index}\"><w:start w:val=\"{}\"/><w:numFmt w:val=\"{name}\"/>{space}<w:lvlText w:val=\"{text}\"/>\
         <w:lvlJc w:val=\"left\"/><w:pPr><w:ind w:left=\"{}\" w:hanging=\"360\"/></w:pPr>{font}</w:lvl>",
        kind.start,
        360 * number
    )
}

/// What makes a paragraph an item.
pub(super) fn number(item: Option<&Item>) -> String {
    item.map_or_else(String::new, |item| {
        format!("<w:numPr><w:ilvl w:val=\"{}\"/><w:numId w:val=\"{}\"/></w:numPr>", item.level, item.list + 1)
    })
}
