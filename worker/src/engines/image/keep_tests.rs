//! What is kept and what is not, over every encoder.

use ::exif::Tag;
use serde_json::json;

use super::*;
use crate::engines::Action;
use crate::engines::image::testing::{MAKER, PACKET, exif, job, made, travelled};
use crate::formats::support::testing::{decode, icc, picture, still};
use crate::formats::{Decoded, EncodeOptions, FORMATS, by_name};
use crate::pixels::{Channels, Orientation};

/// A picture with everything beside it, in formats that can hold it.
fn full(name: &str) -> Vec<u8> {
    let encoder = by_name(name).and_then(|format| format.encode).expect("it is written");
    let decoded = Decoded { icc: Some(icc(b"RGB ", 300)), ..still(picture(60, 40, Channels::Rgb)) };
    let options =
        EncodeOptions { tags: Tags { exif: Some(travelled()), xmp: Some(PACKET.to_owned()) }, ..EncodeOptions::default() };
    let mut out = Cursor::new(Vec::new());
    encoder(&decoded, &options, &mut out).expect("it is written");
    out.into_inner()
}

fn holders() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().filter(|format| format.flags.tags).map(|format| format.name)
}

fn text(exif: &Exif, tag: Tag) -> Option<String> {
    exif.get_field(tag, In::PRIMARY).map(|field| field.display_value().to_string())
}

