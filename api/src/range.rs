//! Which bytes of a file a request wants (RFC 9110, section 14).

/// What a `Range` header comes to for a file of known size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of it: no range, several ranges, or a header that we do not understand.
    All,
    /// First and last byte.
    Part(u64, u64),
    /// Nothing of the file lies in the range.
    Unsatisfiable,
}

/// Reads a `Range` header. Servers may ignore what they do not support, so only one plain byte range is honoured.
pub(crate) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some(range) = header.and_then(|text| {
        let (unit, range) = text.split_once('=')?;
        unit.trim().eq_ignore_ascii_case("bytes").then_some(range.trim())
    }) else {
        return Wanted::All;
    };
    let Some((first, last)) = range.split_once('-').map(|(first, last)| (first.trim(), last.trim())) else { return Wanted::All };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Wanted::All,
        (Some(first), _) if (last.is_empty() || number(last).is_some()) && first >= size => Wanted::Unsatisfiable,
        (Some(first), Some(last)) => Wanted::Part(first, last.min(size - 1)),
        (Some(first), None) if last.is_empty() => Wanted::Part(first, size - 1),
        // The last so many bytes.
        (None, Some(0)) if first.is_empty() => Wanted::Unsatisfiable,
        (None, Some(_)) if first.is_empty() && size == 0 => Wanted::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => Wanted::Part(size.saturating_sub(count), size - 1),
        _ => Wanted::All,
    }
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than fit are a position after the end of every file.
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_file_of_ten_bytes() {
        use Wanted::{All, Part, Unsatisfiable};
        for (header, meant) in [
            ("bytes=0-0", Part(0, 0)),
            ("bytes=2-5", Part(2, 5)),
            ("Bytes = 2 - 5", Part(2, 5)),
            ("bytes=2-", Part(2, 9)),
            ("bytes=2-99999999999999999999999", Part(2, 9)),
            ("bytes=-3", Part(7, 9)),
            ("bytes=-30", Part(0, 9)),
            ("bytes=10-", Unsatisfiable),
            ("bytes=99999999999999999999999-", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-2", All),
            ("bytes=0-1,4-5", All),
            ("bytes=+1-5", All),
            ("bytes=a-b", All),
            ("bytes=-", All),
            ("bytes=12-x", All),
            ("items=0-1", All),
            ("", All),
        ] {
            assert_eq!(wanted(Some(header), 10), meant, "{header}");
        }
        assert_eq!(wanted(None, 10), All, "no header");
    }

    #[test]
    fn an_empty_file_has_no_part() {
        for header in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(wanted(Some(header), 0), Wanted::Unsatisfiable, "{header}");
        }
    }
}
