//! The marker segments before the first scan: size, kind, EXIF and ICC. Bounds-checked; nothing is decoded.

use super::TITLE;
use crate::failure::Failure;
use crate::formats::Limits;
use crate::formats::support::damaged;

/// What the segments say.
#[derive(Debug, Default)]
pub(super) struct Segments<'a> {
    pub(super) width: u32,
    /// 0 where a later marker gives it.
    pub(super) height: u32,
    pub(super) components: u8,
    pub(super) precision: u8,
    /// The frame header's marker: 0xc0 to 0xc2 are baseline, extended and progressive with Huffman coding.
    pub(super) process: u8,
    pub(super) exif: Option<&'a [u8]>,
    icc: Vec<(u8, u8, &'a [u8])>,
    /// Adobe's segment is there: of four components, 255 is then no ink.
    pub(super) adobe: bool,
    /// Where the first scan begins.
    scan: usize,
}

impl<'a> Segments<'a> {
    /// Reads up to the first start of scan.
    ///
    /// # Errors
    /// [`Failure::Invalid`] where the file ends before that, or is not made of segments.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, Failure> {
        if !data.starts_with(b"\xff\xd8") {
            return Err(Failure::invalid("The file is not a JPEG: it does not begin with FF D8"));
        }
        let cut = || damaged(TITLE, "it ends before its pixels");
        let mut found = Self::default();
        let mut at = 2;
        loop {
            // Any number of FF may fill the space before a marker; other bytes there are skipped as libjpeg does.
            at += data.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)).ok_or_else(cut)?;
            while data.get(at) == Some(&0xff) {
                at += 1;
            }
            let marker = *data.get(at).ok_or_else(cut)?;
            at += 1;
            match marker {
                0x00 | 0x01 | 0xd0..=0xd8 => continue,
                0xd9 => return Err(damaged(TITLE, "it holds no pixels")),
                _ => {}
            }
            let length = data.get(at..at + 2).ok_or_else(cut)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if length < 2 {
                return Err(damaged(TITLE, "a segment has a wrong length"));
            }
            let body = data.get(at + 2..at + length).ok_or_else(cut)?;
            at += length;
            match marker {
                // Start of frame; C4, C8 and CC are tables and an extension.
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => found.frame(marker, body)?,
                0xda => {
                    if found.components == 0 {
                        return Err(damaged(TITLE, "its pixels come before its size"));
                    }
                    found.scan = at;
                    return Ok(found);
                }
                0xe1 if body.starts_with(b"Exif\0\0") => found.exif = found.exif.or(Some(body)),
                0xee => found.adobe |= body.starts_with(b"Adobe"),
                0xe2 => {
                    if let Some([index, total, profile @ ..]) = body.strip_prefix(b"ICC_PROFILE\0") {
                        found.icc.push((*index, *total, profile));
                    }
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, marker: u8, body: &[u8]) -> Result<(), Failure> {
        let &[precision, h1, h0, w1, w0, components, ..] = body else {
            return Err(damaged(TITLE, "its frame header is too short"));
        };
        if !matches!(components, 1 | 3 | 4) {
            return Err(damaged(TITLE, format!("it has {components} colour components")));
        }
        (self.precision, self.process, self.components) = (precision, marker, components);
        (self.width, self.height) = (u16::from_be_bytes([w1, w0]).into(), u16::from_be_bytes([h1, h0]).into());
        Ok(())
    }

    /// Whether the end-of-image marker is there, after the first scan (a thumbnail in the EXIF has its own).
    pub(super) fn is_complete(&self, data: &[u8]) -> bool {
        data.get(self.scan..).is_some_and(|rest| rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9]))
    }

    /// The ICC profile, put together from its numbered pieces (ICC.1:2022, annex B.4); `None` where pieces are missing.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] over the limit for metadata.
    pub(super) fn icc(&self, limits: &Limits) -> Result<Option<Vec<u8>>, Failure> {
        let bytes: usize = self.icc.iter().map(|(.., piece)| piece.len()).sum();
        limits.check_metadata(TITLE, "ICC profile", bytes as u64)?;
        let mut pieces = self.icc.clone();
        pieces.sort_by_key(|piece| piece.0);
        let sound = pieces
            .iter()
            .enumerate()
            .all(|(place, &(index, total, _))| usize::from(index) == place + 1 && usize::from(total) == pieces.len());
        if pieces.is_empty() || !sound {
            return Ok(None);
        }
        Ok(Some(pieces.iter().flat_map(|(.., piece)| piece.iter().copied()).collect()))
    }
}

/// Marker and content of the segments before the first scan that say something beside the picture: not JFIF's and Adobe's, which tell how to
/// read it.
pub(super) fn beside(data: &[u8]) -> Vec<(u8, &[u8])> {
    let (mut found, mut at) = (Vec::new(), 2);
    while let Some(skipped) = data.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) {
        at += skipped;
        let Some(&marker) = data.get(at + 1) else { break };
        if matches!(marker, 0x00 | 0x01 | 0xd0..=0xd8 | 0xff) {
            at += 1;
            continue;
        }
        let length = data.get(at + 2..at + 4).map_or(0, |length| usize::from(u16::from_be_bytes([length[0], length[1]])));
        let Some(content) = data.get(at + 4..at + 2 + length).filter(|_| !matches!(marker, 0xd9 | 0xda)) else { break };
        match marker {
            0xe0 if content.starts_with(b"JFIF\0") => {}
            0xee if content.starts_with(b"Adobe") => {}
            0xe0..=0xef | 0xfe => found.push((marker, content)),
            _ => {}
        }
        at += 2 + length;
    }
    found
}
