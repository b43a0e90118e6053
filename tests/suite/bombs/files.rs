//! The files. Each is small; what it claims, or unpacks to, is not.

use std::io::Write;

use base64::Engine;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::End::{self, Either, Refused};

/// A bomb: its file name, how a task on it ends, its bytes.
pub(super) type Bomb = (String, End, Vec<u8>);

/// All of them.
pub(super) fn all() -> Vec<Bomb> {
    [png(), jpeg(), gif(), bmp(), tiff(), webp(), svg(), others()].concat()
}

fn bomb(name: &str, end: End, data: Vec<u8>) -> Bomb {
    (name.to_owned(), end, data)
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(data).expect("packed");
    packer.finish().expect("packed")
}

/// `megabytes` of one byte, packed: a thousandth of that.
fn packed(megabytes: usize, byte: u8) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    let block = vec![byte; 1 << 20];
    (0..megabytes).for_each(|_| packer.write_all(&block).expect("packed"));
    packer.finish().expect("packed")
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [name, data].concat();
    let mut crc = !0u32;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    [&(data.len() as u32).to_be_bytes(), &body[..], &(!crc).to_be_bytes()].concat()
}

/// A PNG of grey pixels with chunks before its pixels, and those as they are given.
fn png_of(width: u32, height: u32, before: &[Vec<u8>], pixels: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), before.concat(), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
        .concat()
}

/// A small picture in a file of `length` bytes and some: most of it a text that compresses to nothing less.
pub(super) fn harmless(length: usize) -> Vec<u8> {
    let text = [b"a\0".to_vec(), (0..length).map(|index| (index * index / 7) as u8 | 1).collect()].concat();
    png_of(16, 16, &[chunk(b"tEXt", &text)], &zlib(&[0; 16 * 17]))
}

fn png() -> Vec<Bomb> {
    let small = zlib(&[0; 16 * 17]);
    let claims = |width, height| png_of(width, height, &[], &small);
    let text = |name: &[u8; 4], head: &[u8]| png_of(16, 16, &[chunk(name, &[head, &packed(256, b'a')].concat())], &small);
    let frames = |count: u32| {
        let control = chunk(b"acTL", &[count.to_be_bytes(), [0; 4]].concat());
        let frame = |sequence: u32| {
            let sides = [sequence, 16, 16, 0, 0].map(u32::to_be_bytes).concat();
            chunk(b"fcTL", &[&sides[..], &[0, 1, 0, 100, 0, 0]].concat())
        };
        let mut rest = vec![control, frame(0)];
        let mut file = png_of(16, 16, &rest, &small);
        file.truncate(file.len() - 12);
        rest.clear();
        for index in 1..count.min(120_000) {
            let data = [&(index * 2).to_be_bytes()[..], &small].concat();
            rest.push([frame(index * 2 - 1), chunk(b"fdAT", &data)].concat());
        }
        [file, rest.concat(), chunk(b"IEND", b"")].concat()
    };
    vec![
        bomb("flood.png", Refused, claims(30_000, 30_000)),
        bomb("longest.png", Refused, claims(0x7fff_ffff, 0x7fff_ffff)),
        bomb("just-over.png", Refused, claims(10_001, 10_000)),
        bomb("thin.png", Refused, claims(1_000_000, 1)),
        bomb("nothing.png", Refused, claims(0, 0)),
        bomb("lies.png", Refused, claims(9_000, 9_000)),
        bomb("profile.png", Either, text(b"iCCP", b"a\0\0")),
        bomb("text.png", Either, text(b"zTXt", b"a\0\0")),
        bomb("unicode.png", Either, text(b"iTXt", b"a\0\x01\0\0\0")),
        bomb("pixels.png", Either, png_of(16, 16, &[], &packed(512, 0))),
        bomb("countless.png", Refused, frames(0x7fff_ffff)),
        bomb("frames.png", Either, frames(110_000)),
    ]
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(body.len() as u16 + 2).to_be_bytes()[..], body].concat()
}

