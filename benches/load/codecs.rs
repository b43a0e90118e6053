//! `bench codecs`: decoding and encoding by format, on a generated picture or on the files of a folder, beside other libraries in this
//! program that know the format.
//!
//! Processor time of the whole process counts, since some codecs use threads. A file that either side refuses is left out for both.

use std::fmt::Write;
use std::hint::black_box;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use convertfly_worker::formats::{self, Category, DecodeOptions, Decoded, EncodeOptions, FORMATS, Format};
use convertfly_worker::pixels::{Channels, Depth, Image};
use cpu_time::ProcessTime;
use serde::Serialize;

use crate::pictures;
use crate::thumbnail::median;

mod peers;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// A folder of pictures; those below it, too. Without it one is generated.
    pub folder: Option<PathBuf>,
    /// Size of the one that is generated.
    pub size: (u32, u32),
    /// Counted rounds.
    pub rounds: usize,
    /// Only the format of this name.
    pub only: Option<String>,
}

/// One side.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// `convertfly`, or the library.
    pub name: &'static str,
    /// Median of a round over all files, milliseconds of processor time.
    pub cpu_ms: f64,
    /// Pixels, in millions a second of processor time.
    pub megapixels_per_second: f64,
    /// Bytes of what was written; 0 where it was read.
    pub bytes: usize,
    /// Median over the rounds of this side's time over ours: above 1 we are faster.
    pub ratio: f64,
}

/// A format, read or written.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Canonical name.
    pub format: &'static str,
    /// `decode` or `encode`.
    pub what: &'static str,
    /// Files.
    pub files: usize,
    /// Pixels of all of them.
    pub pixels: u64,
    /// Ours first.
    pub sides: Vec<Side>,
}

/// Runs the codecs; tells each row as it is done.
///
/// # Errors
/// When the folder cannot be read, or a picture that was written here is not read.
pub fn run(plan: &Plan, mut tell: impl FnMut(&Row)) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let files = plan.folder.as_deref().map(files).transpose()?;
    let images = FORMATS.iter().copied().filter(|format| format.category == Category::Image);
    for format in images.filter(|format| plan.only.as_ref().is_none_or(|only| format.name == only)) {
        let sources = match &files {
            Some(files) => files.iter().filter(|(of, _)| *of == format.name).map(|(_, data)| data.clone()).collect(),
            None => generated(format, plan.size)?,
        };
        let (pictures, sources): (Vec<Decoded>, Vec<Vec<u8>>) =
            sources.into_iter().filter_map(|data| Some((decode(format, &data).ok()?, data))).unzip();
        if pictures.is_empty() {
            continue;
        }
        let work = [(format.decode.is_some(), "decode"), (format.encode.is_some(), "encode")];
        for (_, what) in work.into_iter().filter(|(can, _)| *can) {
            let Some(row) = row(format, what, &sources, &pictures, plan.rounds)? else { continue };
            tell(&row);
            rows.push(row);
        }
    }
    if rows.is_empty() {
        bail!("there is nothing to measure: no picture was read");
    }
    Ok(rows)
}

/// Each file below a folder whose first bytes are of a picture, with its format.
fn files(folder: &Path) -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("no folder {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let read = |path: PathBuf| {
        let data = std::fs::read(path).ok()?;
        let format = formats::sniff(&data[..data.len().min(formats::SNIFF_BYTES)])?;
        Some((format.name, data))
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

/// A picture in that format, written by us; none where we only read it.
fn generated(format: &Format, (width, height): (u32, u32)) -> anyhow::Result<Vec<Vec<u8>>> {
    // An icon is small.
    let side = format.flags.largest.unwrap_or(u32::MAX);
    let picture = Decoded::still(pictures::scene(width.min(side), height.min(side)));
    if format.encode.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![encode(format, &picture)?])
}

/// A scene of that size in the format of that name.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn encoded(format: &str, width: u32, height: u32) -> anyhow::Result<Vec<u8>> {
    written(format, pictures::scene(width, height))
}

/// A picture in the format of that name.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn written(format: &str, image: Image) -> anyhow::Result<Vec<u8>> {
    encode(formats::by_name(format).context("a format")?, &Decoded::still(image))
}

/// What a file in the format of that name holds.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn decoded(format: &str, data: &[u8]) -> anyhow::Result<Decoded> {
    decode(formats::by_name(format).context("a format")?, data)
}

fn decode(format: &Format, data: &[u8]) -> anyhow::Result<Decoded> {
    let decoder = format.decode.with_context(|| format!("{} is not read", format.name))?;
    (decoder.decode)(data, &DecodeOptions::default()).map_err(|failure| anyhow!("{}: {failure}", format.name))
}

fn encode(format: &Format, picture: &Decoded) -> anyhow::Result<Vec<u8>> {
    let encoder = format.encode.with_context(|| format!("{} is not written", format.name))?;
    let mut out = Cursor::new(Vec::new());
    encoder(picture, &EncodeOptions::default(), &mut out).map_err(|failure| anyhow!("{}: {failure}", format.name))?;
    Ok(out.into_inner())
}

/// Does all files once; gives the bytes that were written.
type Work<'a> = Box<dyn Fn() -> anyhow::Result<usize> + 'a>;

