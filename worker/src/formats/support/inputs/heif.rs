//! The container of HEIC (ISO/IEC 23008-12): items, their properties and how they belong together.

use super::hevc::{self, Picture};
use crate::pixels::Image;

/// What a test asks for beside the pixels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heic {
    /// Bits a sample, 8 if 0.
    pub(crate) bits: u8,
    /// Quarter turns anti-clockwise (`irot`).
    pub(crate) turns: Option<u8>,
    /// Mirrored at the vertical (0) or horizontal (1) axis (`imir`).
    pub(crate) mirror: Option<u8>,
    /// Sides of the tiles, where the picture is a grid.
    pub(crate) tile: Option<(u32, u32)>,
    /// An embedded profile instead of sRGB by numbers.
    pub(crate) icc: Option<Vec<u8>>,
    /// Colours are stored multiplied by alpha, which the file says.
    pub(crate) premultiplied: bool,
    /// Primaries of the `nclx` box; sRGB's if 0.
    pub(crate) primaries: u16,
}

fn make_box(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let size = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = (size as u32).to_be_bytes().to_vec();
    out.extend(name);
    parts.iter().for_each(|part| out.extend(*part));
    out
}

/// A box with version and flags.
fn full(name: &[u8; 4], version: u8, parts: &[&[u8]]) -> Vec<u8> {
    let head = [version, 0, 0, 0];
    make_box(name, &[&[&head[..]], parts].concat())
}

struct Item {
    kind: &'static [u8; 4],
    data: Vec<u8>,
    /// Numbers of properties, from 1, whether essential.
    properties: Vec<(u8, bool)>,
}

#[derive(Default)]
struct File {
    items: Vec<Item>,
    properties: Vec<Vec<u8>>,
    references: Vec<u8>,
}

impl File {
    fn property(&mut self, property: Vec<u8>) -> u8 {
        self.properties.push(property);
        self.properties.len() as u8
    }

    /// Adds a coded picture and returns its number.
    fn picture(&mut self, picture: Picture, width: u32, height: u32) -> u16 {
        let coded = self.property(configuration(&picture));
        let size = self.property(full(b"ispe", 0, &[&width.to_be_bytes(), &height.to_be_bytes()]));
        self.items.push(Item { kind: b"hvc1", data: picture.data, properties: vec![(coded, true), (size, false)] });
        self.items.len() as u16
    }

    fn refer(&mut self, kind: &[u8; 4], from: u16, to: &[u16]) {
        let to_bytes: Vec<u8> = to.iter().flat_map(|id| id.to_be_bytes()).collect();
        self.references.extend(make_box(kind, &[&from.to_be_bytes(), &(to.len() as u16).to_be_bytes(), &to_bytes]));
    }

    fn write(&self, primary: u16) -> Vec<u8> {
        let ftyp = make_box(b"ftyp", &[b"heic", &[0; 4], b"mif1", b"heic"]);
        let hdlr = full(b"hdlr", 0, &[&[0; 4], b"pict", &[0; 13]]);
        let pitm = full(b"pitm", 0, &[&primary.to_be_bytes()]);
        let infos = self
            .items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| full(b"infe", 2, &[&(index as u16 + 1).to_be_bytes(), &[0, 0], item.kind, &[0]]));
        let count = (self.items.len() as u16).to_be_bytes();
        let iinf = full(b"iinf", 0, &[&count, &infos.collect::<Vec<_>>()]);
        let iref = if self.references.is_empty() { Vec::new() } else { full(b"iref", 0, &[&self.references]) };
        let ipco = make_box(b"ipco", &[&self.properties.concat()]);
        let mut associations = (self.items.len() as u32).to_be_bytes().to_vec();
        for (index, item) in self.items.iter().enumerate() {
            associations.extend((index as u16 + 1).to_be_bytes());
            associations.push(item.properties.len() as u8);
            associations.extend(item.properties.iter().map(|&(number, essential)| number | u8::from(essential) << 7));
        }
        let iprp = make_box(b"iprp", &[&ipco, &full(b"ipma", 0, &[&associations])]);
        let rest = [hdlr, pitm, iinf, iref, iprp].concat();
        // Where the data lies follows from the length of everything before it.
        let iloc = |start: u32| {
            let mut list = vec![0x44, 0];
            list.extend(count);
            let mut at = start;
            for (index, item) in self.items.iter().enumerate() {
                list.extend((index as u16 + 1).to_be_bytes());
                list.extend([0, 0, 0, 1]);
                list.extend(at.to_be_bytes());
                list.extend((item.data.len() as u32).to_be_bytes());
                at += item.data.len() as u32;
            }
            full(b"iloc", 0, &[&list])
        };
        let meta = |start| full(b"meta", 0, &[&rest, &iloc(start)]);
        let start = (ftyp.len() + meta(0).len() + 8) as u32;
        let data: Vec<u8> = self.items.iter().flat_map(|item| item.data.iter().copied()).collect();
        [ftyp, meta(start), make_box(b"mdat", &[&data])].concat()
    }
}

