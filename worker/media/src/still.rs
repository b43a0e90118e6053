//! One picture of a video as a PNG, or several on a sheet.

mod sheet;

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use convertfly_sandbox::Failure;
use ffmpeg_next::codec::{Context, encoder};
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;
use ffmpeg_next::{Dictionary, Error, Packet, Rational};
use serde_json::json;

use crate::containers::Container;
use crate::fault;
use crate::filters::{self, Looks, Pictures};
use crate::job::{Job, Made, Surroundings};
use crate::options::Options;
use crate::pictures::Reader;
use crate::source;

/// Where in a video a picture is taken if nothing is said: past the black of its beginning.
const USUAL_SHARE: f64 = 0.1;

/// Where it is taken else, if all is dark there.
const OTHER_SHARES: [f64; 4] = [0.2, 0.35, 0.5, 0.75];

/// Brightest value that counts as black.
const BLACK: u8 = 40;

/// Which moment is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Second(f64),
    Share(f64),
}

/// Reads `12.5`, `1:02:03.5` or `10%`.
fn moment(text: &str) -> Option<Moment> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    if let Some(percent) = text.strip_suffix('%') {
        return number(percent).filter(|percent| *percent <= 100.0).map(|percent| Moment::Share(percent / 100.0));
    }
    let parts: Option<Vec<f64>> = text.split(':').map(number).collect();
    let parts = parts.filter(|parts| parts.len() <= 3)?;
    Some(Moment::Second(parts.into_iter().fold(0.0, |sum, part| sum * 60.0 + part)))
}

/// Writes the picture, or a sheet of several.
pub(crate) fn run(
    job: &Job,
    from: &'static Container,
    input: &File,
    output: &mut File,
    around: &Surroundings<'_>,
) -> Result<Made, Failure> {
    let start = Instant::now();
    let taker = Taker { job, from, input, around };
    let wanted = match job.options.timestamp.as_deref() {
        None => None,
        Some(text) => Some(moment(text).ok_or_else(|| {
            Failure::invalid_field("timestamp", "timestamp must be seconds (12.5), a time (1:02:03) or a share (10%)")
        })?),
    };
    let (picture, times) = match job.options.count {
        Some(count) if count > 1 => sheet::draw(&taker, count)?,
        _ => {
            let (picture, at) = match wanted {
                Some(moment) => taker.take(moment, &job.options)?,
                None => taker.best(&job.options)?,
            };
            (picture, vec![at])
        }
    };
    output.set_len(0).map_err(Failure::internal)?;
    output.write_all(&png(&picture)?).map_err(Failure::internal)?;
    let mut made = Made { width: Some(picture.width()), height: Some(picture.height()), ..Made::default() };
    let mut times = times.into_iter().map(|at| json!((at * 1000.0).round() / 1000.0));
    let first = times.next();
    let rest: Vec<_> = times.collect();
    let told = if rest.is_empty() { json!(first) } else { first.into_iter().chain(rest).collect() };
    made.explain.insert("timestamp".into(), told);
    made.explain.insert("ms".into(), json!(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)));
    Ok(made)
}

/// Takes pictures of one file.
struct Taker<'a> {
    job: &'a Job,
    from: &'static Container,
    input: &'a File,
    around: &'a Surroundings<'a>,
}

impl Taker<'_> {
    /// The picture of that moment, and when it is shown.
    fn take(&self, wanted: Moment, options: &Options) -> Result<(Video, f64), Failure> {
        let cancel = self.around.cancel;
        let mut reader = Reader::open(self.input, self.from, self.job.threads(), cancel)?;
        let second = match wanted {
            Moment::Second(second) => second,
            Moment::Share(share) => reader.duration().unwrap_or(0.0) * share,
        };
        reader.seek(second);
        let (mut frame, mut last) = (Video::empty(), None);
        while reader.next_picture(&mut frame, cancel)? {
            let at = source::seconds(frame.pts().unwrap_or(0), reader.unit());
            last = Some((std::mem::replace(&mut frame, Video::empty()), at));
            // Half a millisecond of grace for what rounding has taken away.
            if at + 0.000_5 >= second {
                break;
            }
        }
        // Where a keyframe after the moment is all that a damaged file has, and past the end, the nearest picture is shown.
        let Some((frame, at)) = last else {
            return Err(Failure::invalid("No picture of the video could be decoded. Check that it plays elsewhere"));
        };
        let turn = (reader.turn + options.rotate.unwrap_or(0)) % 360;
        Ok((filtered(&frame, reader.unit(), options, turn)?, at))
    }

    /// The first of some pictures that is not dark all over; the first of all where each is.
    fn best(&self, options: &Options) -> Result<(Video, f64), Failure> {
        let first = self.take(Moment::Share(USUAL_SHARE), options)?;
        if !is_dark(&first.0) {
            return Ok(first);
        }
        for share in OTHER_SHARES {
            let other = self.take(Moment::Share(share), options)?;
            if !is_dark(&other.0) {
                return Ok(other);
            }
        }
        Ok(first)
    }
}

