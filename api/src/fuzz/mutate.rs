//! Mutations of JSON: of its values, keys and shape, so that most of what comes out still parses; and of its text.

use fastrand::Rng;
use serde_json::{Map, Value, json};

/// Changes a value in one to four places.
pub(super) fn value(root: &mut Value, words: &[String], rng: &mut Rng) {
    for _ in 0..rng.usize(1..5) {
        let count = nodes(root);
        let donor = nth(root, rng.usize(..count)).expect("a node").clone();
        let index = rng.usize(..count);
        let node = nth(root, index).expect("a node");
        change(node, donor, words, rng);
        if nodes(root) > 5_000 {
            return;
        }
    }
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(nodes).sum(),
        Value::Array(list) => list.iter().map(nodes).sum(),
        _ => 0,
    }
}

/// The node of that number, counted from the root down.
fn nth(value: &mut Value, index: usize) -> Option<&mut Value> {
    if index == 0 {
        return Some(value);
    }
    let mut left = index - 1;
    let children: Vec<&mut Value> = match value {
        Value::Object(map) => map.values_mut().collect(),
        Value::Array(list) => list.iter_mut().collect(),
        _ => return None,
    };
    for child in children {
        let inside = nodes(child);
        if left < inside {
            return nth(child, left);
        }
        left -= inside;
    }
    None
}

fn change(node: &mut Value, donor: Value, words: &[String], rng: &mut Rng) {
    match (rng.u8(..10), &mut *node) {
        (0, _) => *node = scalar(rng),
        (1, _) => *node = donor,
        (2, _) if rng.u8(..4) == 0 => *node = (0..rng.u8(1..48)).fold(node.take(), |inner, _| json!([inner])),
        (3, _) => *node = word(words, rng).into(),
        (_, Value::Object(map)) => members(map, donor, words, rng),
        (_, Value::Array(list)) => match rng.u8(..3) {
            0 if !list.is_empty() => drop(list.remove(rng.usize(..list.len()))),
            1 if !list.is_empty() => list.push(list[rng.usize(..list.len())].clone()),
            _ => list.push(donor),
        },
        (_, Value::String(text)) => *text = self::text(text, rng),
        (_, Value::Number(number)) => {
            let number = number.as_i64().unwrap_or(7);
            let near = [number.wrapping_add(1), number.wrapping_sub(1), number.wrapping_neg(), number.wrapping_mul(1_000)];
            *node = near[rng.usize(..4)].into();
        }
        _ => *node = scalar(rng),
    }
}

fn members(map: &mut Map<String, Value>, donor: Value, words: &[String], rng: &mut Rng) {
    let key = map.keys().nth(rng.usize(..map.len().max(1))).cloned();
    match (rng.u8(..5), key) {
        (0, Some(key)) => drop(map.shift_remove(&key)),
        (1, Some(key)) => {
            let value = map.shift_remove(&key).unwrap_or_default();
            map.insert(text(&key, rng), value);
        }
        (2, Some(key)) => {
            let copy = map[&key].clone();
            map.insert(format!("{key}2"), copy);
        }
        (3, _) => drop(map.insert(word(words, rng), donor)),
        _ => drop(map.insert(word(words, rng), scalar(rng))),
    }
}

/// A word of the document, so that mutations hit keys, operations, formats and task names that exist.
fn word(words: &[String], rng: &mut Rng) -> String {
    const OWN: [&str; 12] = ["in0", "in1", "t0", "t1", "t2", "t3", "x-note", "__proto__", "constructor", "toString", "", "*"];
    let index = rng.usize(..words.len() + OWN.len());
    words.get(index).cloned().unwrap_or_else(|| OWN[index - words.len()].to_owned())
}

/// Scalars at the edges of something.
fn scalar(rng: &mut Rng) -> Value {
    match rng.u8(..24) {
        0 => Value::Null,
        1 => true.into(),
        2 => false.into(),
        3 => 0.into(),
        4 => (-1).into(),
        5 => i64::MIN.into(),
        6 => i64::MAX.into(),
        7 => u64::MAX.into(),
        8 => json!(1.5),
        9 => json!(1e300),
        10 => json!(-0.0),
        11 => "".into(),
        12 => "x".repeat(rng.usize(..5_000)).into(),
        13 => json!([]),
        14 => json!({}),
        15 => "../../etc/passwd".into(),
        16 => "a\r\nX-Injected: 1".into(),
        17 => "nul\0nul".into(),
        18 => "\u{202e}gpj.exe\u{feff}".into(),
        19 => "😀".repeat(rng.usize(1..80)).into(),
        20 => 16_385.into(),
        21 => 4_294_967_296_i64.into(),
        22 => "http://127.0.0.1:6379/".into(),
        _ => "NaN".into(),
    }
}

/// A text with a typo, or another one at the edge of something.
fn text(text: &str, rng: &mut Rng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = rng.usize(..chars.len().max(1));
    match rng.u8(..9) {
        0 if !chars.is_empty() => drop(chars.remove(at)),
        1 => chars.insert(at.min(chars.len()), ['a', '/', '%', '.', '\u{0}', 'é', '"', '\\', ' '][rng.usize(..9)]),
        2 if chars.len() > 1 => chars.swap(at, 0),
        3 => return text.to_uppercase(),
        4 => return text.repeat(rng.usize(..60)),
        5 => return format!(" {text}\n"),
        6 => return String::new(),
        7 => return text.chars().rev().collect(),
        _ => chars.push('1'),
    }
    chars.into_iter().collect()
}

/// The text of a value, now and then with a key that is given twice or with broken bytes.
pub(super) fn bytes(value: &Value, rng: &mut Rng) -> Vec<u8> {
    let mut text = value.to_string();
    if rng.u8(..30) == 0
        && let Some(key) = value.as_object().and_then(|map| map.keys().next())
    {
        text = text.replacen('{', &format!("{{{}:0,", Value::from(key.as_str())), 1);
    }
    let mut bytes = text.into_bytes();
    if rng.u8(..16) == 0 && !bytes.is_empty() {
        let at = rng.usize(..bytes.len());
        match rng.u8(..5) {
            0 => bytes.truncate(at),
            1 => bytes[at] = rng.u8(..),
            2 => bytes.insert(at, rng.u8(..)),
            3 => bytes = b"[".repeat(rng.usize(..4_000)),
            _ => bytes.extend_from_within(..at),
        }
    }
    bytes
}
