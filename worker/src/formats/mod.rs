//! The table of formats: what each is called, how it is recognised, and how its pixels are read and written.
//!
//! Code asks the flags, never `if png`. A new image codec is its own file, one `mod` line and one row.

mod aac;
mod avi;
mod avif;
mod bmp;
pub(crate) mod documents;
mod effort;
mod flac;
mod gif;
#[cfg(feature = "heif")]
mod heic;
mod ico;
mod jpg;
mod jxl;
mod m4a;
mod memo;
mod mkv;
mod mov;
mod mp3;
mod mp4;
mod ogg;
mod pdf;
pub(crate) mod planes;
mod png;
pub(crate) mod support;
mod svg;
mod tiff;
mod wav;
mod webm;
mod webp;

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

pub use convertfly_sandbox::Cancel;
pub use effort::Effort;
pub use memo::{Held, Known, Memo, Part, Reserve};

use crate::failure::Failure;
use crate::pixels::{Channels, Depth, Image, Orientation};

/// What kind of thing a format holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Pages.
    Document,
    /// Cells.
    Spreadsheet,
    /// Slides.
    Presentation,
    /// Pixels.
    Image,
    /// Pictures that move, mostly with sound.
    Video,
    /// Sound.
    Audio,
    /// Facts.
    Data,
}

impl Category {
    /// The name in the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Spreadsheet => "spreadsheet",
            Self::Presentation => "presentation",
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Data => "data",
        }
    }
}

/// Properties that the rest of the program asks about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    /// Can store transparency.
    pub alpha: bool,
    /// Has a lossy encoding that `quality` controls.
    pub lossy: bool,
    /// Can hold several pages.
    pub pages: bool,
    /// Can hold several frames with timing.
    pub animated: bool,
    /// Can store 16 bits a sample.
    pub deep: bool,
    /// Can store one grey channel.
    pub grey: bool,
    /// Can hold an ICC profile, and we write it.
    pub profile: bool,
    /// Can hold EXIF and XMP, and we write them.
    pub tags: bool,
    /// Can store a pixel as the number of a colour in a table, which [`EncodeOptions::colors`] makes small.
    pub palette: bool,
    /// The longest side that it holds, where that is so little that most pictures have to be made smaller for it.
    pub largest: Option<u32>,
    /// Can hold a JPEG file as it is, for a picture of its own.
    pub embeds_jpeg: bool,
    /// One picture without profile and tags is read back from it sample for sample, in the layout that was written.
    pub exact: bool,
    /// Is drawn at any size, not stored as pixels: a decoder of it gives the very size that is asked for.
    pub vector: bool,
}

impl Flags {
    /// None of them: what a row begins with.
    pub const NONE: Self = Self {
        alpha: false,
        lossy: false,
        pages: false,
        animated: false,
        deep: false,
        grey: false,
        profile: false,
        tags: false,
        palette: false,
        largest: None,
        embeds_jpeg: false,
        exact: false,
        vector: false,
    };
}

/// A row of the table.
pub struct Format {
    /// Canonical name.
    pub name: &'static str,
    /// What people call it, for messages: `JPEG`.
    pub title: &'static str,
    /// Media type.
    pub mime: &'static str,
    /// Extensions without the dot, the preferred one first.
    pub extensions: &'static [&'static str],
    /// Other names that requests may use.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub category: Category,
    /// Properties.
    pub flags: Flags,
    /// Whether the first bytes of a file (at most [`SNIFF_BYTES`]) are of this format.
    pub magic: fn(&[u8]) -> bool,
    /// Reads pixels, where we can.
    pub decode: Option<Decoder>,
    /// Writes pixels, where we can.
    pub encode: Option<Encoder>,
}

/// Bytes of a file's beginning that are enough to recognise it.
pub const SNIFF_BYTES: usize = 4096;

