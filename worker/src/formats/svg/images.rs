//! Pictures inside a drawing: only those whose data is in the file, decoded by our own codecs within the same limits.

use std::cell::Cell;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use ::resvg::usvg::{ImageHrefResolver, ImageKind, Options};

use crate::failure::Failure;
use crate::formats::{DecodeOptions, Decoder, EncodeOptions, Limits, by_name, sniff};
use crate::pixels::{Channels, Depth, Image};

/// How deep drawings may be embedded in drawings.
const MAX_DEPTH: u32 = 3;

thread_local! {
    /// How deep the drawing that is being read lies: one is read by one thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// What the pictures are needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Their size alone.
    Size,
    /// To be drawn.
    Pixels,
}

/// The pictures of one drawing, which share a budget of pixels.
pub(super) struct Embedded(Arc<Budget>);

struct Budget {
    limits: Limits,
    purpose: Use,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pixels: u64,
    refused: Option<Failure>,
}

impl Embedded {
    pub(super) fn new(limits: Limits, purpose: Use) -> Self {
        Self(Arc::new(Budget { limits, purpose, state: Mutex::default() }))
    }

    /// Resolves `data:`, and nothing else: an address or a path is left out as if the element were not there.
    pub(super) fn resolver(&self) -> ImageHrefResolver<'static> {
        let budget = Arc::clone(&self.0);
        ImageHrefResolver {
            resolve_data: Box::new(move |mime, data, options| budget.resolve(mime, &data, options)),
            resolve_string: Box::new(|_, _| None),
        }
    }

    /// The limit that the pictures exceeded, if they did.
    pub(super) fn refused(&self) -> Option<Failure> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).refused.take()
    }
}

impl Budget {
    fn resolve(&self, mime: &str, data: &Arc<Vec<u8>>, options: &Options<'_>) -> Option<ImageKind> {
        let format = sniff(data)?;
        if format.flags.vector {
            return self.drawing(mime, data, options);
        }
        let decoder = format.decode?;
        let header = (decoder.probe)(data, &self.limits).map_err(|failure| self.note(failure)).ok()?;
        self.spend(u64::from(header.width) * u64::from(header.height))?;
        // A drawing without a size of its own is as large as what is in it: a picture that turns out to be damaged keeps its place.
        let place = ImageKind::PNG(Arc::new(header_of_png(header.width, header.height)));
        if self.purpose == Use::Size {
            return Some(place);
        }
        self.picture(data, decoder).or(Some(place))
    }

    /// Decodes a picture and codes it as the PNG that is drawn.
    fn picture(&self, data: &[u8], decoder: Decoder) -> Option<ImageKind> {
        let options = DecodeOptions { limits: self.limits, ..DecodeOptions::default() };
        let mut decoded = (decoder.decode)(data, &options).map_err(|failure| self.note(failure)).ok()?;
        decoded.frames.truncate(1);
        let frame = decoded.frames.first_mut()?;
        frame.image = shallow(&frame.image).ok()?;
        let mut png = Cursor::new(Vec::new());
        let encode = by_name("png")?.encode?;
        encode(&decoded, &EncodeOptions::default(), &mut png).ok()?;
        Some(ImageKind::PNG(Arc::new(png.into_inner())))
    }

    /// A drawing in the drawing, with the same rules.
    fn drawing(&self, mime: &str, data: &Arc<Vec<u8>>, options: &Options<'_>) -> Option<ImageKind> {
        let text = super::text::read(data, &self.limits).map_err(|failure| self.note(failure)).ok()?;
        self.spend(1024)?;
        let depth = DEPTH.get();
        if depth >= MAX_DEPTH {
            self.note(Failure::too_large("The SVG file holds drawings more than three deep in one another. Simplify it first"));
            return None;
        }
        DEPTH.set(depth + 1);
        let read = ImageHrefResolver::default_data_resolver();
        let kind =
            read(if mime == "image/svg+xml" { mime } else { "text/plain" }, Arc::new(text.into_owned().into_bytes()), options);
        DEPTH.set(depth);
        kind
    }

    /// Takes from the budget; `None` once it is spent.
    fn spend(&self, pixels: u64) -> Option<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pixels = state.pixels.saturating_add(pixels.max(1024));
        if state.pixels > self.limits.pixels {
            let limit = self.limits.pixels / 1_000_000;
            state.refused.get_or_insert_with(|| {
                Failure::too_large(format!(
                    "The pictures in the SVG file have more than {limit} MP together. Make them smaller first"
                ))
            });
            return None;
        }
        Some(())
    }

    /// Remembers a limit that was exceeded; a picture that is damaged is only left out, as browsers do.
    fn note(&self, failure: Failure) {
        if matches!(failure, Failure::TooLarge { .. }) {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).refused.get_or_insert(failure);
        }
    }
}

/// The beginning of a PNG of that size: all that is looked at before pixels are.
fn header_of_png(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([8, 6, 0, 0, 0]);
    png
}

/// With 8 bits a sample.
fn shallow(image: &Image) -> Result<Image, Failure> {
    if image.depth() == Depth::U8 {
        return Ok(image.clone());
    }
    let samples = image.data().chunks_exact(2).map(|pair| {
        let sample = u32::from(u16::from_ne_bytes([pair[0], pair[1]]));
        ((sample * 255 + 32_767) / 65_535) as u8
    });
    let channels: Channels = image.channels();
    Image::new(image.width(), image.height(), channels, Depth::U8, samples.collect())
}
