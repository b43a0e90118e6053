//! From characters to words, lines and rows.

use crate::model::{Char, Page, Rule};

/// A gap of that share of the size stands between words.
const WORD_GAP: f64 = 0.17;

/// A gap of that share of the size stands between parts of a row: columns, cells.
const PART_GAP: f64 = 0.9;

/// Texts over one another in one row that are told apart, at most; and lines of a page among which small print is looked for its line.
const MAX_LAYERS: usize = 32;
const MAX_LINES: usize = 5_000;

/// Characters without a space between them.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) chars: Vec<Char>,
    pub(crate) x0: f64,
    pub(crate) x1: f64,
    /// The space that was set before it, where one was.
    pub(crate) space: Option<Char>,
}

impl Word {
    fn new(char: Char, space: Option<Char>) -> Self {
        Self { x0: char.x0, x1: char.x1.max(char.x0), chars: vec![char], space }
    }

    fn push(&mut self, char: Char) {
        self.x1 = self.x1.max(char.x1);
        self.x0 = self.x0.min(char.x0);
        self.chars.push(char);
    }

    pub(crate) fn text(&self) -> String {
        self.chars.iter().map(|char| char.what).collect()
    }
}

/// Words on one baseline without a wide gap.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) words: Vec<Word>,
    pub(crate) x0: f64,
    pub(crate) x1: f64,
    pub(crate) y: f64,
    pub(crate) size: f64,
}

impl Line {
    pub(crate) fn new(words: Vec<Word>, y: f64) -> Self {
        let x0 = words.iter().map(|word| word.x0).fold(f64::INFINITY, f64::min);
        let x1 = words.iter().map(|word| word.x1).fold(f64::NEG_INFINITY, f64::max);
        let size = common_size(words.iter().flat_map(|word| &word.chars));
        Self { words, x0, x1, y, size }
    }

    pub(crate) fn text(&self) -> String {
        self.words.iter().map(Word::text).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn chars(&self) -> impl Iterator<Item = &Char> {
        self.words.iter().flat_map(|word| &word.chars)
    }
}

/// Lines on one baseline, from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) lines: Vec<Line>,
    pub(crate) y: f64,
    pub(crate) size: f64,
}

