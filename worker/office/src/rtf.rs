//! What LibreOffice leaves out of RTF.

/// How a picture begins.
const PICTURE: &[u8] = b"{\\*\\shpinst";

/// A picture behind the text says so among its properties, which readers do not look at, LibreOffice among them.
const BEHIND: &[u8] = b"{\\sn fBehindDocument}{\\sv 1}";

/// Where they look.
const BELOW_TEXT: &[u8] = b"\\shpfblwtxt1";

/// How far into a picture its properties may begin, bytes; its pixels follow them.
const HEAD: usize = 2_000;

/// The file with pictures behind the text where they were; `None` where there are none.
pub(crate) fn mend(file: &[u8]) -> Option<Vec<u8>> {
    let mut mended = Vec::new();
    let mut rest = file;
    while let Some(at) = find(rest, PICTURE) {
        let (before, after) = rest.split_at(at + PICTURE.len());
        mended.extend_from_slice(before);
        let head = after.get(..HEAD).unwrap_or(after);
        let head = head.get(..find(head, PICTURE).unwrap_or(head.len())).unwrap_or(head);
        if find(head, BEHIND).is_some() && find(head, BELOW_TEXT).is_none() {
            mended.extend_from_slice(BELOW_TEXT);
        }
        rest = after;
    }
    mended.extend_from_slice(rest);
    (mended.len() > file.len()).then_some(mended)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_behind_the_text_are_marked_and_others_are_not() {
        let picture = |behind: u8, more: &str| {
            format!("{{\\shp{{\\*\\shpinst\\shpwr3{more}{{\\sp{{\\sn fBehindDocument}}{{\\sv {behind}}}}}pixels}}}}")
        };
        let file = format!("{{\\rtf1 {} and {} text}}", picture(0, ""), picture(1, ""));
        let mended = String::from_utf8(mend(file.as_bytes()).expect("there is one")).expect("text");
        let expected = file.replace(&picture(1, ""), &picture(1, "").replace("shpinst", "shpinst\\shpfblwtxt1"));
        assert_eq!(mended, expected, "the one that says so, and nothing else");
        assert_eq!(mend(mended.as_bytes()), None, "once");
        assert_eq!(mend(picture(0, "").as_bytes()), None, "none is behind");
        assert_eq!(mend(b""), None, "nothing");
    }
}
