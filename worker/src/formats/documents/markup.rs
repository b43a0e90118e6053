//! Formats of text that begin with a mark.

/// `{\rtf` (RTF 1.9.1, "Header").
pub(super) fn is_rtf(head: &[u8]) -> bool {
    head.starts_with(b"{\\rtf")
}

/// `<!doctype html` or `<html`, behind a byte order mark, white space, an XML declaration and comments.
pub(super) fn is_html(head: &[u8]) -> bool {
    let mut rest = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    loop {
        rest = rest.trim_ascii_start();
        let skip = if rest.starts_with(b"<!--") {
            find(rest, b"-->")
        } else if rest.starts_with(b"<?xml") {
            find(rest, b"?>")
        } else {
            break;
        };
        match skip.and_then(|end| rest.get(end..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    let word = |word: &[u8]| {
        let begins = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        // `<htmlx` is another element.
        begins && rest.get(word.len()).is_none_or(|next| !next.is_ascii_alphanumeric())
    };
    word(b"<!doctype html") || word(b"<html")
}

/// The place behind the first `needle`.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle).map(|at| at + needle.len())
}