/// The two steps of reading: the header says what it will cost before a pixel is touched.
#[derive(Clone, Copy)]
pub struct Decoder {
    /// Reads the header alone and checks one frame of it against the limits. How many frames will be decoded depends on the
    /// target, so the caller checks all of them ([`Limits::check`]).
    pub probe: fn(&[u8], &Limits) -> Result<Header, Failure>,
    /// Reads the pixels. `all_frames` asks for every frame of an animation, otherwise the first one.
    pub decode: fn(&[u8], &DecodeOptions) -> Result<Decoded, Failure>,
    /// What [`DecodeOptions::at_least`] comes down to: sizes of which this says the same give the same pixels.
    pub variant: fn(&Header, (u32, u32)) -> (u32, u32),
}

impl Decoder {
    /// One that gives the whole picture whatever size is wanted.
    pub const fn whole(
        probe: fn(&[u8], &Limits) -> Result<Header, Failure>,
        decode: fn(&[u8], &DecodeOptions) -> Result<Decoded, Failure>,
    ) -> Self {
        Self { probe, decode, variant: |_, _| (0, 0) }
    }
}

/// Writes frames to a file.
pub type Encoder = fn(&Decoded, &EncodeOptions, &mut dyn WriteSeek) -> Result<(), Failure>;

/// How a file holds its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Its pixels are approximations already, and another approximation takes their place without harm.
    Lossy,
    /// Its pixels are meant as they are.
    Exact,
    /// It holds what an encoder here cannot write: inks, or shapes instead of pixels.
    Fixed,
}

/// How a file is written anew, in fewer bytes and without a change to what it shows.
#[derive(Clone, Debug, Default)]
pub struct RepackOptions {
    /// Limits, checked again.
    pub limits: Limits,
    /// Whether what the file says beside its pixels stays as it is. Otherwise `icc` and `tags` take its place.
    pub keep: bool,
    /// The profile that belongs to the colours.
    pub icc: Option<Vec<u8>>,
    /// What is written beside the pixels.
    pub tags: Tags,
    /// Whether to take more time.
    pub smallest: bool,
    /// Whether a drawing, which has no pixels, is marked TEST.
    pub mark: bool,
    /// Set when the work is no longer wanted.
    pub cancel: Cancel,
}

/// Writes a file anew. Gives one file or several to choose from; an error says no more than that this way is closed.
pub type Repack = fn(&[u8], &RepackOptions) -> Result<Vec<Vec<u8>>, Failure>;

/// A format whose files can be made smaller.
pub struct Optimizer {
    /// Which.
    pub format: &'static Format,
    /// How a file of it holds its picture.
    pub nature: fn(&[u8]) -> Nature,
    /// Writes it anew.
    pub repack: Repack,
}

/// Every format whose files can be made smaller, sorted by name.
pub static OPTIMIZERS: &[Optimizer] = &[
    Optimizer { format: &gif::FORMAT, nature: |_| Nature::Exact, repack: gif::repack },
    Optimizer { format: &jpg::FORMAT, nature: jpg::nature, repack: jpg::repack },
    Optimizer { format: &png::FORMAT, nature: |_| Nature::Exact, repack: png::repack },
    Optimizer { format: &svg::FORMAT, nature: |_| Nature::Fixed, repack: svg::repack },
    Optimizer { format: &webp::FORMAT, nature: webp::nature, repack: webp::repack },
];

/// A part of a picture that is drawn on.
pub struct Paint<'a> {
    /// Left edge in pixels.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Pixels across, at least one, within the picture.
    pub width: u32,
    /// Pixels down, likewise.
    pub height: u32,
    /// Gets the part, perhaps somewhat larger, and where it begins; gives it back with what is drawn, in the same shape.
    pub draw: &'a mut dyn FnMut(Image, (u32, u32)) -> Result<Image, Failure>,
}

