//! Archives against the readers that people have: python's zipfile and Info-ZIP's unzip.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use super::*;

fn entry(name: &str, content: &[u8]) -> Entry {
    Entry { name: name.into(), size: content.len() as u64, crc32: crc32fast::hash(content) }
}

fn at() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_775_212_275).expect("a time")
}

fn render(layout: &Layout, files: &[&[u8]], first: u64, last: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in layout.slice(first, last) {
        match piece {
            Piece::Bytes(part) => bytes.extend(part),
            Piece::File(index, range) => bytes.extend(&files[index][range.start as usize..range.end as usize]),
        }
    }
    bytes
}

/// What python reads of an archive: it checks every CRC, then prints names and sizes.
fn python(path: &Path) -> String {
    let script = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n\
                  for i in z.infolist(): print(i.filename, i.file_size, i.date_time[0], oct(i.external_attr >> 16))";
    let output = Command::new("python3").arg("-c").arg(script).arg(path).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

fn unzip_accepts(path: &Path) {
    let output = Command::new("unzip").arg("-tq").arg(path).output().expect("unzip runs");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[test]
fn both_readers_take_it_and_names_are_unique() {
    let files: [&[u8]; 5] = [b"first", b"", b"third file", &[7; 70_000], b"five"];
    let names = ["a.png", "\u{fc}ber \u{65e5}.txt", "A.png", "a.png", "a-2.png"];
    let entries: Vec<Entry> = names.iter().zip(&files).map(|(name, file)| entry(name, file)).collect();
    let layout = Layout::new(&entries, at());
    let bytes = render(&layout, &files, 0, u64::MAX);
    assert_eq!(bytes.len() as u64, layout.size(), "the size is known before");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.zip");
    std::fs::write(&path, &bytes).expect("written");
    let listed = python(&path);
    let expected = "a.png 5 2026 0o100644\n\u{fc}ber \u{65e5}.txt 0 2026 0o100644\nA-2.png 10 2026 0o100644\n\
                    a-3.png 70000 2026 0o100644\na-2-2.png 4 2026 0o100644\n";
    assert_eq!(listed, expected, "each file under a name of its own");
    unzip_accepts(&path);
}

#[test]
fn every_range_is_a_part_of_the_whole() {
    let files: [&[u8]; 3] = [b"0123456789", b"", b"abcdef"];
    let entries: Vec<Entry> = ["x", "y", "z"].iter().zip(&files).map(|(name, file)| entry(name, file)).collect();
    let layout = Layout::new(&entries, at());
    let whole = render(&layout, &files, 0, u64::MAX);
    for first in 0..whole.len() {
        for last in first..whole.len() {
            let part = render(&layout, &files, first as u64, last as u64);
            assert_eq!(part, whole[first..=last], "{first}-{last}");
        }
    }
}

/// Files of holes: 5 GiB, twice, and one small file behind 10 GiB of them.
#[test]
fn sizes_and_offsets_over_4_gib_use_zip64() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.zip");
    let size = 5u64 << 30;
    // The CRC of zeros: doubling, as reading 5 GiB would take its time.
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[0; 1 << 20]);
    for _ in 0..12 {
        let half = crc.clone();
        crc.combine(&half);
    }
    let four = crc.clone();
    let mut one = crc32fast::Hasher::new();
    one.update(&[0; 1 << 20]);
    for _ in 0..10 {
        let half = one.clone();
        one.combine(&half);
    }
    let mut all = four;
    all.combine(&one);
    let crc32 = all.finalize();
    let entries =
        [Entry { name: "one".into(), size, crc32 }, Entry { name: "two".into(), size, crc32 }, entry("last", b"the last file")];
    let layout = Layout::new(&entries, at());
    let file = std::fs::File::create(&path).expect("created");
    for (at, piece) in &layout.pieces {
        match piece {
            Piece::Bytes(bytes) => file.write_all_at(bytes, *at).expect("written"),
            Piece::File(2, _) => file.write_all_at(b"the last file", *at).expect("written"),
            Piece::File(..) => {}
        }
    }
    file.set_len(layout.size()).expect("grown");
    let script = "import sys,zipfile\nz=zipfile.ZipFile(sys.argv[1])\nprint([i.file_size for i in z.infolist()], z.read('last'))";
    let output = Command::new("python3").arg("-c").arg(script).arg(&path).output().expect("python3 runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.trim(), "[5368709120, 5368709120, 13] b'the last file'", "{}", String::from_utf8_lossy(&output.stderr));
    let listed = Command::new("unzip").args(["-p"]).arg(&path).arg("last").output().expect("unzip runs");
    assert_eq!(listed.stdout, b"the last file", "unzip finds it, too: {}", String::from_utf8_lossy(&listed.stderr));
    std::io::stdout().flush().expect("flushed");
}

#[test]
fn more_entries_than_16_bits_count_use_zip64() {
    let entries: Vec<Entry> = (0..70_000).map(|i| entry(&format!("{i}"), b"")).collect();
    let layout = Layout::new(&entries, at());
    let bytes = render(&layout, &vec![&b""[..]; entries.len()], 0, u64::MAX);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("many.zip");
    std::fs::write(&path, bytes).expect("written");
    assert_eq!(python(&path).lines().count(), 70_000, "all of them are found");
}
