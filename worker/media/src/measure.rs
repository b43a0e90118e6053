//! The size that the pictures of a file get when nothing is asked of them: upright, of square pixels, of even sides.

use std::fs::File;

use convertfly_sandbox::{Cancel, Failure};

use crate::containers::Container;
use crate::facts::Numbers;
use crate::filters::Pictures;
use crate::job::Made;
use crate::options::Options;
use crate::source::{self, Source};

/// Tells it.
pub(crate) fn run(from: &'static Container, input: &File, cancel: &Cancel) -> Result<Made, Failure> {
    let source = Source::open(input, from, cancel)?;
    let Some(stream) = source.video() else {
        return Err(Failure::invalid(format!("The {} file has no pictures to put a watermark on", from.title)));
    };
    let Numbers { width, height, aspect, .. } = Numbers::of(&stream.parameters());
    let side = |length: i32| u32::try_from(length).ok().filter(|side| *side > 0);
    let (Some(width), Some(height)) = (side(width), side(height)) else {
        return Err(Failure::invalid("The file is damaged: its pictures have no size"));
    };
    let options = Options::default();
    let turn = source::rotation(&stream);
    let pictures = Pictures { options: &options, turn, rate: None, even: true, formats: "", tone_map: false };
    let (width, height) = pictures.chain((width, height), aspect).1;
    Ok(Made { width: Some(width), height: Some(height), ..Made::default() })
}