fn jpeg() -> Vec<Bomb> {
    let frame = |marker: u8, width: u16, height: u16, components: u8| {
        let mut body = vec![8];
        body.extend(height.to_be_bytes());
        body.extend(width.to_be_bytes());
        body.push(components);
        (1..=components).for_each(|id| body.extend([id, 0x11, 0]));
        segment(marker, &body)
    };
    let table = segment(0xdb, &[&[0], &[1; 64][..]].concat());
    let codes = |class: u8| segment(0xc4, &[&[class << 4], &[1][..], &[0; 15], &[0]].concat());
    let scan = |head: &[u8]| [segment(0xda, head), vec![0x3f; 40]].concat();
    let file = |parts: &[Vec<u8>]| [vec![0xff, 0xd8], parts.concat(), vec![0xff, 0xd9]].concat();
    let baseline = scan(&[1, 1, 0, 0, 63, 0]);
    let start = |marker, width, height| vec![table.clone(), frame(marker, width, height, 1), codes(0), codes(1)];
    let with = |mut parts: Vec<Vec<u8>>, more: Vec<Vec<u8>>| {
        parts.extend(more);
        file(&parts)
    };
    let scans = (0..20_000).map(|_| scan(&[1, 1, 0, 0, 0, 0]));
    let profile = (1..=255u8).map(|index| segment(0xe2, &[b"ICC_PROFILE\0", &[index, 255][..], &[0; 25_000]].concat()));
    vec![
        bomb("flood.jpg", Refused, with(start(0xc0, 65_500, 65_500), vec![baseline.clone()])),
        bomb("tall.jpg", Refused, with(start(0xc0, 1, 65_500), vec![baseline.clone()])),
        bomb("later.jpg", Refused, with(start(0xc0, 16, 0), vec![baseline.clone()])),
        bomb("scans.jpg", Either, with(start(0xc2, 4_000, 4_000), scans.collect())),
        bomb("empty.jpg", Refused, file(&[])),
        bomb("profile.jpg", Either, with(profile.collect(), [start(0xc0, 16, 16), vec![baseline.clone()]].concat())),
        bomb("arithmetic.jpg", Refused, with(start(0xc9, 4_000, 4_000), vec![baseline])),
    ]
}

fn gif() -> Vec<Bomb> {
    let start = |width: u16, height: u16| {
        [
            b"GIF89a".to_vec(),
            width.to_le_bytes().to_vec(),
            height.to_le_bytes().to_vec(),
            vec![0x80, 0, 0, 0, 0, 0, 255, 255, 255],
        ]
        .concat()
    };
    // One black pixel.
    let frame = |width: u16, height: u16| {
        [vec![0x2c, 0, 0, 0, 0], width.to_le_bytes().to_vec(), height.to_le_bytes().to_vec(), vec![0, 2, 2, 0x44, 0x01, 0]]
            .concat()
    };
    let many = |count: usize, side: u16| [start(side, side), frame(1, 1).repeat(count), vec![0x3b]].concat();
    vec![
        bomb("canvas.gif", Refused, [start(65_535, 65_535), frame(1, 1), vec![0x3b]].concat()),
        bomb("frame.gif", Refused, [start(16, 16), frame(65_535, 65_535), vec![0x3b]].concat()),
        // To a still, the first of many frames is enough.
        bomb("frames.gif", Either, many(200_000, 1)),
        bomb("large-frames.gif", Either, many(2_000, 4_000)),
        bomb("none.gif", Refused, [start(16, 16), vec![0x3b]].concat()),
    ]
}

fn bmp() -> Vec<Bomb> {
    let file = |width: i32, height: i32, bits: u16, compression: u32, colors: u32, data: &[u8]| {
        let mut out = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        out.extend(width.to_le_bytes());
        out.extend(height.to_le_bytes());
        out.extend([1, 0]);
        out.extend(bits.to_le_bytes());
        out.extend(compression.to_le_bytes());
        out.extend([0; 12]);
        out.extend(colors.to_le_bytes());
        out.extend([0; 4]);
        out.extend_from_slice(data);
        out
    };
    vec![
        bomb("flood.bmp", Refused, file(30_000, 30_000, 24, 0, 0, &[])),
        bomb("negative.bmp", Refused, file(30_000, i32::MIN, 24, 0, 0, &[])),
        bomb("lies.bmp", Refused, file(9_000, 9_000, 24, 0, 0, &[0; 100])),
        bomb("runs.bmp", Either, file(9_000, 9_000, 8, 1, 2, &[0, 0, 0, 0, 1, 1, 1, 0, 0xff, 1, 0, 1])),
        bomb("palette.bmp", Refused, file(16, 16, 8, 0, u32::MAX, &[0; 40])),
    ]
}

