//! What is laid over every picture: a PNG of the size of the pictures, drawn by the node's own engine of images. No text and no file of a customer's
//! comes this far.

use std::fs::File;
use std::io::Read;

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::{self, Id, decoder};
use ffmpeg_next::filter::Graph;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Dictionary, Error, Packet, Rational};

use crate::decoder::MOST_PIXELS;
use crate::fault;
use crate::filters::{self, Looks};

/// See the module.
pub(crate) struct Mark {
    /// What of the drawing can be seen at all.
    picture: Video,
    x: usize,
    y: usize,
}

impl Mark {
    /// Reads the drawing; `None` where nothing of it can be seen.
    pub(crate) fn read(file: &mut File) -> Result<Option<Self>, Failure> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(Failure::internal)?;
        let drawing = decode(&bytes).map_err(|error| fault::ours("png", error))?;
        Ok(cut(&drawing))
    }

    /// A graph that brings pictures through `chain`, lays the mark over them, and ends with `spec`.
    pub(crate) fn over(
        &self,
        looks: Looks,
        unit: Rational,
        rate: Option<Rational>,
        chain: &str,
        spec: &str,
    ) -> Result<Graph, Failure> {
        let ours = |error| fault::ours("filters", error);
        let mut graph = filters::graph();
        filters::add_source(&mut graph, "in", looks, unit, rate)?;
        filters::add_source(&mut graph, "mark", Looks::of_video(&self.picture), Rational(1, 1), None)?;
        filters::add(&mut graph, "buffersink", "out", "")?;
        let text = format!("[in]{chain}[below];[below][mark]overlay={}:{}:format=yuv420,{spec}[out]", self.x, self.y);
        let linked = graph.output("in", 0).and_then(|parser| parser.output("mark", 0));
        let linked = linked.and_then(|parser| parser.input("out", 0)).and_then(|parser| parser.parse(&text));
        linked.and_then(|()| graph.validate()).map_err(ours)?;
        let mut source = graph.get("mark").ok_or_else(|| Failure::internal("a graph without its mark"))?;
        // One picture, before all others and for good.
        let mut first = self.picture.clone();
        first.set_pts(Some(-1));
        source.source().add(&first).and_then(|()| source.source().flush()).map_err(ours)?;
        Ok(graph)
    }
}

fn decode(bytes: &[u8]) -> Result<Video, Error> {
    let found = decoder::find(Id::PNG).ok_or(Error::DecoderNotFound)?;
    let mut words = Dictionary::new();
    words.set("max_pixels", &MOST_PIXELS.to_string());
    let mut opened = codec::Context::new_with_codec(found).decoder().open_as_with(found, words)?;
    opened.send_packet(&Packet::copy(bytes))?;
    opened.send_eof()?;
    let mut picture = Video::empty();
    opened.receive_frame(&mut picture)?;
    Ok(picture)
}

/// The smallest part of an RGBA picture that holds all that is not quite transparent. What has no alpha is taken whole.
fn cut(drawing: &Video) -> Option<Mark> {
    let (width, height) = (drawing.width() as usize, drawing.height() as usize);
    if drawing.format() != Pixel::RGBA {
        return Some(Mark { picture: drawing.clone(), x: 0, y: 0 });
    }
    let (data, stride) = (drawing.data(0), drawing.stride(0));
    let row = |y: usize| data.get(y * stride..y * stride + width * 4).unwrap_or_default();
    let (mut left, mut right, mut top, mut bottom) = (width, 0, height, 0);
    for y in 0..height {
        let shows = |pixel: &&[u8; 4]| pixel[3] > 0;
        let (pixels, _) = row(y).as_chunks::<4>();
        let Some(first) = pixels.iter().position(|pixel| shows(&pixel)) else { continue };
        let last = pixels.iter().rposition(|pixel| shows(&pixel)).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        (top, bottom) = (top.min(y), y + 1);
    }
    if left >= right {
        return None;
    }
    // Chroma is halved: a mark that begins on an even pixel keeps its edges.
    let (left, top) = (left & !1, top & !1);
    let mut picture = Video::new(Pixel::RGBA, (right - left) as u32, (bottom - top) as u32);
    let to_stride = picture.stride(0);
    for (y, to) in (top..bottom).zip(picture.data_mut(0).chunks_mut(to_stride)) {
        let from = row(y).get(left * 4..right * 4).unwrap_or_default();
        to[..from.len()].copy_from_slice(from);
    }
    Some(Mark { picture, x: left, y: top })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shows_is_blended() {
        let mut drawing = Video::new(Pixel::RGBA, 64, 48);
        let stride = drawing.stride(0);
        drawing.data_mut(0).fill(0);
        assert!(cut(&drawing).is_none(), "nothing shows");
        for (x, y) in [(11, 21), (30, 40)] {
            drawing.data_mut(0)[y * stride + x * 4 + 3] = 1;
        }
        let mark = cut(&drawing).expect("two pixels show");
        assert_eq!((mark.x, mark.y), (10, 20), "from an even pixel on");
        assert_eq!((mark.picture.width(), mark.picture.height()), (21, 21), "up to the last pixel");
        let at = mark.picture.stride(0) + 4;
        assert_eq!(mark.picture.data(0)[at + 3], 1, "the first pixel is where it was");
    }
}
