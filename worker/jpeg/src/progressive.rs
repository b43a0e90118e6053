//! Scans of a progressive file: some bits of some coefficients.

use crate::bits::Bits;
use crate::error::Error;
use crate::frame::Frame;
use crate::huffman::{DcTable, Symbols};
use crate::markers::{Markers, Scan};
use crate::scan::{Block, Feed, layout, tables};
use crate::simd::Level;
use crate::zigzag::NATURAL;

/// A value of `size` bits, of which those with a 0 in front are negative.
fn extend(value: u32, size: u32) -> i32 {
    if size == 0 || value >> (size - 1) != 0 { value as i32 } else { value as i32 - (1 << size) + 1 }
}

/// Refuses what is no scan of a progressive file, as libjpeg does.
pub(crate) fn check(scan: &Scan) -> Result<(), Error> {
    let (first, last) = scan.band;
    let band = if first == 0 { last == 0 } else { first <= last && last < 64 && scan.components.len() == 1 };
    if !band || (scan.high != 0 && scan.high != scan.low + 1) || scan.low > 13 {
        return Err(Error::Broken("a progressive scan is not of the kinds that there are"));
    }
    Ok(())
}

/// Adds a scan to `planes`, one for each component.
pub(crate) fn decode(markers: &mut Markers<'_>, frame: &Frame, scan: &Scan, planes: &mut [Vec<Block>]) -> Result<(), Error> {
    check(scan)?;
    let (feed, has_missed) = Level::detect().run(|| match (scan.band.0, scan.high) {
        (0, 0) => dc_first(markers, frame, scan, planes),
        (0, _) => dc_more(markers, frame, scan, planes),
        (_, 0) => ac_first(markers, frame, scan, planes),
        (_, _) => ac_more(markers, frame, scan, planes),
    })?;
    feed.end(markers, has_missed);
    Ok(())
}

#[inline(always)]
fn dc_first(markers: &mut Markers<'_>, frame: &Frame, scan: &Scan, planes: &mut [Vec<Block>]) -> Result<(Feed, bool), Error> {
    let layout = layout(frame, scan)?;
    let dc = tables(scan.components.iter().map(|c| c.1), |index| DcTable::new(markers.dc(index)?))?;
    let mut feed = Feed::start(markers);
    let mut last = [0i32; 4];
    let mut overflow = false;
    for y in 0..layout.down {
        for x in 0..layout.across {
            if feed.begin(markers) {
                last = [0; 4];
            }
            feed.mcu(|bits, data| {
                for ((&(index, h, v), &(_, table, _)), last) in layout.parts.iter().zip(&scan.components).zip(&mut last) {
                    let Some(dc) = &dc[table] else { continue };
                    for row in 0..v {
                        let from = (y * v + row) * frame.components[index].stride + x * h;
                        for block in &mut planes[index][from..][..h] {
                            bits.refill(data);
                            let step = dc.step(bits.window());
                            let (sum, over) = last.overflowing_add(step.value(bits.window()));
                            bits.pass(step.total());
                            (*last, overflow) = (sum, overflow | over);
                            block[0] = (sum << scan.low) as i16;
                        }
                    }
                }
            });
            if feed.is_over() {
                break;
            }
        }
        if overflow {
            return Err(Error::Broken("a DC coefficient is out of range"));
        }
        if feed.is_over() {
            break;
        }
    }
    let has_missed = dc.iter().flatten().any(DcTable::has_missed);
    Ok((feed, has_missed))
}

#[inline(always)]
fn dc_more(markers: &mut Markers<'_>, frame: &Frame, scan: &Scan, planes: &mut [Vec<Block>]) -> Result<(Feed, bool), Error> {
    let layout = layout(frame, scan)?;
    let mut feed = Feed::start(markers);
    for y in 0..layout.down {
        for x in 0..layout.across {
            feed.begin(markers);
            if feed.is_over() {
                return Ok((feed, false));
            }
            feed.mcu(|bits, data| {
                for &(index, h, v) in &layout.parts {
                    for row in 0..v {
                        let from = (y * v + row) * frame.components[index].stride + x * h;
                        for block in &mut planes[index][from..][..h] {
                            bits.need(1, data);
                            block[0] |= (bits.take(1) << scan.low) as i16;
                        }
                    }
                }
            });
        }
    }
    let has_missed = false;
    Ok((feed, has_missed))
}

/// The blocks of a scan of one component, and its table for AC.
fn single<'p>(frame: &Frame, scan: &Scan, planes: &'p mut [Vec<Block>]) -> (usize, usize, usize, &'p mut [Block]) {
    let index = scan.components[0].0;
    let component = &frame.components[index];
    (component.width_in_blocks, component.height_in_blocks, component.stride, &mut planes[index])
}

