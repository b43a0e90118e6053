//! Compound files, as Word, Excel and PowerPoint wrote them until 2003: a stream by its name ([MS-CFB]), and the properties of a document in it
//! ([MS-OLEPS]).

use std::fs::File;
use std::os::unix::fs::FileExt;

use serde_json::{Map, Value};

/// Streams with properties, and what those with certain numbers are called here.
const STREAMS: [(&str, &[(u32, &str)]); 2] = [
    (
        "\u{5}SummaryInformation",
        &[
            (2, "title"),
            (3, "subject"),
            (4, "author"),
            (5, "keywords"),
            (12, "created"),
            (13, "modified"),
            (14, "pages"),
            (15, "words"),
            (18, "creator"),
        ],
    ),
    ("\u{5}DocumentSummaryInformation", &[(7, "slides"), (15, "company")]),
];

/// Bytes of a stream that are read.
const MAX_STREAM: usize = 1 << 20;

/// Sectors of one chain, at most.
const MAX_CHAIN: usize = 1 << 16;

/// Properties of one stream that are looked at.
const MAX_PROPERTIES: usize = 256;

/// Numbers of sectors from here up are marks ([MS-CFB] 2.1).
const MARKS: u32 = 0xffff_fffa;

/// Streams shorter than this lie in a stream of small sectors ([MS-CFB] 2.2).
const SMALL: usize = 4096;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// What is known about a Word, Excel or PowerPoint file of that kind; `None` where its directory cannot be read.
pub fn properties(file: &File) -> Option<Map<String, Value>> {
    let compound = Compound::open(file)?;
    let mut found = Map::new();
    for (name, called) in STREAMS {
        // One without properties, or with damaged ones, is a document all the same.
        let _ = compound.stream(name).and_then(|stream| tell(&stream, called, &mut found));
    }
    found.insert(
        "macros".to_owned(),
        ["VBA", "_VBA_PROJECT_CUR", "Macros"].iter().any(|name| compound.entry(name).is_some()).into(),
    );
    Some(found)
}

/// A compound file.
struct Compound<'a> {
    file: &'a File,
    head: Vec<u8>,
    sector: usize,
    directory: Vec<u8>,
}

impl<'a> Compound<'a> {
    /// `None` where it is damaged.
    fn open(file: &'a File) -> Option<Self> {
        let mut head = vec![0; 512];
        file.read_exact_at(&mut head, 0).ok()?;
        let shift = u16_at(&head, 30).filter(|shift| matches!(shift, 9 | 12))?;
        let start = u32_at(&head, 48)?;
        let mut compound = Self { file, head, sector: 1 << shift, directory: Vec::new() };
        compound.directory = compound.chain(start, MAX_STREAM)?;
        Some(compound)
    }

    /// A sector; the first one follows the header, which takes the room of one.
    fn sector(&self, index: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.sector];
        let length = self.file.read_at(&mut bytes, (u64::from(index) + 1) * self.sector as u64).ok()?;
        // The last one may be cut short.
        (length > 0).then_some(bytes)
    }

    /// The sector that follows one in its chain.
    fn next(&self, index: u32) -> Option<u32> {
        let of_sector = self.sector / 4;
        let (table, at) = (index as usize / of_sector, index as usize % of_sector);
        // Files of more than seven megabytes go on with a list elsewhere, where the properties, written last, may lie.
        let table = if table < 109 { u32_at(&self.head, 76 + 4 * table)? } else { self.far_table(table - 109)? };
        u32_at(&self.sector(table)?, 4 * at)
    }

    /// A sector of the table of chains whose number is not in the header.
    fn far_table(&self, index: usize) -> Option<u32> {
        let each = self.sector / 4 - 1;
        let mut list = u32_at(&self.head, 68)?;
        for _ in 0..(index / each).min(MAX_CHAIN) {
            list = u32_at(&self.sector(list)?, 4 * each)?;
        }
        u32_at(&self.sector(list)?, 4 * (index % each))
    }

    /// The bytes of a chain of sectors, up to `most`.
    fn chain(&self, start: u32, most: usize) -> Option<Vec<u8>> {
        let (mut bytes, mut at) = (Vec::new(), start);
        for _ in 0..MAX_CHAIN {
            if at >= MARKS || bytes.len() >= most {
                break;
            }
            bytes.extend(self.sector(at)?);
            at = self.next(at)?;
        }
        bytes.truncate(most);
        Some(bytes)
    }

    /// What the directory says of a name.
    fn entry(&self, name: &str) -> Option<&[u8]> {
        let wanted: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        self.directory.chunks_exact(128).find(|entry| entry.starts_with(&wanted))
    }

    /// The content of a stream, up to [`MAX_STREAM`] bytes of it.
    fn stream(&self, name: &str) -> Option<Vec<u8>> {
        let entry = self.entry(name)?;
        let (start, length) = (u32_at(entry, 116)?, u32_at(entry, 120)? as usize);
        if length >= SMALL {
            let mut bytes = self.chain(start, MAX_STREAM)?;
            bytes.truncate(length);
            return Some(bytes);
        }
        // The first entry of the directory is that of the stream of small sectors.
        let small = self.chain(u32_at(&self.directory, 116)?, 16 * MAX_STREAM)?;
        let table = self.chain(u32_at(&self.head, 60)?, MAX_STREAM)?;
        let (mut bytes, mut at) = (Vec::new(), start);
        while bytes.len() < length && at < MARKS {
            let place = at as usize * 64;
            bytes.extend(small.get(place..place + 64)?);
            at = u32_at(&table, at as usize * 4)?;
        }
        bytes.truncate(length);
        Some(bytes)
    }
}

