//! Colour profiles (ICC.1:2022) whose formulas are known.

/// A number of ICC's type s15Fixed16.
fn fixed(value: f64) -> [u8; 4] {
    ((value * 65_536.0).round() as i32).to_be_bytes()
}

/// A profile (ICC.1:2022, section 7) of these tags.
pub(crate) fn profile(class: &[u8; 4], space: &[u8; 4], pcs: &[u8; 4], tags: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut head = vec![0; 128];
    head[8..12].copy_from_slice(&[2, 0x40, 0, 0]);
    head[12..16].copy_from_slice(class);
    head[16..20].copy_from_slice(space);
    head[20..24].copy_from_slice(pcs);
    head[36..40].copy_from_slice(b"acsp");
    for (at, value) in [(68, 0.9642), (72, 1.0), (76, 0.8249)] {
        head[at..at + 4].copy_from_slice(&fixed(value));
    }
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut body = Vec::new();
    let start = 128 + 4 + tags.len() * 12;
    for (name, data) in tags {
        table.extend(*name);
        table.extend(((start + body.len()) as u32).to_be_bytes());
        table.extend((data.len() as u32).to_be_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut all = [head, table, body].concat();
    let length = (all.len() as u32).to_be_bytes();
    all[..4].copy_from_slice(&length);
    all
}

fn xyz(values: [f64; 3]) -> Vec<u8> {
    [b"XYZ \0\0\0\0".to_vec(), values.iter().flat_map(|&value| fixed(value)).collect()].concat()
}

/// A curve that is a power.
pub(crate) fn gamma(value: f64) -> Vec<u8> {
    [b"curv\0\0\0\0\0\0\0\x01".to_vec(), ((value * 256.0).round() as u16).to_be_bytes().to_vec(), vec![0, 0]].concat()
}

/// A profile of colours: the columns of red, green and blue in XYZ, and a power for all three.
pub(crate) fn matrix(columns: [[f64; 3]; 3], power: f64) -> Vec<u8> {
    let [r, g, b] = columns;
    let curve = || gamma(power);
    let tags: [(&[u8; 4], Vec<u8>); 6] =
        [(b"rXYZ", xyz(r)), (b"gXYZ", xyz(g)), (b"bXYZ", xyz(b)), (b"rTRC", curve()), (b"gTRC", curve()), (b"bTRC", curve())];
    profile(b"mntr", b"RGB ", b"XYZ ", &tags)
}

/// A profile of four inks: a table with two steps an ink, whose colours (L, a, b of 8 bits each) are those of `color` for which inks
/// are there.
pub(crate) fn inks(color: impl Fn([bool; 4]) -> [u8; 3]) -> Vec<u8> {
    // Type lut8: channels, grid points, an identity matrix, identity tables for the inks, the colours, identity tables for those.
    let mut lut = b"mft1\0\0\0\0\x04\x03\x02\0".to_vec();
    for index in 0..9 {
        lut.extend(fixed(if index % 4 == 0 { 1.0 } else { 0.0 }));
    }
    let identity = || (0..=255u8).collect::<Vec<u8>>();
    (0..4).for_each(|_| lut.extend(identity()));
    for node in 0..16 {
        // The first ink varies slowest.
        lut.extend(color([8, 4, 2, 1].map(|bit| node & bit != 0)));
    }
    (0..3).for_each(|_| lut.extend(identity()));
    profile(b"prtr", b"CMYK", b"Lab ", &[(b"A2B0", lut)])
}
