//! EXIF and XMP in TIFF: the directories of the one belong to the file's own, the other is a tag (EXIF 2.32, 4.6.3; XMP, part 3, 3.4).

use std::borrow::Cow;
use std::io::{Seek, Write};

use ::exif::{Context, Exif, Field, In, Reader, Value};
use ::tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKindStandard, TiffValue};
use ::tiff::tags::{Tag, Type};
use ::tiff::{TiffError, TiffResult};

use crate::formats::Tags;

/// The tag of an XMP packet.
const XMP: Tag = Tag::Unknown(700);

/// A value of the type with that number, `LEN` bytes each, in native order.
struct Stored<const TYPE: u16, const LEN: u8>(Vec<u8>);

const fn kind(number: u16) -> Type {
    match number {
        1 => Type::BYTE,
        2 => Type::ASCII,
        3 => Type::SHORT,
        4 => Type::LONG,
        5 => Type::RATIONAL,
        6 => Type::SBYTE,
        8 => Type::SSHORT,
        9 => Type::SLONG,
        10 => Type::SRATIONAL,
        11 => Type::FLOAT,
        12 => Type::DOUBLE,
        _ => Type::UNDEFINED,
    }
}

impl<const TYPE: u16, const LEN: u8> TiffValue for Stored<TYPE, LEN> {
    const BYTE_LEN: u8 = LEN;
    const FIELD_TYPE: Type = kind(TYPE);

    fn count(&self) -> usize {
        self.0.len() / usize::from(LEN)
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.0)
    }
}

type Directory<'a, W> = DirectoryEncoder<'a, W, TiffKindStandard>;

fn write_field<W: Write + Seek>(directory: &mut Directory<'_, W>, field: &Field) -> TiffResult<()> {
    let tag = Tag::from_u16_exhaustive(field.tag.number());
    fn bytes<T, const N: usize>(values: &[T], to: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(to).collect()
    }
    match &field.value {
        Value::Byte(values) => directory.write_tag(tag, Stored::<1, 1>(values.clone())),
        Value::Ascii(texts) => {
            let text = texts.iter().flat_map(|text| text.iter().copied().chain([0])).collect();
            directory.write_tag(tag, Stored::<2, 1>(text))
        }
        Value::Short(values) => directory.write_tag(tag, Stored::<3, 2>(bytes(values, |v| v.to_ne_bytes()))),
        Value::Long(values) => directory.write_tag(tag, Stored::<4, 4>(bytes(values, |v| v.to_ne_bytes()))),
        Value::Rational(values) => {
            let pairs = values.iter().flat_map(|v| [v.num, v.denom]).flat_map(u32::to_ne_bytes).collect();
            directory.write_tag(tag, Stored::<5, 8>(pairs))
        }
        Value::SByte(values) => directory.write_tag(tag, Stored::<6, 1>(bytes(values, |v| v.to_ne_bytes()))),
        Value::Undefined(values, _) => directory.write_tag(tag, Stored::<7, 1>(values.clone())),
        Value::SShort(values) => directory.write_tag(tag, Stored::<8, 2>(bytes(values, |v| v.to_ne_bytes()))),
        Value::SLong(values) => directory.write_tag(tag, Stored::<9, 4>(bytes(values, |v| v.to_ne_bytes()))),
        Value::SRational(values) => {
            let pairs = values.iter().flat_map(|v| [v.num, v.denom]).flat_map(i32::to_ne_bytes).collect();
            directory.write_tag(tag, Stored::<10, 8>(pairs))
        }
        Value::Float(values) => directory.write_tag(tag, Stored::<11, 4>(bytes(values, |v| v.to_ne_bytes()))),
        Value::Double(values) => directory.write_tag(tag, Stored::<12, 8>(bytes(values, |v| v.to_ne_bytes()))),
        Value::Unknown(..) => Ok(()),
    }
}

/// What has been written in front of the first page, for it to point to.
#[derive(Default)]
pub(super) struct Written<'a> {
    exif: Option<Exif>,
    xmp: Option<&'a str>,
    directories: Vec<(Tag, u32)>,
}

/// Writes the directories that the first page points to.
pub(super) fn write<'a, W: Write + Seek>(encoder: &mut TiffEncoder<W>, tags: &'a Tags) -> TiffResult<Written<'a>> {
    // What is not EXIF is left out.
    let exif = tags.exif.as_ref().and_then(|exif| Reader::new().read_raw(exif.clone()).ok());
    let mut written = Written { exif, xmp: tags.xmp.as_deref(), directories: Vec::new() };
    let Some(exif) = &written.exif else { return Ok(written) };
    for (context, pointer) in [(Context::Exif, Tag::ExifDirectory), (Context::Gps, Tag::GpsDirectory)] {
        let fields: Vec<&Field> = fields(exif, context).collect();
        if fields.is_empty() {
            continue;
        }
        let mut directory = encoder.extra_directory()?;
        for field in fields {
            write_field(&mut directory, field)?;
        }
        written.directories.push((pointer, directory.finish_with_offsets()?.offset));
    }
    Ok(written)
}

fn fields(exif: &Exif, context: Context) -> impl Iterator<Item = &Field> {
    exif.fields().filter(move |field| field.ifd_num == In::PRIMARY && field.tag.context() == context)
}

impl Written<'_> {
    /// Writes into the directory of the page what belongs there.
    pub(super) fn point<W: Write + Seek>(&self, page: &mut Directory<'_, W>) -> Result<(), TiffError> {
        // How the pixels are stored is for the encoder to say (TIFF 6.0, section 8).
        let stored =
            |field: &&Field| matches!(field.tag.number(), 0xfe..=0x107 | 0x111 | 0x115..=0x117 | 0x11c | 0x13d | 0x140..=0x153);
        for field in self.exif.iter().flat_map(|exif| fields(exif, Context::Tiff)).filter(|field| !stored(field)) {
            write_field(page, field)?;
        }
        for (tag, offset) in &self.directories {
            page.write_tag(*tag, *offset)?;
        }
        match self.xmp {
            Some(xmp) => page.write_tag(XMP, xmp.as_bytes()),
            None => Ok(()),
        }
    }
}
