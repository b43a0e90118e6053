//! What sequential and progressive scans have in common: their order of blocks, their segments, and restarts.

use crate::bits::Bits;
use crate::error::Error;
use crate::frame::Frame;
use crate::markers::{Markers, Scan};

/// Coefficients of 8 by 8 samples in natural order.
pub type Block = [i16; 64];

/// The most blocks of an MCU (ITU-T T.81, B.2.3).
pub(crate) const MOST_BLOCKS: usize = 10;

/// How a scan's MCUs lie.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) across: usize,
    pub(crate) down: usize,
    /// Of each component: its index, blocks across and down in an MCU.
    pub(crate) parts: Vec<(usize, usize, usize)>,
}

impl Layout {
    /// A scan of one component has no padding and one block a MCU.
    pub(crate) fn new(frame: &Frame, components: impl ExactSizeIterator<Item = usize>) -> Result<Self, Error> {
        let single = components.len() == 1;
        let parts: Vec<_> = (components.map(|index| (index, &frame.components[index])))
            .map(|(index, c)| if single { (index, 1, 1) } else { (index, c.h, c.v) })
            .collect();
        if parts.iter().map(|(_, h, v)| h * v).sum::<usize>() > MOST_BLOCKS {
            return Err(Error::Broken("an MCU has more than 10 blocks"));
        }
        let (across, down) = match parts[..] {
            [(index, ..)] => (frame.components[index].width_in_blocks, frame.components[index].height_in_blocks),
            _ => (frame.mcus_across(), frame.mcus_down()),
        };
        Ok(Layout { across, down, parts })
    }
}

/// The segments of a scan, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    data: Vec<u8>,
    length: usize,
    bits: Bits,
    /// The segment has ended within an MCU: what is left up to the next restart stays as it is.
    dry: bool,
    /// A segment before this one did not end where its codes did, or there was not the restart that was due.
    flawed: bool,
    interval: u32,
    to_go: u32,
    next_restart: u8,
}

impl Feed {
    pub(crate) fn start(markers: &mut Markers<'_>) -> Self {
        let interval = markers.restart_interval;
        let mut feed = Feed { interval, to_go: interval, ..Feed::default() };
        feed.load(markers);
        feed
    }

    fn load(&mut self, markers: &mut Markers<'_>) {
        (self.length, markers.unread) = markers.stream.segment(&mut self.data);
        self.bits = Bits::default();
    }

    /// The bits of the segment are all read, but for those that fill the last byte.
    fn is_used_up(&self) -> bool {
        (8 * self.length).checked_sub(self.bits.passed()).is_some_and(|left| left < 8)
    }

    /// Behind the last MCU of the scan: tells the file whether it was sound.
    pub(crate) fn end(&self, markers: &mut Markers<'_>, has_missed: bool) {
        markers.sound &= !self.flawed && self.is_used_up() && !has_missed;
    }

    /// Nothing will be decoded any more.
    pub(crate) fn is_over(&self) -> bool {
        self.dry && self.interval == 0
    }

    /// How many MCUs there are up to the next restart.
    pub(crate) fn until_restart(&self) -> usize {
        if self.interval == 0 { usize::MAX } else { self.to_go as usize }
    }

    /// Before an MCU; true if a restart came, after which predictions begin anew.
    #[inline(always)]
    pub(crate) fn begin(&mut self, markers: &mut Markers<'_>) -> bool {
        if self.interval == 0 || self.to_go > 0 {
            self.to_go = self.to_go.wrapping_sub(1);
            return false;
        }
        self.restart(markers);
        self.to_go = self.interval - 1;
        true
    }

    /// As many more MCUs have passed without a look at the data.
    pub(crate) fn pass(&mut self, mcus: usize) {
        self.to_go = self.to_go.wrapping_sub(mcus as u32);
    }

    /// Lets `decode` read an MCU, unless the segment is dry.
    #[inline(always)]
    pub(crate) fn mcu(&mut self, decode: impl FnOnce(&mut Bits, &[u8])) {
        if self.dry {
            return;
        }
        let mut bits = self.bits;
        decode(&mut bits, &self.data);
        self.dry = bits.passed() > 8 * self.length;
        self.bits = bits;
    }

    #[cold]
    fn restart(&mut self, markers: &mut Markers<'_>) {
        let wanted = self.next_restart;
        self.next_restart = (wanted + 1) & 7;
        self.flawed |= !self.is_used_up() || markers.unread != 0xd0 + wanted;
        if markers.unread == 0xd0 + wanted {
            markers.unread = 0;
        } else {
            resync(markers, wanted);
        }
        if markers.unread == 0 {
            self.dry = false;
            self.load(markers);
        } else {
            // Another marker is next: there is no data.
            self.data.fill(0);
            self.length = 0;
            self.bits = Bits::default();
        }
    }
}

/// Another marker than the expected restart: libjpeg's guess whether data is missing or a marker is extra (`jpeg_resync_to_restart`).
fn resync(markers: &mut Markers<'_>, wanted: u8) {
    loop {
        let marker = markers.unread;
        match marker {
            ..0xc0 => {}
            0xd0..=0xd7 => match (marker - 0xd0).wrapping_sub(wanted) & 7 {
                1 | 2 => return,
                6 | 7 => {}
                _ => {
                    markers.unread = 0;
                    return;
                }
            },
            _ => return,
        }
        markers.unread = markers.stream.next_marker();
    }
}

/// Derived tables, made once for each number.
pub(crate) fn tables<T>(
    wanted: impl Iterator<Item = usize>,
    mut make: impl FnMut(usize) -> Result<T, Error>,
) -> Result<[Option<T>; 4], Error> {
    let mut made = [const { None }; 4];
    for index in wanted {
        match made.get_mut(index) {
            Some(Some(_)) => {}
            Some(place) => *place = Some(make(index)?),
            None => return Err(Error::Broken("a Huffman table has a wrong number")),
        }
    }
    Ok(made)
}

/// The layout of a scan as its header names components.
pub(crate) fn layout(frame: &Frame, scan: &Scan) -> Result<Layout, Error> {
    Layout::new(frame, scan.components.iter().map(|&(index, ..)| index))
}