/// Adds what a stream of properties says. What was said first stays.
fn tell(stream: &[u8], called: &[(u32, &str)], found: &mut Map<String, Value>) -> Option<()> {
    let section = stream.get(u32_at(stream, 44)? as usize..)?;
    let count = u32_at(section, 4)? as usize;
    let property =
        |index: usize| Some((u32_at(section, 8 + 8 * index)?, section.get(u32_at(section, 12 + 8 * index)? as usize..)?));
    let properties: Vec<_> = (0..count.min(MAX_PROPERTIES)).map_while(property).collect();
    // Property 1 is the code page of the texts; without one they are those of western Windows.
    let page = properties.iter().find(|(id, _)| *id == 1).and_then(|(_, value)| u16_at(value, 4)).unwrap_or(1252);
    for (id, value) in &properties {
        let Some((_, name)) = called.iter().find(|(number, _)| number == id) else { continue };
        let value = match u32_at(value, 0)? & 0xfff {
            3 => u32_at(value, 4).filter(|number| *number > 0).map(Value::from),
            30 => text(value, page).filter(|text| !text.is_empty()).map(Value::from),
            31 => wide(value).filter(|text| !text.is_empty()).map(Value::from),
            64 => time(value).map(Value::from),
            _ => None,
        };
        if let Some(value) = value {
            found.entry((*name).to_owned()).or_insert(value);
        }
    }
    Some(())
}

fn text(value: &[u8], page: u16) -> Option<String> {
    let bytes = value.get(8..8 + (u32_at(value, 4)? as usize).min(8_000))?;
    if page == 1200 {
        return Some(encoding_rs::UTF_16LE.decode_without_bom_handling(bytes).0.trim_end_matches('\0').trim().to_owned());
    }
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let encoding = match page {
        65001 => encoding_rs::UTF_8,
        932 => encoding_rs::SHIFT_JIS,
        936 => encoding_rs::GBK,
        949 => encoding_rs::EUC_KR,
        950 => encoding_rs::BIG5,
        10000 => encoding_rs::MACINTOSH,
        page => encoding_rs::Encoding::for_label(format!("windows-{page}").as_bytes()).unwrap_or(encoding_rs::WINDOWS_1252),
    };
    Some(encoding.decode_without_bom_handling(bytes).0.trim().to_owned())
}

fn wide(value: &[u8]) -> Option<String> {
    let length = (u32_at(value, 4)? as usize).min(4_000);
    let (pairs, _) = value.get(8..8 + 2 * length)?.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).take_while(|unit| *unit != 0).collect();
    Some(String::from_utf16_lossy(&units).trim().to_owned())
}

/// A time in tenths of microseconds since 1601, as RFC 3339 has it; none for the durations that are written in the same way.
fn time(value: &[u8]) -> Option<String> {
    let ticks = u64::from(u32_at(value, 4)?) | u64::from(u32_at(value, 8)?) << 32;
    let seconds = i64::try_from(ticks / 10_000_000).ok()?.checked_sub(11_644_473_600)?;
    let days = seconds.div_euclid(86_400);
    // Civil date of a day (Howard Hinnant, chrono-compatible low-level date algorithms).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    (1970..=9_999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A stream of those properties: number, type, value.
    fn stream(properties: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
        let (mut list, mut values) = (Vec::new(), Vec::new());
        for (id, kind, value) in properties {
            list.extend(id.to_le_bytes());
            list.extend(((8 + 8 * properties.len() + values.len()) as u32).to_le_bytes());
            values.extend(kind.to_le_bytes());
            values.extend(value);
        }
        let mut stream = vec![0; 44];
        stream.extend(48_u32.to_le_bytes());
        stream.extend(((8 + list.len() + values.len()) as u32).to_le_bytes());
        stream.extend((properties.len() as u32).to_le_bytes());
        [stream, list, values].concat()
    }

    fn string(text: &[u8]) -> Vec<u8> {
        [&(text.len() as u32 + 1).to_le_bytes(), text, &[0]].concat()
    }

    fn told(stream: &[u8]) -> Value {
        let mut found = Map::new();
        let _ = tell(stream, STREAMS[0].1, &mut found);
        Value::Object(found)
    }

    #[test]
    fn properties_are_told_in_their_code_page() {
        let ticks = (11_644_473_600_u64 + 1_704_164_645) * 10_000_000;
        let cyrillic = stream(&[
            (1, 2, 1251_u32.to_le_bytes().to_vec()),
            (2, 30, string(b"\xcf\xf0\xe8\xe2\xe5\xf2")),
            (12, 64, ticks.to_le_bytes().to_vec()),
            (14, 3, 7_u32.to_le_bytes().to_vec()),
            (99, 3, 1_u32.to_le_bytes().to_vec()),
        ]);
        assert_eq!(told(&cyrillic), json!({ "title": "Привет", "created": "2024-01-02T03:04:05Z", "pages": 7 }));
        let wide: Vec<u8> = [2, 0, 0, 0].into_iter().chain("Ü\0".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        assert_eq!(told(&stream(&[(4, 31, wide)])), json!({ "author": "Ü" }), "wide characters need no code page");
        let duration = stream(&[(12, 64, 600_000_000_u64.to_le_bytes().to_vec())]);
        assert_eq!(told(&duration), json!({}), "a minute is no date");
    }

    #[test]
    fn what_is_damaged_says_nothing_and_does_no_harm() {
        let whole = stream(&[(2, 30, string(b"Title")), (14, 3, 7_u32.to_le_bytes().to_vec())]);
        for length in 0..whole.len() {
            told(&whole[..length]);
        }
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xff;
            told(&changed);
        }
        assert_eq!(told(&whole[..50]), json!({}), "nothing is there");
    }
}
