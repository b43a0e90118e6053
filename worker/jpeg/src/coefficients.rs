//! All coefficients of a file.

use crate::error::{Error, Limits};
use crate::frame::Frame;
use crate::markers::{Found, Markers, Scan};
use crate::progressive;
use crate::scan::Block;
use crate::sequential::{Sequential, Wanted};

/// A picture as its quantised coefficients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coefficients {
    /// Its header.
    pub frame: Frame,
    /// For each component `rows` rows of `stride` blocks.
    pub planes: Vec<Vec<Block>>,
    /// Every bit of every coefficient was in some scan.
    pub complete: bool,
    /// Nothing in the scans had to be guessed: their data ends where their codes do, and all restarts are in their places.
    pub sound: bool,
}

/// Up to the first scan: enough to know the size, not yet any memory taken.
pub(crate) struct Opened<'a> {
    pub(crate) markers: Markers<'a>,
    pub(crate) frame: Frame,
    pub(crate) scan: Scan,
    limits: Limits,
}

impl<'a> Opened<'a> {
    pub(crate) fn new(data: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut markers = Markers::new(data, limits)?;
        let Found::Scan(scan) = markers.read()? else {
            return Err(Error::Broken("it has no scan"));
        };
        let Some(frame) = markers.frame.clone() else {
            return Err(Error::Broken("it has no frame"));
        };
        if !frame.progressive {
            markers.add_standard_tables();
        }
        Ok(Opened { markers, frame, scan, limits: *limits })
    }

    /// All is in the first scan, so that rows can be had one by one.
    pub(crate) fn is_single(&self) -> bool {
        !self.frame.progressive && self.scan.components.len() == self.frame.components.len()
    }

    /// All scans; of progressive files no AC where `end` is 1. Where it is more, all of them: scans that add bits cannot be read without the
    /// coefficients that are there, whatever their number.
    pub(crate) fn coefficients(mut self, end: usize) -> Result<Coefficients, Error> {
        let single = self.is_single();
        let mut planes: Vec<Vec<Block>> = Vec::new();
        for component in &self.frame.components {
            planes.push(vec![[0; 64]; component.stride * component.rows]);
        }
        let mut known = Known::new(&self.frame);
        for number in 1.. {
            if number > self.limits.scans {
                return Err(Error::TooMuch("more scans"));
            }
            self.markers.settle_quantisation(&self.scan)?;
            known.add(&self.frame, &self.scan);
            if !self.frame.progressive {
                self.sequential(&mut planes, number == 1, end)?;
            } else if self.scan.band.0 == 0 || end > 1 {
                progressive::decode(&mut self.markers, &self.frame, &self.scan, &mut planes)?;
            } else {
                progressive::check(&self.scan)?;
                self.markers.unread = self.markers.stream.skip_segment();
            }
            match self.markers.read()? {
                Found::End => break,
                Found::Scan(_) if single => return Err(Error::Broken("there is a scan behind the last one")),
                Found::Scan(scan) => self.scan = scan,
            }
        }
        let frame = self.markers.frame.take().unwrap_or(self.frame);
        Ok(Coefficients { frame, planes, complete: known.all(), sound: self.markers.sound })
    }

    fn sequential(&mut self, planes: &mut [Vec<Block>], first: bool, end: usize) -> Result<(), Error> {
        let mut decoder = Sequential::new(&mut self.markers, &self.frame, &self.scan)?;
        let parts = decoder.layout.parts.clone();
        let strides: Vec<usize> = parts.iter().map(|&(index, ..)| self.frame.components[index].stride).collect();
        let wanted = match (first, end) {
            (true, 64..) => Wanted::All,
            (true, _) => Wanted::Below([end; 4]),
            (false, _) => Wanted::Over,
        };
        // The planes of the scan's components, in its order.
        let mut all: Vec<Option<&mut Vec<Block>>> = planes.iter_mut().map(Some).collect();
        let mut chosen: Vec<&mut [Block]> = Vec::with_capacity(4);
        for &(index, ..) in &parts {
            chosen.extend(all[index].take().map(|plane| &mut plane[..]));
        }
        let mut rest = chosen;
        for _ in 0..decoder.layout.down {
            let mut rows = Vec::with_capacity(4);
            let mut behind = Vec::with_capacity(4);
            for ((plane, &(_, _, v)), &stride) in rest.into_iter().zip(&parts).zip(&strides) {
                let (row, more) = plane.split_at_mut(v * stride);
                rows.push(row);
                behind.push(more);
            }
            decoder.row(&mut self.markers, &mut rows, &strides, wanted);
            rest = behind;
        }
        decoder.end(&mut self.markers);
        Ok(())
    }
}

/// Which bits have been in a scan, as libjpeg keeps it to decide on smoothing.
struct Known(Vec<[Option<u8>; 64]>);

impl Known {
    fn new(frame: &Frame) -> Self {
        Known(vec![[if frame.progressive { None } else { Some(0) }; 64]; frame.components.len()])
    }

    fn add(&mut self, frame: &Frame, scan: &Scan) {
        if frame.progressive {
            for &(index, ..) in &scan.components {
                let band = usize::from(scan.band.0)..=usize::from(scan.band.1.min(63));
                if let Some(bits) = self.0[index].get_mut(band) {
                    bits.fill(Some(scan.low));
                }
            }
        }
    }

    fn all(&self) -> bool {
        self.0.iter().flatten().all(|&low| low == Some(0))
    }
}

impl Coefficients {
    /// Reads all coefficients of a file, the same ones as libjpeg-turbo, from broken files, too.
    pub fn read(data: &[u8], limits: &Limits) -> Result<Self, Error> {
        Opened::new(data, limits)?.coefficients(64)
    }

    /// Whether nothing had to be guessed and nothing is missing.
    pub fn is_sound(&self) -> bool {
        self.sound && self.complete
    }

    /// The size that a file's header says, and how it is coded.
    pub fn header(data: &[u8], limits: &Limits) -> Result<Frame, Error> {
        Ok(Opened::new(data, limits)?.frame)
    }

    /// The blocks of a component that show, row by row.
    pub fn visible(&self, component: usize) -> impl Iterator<Item = &[Block]> {
        let c = &self.frame.components[component];
        self.planes[component].chunks_exact(c.stride).take(c.height_in_blocks).map(|row| &row[..c.width_in_blocks])
    }
}