#[inline(always)]
fn ac_first(markers: &mut Markers<'_>, frame: &Frame, scan: &Scan, planes: &mut [Vec<Block>]) -> Result<(Feed, bool), Error> {
    let table = Symbols::new(markers.ac(scan.components[0].2)?)?;
    let (across, down, stride, plane) = single(frame, scan, planes);
    let mut feed = Feed::start(markers);
    let (from, to, low) = (usize::from(scan.band.0), usize::from(scan.band.1), scan.low);
    // How many blocks have nothing in this scan.
    let mut empty = 0usize;
    for y in 0..down {
        let mut x = 0;
        while x < across {
            if feed.begin(markers) {
                empty = 0;
            }
            if feed.is_over() {
                return Ok((feed, table.has_missed()));
            }
            if empty > 0 {
                // This one has begun; those behind it pass in one step.
                let more = (empty - 1).min(across - x - 1).min(feed.until_restart());
                feed.pass(more);
                empty -= more + 1;
                x += more + 1;
                continue;
            }
            let block = &mut plane[y * stride + x];
            feed.mcu(|bits, data| {
                let mut k = from;
                while k <= to {
                    bits.refill(data);
                    let (length, symbol) = table.find(bits.window());
                    bits.pass(length);
                    let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
                    if size > 0 {
                        k += run;
                        let value = extend(bits.take(size), size);
                        block[usize::from(NATURAL[k & 127])] = (value << low) as i16;
                        k += 1;
                    } else if run == 15 {
                        k += 16;
                    } else {
                        empty = (1 << run) + bits.take(run as u32) as usize - 1;
                        return;
                    }
                }
            });
            x += 1;
        }
    }
    let has_missed = table.has_missed();
    Ok((feed, has_missed))
}

#[inline(always)]
fn ac_more(markers: &mut Markers<'_>, frame: &Frame, scan: &Scan, planes: &mut [Vec<Block>]) -> Result<(Feed, bool), Error> {
    let table = Symbols::new(markers.ac(scan.components[0].2)?)?;
    let (across, down, stride, plane) = single(frame, scan, planes);
    let mut feed = Feed::start(markers);
    let mut empty = 0;
    for y in 0..down {
        for block in &mut plane[y * stride..][..across] {
            if feed.begin(markers) {
                empty = 0;
            }
            if feed.is_over() {
                return Ok((feed, table.has_missed()));
            }
            feed.mcu(|bits, data| refine(bits, data, &table, scan, block, &mut empty));
        }
    }
    let has_missed = table.has_missed();
    Ok((feed, has_missed))
}

/// One more bit of the coefficients that are there, and new ones.
#[inline(always)]
fn refine(bits: &mut Bits, data: &[u8], table: &Symbols, scan: &Scan, block: &mut Block, empty: &mut u32) {
    let (mut k, to) = (usize::from(scan.band.0), usize::from(scan.band.1));
    let one = 1i16 << scan.low;
    if *empty == 0 {
        while k <= to {
            bits.refill(data);
            let (length, symbol) = table.find(bits.window());
            bits.pass(length);
            let (mut run, size) = (i32::from(symbol >> 4), symbol & 15);
            let mut new = 0;
            if size > 0 {
                new = if bits.take(1) != 0 { one } else { -one };
            } else if run != 15 {
                *empty = (1 << run) + bits.take(run as u32);
                break;
            }
            while k <= to {
                let coefficient = &mut block[usize::from(NATURAL[k])];
                if *coefficient != 0 {
                    correct(bits, data, coefficient, one);
                } else {
                    run -= 1;
                    if run < 0 {
                        break;
                    }
                }
                k += 1;
            }
            if new != 0 {
                // Behind the band's end in broken files, as in libjpeg.
                block[usize::from(NATURAL[k])] = new;
            }
            k += 1;
        }
    }
    if *empty > 0 {
        while k <= to {
            let coefficient = &mut block[usize::from(NATURAL[k])];
            if *coefficient != 0 {
                correct(bits, data, coefficient, one);
            }
            k += 1;
        }
        *empty -= 1;
    }
}

#[inline(always)]
fn correct(bits: &mut Bits, data: &[u8], coefficient: &mut i16, one: i16) {
    bits.need(1, data);
    if bits.take(1) != 0 && *coefficient & one == 0 {
        *coefficient = coefficient.wrapping_add(if *coefficient >= 0 { one } else { -one });
    }
}
