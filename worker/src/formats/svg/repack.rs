//! A drawing in fewer bytes.

use std::io::Write;

use ::flate2::Compression;
use ::flate2::write::GzEncoder;

use super::minify::minified;
use super::text;
use crate::failure::Failure;
use crate::formats::RepackOptions;

/// The word that marks what test keys make, in the middle of the drawing and drawn last.
const MARK: &str = "<text x=\"50%\" y=\"50%\" fill=\"#d00\" stroke=\"#fff\" stroke-width=\".5\" font-size=\"30\" \
                    font-family=\"sans-serif\" text-anchor=\"middle\">TEST</text>";

/// The text without what does not show, packed if it was.
pub(in crate::formats) fn repack(data: &[u8], how: &RepackOptions) -> Result<Vec<Vec<u8>>, Failure> {
    let text = text::read(data, &how.limits)?;
    how.cancel.check()?;
    let mut short = minified(&text, how.keep)?;
    if how.mark {
        mark(&mut short);
    }
    let short = short.into_bytes();
    if !text::is_packed(data) {
        return Ok(vec![short]);
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    let packed = packer.write_all(&short).and_then(|()| packer.finish()).map_err(Failure::internal)?;
    Ok(vec![packed])
}

/// Writes the word in front of the end of the outermost element; one without content shows nothing that could be of use.
fn mark(text: &mut String) {
    if let Some(at) = text.rfind("</") {
        text.insert_str(at, MARK);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use ::flate2::read::GzDecoder;

    use super::*;
    use crate::formats::support::testing::decode;

    const DRAWING: &str = concat!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"> <!-- a circle -->"#,
        r##"  <circle cx="20" cy="15" r="12" fill="#0000ff"/> <path d="M 1.50 2.0 L 30.0 4 Z"/> </svg>"##,
    );

    #[test]
    fn packed_drawings_stay_packed() {
        let plain = repack(DRAWING.as_bytes(), &RepackOptions::default()).expect("it is written").remove(0);
        assert_eq!(decode("svg", &plain), decode("svg", DRAWING.as_bytes()), "it looks the same");
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(DRAWING.as_bytes()).expect("it is packed");
        let packed = packer.finish().expect("it is packed");
        let found = repack(&packed, &RepackOptions::default()).expect("it is written").remove(0);
        let mut unpacked = Vec::new();
        GzDecoder::new(&found[..]).read_to_end(&mut unpacked).expect("it is packed");
        assert_eq!(unpacked, plain, "the same inside");
        assert!(found.len() < packed.len(), "{} of {}", found.len(), packed.len());
    }

    #[test]
    fn drawings_of_test_keys_are_marked() {
        let marked =
            repack(DRAWING.as_bytes(), &RepackOptions { mark: true, ..RepackOptions::default() }).expect("it is written");
        assert!(std::str::from_utf8(&marked[0]).is_ok_and(|text| text.contains("TEST")), "in the text");
        assert_ne!(decode("svg", &marked[0]), decode("svg", DRAWING.as_bytes()), "and it shows");
    }
}
