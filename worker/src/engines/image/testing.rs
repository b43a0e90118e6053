//! Jobs for tests: bytes in, bytes out, through the same door as files.

use std::fs::File;
use std::io::{Cursor, Read, Seek, Write};

use ::exif::experimental::Writer;
use ::exif::{Exif, Field, In, Rational, Reader, Tag, Value as ExifValue};
use serde_json::Value;

use super::job::{ImageJob, run};
use crate::engines::{Action, Made};
use crate::failure::Failure;
use crate::formats::{Cancel, Limits};
use crate::pixels::{CpuLevel, GpuPolicy, Processor};

/// A file with that in it.
pub(super) fn file(data: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(data).expect("it is written");
    file
}

/// A job on one file, without anything beside it.
pub(super) fn job(action: Action, from: &str, to: &str, options: &Value) -> ImageJob {
    ImageJob {
        pdf: None,
        share: None,
        action,
        from: from.to_owned(),
        to: to.to_owned(),
        beside: Vec::new(),
        options: options.as_object().expect("options are an object").clone(),
        limits: Limits::default(),
        test: false,
    }
}

/// Runs it; the output held something longer before.
pub(super) fn made(job: &ImageJob, data: &[u8]) -> Result<(Vec<u8>, Made), Failure> {
    let mut output = file(&vec![7; data.len() + 1_000]);
    let handle = output.try_clone().expect("a second handle");
    let processor = Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there");
    let made = run(job, vec![file(data), handle], &processor, &Cancel::new())?;
    let mut result = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
    Ok((result, made))
}

/// What must never leak, as it stands in the file of [`travelled`].
pub(super) const MAKER: &str = "Camera of Jane Roe";
pub(super) const PACKET: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><a tiff:Orientation=\"6\">a place in Kent</a></x:xmpmeta>";

/// EXIF of a camera that knows where it is and was held upright: orientation 6.
pub(super) fn travelled() -> Vec<u8> {
    let degrees = |d, m, s| ExifValue::Rational([d, m, s].map(|num| Rational { num, denom: 1 }).to_vec());
    let fields = [
        (Tag::Make, ExifValue::Ascii(vec![MAKER.as_bytes().to_vec()])),
        (Tag::Orientation, ExifValue::Short(vec![6])),
        (Tag::DateTimeOriginal, ExifValue::Ascii(vec![b"2026:04:03 10:30:00".to_vec()])),
        (Tag::FNumber, ExifValue::Rational(vec![Rational { num: 28, denom: 10 }])),
        (Tag::ExifVersion, ExifValue::Undefined(b"0232".to_vec(), 0)),
        (Tag::PixelXDimension, ExifValue::Long(vec![9_999])),
        (Tag::GPSLatitudeRef, ExifValue::Ascii(vec![b"N".to_vec()])),
        (Tag::GPSLatitude, degrees(51, 16, 40)),
        (Tag::GPSLongitudeRef, ExifValue::Ascii(vec![b"E".to_vec()])),
        (Tag::GPSLongitude, degrees(0, 31, 12)),
        (Tag::StripOffsets, ExifValue::Long(vec![77])),
    ]
    .map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut out = Cursor::new(Vec::new());
    writer.write(&mut out, false).expect("EXIF");
    out.into_inner()
}

/// The EXIF of a file, read by a library of its own.
pub(super) fn exif(data: &[u8]) -> Option<Exif> {
    Reader::new().read_from_container(&mut Cursor::new(data)).ok()
}
