//! The only place that calls libwebp: a safe wrapper around its encoder.

use std::ffi::{CStr, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use ::libwebp_sys as sys;

use super::TITLE;
use crate::failure::Failure;
use crate::formats::support::encoding;
use crate::formats::{Cancel, Effort};

/// libwebp's method, 0 to 6: its own default, and the most.
const METHOD: c_int = 4;
const MOST: c_int = 6;

/// The fastest that is not much larger at the same quality: without a search for the best modes by rate and distortion, at less than half of the
/// processor time.
const FAST: c_int = 2;

/// How much of the bits goes from flat parts to detailed ones, in percent: libwebp's default where modes are searched for. Without that search
/// it costs 1 to 4 percent of bytes and up to 0.2 dB (three camera photos, quality 85), so then there is none of it.
const SHAPING: c_int = 50;

/// What planes get on top of the quality that was asked for. Nothing blurs their colours before they are coded, as a detour over red, green and blue does,
/// and libwebp codes them somewhat coarser at the same number: 0.3 percent fewer bytes and 0.02 dB less, on a photo that is mostly leaves. This
/// makes up for it.
const FOR_PLANES: f32 = 0.15;

/// How hard the exact form is packed, 0 to 100, by default and at most.
const PACKING: f32 = 75.0;

/// How pixels are coded.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// 0 to 100.
    pub(super) quality: f32,
    /// Every pixel stays what it is, also where it does not show.
    pub(super) exact: bool,
    /// How much time is spent on fewer bytes.
    pub(super) effort: Effort,
}

/// 8-bit pixels, RGB or RGBA, packed.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Whether there are four samples a pixel.
    pub(super) alpha: bool,
    /// Whether all alpha is 255, so that it is left out.
    pub(super) flat: bool,
    pub(super) data: &'a [u8],
}

/// Brightness and, at half the resolution, rounded up, both colours, packed: in the range of video.
#[derive(Clone, Copy)]
pub(super) struct Planes<'a> {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) y: &'a [u8],
    pub(super) cb: &'a [u8],
    pub(super) cr: &'a [u8],
}

fn config(how: How) -> Result<sys::WebPConfig, Failure> {
    let quality = match how {
        How { exact: false, quality, .. } => quality,
        How { effort: Effort::Small, .. } => 100.0,
        _ => PACKING,
    };
    let mut config = MaybeUninit::<sys::WebPConfig>::uninit();
    // SAFETY: the pointer is valid for writes of a WebPConfig; the function writes all of it when it returns non-zero.
    let fine = unsafe {
        sys::WebPConfigInitInternal(
            config.as_mut_ptr(),
            sys::WebPPreset::WEBP_PRESET_DEFAULT,
            quality,
            sys::WEBP_ENCODER_ABI_VERSION as c_int,
        )
    };
    if fine == 0 {
        return Err(encoding(TITLE, "another version of libwebp"));
    }
    // SAFETY: initialised by the call above, which returned non-zero.
    let mut config = unsafe { config.assume_init() };
    (config.method, config.sns_strength) = match how.effort {
        Effort::Fast => (FAST, 0),
        Effort::Balanced => (METHOD, SHAPING),
        Effort::Small => (MOST, SHAPING),
    };
    (config.lossless, config.exact) = (c_int::from(how.exact), c_int::from(how.exact));
    // Alpha is coded on a second thread; other files already keep the other cores busy.
    config.thread_level = 0;
    // SAFETY: the pointer is valid for reads of an initialised WebPConfig.
    if unsafe { sys::WebPValidateConfig(&raw const config) } == 0 {
        return Err(encoding(TITLE, format!("quality {quality} is out of range")));
    }
    Ok(config)
}

/// A picture in libwebp's memory; boxed, because libwebp keeps no copy of the struct that it is handed.
struct Picture(Box<sys::WebPPicture>);

impl Picture {
    /// Without pixels.
    fn empty(width: u32, height: u32) -> Result<Self, Failure> {
        let side = |value: u32| c_int::try_from(value).map_err(|error| encoding(TITLE, error));
        let mut picture = Box::new(MaybeUninit::<sys::WebPPicture>::uninit());
        // SAFETY: the pointer is valid for writes of a WebPPicture; the function writes all of it when it returns non-zero.
        let fine = unsafe { sys::WebPPictureInitInternal(picture.as_mut_ptr(), sys::WEBP_ENCODER_ABI_VERSION as c_int) };
        if fine == 0 {
            return Err(encoding(TITLE, "another version of libwebp"));
        }
        // SAFETY: initialised by the call above, which returned non-zero.
        let mut picture = Self(unsafe { picture.assume_init() });
        (picture.0.width, picture.0.height) = (side(width)?, side(height)?);
        Ok(picture)
    }