fn contains(data: &[u8], text: &str) -> bool {
    data.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn the_fixtures_hold_what_is_looked_for() {
    assert_eq!(holders().collect::<Vec<_>>(), ["jpg", "png", "tiff", "webp"], "the formats that hold tags");
    for name in holders() {
        let data = full(name);
        let found = exif(&data).unwrap_or_else(|| panic!("{name} has EXIF"));
        assert_eq!(text(&found, Tag::GPSLatitude).as_deref(), Some("51 deg 16 min 40 sec"), "{name}");
        assert!(contains(&data, MAKER) && contains(&data, "a place in Kent"), "{name}");
        assert!(decode(name, &data).icc.is_some(), "{name}");
    }
}

#[test]
fn a50_place_and_time_never_leak_by_default() {
    for from in holders() {
        let data = full(from);
        for to in FORMATS.iter().filter(|format| format.encode.is_some()) {
            for (action, options) in [
                (Action::Convert, json!({})),
                (Action::Convert, json!({ "width": 30, "keep_icc": true })),
                (Action::Watermark, json!({ "text": "mine" })),
                (Action::Merge, json!({ "layout": "sheet" })),
            ] {
                let pair = format!("{action:?} of {from} to {} with {options}", to.name);
                let (result, _) = made(&job(action, from, to.name, &options), &data).unwrap_or_else(|f| panic!("{pair}: {f}"));
                for leak in [MAKER, "Kent", "2026:04:03", "GPS"] {
                    assert!(!contains(&result, leak), "{pair}: {leak} is in it");
                }
                let tags = exif(&result).map(|exif| exif.fields().filter(|f| f.tag.context() != Context::Tiff).count());
                assert!(tags.unwrap_or(0) == 0, "{pair}: {tags:?} tags");
            }
        }
        let own = by_name(from).expect("a format");
        if crate::formats::OPTIMIZERS.iter().any(|optimizer| optimizer.format.name == own.name) {
            for profile in ["web", "print", "archive", "max"] {
                let (result, _) =
                    made(&job(Action::Optimize, from, from, &json!({ "profile": profile })), &data).expect("it is optimised");
                assert!(![MAKER, "Kent", "2026:04:03"].iter().any(|leak| contains(&result, leak)), "{from}, {profile}");
                let latitude = exif(&result).and_then(|exif| text(&exif, Tag::GPSLatitude));
                assert_eq!(latitude, None, "{from}, {profile}");
            }
        }
    }
}

#[test]
fn what_is_kept_is_right_for_the_result() {
    for from in holders() {
        let data = full(from);
        for to in holders() {
            let pair = format!("{from} to {to}");
            let options = json!({ "strip": false, "width": 20 });
            let (result, made) = made(&job(Action::Convert, from, to, &options), &data).unwrap_or_else(|f| panic!("{pair}: {f}"));
            // Stored 60 x 40 and held upright, so 40 x 60 as it shows.
            let size = (20, 30);
            assert_eq!((made.width, made.height), (Some(size.0), Some(size.1)), "{pair}: {:?}", made.warnings);
            let found = exif(&result).unwrap_or_else(|| panic!("{pair}: EXIF is kept"));
            assert_eq!(text(&found, Tag::Make), Some(format!("\"{MAKER}\"")), "{pair}");
            assert_eq!(text(&found, Tag::GPSLatitude).as_deref(), Some("51 deg 16 min 40 sec"), "{pair}");
            assert_eq!(text(&found, Tag::GPSLongitude).as_deref(), Some("0 deg 31 min 12 sec"), "{pair}");
            assert_eq!(text(&found, Tag::FNumber).as_deref(), Some("2.8"), "{pair}");
            assert_eq!(text(&found, Tag::ExifVersion).as_deref(), Some("2.32"), "{pair}");
            let number = |tag| found.get_field(tag, In::PRIMARY).and_then(|field| field.value.get_uint(0));
            assert_eq!(number(Tag::Orientation).unwrap_or(1), 1, "{pair}: upright now");
            assert_eq!((number(Tag::PixelXDimension), number(Tag::PixelYDimension)), (Some(20), Some(size.1)), "{pair}");
            assert!(contains(&result, "tiff:Orientation=\"1\">a place in Kent"), "{pair}: XMP, made right");
            let decoded = decode(to, &result);
            assert_eq!((decoded.orientation, decoded.icc.map(|icc| icc.len())), (Orientation::Upright, Some(300)), "{pair}");
        }
    }
}

#[test]
fn a_watermark_and_what_holds_no_tags_say_what_they_do() {
    let data = full("jpg");
    let (result, _) =
        made(&job(Action::Watermark, "jpg", "jpg", &json!({ "text": "mine", "strip": false })), &data).expect("it is marked");
    assert_eq!(exif(&result).and_then(|exif| text(&exif, Tag::Make)), Some(format!("\"{MAKER}\"")), "kept");
    // Where there is no room for the profile, colours become sRGB instead.
    let (gif, _) = made(&job(Action::Convert, "jpg", "gif", &json!({ "strip": false })), &data).expect("it converts");
    assert!(!contains(&gif, MAKER), "GIF holds none");
}

#[test]
fn too_much_is_left_out_with_a_warning() {
    let with_notes = |bytes: usize| {
        let notes = Field { tag: Tag::MakerNote, ifd_num: In::PRIMARY, value: Value::Undefined(vec![b'n'; bytes], 0) };
        let mut writer = Writer::new();
        writer.push_field(&notes);
        let mut out = Cursor::new(Vec::new());
        writer.write(&mut out, false).expect("EXIF");
        for_upright(&out.into_inner(), (1, 1))
    };
    let (tags, warnings) = with_notes(60_000);
    assert!(tags.exif.is_some() && warnings.is_empty(), "60 kB are kept: {warnings:?}");
    let (tags, warnings) = with_notes(70_000);
    assert!(tags.exif.is_none() && warnings.len() == 1 && warnings[0].contains("EXIF"), "{warnings:?}");
}

#[test]
fn a_gain_map_is_told_of_where_a_file_has_one() {
    let xmp = PACKET.replace("<x:xmpmeta", "<x:xmpmeta xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\"");
    let encoded = |xmp: &str| {
        let how = EncodeOptions { tags: Tags { exif: None, xmp: Some(xmp.to_owned()) }, ..EncodeOptions::default() };
        let mut out = Cursor::new(Vec::new());
        let jpg = by_name("jpg").expect("a format").encode.expect("it is written");
        jpg(&still(picture(9, 9, Channels::Rgb)), &how, &mut out).expect("it is written");
        out.into_inner()
    };
    for (xmp, wanted) in [(xmp.as_str(), true), (PACKET, false)] {
        let (_, made) = made(&job(Action::Convert, "jpg", "png", &json!({})), &encoded(xmp)).expect("it converts");
        assert_eq!(made.warnings.iter().any(|warning| warning.contains("HDR gain map")), wanted, "{:?}", made.warnings);
    }
}
