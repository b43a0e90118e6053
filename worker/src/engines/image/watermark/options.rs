//! What can be asked of a watermark.

use convertfly_scheduler::catalog::OptionKind;
use serde::{Deserialize, Serialize};

use crate::engines::image::options::Color;
use crate::failure::Failure;

/// Where along the height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vertical {
    /// At the top margin.
    Top,
    /// In the middle.
    #[default]
    Center,
    /// At the bottom margin.
    Bottom,
}

/// Where along the width; also how the lines of a text stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Horizontal {
    /// At the left margin.
    Left,
    /// In the middle.
    #[default]
    Center,
    /// At the right margin.
    Right,
}

/// On which side of the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Over it.
    #[default]
    Above,
    /// Under it, seen through what is transparent.
    Below,
}

/// A face of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Face {
    /// Without serifs.
    #[default]
    Sans,
    /// With serifs.
    Serif,
    /// All letters equally wide.
    Mono,
}

fn one_of<const N: usize>(values: [&str; N]) -> OptionKind {
    OptionKind::OneOf { values: values.map(str::to_owned).to_vec() }
}

crate::options! {
    /// Options of `watermark`.
    pub struct WatermarkOptions {
        "Text to write; several lines are separated by a line feed. One of `text`, `image` and `image_url` is needed."
            text: Option<String> = None => OptionKind::String { max_length: 2_000 },
        "Name of the task whose picture is placed; it is named here alone, not in `input`."
            image: Option<String> = None => OptionKind::Task,
        "Public address of the picture that is placed, instead of a task that imports it." image_url: Option<String> = None =>
            OptionKind::Url,
        "Height of the letters in pixels, on a page of a PDF file in points." font_size: u32 = 40 => OptionKind::Integer { min: 4, max: 2_000 },
        "Colour of the letters; absent: white with a dark outline, which shows on every ground."
            font_color: Option<Color> = None => OptionKind::Color,
        "Kind of letters." font_name: Face = Face::Sans => one_of(["sans", "serif", "mono"]),
        "Whether the letters are bold." font_bold: bool = false => OptionKind::Boolean,
        "How several lines stand to each other." font_align: Horizontal = Horizontal::Center => one_of(["left", "center", "right"]),
        "How much of the watermark is seen, percent." opacity: u8 = 100 => OptionKind::Integer { min: 0, max: 100 },
        "Where it lies along the height." position_vertical: Vertical = Vertical::Center => one_of(["top", "center", "bottom"]),
        "Where it lies along the width." position_horizontal: Horizontal = Horizontal::Center => one_of(["left", "center", "right"]),
        "Pixels (points on a page) between it and the top or bottom edge, or between tiles." margin_vertical: u32 = 25 =>
            OptionKind::Integer { min: 0, max: 16_384 },
        "Pixels (points on a page) between it and the left or right edge, or between tiles." margin_horizontal: u32 = 25 =>
            OptionKind::Integer { min: 0, max: 16_384 },
        "Degrees to turn it clockwise." rotation: i32 = 0 => OptionKind::Integer { min: -360, max: 360 },
        "Width of the watermark, percent of the picture's; absent: its own size, or less where that does not fit inside the margins."
            scale: Option<u32> = None => OptionKind::Integer { min: 1, max: 100 },
        "Whether it lies over the picture or under it, where it is seen through transparent parts." layer: Layer = Layer::Above =>
            one_of(["above", "below"]),
        "Which pages of a pdf or tiff, or frames of an animation, get it: `1-5`, `1,3,5`, `3-`, `-2` or `all`." pages: String = "all".to_owned() =>
            OptionKind::String { max_length: 1_000 },
        "Whether it is repeated all over the picture." tile: bool = false => OptionKind::Boolean,
        "Output quality of lossy formats (jpg, webp), 1 to 100." quality: u8 = 85 => OptionKind::Integer { min: 1, max: 100 },
        "Leave out what the file says beside its picture: EXIF with place and time, XMP; `false` keeps it, as with `convert`."
            strip: bool = true => OptionKind::Boolean,
    }
}

impl WatermarkOptions {
    /// # Errors
    /// [`Failure::Invalid`] unless there is a text or a picture, and one only.
    pub fn check(&self) -> Result<(), Failure> {
        let text = self.text.as_deref().is_some_and(|text| !text.trim().is_empty());
        match [text, self.image.is_some(), self.image_url.is_some()].into_iter().filter(|given| *given).count() {
            1 => Ok(()),
            0 => Err(Failure::invalid_field(
                "text",
                "Missing required field: text (or image, the name of the task that imports a picture, or image_url, its address)",
            )),
            _ => Err(Failure::invalid_field(
                "text",
                "Of text, image and image_url only one may be given; two watermarks take two tasks",
            )),
        }
    }
}
