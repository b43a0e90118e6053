//! Zip archives, as documents are made of.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// A zip archive of parts, by name: the first one is stored as it is, as OpenDocument wants its media type, and what is packed already, too.
///
/// ```
/// let archive = convertfly_flow::archive(&[("mimetype", b"text/plain"), ("content.xml", b"<a/>")]);
/// assert!(archive.starts_with(b"PK\x03\x04"));
/// ```
pub fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (index, (name, content)) in parts.iter().enumerate() {
        let is_packed = index == 0 || name.ends_with(".png") || name.ends_with(".jpeg");
        let packed = if is_packed { None } else { pack(content) };
        let (method, bytes) = packed.as_deref().map_or((0_u16, *content), |packed| (8, packed));
        // From "version needed" to the length of the extra field: the same in the part and in the list (APPNOTE 4.3.7, 4.3.12).
        let mut header = vec![20, 0, 0, 0];
        header.extend(method.to_le_bytes());
        // The first day that the format knows: a document says nothing of when it was made.
        header.extend([0, 0, 0x21, 0]);
        for number in [crc32fast::hash(content), bytes.len() as u32, content.len() as u32] {
            header.extend(number.to_le_bytes());
        }
        header.extend((name.len() as u16).to_le_bytes());
        header.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&header);
        directory.extend([0; 10]);
        directory.extend((body.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        body.extend(b"PK\x03\x04");
        body.extend(header);
        body.extend(name.as_bytes());
        body.extend(bytes);
    }
    let (start, size, count) = (body.len() as u32, directory.len() as u32, parts.len() as u16);
    body.extend(directory);
    body.extend(b"PK\x05\x06\0\0\0\0");
    body.extend(count.to_le_bytes());
    body.extend(count.to_le_bytes());
    body.extend(size.to_le_bytes());
    body.extend(start.to_le_bytes());
    body.extend([0, 0]);
    body
}

fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).ok()?;
    packer.finish().ok()
}