/// The decoder configuration (ISO/IEC 14496-15, 8.3.3.1).
fn configuration(picture: &Picture) -> Vec<u8> {
    let mut record = vec![1, 4, 8, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 186, 0xf0, 0, 0xfc, 0xfc | picture.chroma_format];
    record.extend([0xf8 | (picture.bits - 8), 0xf8 | (picture.bits - 8), 0, 0, 0x0f, 3]);
    for (kind, set) in &picture.parameter_sets {
        record.extend([0x80 | kind, 0, 1]);
        record.extend((set.len() as u16).to_be_bytes());
        record.extend(set);
    }
    make_box(b"hvcC", &[&record])
}

/// The part of `image` at `x`, `y`; beyond its edges it goes on with the edge.
fn part(image: &Image, x: u32, y: u32, width: u32, height: u32) -> Image {
    let bytes = image.channels().count() * image.depth().bytes();
    let mut data = Vec::new();
    for row in y..y + height {
        for column in x..x + width {
            let at = (row.min(image.height() - 1) * image.width() + column.min(image.width() - 1)) as usize * bytes;
            data.extend_from_slice(&image.data()[at..at + bytes]);
        }
    }
    Image::new(width, height, image.channels(), image.depth(), data).expect("the sizes match")
}

/// A file that shows `image`, after the transformations that `wanted` asks for.
pub(crate) fn heic(image: &Image, wanted: &Heic) -> Vec<u8> {
    let bits = wanted.bits.max(8);
    let (width, height) = (image.width(), image.height());
    let mut file = File::default();
    let primary = match wanted.tile {
        None => file.picture(hevc::encode(image, bits, false), width, height),
        Some((w, h)) => {
            let (columns, rows) = (width.div_ceil(w), height.div_ceil(h));
            let tiles: Vec<u16> = (0..rows * columns)
                .map(|index| {
                    let tile = part(image, index % columns * w, index / columns * h, w, h);
                    file.picture(hevc::encode(&tile, bits, false), w, h)
                })
                .collect();
            let mut data = vec![0, 1, rows as u8 - 1, columns as u8 - 1];
            data.extend(width.to_be_bytes());
            data.extend(height.to_be_bytes());
            let size = file.property(full(b"ispe", 0, &[&width.to_be_bytes(), &height.to_be_bytes()]));
            file.items.push(Item { kind: b"grid", data, properties: vec![(size, false)] });
            let grid = file.items.len() as u16;
            file.refer(b"dimg", grid, &tiles);
            grid
        }
    };
    if image.channels().has_alpha() {
        let alpha = file.picture(hevc::encode(image, bits, true), width, height);
        let auxiliary = file.property(full(b"auxC", 0, &[b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"]));
        file.items[usize::from(alpha) - 1].properties.push((auxiliary, true));
        file.refer(b"auxl", alpha, &[primary]);
        if wanted.premultiplied {
            file.refer(b"prem", primary, &[alpha]);
        }
    }
    // Green, blue and red as they are (matrix 0), all levels used.
    let primaries = if wanted.primaries == 0 { 1 } else { wanted.primaries };
    let numbers = [&primaries.to_be_bytes()[..], &13u16.to_be_bytes(), &0u16.to_be_bytes(), &[0x80]].concat();
    let mut colours = vec![make_box(b"colr", &[b"nclx", &numbers])];
    if let Some(icc) = &wanted.icc {
        colours.push(make_box(b"colr", &[b"prof", icc]));
    }
    let count = file.items.len();
    for colour in colours {
        let number = file.property(colour);
        // Tiles need to know the matrix, too.
        for item in &mut file.items[..count] {
            item.properties.push((number, false));
        }
    }
    for (name, value) in [(b"irot", wanted.turns), (b"imir", wanted.mirror)] {
        if let Some(value) = value {
            let number = file.property(make_box(name, &[&[value]]));
            file.items[usize::from(primary) - 1].properties.push((number, true));
        }
    }
    file.write(primary)
}
