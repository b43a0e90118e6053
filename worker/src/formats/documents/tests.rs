use crate::formats::{sniff, sniff_parts};

fn found(bytes: &[u8]) -> Option<&'static str> {
    let read = |at: u64, length: usize| {
        let from = usize::try_from(at).ok()?.min(bytes.len());
        Some(bytes[from..bytes.len().min(from + length)].to_vec())
    };
    sniff_parts(&bytes[..bytes.len().min(4096)], bytes.len() as u64, &read).map(|format| format.name)
}

/// A zip archive of empty files, the first of which may hold something; none is compressed.
fn archive(names: &[&str], first: &[u8]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (index, name) in names.iter().enumerate() {
        let content = if index == 0 { first } else { b"" };
        let mut header = vec![0; 26];
        header[14..18].copy_from_slice(&(content.len() as u32).to_le_bytes());
        header[18..22].copy_from_slice(&(content.len() as u32).to_le_bytes());
        header[22..24].copy_from_slice(&(name.len() as u16).to_le_bytes());
        directory.extend_from_slice(b"PK\x01\x02\0\0");
        directory.extend_from_slice(&header);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&(body.len() as u32).to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        body.extend_from_slice(b"PK\x03\x04");
        body.extend_from_slice(&header);
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(content);
    }
    let (start, size) = (body.len() as u32, directory.len() as u32);
    body.extend(directory);
    body.extend_from_slice(b"PK\x05\x06\0\0\0\0\0\0\0\0");
    body.extend(size.to_le_bytes());
    body.extend(start.to_le_bytes());
    body.extend_from_slice(&[0, 0]);
    body
}

/// A compound file with those streams: header, table of sectors, directory.
fn compound(names: &[&str]) -> Vec<u8> {
    let mut file = vec![0; 1024];
    file[..8].copy_from_slice(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    file[30] = 9;
    // The directory begins in sector 1, the table of sectors is sector 0.
    file[48] = 1;
    let sectors = names.len().div_ceil(4);
    for index in 0..sectors {
        let next = if index + 1 == sectors { 0xffff_fffe } else { index as u32 + 2 };
        file[512 + 4 * (index + 1)..][..4].copy_from_slice(&next.to_le_bytes());
    }
    for name in names {
        let mut entry = vec![0; 128];
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[2 * at..2 * at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[64] = (2 * name.len() + 2) as u8;
        file.extend(entry);
    }
    file.resize(1024 + 512 * sectors, 0);
    file
}

#[test]
fn archives_are_known_by_what_they_hold() {
    for (main, expected) in [("word/document.xml", "docx"), ("xl/workbook.xml", "xlsx"), ("ppt/presentation.xml", "pptx")] {
        assert_eq!(found(&archive(&["_rels/.rels", main, "[Content_Types].xml"], b"")), Some(expected), "{main}");
        assert_eq!(found(&archive(&["_rels/.rels", main], b"")), None, "{main} alone is in many archives");
    }
    for (kind, expected) in [("text", "odt"), ("spreadsheet", "ods"), ("presentation", "odp"), ("text-template", "odt")] {
        let mime = format!("application/vnd.oasis.opendocument.{kind}");
        assert_eq!(found(&archive(&["mimetype", "content.xml"], mime.as_bytes())), Some(expected), "{kind}");
    }
    assert_eq!(found(&archive(&["mimetype"], b"application/epub+zip")), None, "a book");
    assert_eq!(found(&archive(&["a.txt"], b"")), None, "any archive");
}

#[test]
fn compound_files_are_known_by_their_streams() {
    let many = ["Root Entry", "a", "b", "c", "d", "e", "f", "g", "WordDocument"];
    for (names, expected) in [
        (&many[..], Some("doc")),
        (&["Root Entry", "Workbook"], Some("xls")),
        (&["Root Entry", "Book"], Some("xls")),
        (&["Root Entry", "PowerPoint Document"], Some("ppt")),
        (&["Root Entry", "EncryptedPackage"], None),
    ] {
        assert_eq!(found(&compound(names)), expected, "{names:?}");
    }
}

#[test]
fn damaged_containers_are_nothing() {
    for whole in [archive(&["[Content_Types].xml", "word/a"], b""), compound(&["Root Entry", "a", "b", "c", "WordDocument"])] {
        // The last two bytes of an archive are the length of a comment, which says nothing of what is in it.
        for length in 0..whole.len() - 2 {
            assert_eq!(found(&whole[..length]), None, "cut at {length}");
        }
    }
    // A chain of sectors that leads in a circle ends.
    let mut circle = compound(&["Root Entry"]);
    circle[512 + 4..][..4].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(found(&circle), None, "in a circle");
}

#[test]
fn markup_is_known_by_its_beginning() {
    for (text, expected) in [
        ("<!DOCTYPE html><p>", Some("html")),
        ("\u{feff}\n <!-- a -->\n<HTML lang=en>", Some("html")),
        ("<?xml version='1.0'?><!doctype HTML PUBLIC \"x\">", Some("html")),
        ("<html>", Some("html")),
        ("<htmlx>", None),
        ("<p>text</p>", None),
        ("<!-- open", None),
        ("{\\rtf1\\ansi}", Some("rtf")),
        ("{\\rt", None),
    ] {
        assert_eq!(sniff(text.as_bytes()).map(|format| format.name), expected, "{text}");
    }
}
