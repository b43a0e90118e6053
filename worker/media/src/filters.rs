//! Filter graphs. Their text is made of numbers and of words of this file; nothing that a customer wrote is part of it.

use std::sync::atomic::{AtomicI32, Ordering};

use convertfly_sandbox::Failure;
use ffmpeg_next::color::TransferCharacteristic as Transfer;
use ffmpeg_next::filter::{self, Graph};
use ffmpeg_next::format::Sample;
use ffmpeg_next::frame::{Audio, Video};
use ffmpeg_next::{ChannelLayout, Rational, ffi};

use crate::encoders::Sound;
use crate::fault;
use crate::geometry::{self, Size};
use crate::options::{Options, Span};

/// What frames look like before the filters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Looks {
    Video { size: Size, format: ffmpeg_next::format::Pixel, aspect: Rational },
    Audio { rate: u32, format: Sample, layout: ChannelLayout },
}

impl Looks {
    pub(crate) fn of_video(frame: &Video) -> Self {
        Self::Video { size: (frame.width(), frame.height()), format: frame.format(), aspect: frame.aspect_ratio() }
    }

    pub(crate) fn of_audio(frame: &Audio) -> Self {
        Self::Audio { rate: frame.rate(), format: frame.format(), layout: layout_of(frame) }
    }
}

/// The layout of a frame; the usual one of its number of channels where it states none.
pub(crate) fn layout_of(frame: &Audio) -> ChannelLayout {
    let layout = frame.channel_layout();
    if layout.is_empty() { ChannelLayout::default(i32::from(frame.channels())) } else { layout }
}

/// The format of samples that FFmpeg calls by that number.
pub(crate) fn sample_format(number: i32) -> Option<Sample> {
    if !(0..=ffi::AVSampleFormat::AV_SAMPLE_FMT_S64P as i32).contains(&number) {
        return None;
    }
    // SAFETY: the numbers from 0 to that of the last format are those of the enumeration.
    Some(Sample::from(unsafe { std::mem::transmute::<i32, ffi::AVSampleFormat>(number) }))
}

/// Whether pictures have more brightness than a screen of today shows.
pub(crate) fn is_hdr(transfer: Transfer) -> bool {
    matches!(transfer, Transfer::SMPTE2084 | Transfer::ARIB_STD_B67)
}

/// The beginning of a chain that puts white behind what is transparent. (Debian's drawbox does not survive a format with alpha.)
pub(crate) const OVER_WHITE: &str =
    "split[shown][ground];[ground]format=rgb24,drawbox=c=white:t=fill[white];[white][shown]overlay=format=auto,";

/// Whether pictures of that format may be transparent.
pub(crate) fn has_alpha(format: ffmpeg_next::format::Pixel) -> bool {
    format
        .descriptor()
        .is_some_and(|descriptor| matches!(descriptor.name(), "rgba" | "bgra" | "rgba64be" | "ya8" | "ya16be" | "pal8"))
}

/// What is done to pictures.
pub(crate) struct Pictures<'a> {
    pub(crate) options: &'a Options,
    /// Degrees to turn clockwise, the file's own turn and the customer's together.
    pub(crate) turn: u16,
    /// Frames a second, where they have to be even.
    pub(crate) rate: Option<Rational>,
    /// Sides have to be even.
    pub(crate) even: bool,
    /// Names of the pixel formats to end with, any of them.
    pub(crate) formats: &'a str,
    /// Bright pictures have to be darkened.
    pub(crate) tone_map: bool,
}

