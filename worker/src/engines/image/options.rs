//! What can be asked of an image conversion.

use convertfly_scheduler::catalog::OptionKind;
use serde::{Deserialize, Serialize};

use crate::formats::Effort;
use crate::pixels::{Fit, Gravity, Orientation};

/// A colour: `#rgb`, `#rrggbb` or `#rrggbbaa`; 8-bit sRGB with straight alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color(pub [u8; 4]);

impl TryFrom<String> for Color {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits: Option<Vec<u8>> =
            text.strip_prefix('#').and_then(|hex| hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect());
        match digits.as_deref() {
            Some(&[r, g, b]) => Ok(Self([r * 17, g * 17, b * 17, 255])),
            Some(&[r1, r0, g1, g0, b1, b0]) => Ok(Self([r1 << 4 | r0, g1 << 4 | g0, b1 << 4 | b0, 255])),
            Some(&[r1, r0, g1, g0, b1, b0, a1, a0]) => Ok(Self([r1 << 4 | r0, g1 << 4 | g0, b1 << 4 | b0, a1 << 4 | a0])),
            _ => Err("must be a colour such as #fff, #ffffff or #ffffffff".to_owned()),
        }
    }
}

impl From<Color> for String {
    fn from(Color([r, g, b, a]): Color) -> Self {
        if a == 255 { format!("#{r:02x}{g:02x}{b:02x}") } else { format!("#{r:02x}{g:02x}{b:02x}{a:02x}") }
    }
}

/// Along which axis an image is mirrored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flip {
    /// Not at all.
    #[default]
    None,
    /// Left becomes right.
    Horizontal,
    /// Top becomes bottom.
    Vertical,
}

impl ConvertOptions {
    /// What the customer wants turned after the image stands upright: first `rotate`, then `flip`.
    pub fn turn(&self) -> Orientation {
        let rotate = match self.rotate {
            90 => Orientation::Rotate90,
            180 => Orientation::Rotate180,
            270 => Orientation::Rotate270,
            _ => Orientation::Upright,
        };
        rotate.then(match self.flip {
            Flip::None => Orientation::Upright,
            Flip::Horizontal => Orientation::FlipHorizontal,
            Flip::Vertical => Orientation::FlipVertical,
        })
    }

    /// Whether a result may have more pixels than its source; where nothing is said, by `fit`.
    pub fn may_enlarge(&self) -> bool {
        self.enlarge.unwrap_or(self.fit != Fit::Max)
    }
}