/// `None` where no file can be done by all sides.
fn row(
    format: &'static Format,
    what: &'static str,
    sources: &[Vec<u8>],
    pictures: &[Decoded],
    rounds: usize,
) -> anyhow::Result<Option<Row>> {
    let reads = what == "decode";
    let peers = if reads { peers::decoders(format.name) } else { peers::encoders(format.name) };
    // All sides do the same files: those that all of them can.
    let can = |at: &usize| {
        let simple = pictures[*at].frames.first().is_some_and(|frame| {
            frame.image.depth() == Depth::U8 && matches!(frame.image.channels(), Channels::Rgb | Channels::Rgba)
        });
        let ours = reads || encode(format, &pictures[*at]).is_ok();
        ours && (peers.is_empty() || simple) && peers.iter().all(|(_, peer)| peer(&sources[*at], &pictures[*at]).is_ok())
    };
    let chosen: Vec<usize> = (0..sources.len()).filter(can).collect();
    if chosen.is_empty() {
        return Ok(None);
    }
    let mut sides: Vec<(&'static str, Work<'_>)> = Vec::new();
    let all = &chosen;
    sides.push((
        "convertfly",
        Box::new(move || {
            all.iter().try_fold(0, |bytes, &at| {
                Ok(if reads {
                    black_box(decode(format, &sources[at])?);
                    bytes
                } else {
                    bytes + encode(format, &pictures[at])?.len()
                })
            })
        }),
    ));
    for (name, peer) in peers {
        let work = move || all.iter().try_fold(0, |bytes, &at| Ok(bytes + peer(&sources[at], &pictures[at])?));
        sides.push((name, Box::new(work)));
    }
    let pixels = chosen.iter().flat_map(|&at| &pictures[at].frames).map(|frame| frame.image.shape().pixels()).sum();
    let sides = measure(&sides, rounds, pixels)?;
    Ok(Some(Row { format: format.name, what, files: chosen.len(), pixels, sides }))
}

fn measure(work: &[(&'static str, Work<'_>)], rounds: usize, pixels: u64) -> anyhow::Result<Vec<Side>> {
    let mut times = vec![Vec::new(); work.len()];
    let mut bytes = vec![0; work.len()];
    for round in 0..=rounds.max(1) {
        for (at, (_, work)) in work.iter().enumerate() {
            let start = ProcessTime::now();
            bytes[at] = work()?;
            // The first round warms up.
            if round > 0 {
                times[at].push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let side = |(at, (name, _)): (usize, &(&'static str, Work<'_>))| {
        let ratio = median(times[at].iter().zip(&times[0]).map(|(peer, ours)| peer / ours).collect());
        let cpu_ms = median(times[at].clone());
        Side { name, cpu_ms, megapixels_per_second: pixels as f64 / cpu_ms / 1e3, bytes: bytes[at], ratio }
    };
    Ok(work.iter().enumerate().map(side).collect())
}

/// One row for a terminal.
pub fn table(row: &Row) -> String {
    let mut text = format!("\n{} {}, {} file(s), {:.1} Mpixel\n", row.format, row.what, row.files, row.pixels as f64 / 1e6);
    for side in &row.sides {
        let bytes = if side.bytes > 0 { format!("  {:>10} bytes", side.bytes) } else { String::new() };
        let Side { name, cpu_ms, megapixels_per_second, ratio, .. } = side;
        let _ = writeln!(text, "  {name:<12} {cpu_ms:>9.2} ms {megapixels_per_second:>9.1} Mpixel/s {ratio:>6.2}x{bytes}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_that_we_write_is_measured_both_ways() {
        let plan = Plan { folder: None, size: (160, 120), rounds: 1, only: None };
        let rows = run(&plan, |_| ()).expect("they run");
        for format in FORMATS.iter().filter(|format| format.category == Category::Image && format.encode.is_some()) {
            let ways: Vec<&str> = rows.iter().filter(|row| row.format == format.name).map(|row| row.what).collect();
            let expected = if format.decode.is_some() { vec!["decode", "encode"] } else { vec!["encode"] };
            assert!(ways == expected || ways.is_empty() && format.decode.is_none(), "{}: {ways:?}", format.name);
        }
        let jpeg = rows.iter().find(|row| (row.format, row.what) == ("jpg", "decode")).expect("a row");
        let names: Vec<_> = jpeg.sides.iter().map(|side| side.name).collect();
        assert_eq!(names, ["convertfly", "turbojpeg", "zune-jpeg"], "with its peers");
        assert!(jpeg.sides.iter().all(|side| side.cpu_ms > 0.0 && side.ratio > 0.0), "{jpeg:?}");
    }

    #[test]
    fn files_of_a_folder_are_known_by_what_they_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("below")).expect("made");
        let jpeg = encode(formats::by_name("jpg").expect("known"), &Decoded::still(pictures::scene(80, 60))).expect("written");
        std::fs::write(folder.path().join("below/photo.png"), jpeg).expect("written");
        std::fs::write(folder.path().join("broken.jpg"), [0xff, 0xd8, 0xff, 0xe0, 0]).expect("written");
        std::fs::write(folder.path().join("notes.txt"), "none").expect("written");
        let plan = Plan { folder: Some(folder.path().to_owned()), size: (1, 1), rounds: 1, only: None };
        let rows = run(&plan, |_| ()).expect("they run");
        assert!(rows.iter().all(|row| (row.format, row.files, row.pixels) == ("jpg", 1, 4800)), "{rows:?}");
        assert!(table(&rows[0]).contains("jpg decode, 1 file(s), 0.0 Mpixel"), "{}", table(&rows[0]));
        let empty = tempfile::tempdir().expect("a folder");
        let plan = Plan { folder: Some(empty.path().to_owned()), ..plan };
        assert!(run(&plan, |_| ()).is_err(), "nothing to measure is an error");
    }
}
