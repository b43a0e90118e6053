//! File names: examples, and laws over any text with a parser of RFC 6266 of the test's own.

use proptest::prelude::*;

use super::*;

/// What a strict reader makes of the header: kind, plain name, exact name.
fn parse(header: &str) -> Option<(String, String, String)> {
    let (kind, mut rest) = header.split_at(header.find(';')?);
    let (mut plain, mut exact) = (None, None);
    while !rest.is_empty() {
        rest = rest.strip_prefix(';')?.trim_start_matches(' ');
        let (name, value) = rest.split_once('=')?;
        let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'*');
        if !is_token {
            return None;
        }
        if let Some(quoted) = value.strip_prefix('"') {
            let mut text = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at + 1,
                    (_, '\\') => text.push(chars.next()?.1),
                    (_, c) => text.push(c),
                }
            };
            rest = &quoted[end..];
            (name == "filename" && plain.replace(text).is_none()).then_some(())?;
        } else {
            let end = value.find(';').unwrap_or(value.len());
            let encoded = value[..end].strip_prefix("UTF-8''")?;
            let is_attr = |b: u8| b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%".contains(&b);
            encoded.bytes().all(is_attr).then_some(())?;
            let text = percent_encoding::percent_decode_str(encoded).decode_utf8().ok()?.into_owned();
            rest = &value[end..];
            (name == "filename*" && exact.replace(text).is_none()).then_some(())?;
        }
    }
    Some((kind.to_owned(), plain?, exact?))
}

#[test]
fn names_lose_what_is_dangerous_and_keep_the_rest() {
    for (given, wanted) in [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\x\bild.png", "bild.png"),
        ("", "file"),
        (".", "file"),
        ("..", "file"),
        (" . . ", "file"),
        ("a/", "file"),
        ("a\r\nSet-Cookie: x=1.png", "aSet-Cookie: x=1.png"),
        ("nul\0byte", "nulbyte"),
        ("\u{202e}gpj.exe", "gpj.exe"),
        ("Ünïcode – 日本語.webp", "Ünïcode – 日本語.webp"),
        (".gitignore", ".gitignore"),
        ("trailing. . ", "trailing"),
    ] {
        assert_eq!(sanitise_filename(given), wanted, "for {given:?}");
    }
    let long = sanitise_filename(&format!("{}.jpeg", "é".repeat(200)));
    assert!(long.len() <= 255 && long.len() > 250 && long.ends_with("é.jpeg"), "cut to {} bytes: {long}", long.len());
}

#[test]
fn the_header_is_as_in_rfc_6266() {
    assert_eq!(
        content_disposition("€ rates.txt", false),
        "attachment; filename=\"_ rates.txt\"; filename*=UTF-8''%E2%82%AC%20rates.txt",
        "section 5's example"
    );
    assert_eq!(
        content_disposition("a\"; filename=evil.exe", true),
        "inline; filename=\"a_; filename=evil.exe\"; filename*=UTF-8''a%22%3B%20filename%3Devil.exe",
        "a quote ends nothing"
    );
}

/// Any text, and text thick with what could break out.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x1f\"\\\\;=%'/. a\u{202e}\u{2066}\u{85}é😀]{0,40}",
        "[a-zé😀. ]{200,400}(\\.[a-z]{1,20})?",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_becomes_a_safe_name(text in hostile()) {
        let name = sanitise_filename(&text);
        prop_assert!(!name.is_empty() && name.len() <= MAX_NAME_BYTES, "length {} of {name:?}", name.len());
        prop_assert!(!name.contains(['/', '\\', '\0', '\r', '\n', '\u{202e}', '\u{2066}']), "unsafe: {name:?}");
        prop_assert!(!name.chars().any(char::is_control) && name != "." && name != "..", "unsafe: {name:?}");
        prop_assert_eq!(sanitise_filename(&name), name, "once is enough");
    }

    #[test]
    fn any_text_makes_a_header_that_reads_back(text in hostile(), inline: bool) {
        let header = content_disposition(&text, inline);
        prop_assert!(header.bytes().all(|b| (b' '..=b'~').contains(&b)), "not printable ASCII: {header:?}");
        let (kind, plain, exact) = parse(&header).expect("a strict reader accepts it");
        prop_assert_eq!(kind, if inline { "inline" } else { "attachment" }, "the kind stays");
        prop_assert_eq!(&exact, &sanitise_filename(&text), "the exact name comes back");
        prop_assert_eq!(plain.chars().count(), exact.chars().count(), "the plain name is the same, letter by letter");
        prop_assert!(exact.len() <= MAX_NAME_BYTES, "{} bytes", exact.len());
    }
}