    fn import(pixels: Pixels<'_>, argb: bool) -> Result<Self, Failure> {
        let channels = if pixels.alpha { 4 } else { 3 };
        let stride = pixels.width as usize * channels;
        assert_eq!(pixels.data.len(), stride * pixels.height as usize, "an Image is packed");
        let mut picture = Self::empty(pixels.width, pixels.height)?;
        picture.0.use_argb = c_int::from(argb);
        let stride = c_int::try_from(stride).map_err(|error| encoding(TITLE, error))?;
        let import = match (pixels.alpha, pixels.flat) {
            (false, _) => sys::WebPPictureImportRGB,
            (true, false) => sys::WebPPictureImportRGBA,
            (true, true) => sys::WebPPictureImportRGBX,
        };
        // SAFETY: the picture is initialised, and the buffer holds height rows of stride bytes, asserted above.
        if unsafe { import(&raw mut *picture.0, pixels.data.as_ptr(), stride) } == 0 {
            return Err(encoding(TITLE, "out of memory"));
        }
        Ok(picture)
    }

    /// Planes in the range of video, which is that of WebP.
    fn of_planes(planes: Planes<'_>) -> Result<Self, Failure> {
        let (width, height) = (planes.width as usize, planes.height as usize);
        let half = (width.div_ceil(2), height.div_ceil(2));
        assert_eq!(planes.y.len(), width * height, "planes are packed");
        assert_eq!((planes.cb.len(), planes.cr.len()), (half.0 * half.1, half.0 * half.1), "planes are packed");
        let mut picture = Self::empty(planes.width, planes.height)?;
        (picture.0.use_argb, picture.0.colorspace) = (0, sys::WebPEncCSP::WEBP_YUV420);
        // SAFETY: the picture is initialised and has a size.
        if unsafe { sys::WebPPictureAlloc(&raw mut *picture.0) } == 0 {
            return Err(encoding(TITLE, "out of memory"));
        }
        let (y_stride, uv_stride) = (picture.0.y_stride, picture.0.uv_stride);
        let targets = [
            (planes.y, picture.0.y, y_stride, width),
            (planes.cb, picture.0.u, uv_stride, half.0),
            (planes.cr, picture.0.v, uv_stride, half.0),
        ];
        for (from, to, stride, width) in targets {
            for (number, from) in from.chunks_exact(width).enumerate() {
                // SAFETY: libwebp allocated as many rows of that stride as the planes have, asserted above, and none is shorter than its width.
                let row = unsafe { std::slice::from_raw_parts_mut(to.offset(number as isize * stride as isize), width) };
                row.copy_from_slice(from);
            }
        }
        Ok(picture)
    }
}

impl Drop for Picture {
    fn drop(&mut self) {
        // SAFETY: the picture was initialised by WebPPictureInitInternal; freeing it is right whether or not it holds planes.
        unsafe { sys::WebPPictureFree(&raw mut *self.0) }
    }
}

/// What the callbacks of a running encoder need.
struct Sink<'a> {
    out: Vec<u8>,
    cancel: &'a Cancel,
}

