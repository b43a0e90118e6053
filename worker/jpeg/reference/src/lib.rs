//! libjpeg-turbo as the measure of `convertfly-jpeg`: what it reads out of a file, and files in every coding that it writes.
//!
//! The crate exists for its calls into C, so `unsafe` is at home here. Nothing that runs in production depends on it.

use std::ffi::{c_int, c_uchar, c_ulong, c_void};
use std::slice;

// Links libjpeg-turbo.
use turbojpeg_sys as _;

#[repr(C)]
#[derive(Clone, Copy)]
struct RawComponent {
    h: c_int,
    v: c_int,
    width_in_blocks: c_int,
    height_in_blocks: c_int,
    quant: [u16; 64],
    offset: usize,
}

#[repr(C)]
struct RawCoefficients {
    width: c_int,
    height: c_int,
    components: c_int,
    warnings: c_int,
    code: c_int,
    component: [RawComponent; 4],
    data: *mut i16,
    length: usize,
}

#[repr(C)]
struct RawPixels {
    width: c_int,
    height: c_int,
    channels: c_int,
    warnings: c_int,
    data: *mut c_uchar,
}

#[repr(C)]
struct RawSettings {
    width: c_int,
    height: c_int,
    channels: c_int,
    quality: c_int,
    progressive: c_int,
    optimize: c_int,
    restart_blocks: c_int,
    separate_scans: c_int,
    keep_rgb: c_int,
    ycck: c_int,
    h: [c_int; 4],
    v: [c_int; 4],
}

unsafe extern "C" {
    fn convertfly_reference_coefficients(file: *const c_uchar, length: usize, out: *mut RawCoefficients) -> c_int;
    fn convertfly_reference_read(file: *const c_uchar, length: usize) -> c_int;
    fn convertfly_reference_pixels(
        file: *const c_uchar,
        length: usize,
        denominator: c_int,
        mode: c_int,
        into: *mut c_uchar,
        room: usize,
        out: *mut RawPixels,
    ) -> c_int;
    fn convertfly_reference_encode(
        pixels: *const c_uchar,
        settings: *const RawSettings,
        out: *mut *mut c_uchar,
        length: *mut c_ulong,
    ) -> c_int;
    fn convertfly_reference_recode(
        file: *const c_uchar,
        length: usize,
        progressive: c_int,
        optimize: c_int,
        out: *mut *mut c_uchar,
        written: *mut c_ulong,
    ) -> c_int;
    fn convertfly_reference_free(data: *mut c_void);
}

/// One component of a file.
#[derive(Debug, Clone)]
pub struct Component {
    /// Horizontal sampling factor.
    pub h: usize,
    /// Vertical sampling factor.
    pub v: usize,
    /// Blocks in a row, without padding to whole MCUs.
    pub width_in_blocks: usize,
    /// Rows of blocks, without padding.
    pub height_in_blocks: usize,
    /// The table of the first scan, in natural order; zeros if there was none.
    pub quant: [u16; 64],
    /// Blocks in raster order, coefficients in natural order.
    pub blocks: Vec<i16>,
}

/// What `jpeg_read_coefficients` gives.
#[derive(Debug, Clone)]
pub struct Coefficients {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// How often libjpeg warned.
    pub warnings: usize,
    /// All components.
    pub components: Vec<Component>,
}

/// Why libjpeg gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It says that the file is broken; the code of its message.
    Error(i32),
    /// More than four components, or samples of more than eight bits.
    Other,
}

/// Pixels, rows without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Bytes a pixel.
    pub channels: usize,
    /// How often libjpeg warned.
    pub warnings: usize,
    /// Rows from the top.
    pub data: Vec<u8>,
}

/// How [`encode`] writes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 is grey, 3 RGB, 4 CMYK.
    pub channels: usize,
    /// From 1 to 100; below about 25 tables of 16 bits.
    pub quality: u8,
    /// With libjpeg's script of scans.
    pub progressive: bool,
    /// With Huffman tables of its own.
    pub optimize: bool,
    /// MCUs between restart markers; 0 is none.
    pub restart_blocks: usize,
    /// A scan for each component.
    pub separate_scans: bool,
    /// RGB stays RGB.
    pub keep_rgb: bool,
    /// CMYK becomes YCCK.
    pub ycck: bool,
    /// Sampling factors, horizontal and vertical, of each component.
    pub sampling: [(u8, u8); 4],
}

