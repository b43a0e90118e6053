//! Version numbers, as programs print them.

use std::fmt;

/// A version: its numbers from the most significant one on. Compares number by number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(Vec<u32>);

impl Version {
    /// The first version number in `text` that follows `marker`: digits with dots between them. What is glued to it, such
    /// as `-0+deb12u1` or `n` in front, does not matter.
    pub(super) fn after(text: &str, marker: &str) -> Option<Self> {
        let rest = &text[text.find(marker)? + marker.len()..];
        let rest = &rest[rest.find(|c: char| c.is_ascii_digit())?..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        rest[..end].split('.').filter(|part| !part.is_empty()).map(str::parse).collect::<Result<_, _>>().ok().map(Self)
    }

    /// The most significant number.
    pub(super) fn major(&self) -> u32 {
        self.0.first().copied().unwrap_or(0)
    }

    /// A version of two numbers, to compare with.
    pub(super) fn new(major: u32, minor: u32) -> Self {
        Self(vec![major, minor])
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let cases = [
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d", "v=", "7.0.15"),
            ("Valkey server v=8.0.1 sha=00000000:0", "v=", "8.0.1"),
            ("ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers", "version", "5.1.9"),
            ("ffmpeg version n7.1-12-gabc Copyright", "version", "7.1"),
            ("LibreOffice 7.4.7.2 40(Build:2)", "LibreOffice", "7.4.7.2"),
            ("bubblewrap 0.8.0", "bubblewrap", "0.8.0"),
            ("6.1.0-28-amd64\n", "", "6.1.0"),
        ];
        for (text, marker, expected) in cases {
            let found = Version::after(text, marker).map(|version| version.to_string());
            assert_eq!(found.as_deref(), Some(expected), "in {text:?}");
        }
    }

    #[test]
    fn no_version_is_no_version() {
        for (text, marker) in [("", ""), ("command not found", ""), ("7.0.15", "v="), ("v=99999999999999999999", "v=")] {
            assert_eq!(Version::after(text, marker), None, "in {text:?} after {marker:?}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        let version = |text| Version::after(text, "").expect("a version");
        assert!(version("10.2") > version("9.9"), "ten is more than nine");
        assert!(version("5.13.1") > Version::new(5, 13), "a longer one is more");
        assert!(version("5.9") < Version::new(5, 13), "the second number counts too");
        assert_eq!(version("7.0.15").major(), 7, "the first number");
    }
}