impl Pictures<'_> {
    /// The chain for pictures of that size and shape of pixels, without the format at its end.
    pub(crate) fn chain(&self, size: Size, aspect: Rational) -> (String, Size) {
        let mut steps = span_steps(self.options.span(), "trim", "setpts");
        match self.turn {
            90 => steps.push("transpose=clock".to_owned()),
            180 => steps.extend(["hflip".to_owned(), "vflip".to_owned()]),
            270 => steps.push("transpose=cclock".to_owned()),
            _ => {}
        }
        if let Some(Rational(rate, base)) = self.rate {
            steps.push(format!("fps={rate}/{base}"));
        }
        let shown = upright(square(size, aspect), self.turn);
        let stored = upright(size, self.turn);
        let geometry = geometry::plan(shown, self.options, self.even);
        if geometry.scale != stored {
            steps.push(format!("scale={}:{}:flags=bicubic", geometry.scale.0, geometry.scale.1));
        }
        let (width, height) = geometry.canvas;
        if geometry.canvas != geometry.scale {
            let filter = if width < geometry.scale.0 || height < geometry.scale.1 { "crop" } else { "pad" };
            let (x, y) = self.options.gravity.unwrap_or_default().shares();
            let (room_x, room_y) = if filter == "crop" { ("iw-ow", "ih-oh") } else { ("ow-iw", "oh-ih") };
            steps.push(format!("{filter}={width}:{height}:({room_x})*{x}:({room_y})*{y}"));
        }
        if self.tone_map {
            steps.push(
                "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
                    .into(),
            );
        }
        steps.push("setsar=1".to_owned());
        (steps.join(","), geometry.canvas)
    }

    /// The whole chain.
    pub(crate) fn spec(&self, size: Size, aspect: Rational) -> String {
        format!("{},format=pix_fmts={}", self.chain(size, aspect).0, self.formats)
    }
}

/// Steps that leave a part of the times, from 0 on.
pub(crate) fn span_steps(span: Span, trim: &str, set: &str) -> Vec<String> {
    if !span.is_part() {
        return Vec::new();
    }
    let Span { start, end } = span;
    let end = end.map(|end| format!(":end={end:.6}")).unwrap_or_default();
    vec![format!("{trim}=start={start:.6}{end}"), format!("{set}=PTS-{start:.6}/TB")]
}

/// The size that pixels of that shape are shown at.
fn square((width, height): Size, Rational(x, y): Rational) -> Size {
    let shape = f64::from(x) / f64::from(y);
    // What files say is sometimes nonsense.
    if x <= 0 || y <= 0 || x == y || !(0.1..=10.0).contains(&shape) {
        return (width, height);
    }
    ((f64::from(width) * shape).round().max(1.0) as u32, height)
}

fn upright((width, height): Size, turn: u16) -> Size {
    if turn % 180 == 90 { (height, width) } else { (width, height) }
}

/// The chain for sound that is to be encoded; `level` is a step that changes how loud it is.
pub(crate) fn sound_spec(span: Span, level: Option<&str>, wanted: &Sound) -> String {
    let mut steps = span_steps(span, "atrim", "asetpts");
    // Gaps are filled and overlaps cut, so that sound stays with the pictures.
    steps.push("aresample=async=1".to_owned());
    steps.extend(level.map(str::to_owned));
    steps.push(sound_format(wanted));
    steps.join(",")
}

/// The step that makes sound what an encoder wants: words and numbers of FFmpeg's own tables.
pub(crate) fn sound_format(wanted: &Sound) -> String {
    let (format, rate, layout) = (wanted.format.name(), wanted.rate, wanted.layout.bits());
    format!("aformat=sample_fmts={format}:sample_rates={rate}:channel_layouts=0x{layout:x}")
}

/// The unit of times of what comes out of a graph.
pub(crate) fn unit_of(graph: &mut Graph) -> Result<Rational, Failure> {
    let mut output = graph.get("out").ok_or_else(|| Failure::internal("a graph without its sink"))?;
    Ok(output.sink().time_base())
}

/// Threads that the filters of a graph may use. A process does one task at a time.
static THREADS: AtomicI32 = AtomicI32::new(1);

/// Says how many threads graphs made from now on may use.
pub(crate) fn use_threads(threads: usize) {
    THREADS.store(i32::try_from(threads).unwrap_or(1), Ordering::Relaxed);
}

/// An empty graph.
pub(crate) fn graph() -> Graph {
    let mut graph = Graph::new();
    // SAFETY: the graph was just made and has no filters yet, which is when this field may be set.
    unsafe { (*graph.as_mut_ptr()).nb_threads = THREADS.load(Ordering::Relaxed) };
    graph
}