/// How a file becomes another of its format, whose picture has the same size.
#[derive(Default)]
pub struct RewriteOptions<'a> {
    /// Limits, checked again.
    pub limits: Limits,
    /// 1 to 100.
    pub quality: u8,
    /// How the picture is turned first.
    pub orientation: Orientation,
    /// As in [`EncodeOptions`].
    pub full_chroma: bool,
    /// As in [`EncodeOptions`].
    pub effort: Effort,
    /// What is drawn over the turned picture.
    pub paint: Option<Paint<'a>>,
    /// The profile that is written.
    pub icc: Option<Vec<u8>>,
    /// What is written beside the picture.
    pub tags: Tags,
    /// Set when the work is no longer wanted.
    pub cancel: Cancel,
}

/// A file that was rewritten.
pub struct Rewritten {
    /// It.
    pub file: Vec<u8>,
    /// Blocks of its picture.
    pub blocks: usize,
    /// Those that were drawn on.
    pub drawn: usize,
}

/// What has to be known of a file that can be rewritten.
pub struct Rewritable {
    /// Its colour profile.
    pub icc: Option<Vec<u8>>,
}

/// A format whose files can be rewritten without a way through all of their pixels.
pub struct Rewriter {
    /// Which.
    pub format: &'static Format,
    /// Looks at a file; nothing for one that cannot be rewritten.
    pub look: fn(&[u8], &Limits) -> Result<Option<Rewritable>, Failure>,
    /// Rewrites a file; nothing for one that has to go through its pixels after all.
    pub rewrite: fn(&[u8], RewriteOptions<'_>) -> Result<Option<Rewritten>, Failure>,
}

/// Every format whose files can be rewritten.
pub static REWRITERS: &[Rewriter] = &[Rewriter { format: &jpg::FORMAT, look: jpg::look, rewrite: jpg::rewrite }];

/// Where encoders write.
pub trait WriteSeek: Write + std::io::Seek {}
impl<T: Write + std::io::Seek> WriteSeek for T {}

/// What is refused before decoding (TRUST.md T7, T8).
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Pixels over all frames.
    pub pixels: u64,
    /// Longest side.
    pub side: u32,
    /// Bytes that ancillary data (ICC, EXIF, XMP, text) may take once inflated.
    pub metadata_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { pixels: 100_000_000, side: 16_384, metadata_bytes: 64 << 20 }
    }
}

impl Limits {
    /// Checks what a header claims: `frames` canvases of `width` x `height` in a file of the format that people call `title`.
    ///
    /// Each frame counts as at least 1,024 pixels, so that millions of tiny frames do not pass for a small file.
    ///
    /// # Errors
    /// [`Failure::Invalid`] for an empty side or no frame, [`Failure::TooLarge`] for too long a side or too many pixels.
    pub fn check(&self, title: &str, width: u32, height: u32, frames: u32) -> Result<(), Failure> {
        if width == 0 || height == 0 || frames == 0 {
            return Err(Failure::invalid(format!("The {title} file is damaged: its header says {width} x {height} pixels")));
        }
        if width > self.side || height > self.side {
            let side = self.side;
            return Err(Failure::too_large(format!(
                "The image is {width} x {height} pixels; the limit is {side} pixels a side. Resize it first"
            )));
        }
        let area = u64::from(width) * u64::from(height);
        if area.max(1024) * u64::from(frames) > self.pixels {
            let megapixels = |pixels: u64| {
                if pixels < 10_000_000 { format!("{:.1}", pixels as f64 / 1e6) } else { (pixels / 1_000_000).to_string() }
            };
            let (total, limit) = (megapixels(area * u64::from(frames)), megapixels(self.pixels));
            let what = if frames == 1 { String::new() } else { format!(" in {frames} frames") };
            return Err(Failure::too_large(format!(
                "The image is {width} x {height} pixels{what} ({total} MP); the limit is {limit} MP. Resize it first"
            )));
        }
        Ok(())
    }