impl Row {
    pub(crate) fn x0(&self) -> f64 {
        self.lines.iter().map(|line| line.x0).fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn x1(&self) -> f64 {
        self.lines.iter().map(|line| line.x1).fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The size that most of the characters have.
fn common_size<'a>(chars: impl Iterator<Item = &'a Char>) -> f64 {
    let mut sizes: Vec<f64> = chars.filter(|char| char.shift == 0).map(|char| char.size).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.get(sizes.len() / 2).copied().unwrap_or(10.0)
}

/// The lines of a page, from top to bottom.
pub(crate) fn lines(page: &mut Page) -> Vec<Line> {
    let mut chars: Vec<(usize, Char)> = std::mem::take(&mut page.chars).into_iter().enumerate().collect();
    chars.sort_by(|(_, a), (_, b)| a.y.total_cmp(&b.y));
    let mut rows: Vec<Vec<(usize, Char)>> = Vec::new();
    for (order, char) in chars {
        match rows.last_mut() {
            Some(row) if row.first().is_some_and(|(_, first)| char.y - first.y < 0.3 * first.size.min(char.size)) => {
                row.push((order, char))
            }
            _ => rows.push(vec![(order, char)]),
        }
    }
    let mut lines: Vec<Line> = rows.into_iter().flat_map(layers).flat_map(split).collect();
    if lines.len() <= MAX_LINES {
        attach(&mut lines);
    }
    lines.sort_by(|a, b| a.y.total_cmp(&b.y).then(a.x0.total_cmp(&b.x0)));
    if lines.len() <= MAX_LINES {
        underline(&mut lines, &mut page.rules);
    }
    lines
}

/// A row of characters apart by what lies over what: boxes of text that overlap are read one after the other.
fn layers(mut row: Vec<(usize, Char)>) -> Vec<Vec<Char>> {
    row.sort_by_key(|(order, _)| *order);
    // What was set in one go, from left to right.
    let mut pieces: Vec<Vec<Char>> = Vec::new();
    for (_, char) in row {
        let follows = pieces.last().and_then(|piece| piece.last()).is_some_and(|last| {
            let gap = char.x0 - last.x1;
            gap > -0.3 * char.size && gap < char.size
        });
        match pieces.last_mut() {
            Some(piece) if follows => piece.push(char),
            _ => pieces.push(vec![char]),
        }
    }
    let edges = |piece: &Vec<Char>| {
        piece.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(x0, x1), char| (x0.min(char.x0), x1.max(char.x1)))
    };
    pieces.sort_by(|a, b| edges(a).0.total_cmp(&edges(b).0));
    let mut layers: Vec<(f64, Vec<Char>)> = Vec::new();
    for piece in pieces {
        let (x0, x1) = edges(&piece);
        let slack = piece.first().map_or(0.0, |char| char.size * 0.4);
        let fits = layers.iter().position(|(end, _)| *end <= x0 + slack);
        let place = fits.or_else(|| layers.len().checked_sub(1).filter(|last| *last + 1 >= MAX_LAYERS));
        match place.and_then(|place| layers.get_mut(place)) {
            Some((end, layer)) => {
                *end = end.max(x1);
                layer.extend(piece);
            }
            None => layers.push((x1, piece)),
        }
    }
    layers.into_iter().map(|(_, layer)| layer).collect()
}

/// One row of characters, in its words and lines.
fn split(mut row: Vec<Char>) -> Vec<Line> {
    row.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    let y = row.first().map_or(0.0, |first| first.y);
    let (mut lines, mut words): (Vec<Vec<Word>>, Vec<Word>) = (Vec::new(), Vec::new());
    let mut space: Option<Char> = None;
    for char in row {
        if char.what == ' ' {
            space = Some(char);
            continue;
        }
        let Some(last) = words.last_mut() else {
            words.push(Word::new(char, None));
            space = None;
            continue;
        };
        let gap = char.x0 - last.x1;
        let size = char.size.max(last.chars.last().map_or(0.0, |last| last.size));
        if gap > PART_GAP * size {
            lines.push(std::mem::take(&mut words));
            words.push(Word::new(char, None));
        } else if (space.is_some() && gap > -0.1 * size) || gap > WORD_GAP * size {
            words.push(Word::new(char, space.take()));
        } else {
            last.push(char);
        }
        space = None;
    }
    lines.push(words);
    lines.into_iter().filter(|words| !words.is_empty()).map(|words| Line::new(words, y)).collect()
}

/// Puts small lines that stand a little above or below a larger one into it.
fn attach(lines: &mut Vec<Line>) {
    let mut index = 0;
    while let Some(small) = lines.get(index) {
        let host = lines.iter().position(|host| {
            let (dy, gap) = (host.y - small.y, host.size * 0.35);
            host.size > small.size * 1.15
                && dy.abs() > 0.05 * host.size
                && ((dy > 0.0 && dy < 0.62 * host.size) || (dy < 0.0 && -dy < 0.35 * host.size))
                && small.x0 > host.x0 - gap
                && small.x0 < host.x1 + gap
                && host.words.iter().any(|word| (small.x0 - word.x1).abs() < gap || (small.x1 - word.x0).abs() < gap)
                && host.words.iter().all(|word| word.x1.min(small.x1) - word.x0.max(small.x0) < 0.3 * (small.x1 - small.x0))
        });
        let Some(host) = host else {
            index += 1;
            continue;
        };
        let small = lines.remove(index);
        let host = if host > index { host - 1 } else { host };
        if let Some(host) = lines.get_mut(host) {
            take_in(host, small);
        }
    }
}

fn take_in(host: &mut Line, small: Line) {
    let shift = if small.y < host.y { 1 } else { -1 };
    for mut word in small.words {
        word.chars.iter_mut().for_each(|char| char.shift = shift);
        let near = host.size * 0.2;
        let before = host.words.iter_mut().find(|other| (word.x0 - other.x1).abs() < near);
        if let Some(before) = before {
            word.chars.into_iter().for_each(|char| before.push(char));
        } else {
            host.words.push(word);
        }
    }
    host.words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    *host = Line { size: host.size, ..Line::new(std::mem::take(&mut host.words), host.y) };
}

/// Takes the rules that lie under or through words, and marks those words.
fn underline(lines: &mut [Line], rules: &mut Vec<Rule>) {
    rules.retain(|rule| {
        if rule.is_vertical {
            return true;
        }
        let middle = rule.bounds.center().y;
        let mut used = false;
        for line in lines.iter_mut() {
            let below = (middle - line.y) / line.size;
            let (under, through) = ((0.02..0.28).contains(&below), (-0.4..-0.15).contains(&below));
            let fits = rule.bounds.x0 > line.x0 - line.size && rule.bounds.x1 < line.x1 + line.size;
            if !(under || through) || !fits || rule.bounds.height() > 0.15 * line.size {
                continue;
            }
            for char in line.words.iter_mut().flat_map(|word| &mut word.chars) {
                let x = (char.x0 + char.x1) / 2.0;
                if rule.bounds.x0 <= x && x <= rule.bounds.x1 {
                    char.underlined |= under;
                    char.struck |= through;
                    used = true;
                }
            }
        }
        !used
    });
}

/// Lines with the same baseline together.
pub(crate) fn rows(mut lines: Vec<Line>) -> Vec<Row> {
    lines.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        match rows.last_mut() {
            Some(row) if line.y - row.y < 0.35 * line.size.min(row.size) => {
                row.size = row.size.max(line.size);
                row.lines.push(line);
            }
            _ => rows.push(Row { y: line.y, size: line.size, lines: vec![line] }),
        }
    }
    for row in &mut rows {
        row.lines.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    }
    rows
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Characters of a text that stand side by side, half as wide as they are high.
    pub(crate) fn set(text: &str, x: f64, y: f64, size: f64) -> Vec<Char> {
        let place = |(index, what): (usize, char)| Char {
            what,
            x0: x + index as f64 * size / 2.0,
            x1: x + (index + 1) as f64 * size / 2.0,
            y,
            size,
            face: 0,
            color: [0; 3],
            link: None,
            shift: 0,
            underlined: false,
            struck: false,
        };
        text.chars().enumerate().filter(|(_, what)| *what != ' ').map(place).collect()
    }

    #[test]
    fn words_lines_and_small_print_come_together() {
        let mut page = Page { chars: set("one two", 10.0, 100.0, 10.0), ..Page::default() };
        page.chars.extend(set("far", 200.0, 100.0, 10.0));
        page.chars.extend(set("2", 45.0, 96.0, 6.0));
        page.rules.push(Rule { bounds: hayro::kurbo::Rect::new(10.0, 101.0, 25.0, 101.5), is_vertical: false, color: [0; 3] });
        let lines = lines(&mut page);
        assert_eq!(lines.iter().map(Line::text).collect::<Vec<_>>(), ["one two2", "far"]);
        let last = lines[0].chars().last().expect("a character");
        assert_eq!((last.what, last.shift), ('2', 1), "raised");
        assert!(lines[0].chars().take(3).all(|char| char.underlined), "under the first word");
        assert!(lines[0].chars().skip(3).all(|char| !char.underlined), "and no other");
        assert!(page.rules.is_empty(), "an underline is no part of a table");
    }
}