fn tiff() -> Vec<Bomb> {
    let file = |entries: &[(u16, u16, u32, u32)], next: u32, data: &[u8]| {
        let mut out = b"II*\0\x08\0\0\0".to_vec();
        out.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            out.extend(tag.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend(count.to_le_bytes());
            out.extend(value.to_le_bytes());
        }
        out.extend(next.to_le_bytes());
        out.extend_from_slice(data);
        out
    };
    let page = |width: u32, height: u32, compression: u32, length: u32| {
        let at = 8 + 2 + 9 * 12 + 4;
        vec![
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 8),
            (259, 3, 1, compression),
            (262, 3, 1, 1),
            (273, 4, 1, at),
            (277, 3, 1, 1),
            (278, 4, 1, height),
            (279, 4, 1, length),
        ]
    };
    let deflated = packed(512, 0);
    let length = deflated.len() as u32;
    let mut strips = page(9_000, 9_000, 1, 10);
    (strips[5], strips[7], strips[8]) = ((273, 4, 0x7fff_ffff, 8), (278, 4, 1, 1), (279, 4, 0x7fff_ffff, 8));
    vec![
        bomb("flood.tif", Refused, file(&page(30_000, 30_000, 1, 10), 0, &[0; 10])),
        bomb("circle.tif", Either, file(&page(16, 16, 1, 256), 8, &[0; 256])),
        bomb("strips.tif", Refused, file(&strips, 0, &[0; 10])),
        bomb("deflate.tif", Either, file(&page(16, 16, 8, length), 0, &deflated)),
        bomb("lies.tif", Refused, file(&page(9_000, 9_000, 1, 81_000_000), 0, &[0; 100])),
        bomb("count.tif", Refused, [&b"II*\0\x08\0\0\0\xff\xff"[..], &[0; 40]].concat()),
        bomb("profile.tif", Either, file(&[&page(16, 16, 1, 256)[..8], &[(34_675, 7, u32::MAX, 8)]].concat(), 0, &[0; 256])),
    ]
}

