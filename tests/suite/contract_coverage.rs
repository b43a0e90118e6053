//! Every numbered statement of the contract has a test that carries its number, or a reason why not yet.
//!
//! A test carries the numbers that its name begins with: `fn r379e_r351_the_400_sample…`; `fn r167_to_r214_…` carries a range.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The statements of section 1 of the contract, as ranges.
const STATEMENTS: [(u16, u16); 18] = [
    (1, 7),
    (10, 19),
    (30, 43),
    (50, 58),
    (70, 77),
    (90, 98),
    (100, 141),
    (142, 157),
    (158, 166),
    (167, 214),
    (215, 244),
    (245, 274),
    (280, 286),
    (300, 308),
    (320, 324),
    (340, 351),
    (360, 365),
    (370, 379),
];

/// Numbers with a letter.
const LETTERED: [&str; 7] = ["r379a", "r379b", "r379c", "r379d", "r379e", "r379f", "r379g"];

/// What waits for an engine or operation that does not exist yet, and which.
const WAITING: &[(u16, u16, &str)] = &[];

#[test]
fn every_statement_has_its_test_or_its_reason() {
    let carried = carried();
    let mut missing = Vec::new();
    for number in STATEMENTS.iter().flat_map(|&(first, last)| first..=last) {
        let waits = WAITING.iter().any(|&(first, last, _)| (first..=last).contains(&number));
        let name = format!("r{number:03}");
        match carried.get(&name) {
            None if !waits => missing.push(name),
            Some(tests) => assert!(!waits, "{name} waits no longer: {tests:?}"),
            None => {}
        }
    }
    missing.extend(LETTERED.into_iter().filter(|&name| !carried.contains_key(name)).map(str::to_owned));
    assert!(missing.is_empty(), "no test carries {missing:?}");
}

/// Tests by the numbers that they carry.
fn carried() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut carried: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in ["tests/suite", "api/src", "scheduler/src", "worker/src", "src"] {
        sources(&root.join(folder), &mut |text| {
            let declared = |line: &str| {
                let line = line.trim_start();
                let (name, _) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?.split_once('(')?;
                Some(name.to_owned())
            };
            for name in text.lines().filter_map(declared) {
                for number in numbers(&name) {
                    carried.entry(number).or_default().insert(name.clone());
                }
            }
        });
    }
    carried
}

/// The numbers at the beginning of a test's name.
fn numbers(name: &str) -> Vec<String> {
    let mut numbers: Vec<String> = Vec::new();
    let mut words = name.split('_').peekable();
    while let Some(word) = words.next() {
        if word == "to" && !numbers.is_empty() && words.peek().is_some_and(|word| number(word).is_some()) {
            let (first, last) = (numbers.last().and_then(|word| number(word)), words.next().and_then(number));
            if let (Some((first, _)), Some((last, _))) = (first, last) {
                numbers.extend((first + 1..=last).map(|number| format!("r{number:03}")));
            }
        } else if number(word).is_some() {
            numbers.push(word.to_owned());
        } else if !is_decision(word) {
            break;
        }
    }
    numbers
}

/// `r379e` -> 379 and its letter.
fn number(word: &str) -> Option<(u16, &str)> {
    let (digits, letter) = word.strip_prefix('r')?.split_at_checked(3)?;
    (letter.len() <= 1 && letter.bytes().all(|b| b.is_ascii_lowercase())).then_some(())?;
    Some((digits.parse().ok()?, letter))
}

/// `a78`: the number of a decision, which may stand among those of statements.
fn is_decision(word: &str) -> bool {
    word.strip_prefix('a').is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn sources(folder: &Path, read: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, read);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn names_are_read_right() {
    assert_eq!(numbers("r379e_r351_the_400_sample"), ["r379e", "r351"], "several");
    assert_eq!(numbers("r167_to_r170_pairs"), ["r167", "r168", "r169", "r170"], "a range");
    assert_eq!(numbers("a79_r002_odd_requests"), ["r002"], "beside a decision");
    assert_eq!(numbers("rows_of_r001"), Vec::<String>::new(), "only at the beginning");
}
