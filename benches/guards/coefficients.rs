//! A photo as its coefficients, made up without an encoder: what entropy coding and inverse transforms meet.

use convertfly_jpeg::{Coefficients, Limits};

use crate::pictures::random;

/// Sides of the photo.
const SIZE: (u16, u16) = (640, 480);

/// One step of quantisation for all: about that of quality 92.
const STEP: u8 = 6;

/// The coding order of coefficients (ITU-T T.81, figure A.6), those that photos have most of.
const LOW: [usize; 21] = [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40];

/// A file of that size in 4:2:0 whose scan is empty, which is read as a grey picture.
fn empty() -> Vec<u8> {
    let ([wide, w], [high, h]) = (SIZE.0.to_be_bytes(), SIZE.1.to_be_bytes());
    let mut file = vec![0xff, 0xd8];
    for table in 0..2 {
        file.extend([0xff, 0xdb, 0, 67, table]);
        file.extend([STEP; 64]);
    }
    file.extend([0xff, 0xc0, 0, 17, 8, high, h, wide, w, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
    file.extend([0xff, 0xda, 0, 12, 3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0, 0xff, 0xd9]);
    file
}

/// A third of all coefficients are not 0, smaller ones towards high frequencies.
pub(crate) fn photo() -> Coefficients {
    let mut coefficients = Coefficients::read(&empty(), &Limits::default()).expect("a header is enough");
    let mut state = 5;
    for plane in &mut coefficients.planes {
        let mut level = 0i16;
        for block in plane {
            level = (level + (random(&mut state) % 41) as i16 - 20).clamp(-150, 150);
            for (order, place) in LOW.into_iter().enumerate() {
                let most = 40 / (order as u32 + 1) + 2;
                let value = (random(&mut state) % (2 * most + 1)) as i16 - most as i16;
                block[place] = if order == 0 { level } else { value };
            }
        }
    }
    coefficients
}
