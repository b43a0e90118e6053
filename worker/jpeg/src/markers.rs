//! The segments between SOI and EOI, read with the tolerance and the refusals of libjpeg-turbo (its `jdmarker.c` is the measure).

use crate::error::{Error, Limits};
use crate::frame::Frame;
use crate::huffman::{self, Spec};
use crate::stream::{EOI, Stream};
use crate::zigzag::NATURAL;

/// A scan as its header describes it.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// Index of the component, and its tables for DC and AC.
    pub(crate) components: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub(crate) band: (u8, u8),
    /// Bits before and after this scan.
    pub(crate) high: u8,
    pub(crate) low: u8,
}

/// Where `Markers::read` stopped.
pub(crate) enum Found {
    Scan(Scan),
    End,
}

/// What has been read so far.
pub(crate) struct Markers<'a> {
    pub(crate) stream: Stream<'a>,
    /// A marker that is read but not looked at; 0 is none.
    pub(crate) unread: u8,
    pub(crate) frame: Option<Frame>,
    pub(crate) restart_interval: u32,
    quant: [Option<[u16; 64]>; 4],
    dc: [Option<Spec>; 4],
    ac: [Option<Spec>; 4],
    /// Nothing so far had to be guessed: every segment of a scan ended where its codes did, and behind it stood the marker that was due.
    pub(crate) sound: bool,
    jfif: Option<[u8; 14]>,
    adobe: Option<[u8; 12]>,
    limits: Limits,
}

impl<'a> Markers<'a> {
    pub(crate) fn new(data: &'a [u8], limits: &Limits) -> Result<Self, Error> {
        let mut stream = Stream::new(data);
        if stream.word() != 0xffd8 {
            return Err(Error::NotJpeg);
        }
        Ok(Markers {
            stream,
            unread: 0,
            frame: None,
            restart_interval: 0,
            quant: [None; 4],
            dc: Default::default(),
            ac: Default::default(),
            sound: true,
            jfif: None,
            adobe: None,
            limits: *limits,
        })
    }

    /// Up to the next scan, or the end.
    pub(crate) fn read(&mut self) -> Result<Found, Error> {
        loop {
            let marker = match std::mem::take(&mut self.unread) {
                0 => self.stream.next_marker(),
                marker => marker,
            };
            match marker {
                0xc0 | 0xc1 => self.frame(false)?,
                0xc2 => self.frame(true)?,
                0xc3 => return Err(Error::Unsupported("losslessly coded")),
                0xc9..=0xcb => return Err(Error::Unsupported("arithmetically coded")),
                0xc5..=0xc7 | 0xc8 | 0xcd..=0xcf => return Err(Error::Unsupported("of an unknown process")),
                0xc4 => self.huffman()?,
                0xcc => self.conditioning()?,
                0xd8 => return Err(Error::Broken("it begins twice")),
                EOI => return Ok(Found::End),
                0xda => return self.scan().map(Found::Scan),
                0xdb => self.quantisation()?,
                0xdd => self.restarts()?,
                0xe0 | 0xee => self.application(marker),
                0xe1..=0xef | 0xfe | 0xdc => self.pass(),
                0xd0..=0xd7 | 0x01 => {}
                _ => return Err(Error::Broken("a marker is unknown")),
            }
        }
    }

    /// What is left of a segment whose length says `length`, which counts itself.
    fn length(&mut self) -> usize {
        usize::from(self.stream.word()).saturating_sub(2)
    }

    /// The same of a segment of tables, for which libjpeg does not forgive a length that is too small.
    fn table_length(&mut self) -> Result<usize, Error> {
        usize::from(self.stream.word()).checked_sub(2).ok_or(Error::Broken("the length of a table is wrong"))
    }

    fn pass(&mut self) {
        let length = self.length();
        self.stream.skip(length);
    }

    fn application(&mut self, marker: u8) {
        let length = self.length();
        let mut start = [0; 14];
        let known = length.min(14);
        for byte in &mut start[..known] {
            *byte = self.stream.byte();
        }
        self.stream.skip(length - known);
        if marker == 0xe0 && known == 14 && start.starts_with(b"JFIF\0") {
            self.jfif = Some(start);
        } else if marker == 0xee && known >= 12 && start.starts_with(b"Adobe") {
            self.adobe = start.first_chunk().copied();
        }
        // They may stand behind the frame's header.
        if let Some(frame) = &mut self.frame {
            (frame.jfif, frame.adobe) = (self.jfif, self.adobe);
        }
    }

    fn frame(&mut self, progressive: bool) -> Result<(), Error> {
        if self.frame.is_some() {
            return Err(Error::Broken("it has two frames"));
        }
        let length = usize::from(self.stream.word());
        let precision = self.stream.byte();
        let (height, width) = (u32::from(self.stream.word()), u32::from(self.stream.word()));
        let count = usize::from(self.stream.byte());
        if width == 0 || height == 0 || count == 0 {
            return Err(Error::Broken("it has no pixels"));
        }
        if length != 8 + 3 * count {
            return Err(Error::Broken("the length of its frame is wrong"));
        }
        if precision != 8 {
            return Err(Error::Unsupported("of more than 8 bits a sample"));
        }
        if count > 4 {
            return Err(Error::Unsupported("of more than four components"));
        }
        let mut components = [(0, 0, 0); 4];
        for component in &mut components[..count] {
            *component = (self.stream.byte(), self.stream.byte(), self.stream.byte());
        }
        let mut frame = Frame::new(width, height, progressive, &components[..count])?;
        frame.check(&self.limits)?;
        (frame.jfif, frame.adobe) = (self.jfif, self.adobe);
        self.frame = Some(frame);
        Ok(())
    }