fn webp() -> Vec<Bomb> {
    let part =
        |name: &[u8; 4], data: &[u8]| [&name[..], &(data.len() as u32).to_le_bytes(), data, &vec![0; data.len() % 2]].concat();
    let file = |parts: &[Vec<u8>]| {
        let body = [b"WEBP".to_vec(), parts.concat()].concat();
        [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
    };
    let header = |flags: u8, side: u32| {
        part(b"VP8X", &[&[flags, 0, 0, 0][..], &(side - 1).to_le_bytes()[..3], &(side - 1).to_le_bytes()[..3]].concat())
    };
    let lossless = |side: u32| part(b"VP8L", &[&[0x2f][..], &((side - 1) | (side - 1) << 14).to_le_bytes(), &[0; 20]].concat());
    let frame = |side: u32| {
        let sides = [&[0; 6][..], &(side - 1).to_le_bytes()[..3], &(side - 1).to_le_bytes()[..3], &[10, 0, 0, 0]].concat();
        part(b"ANMF", &[sides, lossless(side)].concat())
    };
    let loops = part(b"ANIM", &[0; 6]);
    vec![
        bomb("canvas.webp", Refused, file(&[header(0, 1 << 24), lossless(16)])),
        bomb("flood.webp", Refused, file(&[lossless(16_384)])),
        bomb("frames.webp", Refused, file(&[vec![header(2, 1_000), loops.clone()], vec![frame(1_000); 5_000]].concat())),
        bomb("tiny-frames.webp", Refused, file(&[vec![header(2, 1), loops], vec![frame(1); 120_000]].concat())),
        bomb("profile.webp", Either, file(&[header(0x20, 16), part(b"ICCP", &vec![0; 5 << 20]), lossless(16)])),
        bomb("cut.webp", Refused, file(&[lossless(16)])[..20].to_vec()),
    ]
}

fn svg() -> Vec<Bomb> {
    let svg = |size: &str, body: &str| format!(r#"<svg xmlns="http://www.w3.org/2000/svg" {size}>{body}</svg>"#);
    let text = |name: &str, end: End, body: String| bomb(name, end, body.into_bytes());
    let small = r#"width="100" height="100""#;
    let mut entities = String::from(r#"<!DOCTYPE svg [<!ENTITY a0 "lol">"#);
    let mut uses = String::from(r#"<g id="a0"><rect width="1" height="1"/></g>"#);
    for level in 1..12 {
        entities.push_str(&format!(r#"<!ENTITY a{level} "{}">"#, format!("&a{};", level - 1).repeat(10)));
        uses.push_str(&format!(r#"<g id="a{level}">{}</g>"#, format!(r##"<use href="#a{}"/>"##, level - 1).repeat(10)));
    }
    let gzip = |data: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(data).expect("packed");
        packer.finish().expect("packed")
    };
    let spaces = svg(small, &" ".repeat(200 << 20));
    let mut nested = svg(small, r#"<rect width="9" height="9"/>"#);
    for _ in 0..8 {
        let data = base64::engine::general_purpose::STANDARD.encode(&nested);
        nested = svg(small, &format!(r#"<image width="9" height="9" href="data:image/svg+xml;base64,{data}"/>"#));
    }
    let flood = base64::engine::general_purpose::STANDARD.encode(png_of(30_000, 30_000, &[], &zlib(&[0; 9])));
    let layers = format!("{}<rect width=\"9999\" height=\"9999\"/>{}", r#"<g opacity=".5">"#.repeat(60), "</g>".repeat(60));
    vec![
        text("entities.svg", Refused, format!("{entities}]>{}", svg(small, "<text>&a11;</text>"))),
        text(
            "external.svg",
            Refused,
            format!(r#"<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>{}"#, svg(small, "<text>&x;</text>")),
        ),
        text("uses.svg", Refused, svg(small, &uses)),
        text("deep.svg", Refused, svg(small, &format!("{}{}", "<g>".repeat(100_000), "</g>".repeat(100_000)))),
        text("huge.svg", Refused, svg(r#"width="1e9" height="1e9""#, "")),
        text("layers.svg", Either, svg(r#"width="9999" height="9999""#, &layers)),
        text(
            "pattern.svg",
            Refused,
            svg(
                small,
                r##"<pattern id="p" width="1e5" height="1e5" patternUnits="userSpaceOnUse"><path d="M0 0h9v9"/></pattern><rect width="9" height="9" fill="url(#p)"/>"##,
            ),
        ),
        text(
            "filter.svg",
            Either,
            svg(
                small,
                r##"<filter id="f" x="-1e6" y="-1e6" width="1e7" height="1e7"><feGaussianBlur stdDeviation="1e6"/></filter><rect width="50" height="50" filter="url(#f)"/>"##,
            ),
        ),
        text("nested.svg", Refused, nested),
        text(
            "picture.svg",
            Refused,
            svg(small, &format!(r#"<image width="9" height="9" href="data:image/png;base64,{flood}"/>"#)),
        ),
        bomb("packed.svgz", Refused, gzip(spaces.as_bytes())),
    ]
}

fn others() -> Vec<Bomb> {
    let icon = |count: u16, inside: &[u8]| {
        let entry = [&[16, 16, 0, 0, 1, 0, 32, 0][..], &(inside.len() as u32).to_le_bytes(), &22u32.to_le_bytes()].concat();
        [&[0, 0, 1, 0][..], &count.to_le_bytes(), &entry, inside].concat()
    };
    let dib = [&40u32.to_le_bytes()[..], &30_000u32.to_le_bytes(), &60_000u32.to_le_bytes(), &[1, 0, 32, 0], &[0; 24]].concat();
    let named = |name: &[u8; 4], parts: &[&[u8]]| {
        let size = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
        [&(size as u32).to_be_bytes()[..], name, &parts.concat()].concat()
    };
    let heif = |brand: &[u8; 4], codec: &[u8; 4], side: u32| {
        let handler = named(b"hdlr", &[&[0; 8], b"pict", &[0; 13]]);
        let primary = named(b"pitm", &[&[0; 4], &[0, 1]]);
        let item = named(b"infe", &[&[2, 0, 0, 0, 0, 1, 0, 0], codec, &[0]]);
        let items = named(b"iinf", &[&[0; 4], &[0, 1], &item]);
        let size = named(b"ispe", &[&[0; 4], &side.to_be_bytes(), &side.to_be_bytes()]);
        let properties = named(b"iprp", &[&named(b"ipco", &[&size]), &named(b"ipma", &[&[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 1]])]);
        let places = named(b"iloc", &[&[0, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]]);
        let meta = named(b"meta", &[&[0; 4], &handler, &primary, &places, &items, &properties]);
        [named(b"ftyp", &[brand, &[0; 4], b"mif1", brand]), meta].concat()
    };
    // Both sides 2^30, in the longest form of the header.
    let sides = 0b110 | ((1u128 << 30) - 1) << 3 | 0b11 << 36 | ((1u128 << 30) - 1) << 38;
    vec![
        bomb("flood.ico", Refused, icon(1, &png_of(30_000, 30_000, &[], &zlib(&[0; 9])))),
        bomb("bitmap.ico", Refused, icon(1, &dib)),
        bomb("count.ico", Refused, icon(65_535, &[0; 40])),
        bomb("flood.heic", Refused, heif(b"heic", b"hvc1", 0x7fff_ffff)),
        bomb("cut.heic", Refused, heif(b"heic", b"hvc1", 64)),
        bomb("flood.avif", Refused, heif(b"avif", b"av01", 0x7fff_ffff)),
        bomb("cut.avif", Refused, heif(b"avif", b"av01", 64)),
        bomb("flood.jxl", Refused, [&[0xff, 0x0a][..], &sides.to_le_bytes()].concat()),
        bomb("cut.jxl", Refused, vec![0xff, 0x0a, 0x30, 0x54, 0x10, 0x09, 0x08]),
    ]
}