    /// Checks the size of ancillary data (`what`: an ICC profile, EXIF).
    ///
    /// # Errors
    /// [`Failure::TooLarge`] when it is over the limit.
    pub fn check_metadata(&self, title: &str, what: &str, bytes: u64) -> Result<(), Failure> {
        if bytes > self.metadata_bytes {
            return Err(Failure::too_large(format!(
                "The {title} file holds {bytes} bytes of {what}; the limit is {} bytes. Strip its metadata first",
                self.metadata_bytes
            )));
        }
        Ok(())
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Stored pixels a row, before orientation.
    pub width: u32,
    /// Stored rows, before orientation.
    pub height: u32,
    /// Frames or pages; 1 where that is unknown without decoding.
    pub frames: u32,
    /// Layout that decoding will give.
    pub channels: Channels,
    /// Depth that decoding will give.
    pub depth: Depth,
    /// What has to be done to show it upright, as far as the header tells; what decoding gives counts.
    pub orientation: Orientation,
}

impl Header {
    /// Bytes that decoding all of it takes: what admission reckons with.
    pub fn predicted_bytes(&self, frames: u32) -> u64 {
        Image::byte_size(self.width, self.height, self.channels, self.depth)
            .unwrap_or(u64::MAX)
            .saturating_mul(u64::from(frames.max(1)))
    }
}

/// How to decode.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// Limits, checked again while decoding where a header may lie.
    pub limits: Limits,
    /// Every frame, or the first one.
    pub all_frames: bool,
    /// Which page to read where one is wanted of several; 0 is the first.
    pub page: u32,
    /// The stored size (before orientation) that the result will be reduced to, where it will be. A decoder that can
    /// shrink cheaply may then give a smaller image, so much larger than that size that the result hardly differs; others
    /// ignore it. One that draws ([`Flags::vector`]) gives exactly this size.
    pub at_least: Option<(u32, u32)>,
    /// The same size, where the whole picture is to be resampled to it by Lanczos' filter before anything else. A decoder that does that better
    /// than on pixels may give exactly this size; others ignore it.
    pub exactly: Option<(u32, u32)>,
    /// What other tasks know about the file, where there are any.
    pub known: Option<Arc<Known>>,
    /// Set when the work is no longer wanted; long decoders look at it between rows or frames.
    pub cancel: Cancel,
}

/// A frame of an animation, a full canvas and already composed; or a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The pixels.
    pub image: Image,
    /// How long it is shown, milliseconds; 0 for a still.
    pub delay_ms: u32,
}

/// Decoded pixels with what belongs to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// At least one frame. Those of an animation have one size and layout; pages may differ.
    pub frames: Vec<Frame>,
    /// What has to be done to show it upright.
    pub orientation: Orientation,
    /// ICC profile, where one is embedded.
    pub icc: Option<Vec<u8>>,
    /// How often an animation plays; 0 is forever.
    pub loops: u32,
}

impl Decoded {
    /// One upright picture without a profile.
    pub fn still(image: Image) -> Self {
        Self { frames: vec![Frame { image, delay_ms: 0 }], orientation: Orientation::Upright, icc: None, loops: 0 }
    }
}

/// What a file says about its picture beside the pixels. A format that cannot hold it leaves it out ([`Flags::tags`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// EXIF: a TIFF structure, without the six bytes that go before it in JPEG.
    pub exif: Option<Vec<u8>>,
    /// An XMP packet.
    pub xmp: Option<String>,
}

impl Tags {
    /// EXIF that says nothing but how the stored pixels have to be turned; nothing where they stand upright.
    pub fn only_orientation(orientation: Orientation) -> Self {
        let exif = (orientation != Orientation::Upright).then(|| support::exif::only_orientation(orientation));
        Self { exif, xmp: None }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.exif.is_none() && self.xmp.is_none()
    }
}