    fn scan(&mut self) -> Result<Scan, Error> {
        let frame = self.frame.as_ref().ok_or(Error::Broken("a scan stands before the frame"))?;
        let length = usize::from(self.stream.word());
        let count = usize::from(self.stream.byte());
        if length != 6 + 2 * count || !(1..=4).contains(&count) {
            return Err(Error::Broken("the length of a scan's header is wrong"));
        }
        let mut components: Vec<(usize, usize, usize)> = Vec::with_capacity(4);
        for _ in 0..count {
            let (id, tables) = (self.stream.byte(), self.stream.byte());
            // libjpeg passes over the places, not the components, that are taken: of use to files whose components share a name.
            let index = (frame.components.iter().enumerate())
                .position(|(place, component)| component.id == id && place >= components.len())
                .ok_or(Error::Broken("a scan names a component that is not there"))?;
            if components.iter().any(|&(other, ..)| other == index) {
                return Err(Error::Broken("a scan names a component twice"));
            }
            components.push((index, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let band = (self.stream.byte(), self.stream.byte());
        let bits = self.stream.byte();
        Ok(Scan { components, band, high: bits >> 4, low: bits & 15 })
    }

    fn huffman(&mut self) -> Result<(), Error> {
        const BAD: Error = Error::Broken("a Huffman table is wrong");
        let mut length = self.table_length()?;
        while length > 16 {
            let index = self.stream.byte();
            let mut counts = [0; 16];
            for count in &mut counts {
                *count = self.stream.byte();
            }
            length -= 17;
            let total: usize = counts.iter().copied().map(usize::from).sum();
            if total > 256 || total > length {
                return Err(BAD);
            }
            let mut values = [0; 256];
            for value in &mut values[..total] {
                *value = self.stream.byte();
            }
            length -= total;
            let tables = if index & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            let index = usize::from(index & !0x10);
            *tables.get_mut(index).ok_or(BAD)? = Some(Spec { counts, values });
        }
        if length == 0 { Ok(()) } else { Err(Error::Broken("the length of a Huffman table is wrong")) }
    }

    fn quantisation(&mut self) -> Result<(), Error> {
        let mut length = self.table_length()? as isize;
        while length > 0 {
            let head = self.stream.byte();
            let (wide, index) = (head >> 4 != 0, usize::from(head & 15));
            let table = self.quant.get_mut(index).ok_or(Error::Broken("a quantisation table has a wrong number"))?;
            let table = table.get_or_insert([0; 64]);
            for &position in &NATURAL[..64] {
                table[usize::from(position)] = if wide { self.stream.word() } else { self.stream.byte().into() };
            }
            length -= if wide { 129 } else { 65 };
        }
        if length == 0 { Ok(()) } else { Err(Error::Broken("the length of a quantisation table is wrong")) }
    }

    /// Nothing here reads arithmetic coding, but what is wrong with its segment is wrong with the file.
    fn conditioning(&mut self) -> Result<(), Error> {
        let mut length = self.table_length()? as isize;
        while length > 0 {
            let (index, value) = (self.stream.byte(), self.stream.byte());
            length -= 2;
            if index >= 32 || (index < 16 && value & 15 > value >> 4) {
                return Err(Error::Broken("an arithmetic coding table is wrong"));
            }
        }
        if length == 0 { Ok(()) } else { Err(Error::Broken("the length of an arithmetic coding table is wrong")) }
    }

    fn restarts(&mut self) -> Result<(), Error> {
        if self.stream.word() != 4 {
            return Err(Error::Broken("the length of the restart interval is wrong"));
        }
        self.restart_interval = self.stream.word().into();
        Ok(())
    }

    /// As in frames of motion JPEG, tables that are missing are those of the standard.
    pub(crate) fn add_standard_tables(&mut self) {
        for (index, (dc, ac)) in huffman::STANDARD.iter().enumerate() {
            self.dc[index].get_or_insert_with(|| dc.clone());
            self.ac[index].get_or_insert_with(|| ac.clone());
        }
    }

    pub(crate) fn dc(&self, index: usize) -> Result<&Spec, Error> {
        self.dc.get(index).and_then(Option::as_ref).ok_or(Error::Broken("a Huffman table is missing"))
    }

    pub(crate) fn ac(&self, index: usize) -> Result<&Spec, Error> {
        self.ac.get(index).and_then(Option::as_ref).ok_or(Error::Broken("a Huffman table is missing"))
    }

    /// The first scan of a component settles its quantisation.
    pub(crate) fn settle_quantisation(&mut self, scan: &Scan) -> Result<(), Error> {
        let Some(frame) = &mut self.frame else { return Ok(()) };
        for &(index, ..) in &scan.components {
            let component = &mut frame.components[index];
            if component.quant.is_none() {
                let table = self.quant.get(usize::from(component.table)).copied().flatten();
                component.quant = Some(table.ok_or(Error::Broken("a quantisation table is missing"))?);
            }
        }
        Ok(())
    }
}
