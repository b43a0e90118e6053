//! Video to GIF: a first pass finds the palette, a second one draws with it, so that memory does not grow with the length. And to animated WebP,
//! which has all colours and needs one pass.

mod webp;

use std::fs::File;
use std::time::Instant;

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::{Context, Parameters, encoder};
use ffmpeg_next::filter::Graph;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Dictionary, Error, Packet, Rational};
use serde_json::json;

use crate::containers::Container;
use crate::fault;
use crate::filters::{self, Looks, Pictures};
use crate::geometry::Size;
use crate::job::{Job, Made, Surroundings};
use crate::options::Options;
use crate::pictures::Reader;
use crate::sink::{Sink, Track};
use crate::source;

/// Frames a second where nothing is said.
const USUAL_RATE: f64 = 10.0;

/// Most frames a second: players slow down what is shown for less than two hundredths.
const HIGHEST_RATE: f64 = 50.0;

/// Width where no size is asked for and the video is wider, pixels.
const USUAL_WIDTH: u32 = 480;

/// Most pixels over all frames: what a browser still plays.
const MOST_PIXELS: f64 = 2e9;

/// Writes the GIF, or the WebP.
pub(crate) fn run(
    job: &Job,
    (from, to): (&'static Container, &'static Container),
    input: &File,
    output: &File,
    around: &Surroundings<'_>,
) -> Result<Made, Failure> {
    let start = Instant::now();
    let passes = Passes { job, from, to, input, around };
    let mut sink = Sink::open(output, to, 1, around.cancel)?;
    let (size, frames) = if to.name == "webp" {
        webp::draw(&passes, &mut sink)?
    } else {
        let palette = passes.palette()?;
        passes.draw(&palette, &mut sink)?
    };
    if frames == 0 || !sink.finish()? {
        return Err(Failure::invalid("No picture of the video could be decoded. Check that it plays elsewhere"));
    }
    let mut made = Made { width: Some(size.0), height: Some(size.1), ..Made::default() };
    made.explain.insert("mode".into(), "encode".into());
    made.explain.insert("tracks".into(), json!([{ "kind": "video", "how": "encoded", "encoder": to.name, "frames": frames }]));
    made.explain.insert("ms".into(), json!(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)));
    Ok(made)
}

struct Passes<'a> {
    job: &'a Job,
    from: &'static Container,
    to: &'static Container,
    input: &'a File,
    around: &'a Surroundings<'a>,
}