crate::options! {
    /// Options of `convert` between image formats.
    pub struct ConvertOptions {
        "Output quality of lossy formats (jpg, webp), 1 to 100." quality: u8 = 85 =>
            OptionKind::Integer { min: 1, max: 100 },
        "How much time is spent on fewer bytes: fast the least, at the price of some percent more of them or of a somewhat coarser picture (webp \
         takes less than half the time), small the most. png and gif have no fast way, and bmp and the like none at all."
            effort: Effort = Effort::Balanced => OptionKind::OneOf { values: ["fast", "balanced", "small"].map(str::to_owned).to_vec() },
        "Width of the result in pixels; the aspect ratio is kept if height is absent." width: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 16_384 },
        "Height of the result in pixels; the aspect ratio is kept if width is absent." height: Option<u32> = None =>
            OptionKind::Integer { min: 1, max: 16_384 },
        "How width and height together are understood: scale stretches to exactly that size, max fits inside it and does \
         not enlarge, crop fills it and cuts off what overlaps, pad fits inside it and fills the rest with background."
            fit: Fit = Fit::Scale => OptionKind::OneOf { values: ["scale", "max", "crop", "pad"].map(str::to_owned).to_vec() },
        "Which part stays when fit is crop, and where the image lies when it is pad; smart keeps what people look at: detail, skin \
         and strong colours." gravity: Gravity = Gravity::Center =>
            OptionKind::OneOf { values: Gravity::NAMES.map(str::to_owned).to_vec() },
        "Whether a smaller image is enlarged to the size asked for; absent: yes, except where fit is max."
            enlarge: Option<bool> = None => OptionKind::Boolean,
        "Degrees to turn clockwise, after the image's own orientation has been applied; width and height are those of the \
         turned image." rotate: u16 = 0 => OptionKind::OneOfIntegers { values: vec![0, 90, 180, 270] },
        "Mirror the image, after it has been turned." flip: Flip = Flip::None =>
            OptionKind::OneOf { values: ["none", "horizontal", "vertical"].map(str::to_owned).to_vec() },
        "Cut off the border of one colour, that of the top left pixel, before anything else." trim: bool = false =>
            OptionKind::Boolean,
        "How much a colour may differ from that of the border to belong to it, in levels of 255." trim_threshold: f32 = 10.0 =>
            OptionKind::Number { min: 0.0, max: 255.0 },
        "Resize in linear light, so that fine bright patterns keep their brightness; slower, and dark fine lines become thinner."
            linear: bool = false => OptionKind::Boolean,
        "Blur by a Gaussian of that standard deviation in pixels of the result, after it has been resized." blur: Option<f32> = None =>
            OptionKind::Number { min: 0.3, max: 100.0 },
        "Sharpen by an unsharp mask whose Gaussian has that standard deviation in pixels of the result, after it has been resized; \
         1 suits most pictures." sharpen: Option<f32> = None => OptionKind::Number { min: 0.3, max: 10.0 },
        "How strongly `sharpen` works: how much of the difference to the surroundings is added."
            sharpen_amount: f32 = 1.0 => OptionKind::Number { min: 0.0, max: 10.0 },
        "How much of each difference `sharpen` leaves alone, in levels of 255, so that noise is not sharpened."
            sharpen_threshold: f32 = 0.0 => OptionKind::Number { min: 0.0, max: 255.0 },
        "Take the colours out." grayscale: bool = false => OptionKind::Boolean,
        "Pixels an inch at which a document or a drawing (svg) is rendered before `width` and `height` apply; absent: 150 for documents, \
         and 96 for svg, which gives the size that the file states." density: Option<u32> = None => OptionKind::Integer { min: 1, max: 2400 },
        "Keep the embedded colour profile, and the colours that it describes, instead of converting them to sRGB."
            keep_icc: bool = false => OptionKind::Boolean,
        "Leave out what the file says beside its picture: EXIF with place and time, XMP. false keeps it where the result can hold it \
         (jpg, png, webp, tiff), with the orientation and the size made right, and the colour profile as `keep_icc` does."
            strip: bool = true => OptionKind::Boolean,
        "Which page to take of a source with several, from 1, where the result holds only one; documents give every page where this is \
         absent." page: u32 = 1 =>
            OptionKind::Integer { min: 1, max: 65_535 },
        "Colour behind transparent pixels where the result has no transparency, and of the area that pad adds."
            background: Color = Color([255; 4]) => OptionKind::Color,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::options::Options;

    fn read(value: serde_json::Value) -> Result<ConvertOptions, crate::failure::Failure> {
        ConvertOptions::read(value.as_object().expect("an object"))
    }

    #[test]
    fn absent_options_take_their_defaults() {
        assert_eq!(read(json!({})), Ok(ConvertOptions::default()), "nothing given");
        let entries = ConvertOptions::entries();
        let defaults: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.default.clone())).collect();
        let expected = [
            ("quality", json!(85)),
            ("effort", json!("balanced")),
            ("width", json!(null)),
            ("height", json!(null)),
            ("fit", json!("scale")),
            ("gravity", json!("center")),
            ("enlarge", json!(null)),
            ("rotate", json!(0)),
            ("flip", json!("none")),
            ("trim", json!(false)),
            ("trim_threshold", json!(10.0)),
            ("linear", json!(false)),
            ("blur", json!(null)),
            ("sharpen", json!(null)),
            ("sharpen_amount", json!(1.0)),
            ("sharpen_threshold", json!(0.0)),
            ("grayscale", json!(false)),
            ("density", json!(null)),
            ("keep_icc", json!(false)),
            ("strip", json!(true)),
            ("page", json!(1)),
            ("background", json!("#ffffff")),
        ];
        assert_eq!(defaults, expected, "what the catalogue tells");
    }

    #[test]
    fn colours_are_read_in_three_forms() {
        for (text, color) in [("#f08", [255, 0, 136, 255]), ("#0a0B0c", [10, 11, 12, 255]), ("#01020304", [1, 2, 3, 4])] {
            let options = read(json!({ "background": text })).expect("a colour");
            assert_eq!(options.background, Color(color), "{text}");
        }
    }

    #[test]
    fn wrong_values_name_their_field() {
        for (field, value) in [
            ("quality", json!(0)),
            ("quality", json!(101)),
            ("effort", json!("quick")),
            ("effort", json!(4)),
            ("width", json!(16_385)),
            ("height", json!("9")),
            ("fit", json!("squash")),
            ("gravity", json!("up")),
            ("rotate", json!(45)),
            ("flip", json!(true)),
            ("blur", json!(0.29)),
            ("blur", json!(100.5)),
            ("sharpen", json!("1")),
            ("sharpen_amount", json!(-0.1)),
            ("sharpen_threshold", json!(256)),
            ("background", json!("white")),
        ] {
            match read(json!({ field: value.clone() })) {
                Err(crate::failure::Failure::Invalid { field: Some(named), .. }) => assert_eq!(named, field, "{value}"),
                other => panic!("{field} = {value} gave {other:?}"),
            }
        }
    }
}
