//! Segments as they are written.

use super::script::Plan;
use crate::error::Error;
use crate::frame::{Color, Frame};
use crate::huffman::Spec;
use crate::zigzag::NATURAL;

/// A segment with its length. Longer content than a segment holds is refused.
pub(super) fn segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(content.len() + 2).map_err(|_| Error::TooMuch("a longer segment"))?;
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend(content);
    Ok(())
}

/// Which of the two pairs of Huffman tables codes a component: brightness and inks, or colour.
pub(crate) fn table_of(frame: &Frame, component: usize) -> usize {
    usize::from(matches!(frame.color(), Color::YCbCr | Color::Ycck) && matches!(component, 1 | 2))
}

/// Up to the first scan: what names the colours, other segments, quantisation and the frame.
pub(super) fn head(out: &mut Vec<u8>, frame: &Frame, segments: &[(u8, &[u8])], progressive: bool) -> Result<(), Error> {
    out.extend([0xff, 0xd8]);
    if let Some(jfif) = frame.jfif {
        // Without the little picture that may have followed.
        let mut jfif = jfif;
        jfif[12..].fill(0);
        segment(out, 0xe0, &jfif)?;
    }
    for (marker, content) in segments {
        segment(out, *marker, content)?;
    }
    if let Some(adobe) = frame.adobe {
        segment(out, 0xee, &adobe)?;
    }
    let (tables, chosen) = quantisation(frame)?;
    let mut wide = false;
    for (number, table) in (0u8..).zip(&tables) {
        let precise = table.iter().any(|&step| step > 255);
        wide |= precise;
        let mut content = vec![u8::from(precise) << 4 | number];
        for &position in &NATURAL[..64] {
            let step = table[usize::from(position)].to_be_bytes();
            content.extend(if precise { &step[..] } else { &step[1..] });
        }
        segment(out, 0xdb, &content)?;
    }
    let mut content = vec![8];
    content.extend((frame.height as u16).to_be_bytes());
    content.extend((frame.width as u16).to_be_bytes());
    content.push(frame.components.len() as u8);
    for (component, table) in frame.components.iter().zip(chosen) {
        content.extend([component.id, (component.h << 4 | component.v) as u8, table]);
    }
    // Baseline has steps of 8 bits, extended sequential of 16.
    let process = if progressive { 0xc2 } else { 0xc0 | u8::from(wide) };
    segment(out, process, &content)
}

/// The different tables, and the number of each component's.
fn quantisation(frame: &Frame) -> Result<(Vec<[u16; 64]>, Vec<u8>), Error> {
    let (mut tables, mut chosen) = (Vec::new(), Vec::new());
    for component in &frame.components {
        // No scan, all zeros: any steps do.
        let table = component.quant.unwrap_or([1; 64]);
        let number = tables.iter().position(|other| *other == table).unwrap_or_else(|| {
            tables.push(table);
            tables.len() - 1
        });
        chosen.push(number as u8);
    }
    if tables.len() > 4 { Err(Error::TooMuch("more quantisation tables")) } else { Ok((tables, chosen)) }
}

/// A Huffman table; its class is 0 for DC and 1 for AC.
pub(super) fn huffman(out: &mut Vec<u8>, class: u8, number: usize, spec: &Spec) -> Result<(), Error> {
    let mut content = vec![class << 4 | number as u8];
    content.extend(spec.counts);
    content.extend(spec.coded());
    segment(out, 0xc4, &content)
}

/// MCUs from one restart marker to the next.
pub(super) fn restarts(out: &mut Vec<u8>, interval: u16) -> Result<(), Error> {
    segment(out, 0xdd, &interval.to_be_bytes())
}

/// The header of a scan.
pub(super) fn scan(out: &mut Vec<u8>, frame: &Frame, plan: &Plan) -> Result<(), Error> {
    let mut content = vec![plan.components.len() as u8];
    for &index in &plan.components {
        let table = table_of(frame, index) as u8;
        // As libjpeg has it, a scan names the tables that it uses.
        let (dc, ac) = match (plan.first, plan.last, plan.high) {
            (0, 0, 0) => (table, 0),
            (0, 0, _) => (0, 0),
            (0, ..) => (table, table),
            _ => (0, table),
        };
        content.extend([frame.components[index].id, dc << 4 | ac]);
    }
    content.extend([plan.first, plan.last, plan.high << 4 | plan.low]);
    segment(out, 0xda, &content)
}