/// A graph with one source `in` and one sink `out`.
pub(crate) fn build(looks: Looks, unit: Rational, rate: Option<Rational>, spec: &str) -> Result<Graph, Failure> {
    let mut graph = graph();
    let sink = add_source(&mut graph, "in", looks, unit, rate)?;
    add(&mut graph, sink, "out", "")?;
    let linked = graph.output("in", 0).and_then(|parser| parser.input("out", 0)).and_then(|parser| parser.parse(spec));
    linked.and_then(|()| graph.validate()).map_err(|error| fault::ours("filters", error))?;
    Ok(graph)
}

/// Adds a source of frames; returns the name of the filter that ends a chain of them.
pub(crate) fn add_source(
    graph: &mut Graph,
    name: &str,
    looks: Looks,
    Rational(num, den): Rational,
    rate: Option<Rational>,
) -> Result<&'static str, Failure> {
    match looks {
        Looks::Video { size: (width, height), format, aspect: Rational(x, y) } => {
            let format = format.descriptor().map_or("none", |descriptor| descriptor.name());
            let rate = rate.map(|Rational(rate, base)| format!(":frame_rate={rate}/{base}")).unwrap_or_default();
            let (x, y) = if x > 0 && y > 0 { (x, y) } else { (1, 1) };
            let arguments =
                format!("video_size={width}x{height}:pix_fmt={format}:time_base={num}/{den}:pixel_aspect={x}/{y}{rate}");
            add(graph, "buffer", name, &arguments)?;
            Ok("buffersink")
        }
        Looks::Audio { layout, .. } if layout.is_empty() => Err(Failure::invalid(
            "The sound has a number of channels for which no order of loudspeakers is known. Check that it plays elsewhere, and save it \
             with up to 8 channels",
        )),
        Looks::Audio { rate, format, layout } => {
            let arguments = format!(
                "time_base={num}/{den}:sample_rate={rate}:sample_fmt={}:channel_layout=0x{:x}",
                format.name(),
                layout.bits()
            );
            add(graph, "abuffer", name, &arguments)?;
            Ok("abuffersink")
        }
    }
}

/// Adds a filter of FFmpeg's.
pub(crate) fn add(graph: &mut Graph, filter: &str, name: &str, arguments: &str) -> Result<(), Failure> {
    let found = filter::find(filter).ok_or_else(|| Failure::internal(format!("FFmpeg has no filter {filter}")))?;
    graph.add(&found, name, arguments).map_err(|error| fault::ours(filter, error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(options: &Options, turn: u16) -> Pictures<'_> {
        Pictures { options, turn, rate: None, even: true, formats: "yuv420p", tone_map: false }
    }

    #[test]
    fn nothing_is_scaled_that_fits() {
        let options = Options::default();
        assert_eq!(pictures(&options, 0).spec((320, 180), Rational(1, 1)), "setsar=1,format=pix_fmts=yuv420p", "as it is");
    }

    #[test]
    fn turned_pictures_are_measured_upright() {
        let options = Options { width: Some(90), ..Options::default() };
        let (chain, size) = pictures(&options, 90).chain((320, 180), Rational(0, 1));
        assert_eq!((chain.as_str(), size), ("transpose=clock,scale=90:160:flags=bicubic,setsar=1", (90, 160)), "turned first");
    }

    #[test]
    fn pixels_become_square() {
        let options = Options::default();
        let (chain, size) = pictures(&options, 0).chain((720, 576), Rational(64, 45));
        assert_eq!((chain.as_str(), size), ("scale=1024:576:flags=bicubic,setsar=1", (1024, 576)), "a DVD in 16:9");
    }

    #[test]
    fn parts_begin_at_nought() {
        let options = Options { start: Some(1.5), end: Some(3.0), ..Options::default() };
        let (chain, _) = pictures(&options, 0).chain((320, 180), Rational(1, 1));
        assert_eq!(chain, "trim=start=1.500000:end=3.000000,setpts=PTS-1.500000/TB,setsar=1", "cut, then moved");
    }
}