/// Takes a piece of the file.
///
/// # Safety
/// `picture.custom_ptr` must be a valid `Sink`, and `data` valid for reads of `size` bytes: libwebp's contract with what
/// [`encode`] sets.
unsafe extern "C" fn write(data: *const u8, size: usize, picture: *const sys::WebPPicture) -> c_int {
    if size == 0 {
        return 1;
    }
    // SAFETY: the caller's contract, above; nothing else uses the sink while libwebp runs.
    let (sink, piece) = unsafe { (&mut *(*picture).custom_ptr.cast::<Sink<'_>>(), std::slice::from_raw_parts(data, size)) };
    sink.out.extend_from_slice(piece);
    1
}

/// Says whether to go on.
///
/// # Safety
/// `picture.custom_ptr` must be a valid `Sink`, as for [`write`].
unsafe extern "C" fn progress(_percent: c_int, picture: *const sys::WebPPicture) -> c_int {
    // SAFETY: the caller's contract, above; only read.
    let sink = unsafe { &*(*picture).custom_ptr.cast::<Sink<'_>>() };
    c_int::from(!sink.cancel.is_cancelled())
}

/// Encodes a still.
pub(super) fn encode(pixels: Pixels<'_>, how: How, cancel: &Cancel) -> Result<Vec<u8>, Failure> {
    write_still(Picture::import(pixels, how.exact)?, how, cancel)
}

/// Encodes a still of planes, which is never exact.
pub(super) fn encode_planes(planes: Planes<'_>, how: How, cancel: &Cancel) -> Result<Vec<u8>, Failure> {
    let more = if how.effort == Effort::Fast { 0.0 } else { FOR_PLANES };
    let how = How { quality: (how.quality + more).min(100.0), ..how };
    write_still(Picture::of_planes(planes)?, how, cancel)
}

fn write_still(mut picture: Picture, how: How, cancel: &Cancel) -> Result<Vec<u8>, Failure> {
    let config = config(how)?;
    let mut sink = Sink { out: Vec::new(), cancel };
    picture.0.writer = Some(write);
    picture.0.progress_hook = Some(progress);
    picture.0.custom_ptr = (&raw mut sink).cast::<c_void>();
    // SAFETY: config and picture are initialised; the sink outlives the call, and the callbacks are told of nothing else.
    let fine = unsafe { sys::WebPEncode(&raw const config, &raw mut *picture.0) };
    cancel.check()?;
    if fine == 0 {
        return Err(encoding(TITLE, format!("{:?}", picture.0.error_code)));
    }
    drop(picture);
    Ok(sink.out)
}

/// An animation that is being written.
pub(super) struct Animation {
    encoder: NonNull<sys::WebPAnimEncoder>,
    config: sys::WebPConfig,
    /// When the next frame begins, milliseconds.
    at_ms: c_int,
}

impl Animation {
    /// Begins one; `loops` 0 is forever.
    pub(super) fn new(width: u32, height: u32, loops: u32, how: How) -> Result<Self, Failure> {
        let config = config(how)?;
        let side = |value: u32| c_int::try_from(value).map_err(|error| encoding(TITLE, error));
        let mut options = MaybeUninit::<sys::WebPAnimEncoderOptions>::uninit();
        let version = sys::WEBP_MUX_ABI_VERSION as c_int;
        // SAFETY: the pointer is valid for writes of the options; the function writes all of them when it returns non-zero.
        if unsafe { sys::WebPAnimEncoderOptionsInitInternal(options.as_mut_ptr(), version) } == 0 {
            return Err(encoding(TITLE, "another version of libwebp"));
        }
        // SAFETY: initialised by the call above, which returned non-zero.
        let mut options = unsafe { options.assume_init() };
        options.minimize_size = c_int::from(how.effort == Effort::Small);
        options.anim_params.loop_count = c_int::try_from(loops.min(65_535)).unwrap_or(0);
        // SAFETY: the options are initialised; the encoder copies them.
        let encoder = unsafe { sys::WebPAnimEncoderNewInternal(side(width)?, side(height)?, &raw const options, version) };
        let encoder = NonNull::new(encoder).ok_or_else(|| encoding(TITLE, "no animation encoder"))?;
        Ok(Self { encoder, config, at_ms: 0 })
    }

    /// Adds a frame that is shown for `delay_ms`.
    pub(super) fn add(&mut self, pixels: Pixels<'_>, delay_ms: u32) -> Result<(), Failure> {
        let mut picture = Picture::import(pixels, true)?;
        // SAFETY: encoder, picture and config are valid; the encoder copies the pixels that it keeps.
        let fine =
            unsafe { sys::WebPAnimEncoderAdd(self.encoder.as_ptr(), &raw mut *picture.0, self.at_ms, &raw const self.config) };
        if fine == 0 {
            return Err(self.error());
        }
        self.at_ms = self.at_ms.saturating_add(c_int::try_from(delay_ms).unwrap_or(c_int::MAX));
        Ok(())
    }

    /// The file.
    pub(super) fn finish(self) -> Result<Vec<u8>, Failure> {
        let mut data = sys::WebPData { bytes: std::ptr::null(), size: 0 };
        // SAFETY: the encoder is valid; a null frame says when the last one ends, and data is valid for writes.
        let fine = unsafe {
            let ended = sys::WebPAnimEncoderAdd(self.encoder.as_ptr(), std::ptr::null_mut(), self.at_ms, std::ptr::null());
            ended != 0 && sys::WebPAnimEncoderAssemble(self.encoder.as_ptr(), &raw mut data) != 0
        };
        if !fine || data.bytes.is_null() {
            return Err(self.error());
        }
        // SAFETY: libwebp set bytes to size bytes that are ours until freed.
        let file = unsafe { std::slice::from_raw_parts(data.bytes, data.size) }.to_vec();
        // SAFETY: the bytes came from libwebp's allocator and are not used afterwards.
        unsafe { sys::WebPFree(data.bytes.cast_mut().cast::<c_void>()) };
        Ok(file)
    }

    fn error(&self) -> Failure {
        // SAFETY: the encoder is valid; the text lives as long as it does and ends with a zero.
        let text = unsafe { CStr::from_ptr(sys::WebPAnimEncoderGetError(self.encoder.as_ptr())) };
        encoding(TITLE, text.to_string_lossy())
    }
}

impl Drop for Animation {
    fn drop(&mut self) {
        // SAFETY: the encoder is valid and not used afterwards.
        unsafe { sys::WebPAnimEncoderDelete(self.encoder.as_ptr()) }
    }
}