impl Passes<'_> {
    /// The options with what a GIF has of its own.
    fn options(&self, width: u32) -> Options {
        let mut options = self.job.options.clone();
        if options.width.is_none() && options.height.is_none() && width > USUAL_WIDTH {
            options.width = Some(USUAL_WIDTH);
        }
        options
    }

    fn rate(&self) -> Rational {
        let rate = self.job.options.fps.unwrap_or(USUAL_RATE).clamp(0.1, HIGHEST_RATE);
        Rational((rate * 100.0).round() as i32, 100).reduce()
    }

    /// The chain up to frames of the final size and number.
    fn chain(
        &self,
        reader: &Reader,
        looks: Looks,
        transfer: ffmpeg_next::color::TransferCharacteristic,
    ) -> Result<(String, Size), Failure> {
        let Looks::Video { size, aspect, .. } = looks else { return Err(Failure::internal("a picture without looks")) };
        let turn = (reader.turn + self.job.options.rotate.unwrap_or(0)) % 360;
        let options = self.options(if turn % 180 == 90 { size.1 } else { size.0 });
        let tone_map = filters::is_hdr(transfer);
        let pictures = Pictures { options: &options, turn, rate: Some(self.rate()), even: false, formats: "", tone_map };
        let (chain, size) = pictures.chain(size, aspect);
        let span = self.job.options.span();
        let length = span.end.or(reader.duration()).map_or(0.0, |end| (end - span.start).max(0.0));
        let pixels = length * f64::from(self.rate()) * f64::from(size.0) * f64::from(size.1);
        if pixels > MOST_PIXELS {
            return Err(Failure::too_large(format!(
                "The {title} would be {length:.0} s of {} x {} pixels, more than one may hold here. Ask for a part (start, duration), \
                 fewer frames (fps) or a smaller size (width)",
                size.0,
                size.1,
                title = self.to.title
            )));
        }
        Ok((chain, size))
    }

    /// Reads all pictures through a graph; `each` takes what comes out.
    fn pass(
        &self,
        share: (f64, f64),
        mut build: impl FnMut(&Reader, &Video) -> Result<Graph, Failure>,
        mut each: impl FnMut(&mut Graph, &mut Video) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let cancel = self.around.cancel;
        let mut reader = Reader::open(self.input, self.from, self.job.threads(), cancel)?;
        let span = self.job.options.span();
        reader.seek(span.start);
        let length = span.end.or(reader.duration()).unwrap_or(0.0) - span.start;
        let ours = |error| fault::ours("filters", error);
        let missing = || Failure::internal("a graph without its ends");
        let (mut frame, mut filtered) = (Video::empty(), Video::empty());
        let mut current: Option<(Looks, Graph)> = None;
        let mut told = 0.0;
        loop {
            let more = reader.next_picture(&mut frame, cancel)?;
            let looks = Looks::of_video(&frame);
            let at = source::seconds(frame.pts().unwrap_or(0), reader.unit());
            let past = span.end.is_some_and(|end| more && at >= end);
            // An animation has one palette and one size: pictures that suddenly look different are left out.
            if more && current.is_none() {
                current = Some((looks, build(&reader, &frame)?));
            }
            let Some((first, graph)) = &mut current else { return Ok(()) };
            let mut input = graph.get("in").ok_or_else(missing)?;
            if more && !past {
                match if *first == looks { input.source().add(&frame) } else { Ok(()) } {
                    Ok(()) | Err(Error::Eof) => {}
                    Err(error) => return Err(ours(error)),
                }
            } else {
                // The end tells how long the last picture is shown.
                let _ = input.source().close(reader.end());
            }
            loop {
                let found = graph.get("out").ok_or_else(missing)?.sink().frame(&mut filtered);
                match found {
                    Ok(()) => each(graph, &mut filtered)?,
                    Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => break,
                    Err(error) => return Err(ours(error)),
                }
            }
            if !more || past {
                return Ok(());
            }
            if length > 0.0 {
                let done = share.0 + share.1 * ((at - span.start) / length).clamp(0.0, 1.0);
                if done > told + 0.01 {
                    told = done;
                    (self.around.progress)(done.min(0.99));
                }
            }
        }
    }

    /// 256 colours for all of it.
    fn palette(&self) -> Result<Video, Failure> {
        let mut palette = None;
        self.pass(
            (0.0, 0.4),
            |reader, frame| {
                let looks = Looks::of_video(frame);
                let (chain, _) = self.chain(reader, looks, frame.color_transfer_characteristic())?;
                filters::build(looks, reader.unit(), reader.rate, &format!("{chain},palettegen=stats_mode=diff"))
            },
            |_, filtered| {
                palette = Some(std::mem::replace(filtered, Video::empty()));
                Ok(())
            },
        )?;
        palette.ok_or_else(|| Failure::invalid("No picture of the video could be decoded. Check that it plays elsewhere"))
    }

    /// Draws with the palette. Returns the size and the number of frames.
    fn draw(&self, palette: &Video, sink: &mut Sink) -> Result<(Size, u64), Failure> {
        let ours = |error| fault::ours("gif", error);
        self.encode((0.4, 0.6), "gif", &[], sink, |reader, frame| {
            let looks = Looks::of_video(frame);
            let (chain, _) = self.chain(reader, looks, frame.color_transfer_characteristic())?;
            let mut graph = filters::graph();
            filters::add_source(&mut graph, "in", looks, reader.unit(), reader.rate)?;
            filters::add_source(&mut graph, "palette", Looks::of_video(palette), Rational(1, 1), None)?;
            filters::add(&mut graph, "buffersink", "out", "")?;
            let spec = format!("[in]{chain}[drawn];[drawn][palette]paletteuse=dither=bayer:bayer_scale=3[out]");
            let linked = graph.output("in", 0).and_then(|parser| parser.output("palette", 0));
            let linked = linked.and_then(|parser| parser.input("out", 0)).and_then(|parser| parser.parse(&spec));
            linked.and_then(|()| graph.validate()).map_err(ours)?;
            let mut source = graph.get("palette").ok_or_else(|| Failure::internal("a graph without its palette"))?;
            let mut first = palette.clone();
            first.set_pts(Some(0));
            source.source().add(&first).and_then(|()| source.source().flush()).map_err(ours)?;
            Ok(graph)
        })
    }

    /// Has the encoder of that name, told those words, write what comes out of a graph. Returns the size and the number of frames.
    fn encode(
        &self,
        share: (f64, f64),
        name: &str,
        words: &[(&str, String)],
        sink: &mut Sink,
        build: impl FnMut(&Reader, &Video) -> Result<Graph, Failure>,
    ) -> Result<(Size, u64), Failure> {
        let ours = |error| fault::ours(name, error);
        let (mut encoder, mut size, mut frames) = (None, (0, 0), 0);
        self.pass(share, build, |graph, filtered| {
            if encoder.is_none() {
                size = (filtered.width(), filtered.height());
                let words = words.iter().map(|(name, value)| (*name, value.as_str())).collect();
                encoder = Some(open(name, graph, filtered, self.rate(), words, sink)?);
            }
            let Some(opened) = &mut encoder else { return Ok(()) };
            opened.send_frame(filtered).map_err(ours)?;
            frames += 1;
            receive(name, opened, sink)
        })?;
        if let Some(opened) = &mut encoder {
            opened.send_eof().map_err(ours)?;
            receive(name, opened, sink)?;
        }
        Ok((size, frames))
    }
}

/// Opens the encoder of that name for pictures like the first one of a graph, and begins the track with it.
fn open(
    name: &str,
    graph: &mut Graph,
    first: &Video,
    rate: Rational,
    words: Dictionary<'_>,
    sink: &mut Sink,
) -> Result<encoder::video::Encoder, Failure> {
    let ours = |error| fault::ours(name, error);
    let unit = graph.get("out").map_or(Rational(1, 100), |mut out| out.sink().time_base());
    let found = encoder::find_by_name(name).ok_or(Error::EncoderNotFound).map_err(ours)?;
    let mut video = Context::new_with_codec(found).encoder().video().map_err(ours)?;
    video.set_width(first.width());
    video.set_height(first.height());
    video.set_format(first.format());
    video.set_time_base(unit);
    video.set_frame_rate(Some(rate));
    let opened = video.open_with(words).map_err(ours)?;
    let parameters = Parameters::from(&opened);
    sink.begin(0, Track { parameters, unit, rate: Some(rate), tag: 0, cover: false, matrix: None, metadata: Vec::new() })?;
    Ok(opened)
}

fn receive(name: &str, encoder: &mut encoder::video::Encoder, sink: &mut Sink) -> Result<(), Failure> {
    loop {
        let mut packet = Packet::empty();
        match encoder.receive_packet(&mut packet) {
            Ok(()) => sink.write(0, packet)?,
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(()),
            Err(error) => return Err(fault::ours(name, error)),
        }
    }
}