/// Whether nothing can be made out: hardly a hundredth of the values is brighter than a screen's black.
fn is_dark(picture: &Video) -> bool {
    let width = picture.width() as usize * if picture.format() == Pixel::RGBA { 4 } else { 3 };
    let rows = picture.data(0).chunks(picture.stride(0)).take(picture.height() as usize);
    let opaque = |index: usize| picture.format() != Pixel::RGBA || index % 4 != 3;
    let bright =
        rows.flat_map(|row| row.iter().take(width).enumerate()).filter(|(index, value)| opaque(*index) && **value > BLACK);
    bright.count() * 100 < width * picture.height() as usize
}

/// The picture upright, at its size, in RGB.
fn filtered(frame: &Video, unit: Rational, options: &Options, turn: u16) -> Result<Video, Failure> {
    let looks = Looks::of_video(frame);
    let Looks::Video { size, aspect, .. } = looks else { return Err(Failure::internal("a picture without looks")) };
    // Of the options those that speak of a part do not apply to one picture.
    let options = Options { start: None, end: None, duration: None, ..options.clone() };
    let transparent = frame.format().descriptor().is_some_and(|descriptor| descriptor.nb_components() % 2 == 0);
    let pictures = Pictures {
        options: &options,
        turn,
        rate: None,
        even: false,
        formats: if transparent { "rgba" } else { "rgb24" },
        tone_map: filters::is_hdr(frame.color_transfer_characteristic()),
    };
    let mut graph = filters::build(looks, unit, None, &pictures.spec(size, aspect))?;
    let ours = |error| fault::ours("filters", error);
    let missing = || Failure::internal("a graph without its ends");
    let mut input = graph.get("in").ok_or_else(missing)?;
    input.source().add(frame).map_err(ours)?;
    input.source().flush().map_err(ours)?;
    let mut picture = Video::empty();
    graph.get("out").ok_or_else(missing)?.sink().frame(&mut picture).map_err(ours)?;
    Ok(picture)
}

fn png(picture: &Video) -> Result<Vec<u8>, Failure> {
    let ours = |error| fault::ours("png", error);
    let found = encoder::find_by_name("png").ok_or(Error::EncoderNotFound).map_err(ours)?;
    let mut video = Context::new_with_codec(found).encoder().video().map_err(ours)?;
    video.set_width(picture.width());
    video.set_height(picture.height());
    video.set_format(if picture.format() == Pixel::RGBA { Pixel::RGBA } else { Pixel::RGB24 });
    video.set_time_base(Rational(1, 25));
    let mut words = Dictionary::new();
    words.set("compression_level", "4");
    let mut opened = video.open_with(words).map_err(ours)?;
    opened.send_frame(picture).map_err(ours)?;
    opened.send_eof().map_err(ours)?;
    let mut packet = Packet::empty();
    opened.receive_packet(&mut packet).map_err(ours)?;
    packet.data().map(<[u8]>::to_vec).ok_or_else(|| Failure::internal("the PNG encoder gave nothing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_times_or_shares() {
        assert_eq!(moment("12.5"), Some(Moment::Second(12.5)), "seconds");
        assert_eq!(moment("1:02:03.5"), Some(Moment::Second(3723.5)), "a time");
        assert_eq!(moment("10%"), Some(Moment::Share(0.1)), "a share");
        for wrong in ["", "x", "-1", "101%", "1:2:3:4", "nan", "inf", "%"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
