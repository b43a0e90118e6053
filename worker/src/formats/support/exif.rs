//! A small TIFF directory reader, bounds-checked: the orientation of EXIF data, and where a tag of the first directory is.

use crate::pixels::Orientation;

/// Tag of the orientation (EXIF 2.32, section 4.6.4).
const ORIENTATION: u16 = 0x0112;

/// Byte order of a TIFF structure.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, data: &[u8], at: usize) -> Option<u16> {
        let bytes = data.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        })
    }

    fn u32(self, data: &[u8], at: usize) -> Option<u32> {
        let bytes = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        })
    }
}

/// A tag of the first directory that holds one SHORT or LONG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::formats) struct Entry {
    /// Its value.
    pub(in crate::formats) value: u32,
    /// Where the value's two low bytes lie, and whether big-endian: to change a SHORT in place.
    pub(in crate::formats) short_at: Option<(usize, bool)>,
}

/// Directories beyond which a file is not looked through: more pages than any printer takes, and chains of them cost time.
const MAX_DIRECTORIES: usize = 10_000;

/// The byte order of a classic TIFF structure.
fn order(tiff: &[u8]) -> Option<Order> {
    match tiff.get(..4)? {
        b"II*\0" => Some(Order::Little),
        b"MM\0*" => Some(Order::Big),
        _ => None,
    }
}

/// Where the directories of a classic TIFF structure lie, in their order, up to the first that is not sound or was there before.
pub(in crate::formats) fn directories(tiff: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let Some(order) = order(tiff) else { return found };
    let mut link = order.u32(tiff, 4);
    while let Some(at) = link.and_then(|at| usize::try_from(at).ok()).filter(|&at| at != 0) {
        let Some(count) = order.u16(tiff, at) else { break };
        if found.len() == MAX_DIRECTORIES || !seen.insert(at) {
            break;
        }
        found.push(at);
        link = at.checked_add(2 + usize::from(count) * 12).and_then(|next| order.u32(tiff, next));
    }
    found
}

/// Finds `tag` in the first directory of a classic TIFF structure; `None` where it is absent or the structure is not sound.
pub(in crate::formats) fn find(tiff: &[u8], tag: u16) -> Option<Entry> {
    let first = usize::try_from(order(tiff)?.u32(tiff, 4)?).ok()?;
    find_in(tiff, first, tag)
}

/// Finds `tag` in the directory at that place.
pub(in crate::formats) fn find_in(tiff: &[u8], directory: usize, tag: u16) -> Option<Entry> {
    let order = order(tiff)?;
    let count = usize::from(order.u16(tiff, directory)?);
    for index in 0..count {
        let at = directory.checked_add(2 + index * 12)?;
        if order.u16(tiff, at)? != tag {
            continue;
        }
        let value_at = at.checked_add(8)?;
        return match (order.u16(tiff, at + 2)?, order.u32(tiff, at + 4)?) {
            (3, 1) => {
                Some(Entry { value: order.u16(tiff, value_at)?.into(), short_at: Some((value_at, matches!(order, Order::Big))) })
            }
            (4, 1) => Some(Entry { value: order.u32(tiff, value_at)?, short_at: None }),
            _ => None,
        };
    }
    None
}

/// The orientation that EXIF data asks for; upright where it says nothing sound. A leading `Exif\0\0` is skipped.
pub(in crate::formats) fn orientation(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    let value = find(tiff, ORIENTATION).map_or(1, |entry| entry.value);
    Orientation::from_exif(u16::try_from(value).unwrap_or(1))
}

/// EXIF with nothing but an orientation, without a prefix.
pub(in crate::formats) fn only_orientation(orientation: Orientation) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01".to_vec();
    tiff.extend(ORIENTATION.to_be_bytes());
    // One SHORT, in the upper half of its field; no further directory.
    tiff.extend([0, 3, 0, 0, 0, 1]);
    tiff.extend(orientation.to_exif().to_be_bytes());
    tiff.extend([0; 6]);
    tiff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::support::testing::exif;

    #[test]
    fn an_orientation_alone_is_read_back() {
        for value in 1..=8 {
            let wanted = Orientation::from_exif(value);
            assert_eq!(orientation(&only_orientation(wanted)), wanted, "value {value}");
        }
    }

    #[test]
    fn both_byte_orders_are_read() {
        for value in 1..=8 {
            for big in [false, true] {
                let data = exif(value, big);
                assert_eq!(orientation(&data), Orientation::from_exif(value), "value {value}, big {big}");
                assert_eq!(orientation(&data[6..]), Orientation::from_exif(value), "without the Exif prefix");
            }
        }
    }

    #[test]
    fn no_bytes_panic() {
        let good = exif(6, false);
        for len in 0..good.len() {
            let _ = orientation(&good[..len]);
        }
        for at in 0..good.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] = byte;
                let _ = orientation(&bad);
            }
        }
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), Orientation::Upright, "a directory beyond the end");
        assert_eq!(orientation(b""), Orientation::Upright, "nothing");
    }

    #[test]
    fn chains_of_directories_end() {
        let pages = |next: [u32; 3]| {
            let mut data = b"II*\0\x08\0\0\0".to_vec();
            for link in next {
                data.extend([0, 0]);
                data.extend(link.to_le_bytes());
            }
            directories(&data)
        };
        assert_eq!(pages([14, 20, 0]), [8, 14, 20], "three");
        assert_eq!(pages([14, 20, 8]), [8, 14, 20], "a circle");
        assert_eq!(pages([8, 0, 0]), [8], "one that leads to itself");
        assert_eq!(pages([14, 9_999, 0]), [8, 14], "beyond the end");
    }

    #[test]
    fn values_out_of_range_are_upright() {
        for value in [0, 9, 65_535] {
            assert_eq!(orientation(&exif(value, true)), Orientation::Upright, "value {value}");
        }
    }
}