/// The coefficients of a file.
pub fn coefficients(file: &[u8]) -> Result<Coefficients, Refusal> {
    // SAFETY: zeros are valid for integers and a null pointer.
    let mut raw: RawCoefficients = unsafe { std::mem::zeroed() };
    // SAFETY: file and length belong together; `raw` has the layout of the C side.
    let rc = unsafe { convertfly_reference_coefficients(file.as_ptr(), file.len(), &raw mut raw) };
    match rc {
        0 => {}
        1 => return Err(Refusal::Error(raw.code)),
        _ => return Err(Refusal::Other),
    }
    // SAFETY: C gave `length` coefficients at `data`.
    let data = unsafe { slice::from_raw_parts(raw.data, raw.length) };
    let components = (raw.component[..raw.components as usize].iter())
        .map(|c| {
            let (width_in_blocks, height_in_blocks) = (c.width_in_blocks as usize, c.height_in_blocks as usize);
            let blocks = data[c.offset..][..width_in_blocks * height_in_blocks * 64].to_vec();
            Component { h: c.h as usize, v: c.v as usize, width_in_blocks, height_in_blocks, quant: c.quant, blocks }
        })
        .collect();
    // SAFETY: from malloc, and not used again.
    unsafe { convertfly_reference_free(raw.data.cast()) };
    Ok(Coefficients { width: raw.width as usize, height: raw.height as usize, warnings: raw.warnings as usize, components })
}

/// Whether libjpeg reads the coefficients; it does so without handing them out.
pub fn read(file: &[u8]) -> bool {
    // SAFETY: file and length belong together.
    unsafe { convertfly_reference_read(file.as_ptr(), file.len()) == 0 }
}

/// The pixels of a file at 1/`denominator` with the islow IDCT and fancy upsampling, converted to grey, RGB or CMYK or not at all.
pub fn pixels(file: &[u8], denominator: u8, convert: bool) -> Option<Pixels> {
    let mut raw = RawPixels { width: 0, height: 0, channels: 0, warnings: 0, data: std::ptr::null_mut() };
    let mode = c_int::from(!convert);
    let none = std::ptr::null_mut();
    // SAFETY: file and length belong together; `raw` has the layout of the C side.
    if unsafe { convertfly_reference_pixels(file.as_ptr(), file.len(), denominator.into(), mode, none, 0, &raw mut raw) } != 0 {
        return None;
    }
    let (width, height, channels) = (raw.width as usize, raw.height as usize, raw.channels as usize);
    // SAFETY: C gave that many bytes.
    let data = unsafe { slice::from_raw_parts(raw.data, width * height * channels) }.to_vec();
    // SAFETY: from malloc, and not used again.
    unsafe { convertfly_reference_free(raw.data.cast()) };
    Some(Pixels { width, height, channels, warnings: raw.warnings as usize, data })
}

/// The same into memory that is there, as a measure of the time that takes; false if it does not fit.
pub fn pixels_into(file: &[u8], denominator: u8, convert: bool, into: &mut [u8]) -> bool {
    let mut raw = RawPixels { width: 0, height: 0, channels: 0, warnings: 0, data: std::ptr::null_mut() };
    let (mode, room) = (c_int::from(!convert), into.len());
    // SAFETY: file and length belong together, and so do `into` and `room`; `raw` has the layout of the C side.
    unsafe {
        convertfly_reference_pixels(file.as_ptr(), file.len(), denominator.into(), mode, into.as_mut_ptr(), room, &raw mut raw)
            == 0
    }
}

/// A file of these pixels; nothing where libjpeg cannot.
pub fn encode(pixels: &[u8], settings: &Settings) -> Option<Vec<u8>> {
    assert_eq!(pixels.len(), settings.width * settings.height * settings.channels, "whole rows");
    let raw = RawSettings {
        width: settings.width as c_int,
        height: settings.height as c_int,
        channels: settings.channels as c_int,
        quality: settings.quality.into(),
        progressive: settings.progressive.into(),
        optimize: settings.optimize.into(),
        restart_blocks: settings.restart_blocks as c_int,
        separate_scans: settings.separate_scans.into(),
        keep_rgb: settings.keep_rgb.into(),
        ycck: settings.ycck.into(),
        h: settings.sampling.map(|(h, _)| h.into()),
        v: settings.sampling.map(|(_, v)| v.into()),
    };
    let (mut out, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: as many pixels as the settings say, asserted above.
    let rc = unsafe { convertfly_reference_encode(pixels.as_ptr(), &raw const raw, &raw mut out, &raw mut length) };
    (rc == 0).then(|| taken(out, length))
}

/// The same coefficients in another coding; nothing where libjpeg refuses the file.
pub fn recode(file: &[u8], progressive: bool, optimize: bool) -> Option<Vec<u8>> {
    let (mut out, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: file and length belong together.
    let rc = unsafe {
        convertfly_reference_recode(file.as_ptr(), file.len(), progressive.into(), optimize.into(), &raw mut out, &raw mut length)
    };
    (rc == 0).then(|| taken(out, length))
}

/// Copies what C allocated, and frees it.
fn taken(out: *mut c_uchar, length: c_ulong) -> Vec<u8> {
    // SAFETY: C says that it holds that many bytes.
    let bytes = unsafe { slice::from_raw_parts(out, length as usize) }.to_vec();
    // SAFETY: from malloc, and not used again.
    unsafe { convertfly_reference_free(out.cast()) };
    bytes
}