/// How to encode.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodeOptions {
    /// 1 to 100, for lossy formats.
    pub quality: u8,
    /// Whether colours keep the resolution of brightness, in lossy formats that can do with less.
    pub full_chroma: bool,
    /// Whether every pixel stays what it is, in a lossy format that has such a form, too.
    pub exact: bool,
    /// How much time is spent on fewer bytes.
    pub effort: Effort,
    /// Most colours, for formats with a table of them ([`Flags::palette`]); absent: as many as it takes, or 256 where there must be
    /// a table.
    pub colors: Option<u16>,
    /// What is written beside the pixels.
    pub tags: Tags,
    /// Pixels an inch, for formats whose pages have a size.
    pub density: u32,
    /// Whether pixels have to be kept as they are where the format leaves that open: their source is lossless.
    pub lossless: bool,
    /// A JPEG file of the very picture that is written, for a format that can hold it ([`Flags::embeds_jpeg`]).
    pub jpeg: Option<Arc<Vec<u8>>>,
    /// Set when the work is no longer wanted.
    pub cancel: Cancel,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            quality: 85,
            full_chroma: false,
            exact: false,
            effort: Effort::Balanced,
            colors: None,
            tags: Tags::default(),
            density: 96,
            lossless: false,
            jpeg: None,
            cancel: Cancel::default(),
        }
    }
}

/// Every format, sorted by name.
pub static FORMATS: &[&Format] = &[
    &aac::FORMAT,
    &avi::FORMAT,
    &avif::FORMAT,
    &bmp::FORMAT,
    &documents::CSV,
    &documents::DOC,
    &documents::DOCX,
    &flac::FORMAT,
    &gif::FORMAT,
    #[cfg(feature = "heif")]
    &heic::FORMAT,
    &documents::HTML,
    &ico::FORMAT,
    &jpg::FORMAT,
    &jxl::FORMAT,
    &m4a::FORMAT,
    &documents::MD,
    &mkv::FORMAT,
    &mov::FORMAT,
    &mp3::FORMAT,
    &mp4::FORMAT,
    &documents::ODP_ROW,
    &documents::ODS_ROW,
    &documents::ODT_ROW,
    &ogg::FORMAT,
    &pdf::FORMAT,
    &png::FORMAT,
    &documents::PPT,
    &documents::PPTX,
    &documents::RTF,
    &svg::FORMAT,
    &tiff::FORMAT,
    &documents::TXT,
    &wav::FORMAT,
    &webm::FORMAT,
    &webp::FORMAT,
    &documents::XLS,
    &documents::XLSX,
];

pub(crate) use jpg::plain as plain_jpeg;
pub(crate) use svg::drawn_box;

/// Whether a file of the format may hold several pictures: pages or frames.
pub fn holds_several(format: &Format) -> bool {
    format.flags.pages || format.flags.animated
}

/// The format of that canonical name, alias or extension; case and a leading dot do not matter.
pub fn by_name(name: &str) -> Option<&'static Format> {
    let name = name.trim().trim_start_matches('.').to_ascii_lowercase();
    FORMATS.iter().copied().find(|format| {
        format.name == name || format.aliases.contains(&name.as_str()) || format.extensions.contains(&name.as_str())
    })
}

/// The format that a file's first bytes belong to, whatever its name says.
pub fn sniff(head: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| (format.magic)(head))
}

/// The format of a file of which parts can be read, by its first bytes and, where those only say that it holds other files, by what it
/// holds.
pub fn sniff_parts(head: &[u8], length: u64, read: &dyn Fn(u64, usize) -> Option<Vec<u8>>) -> Option<&'static Format> {
    sniff(head).or_else(|| documents::container::look(head, length, read))
}

/// The format of an open file, whatever its name says; its position stays as it is.
///
/// # Errors
/// When it cannot be read.
pub fn sniff_file(file: &std::fs::File) -> std::io::Result<Option<&'static Format>> {
    let length = file.metadata()?.len();
    let read = |at: u64, wanted: usize| {
        let there = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX).min(wanted);
        let mut bytes = vec![0; there];
        file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    };
    let head = read(0, SNIFF_BYTES).ok_or(std::io::ErrorKind::UnexpectedEof)?;
    Ok(sniff_parts(&head, length, &read))
}
