//! The picture as its header describes it.

use crate::error::{Error, Limits};

/// How components become colours, by the rules of libjpeg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// One component.
    Grey,
    /// Three, of which the first is brightness.
    YCbCr,
    /// Three as they are.
    Rgb,
    /// Four inks as they are.
    Cmyk,
    /// Inks, of which three are coded like brightness and colour differences.
    Ycck,
    /// Two components, of which nothing is known.
    Unknown,
}

/// One component of the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name in the file.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub h: usize,
    /// Vertical sampling factor, 1 to 4.
    pub v: usize,
    /// Which table of quantisation the file says.
    pub table: u8,
    /// Blocks across that show.
    pub width_in_blocks: usize,
    /// Blocks down that show.
    pub height_in_blocks: usize,
    /// Blocks across with those that fill up the last MCU.
    pub stride: usize,
    /// Blocks down with those that fill up the last MCU.
    pub rows: usize,
    /// Steps of quantisation in natural order, once a scan has needed them.
    pub quant: Option<[u16; 64]>,
}

/// The header of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Coded progressively.
    pub progressive: bool,
    /// One to four.
    pub components: Vec<Component>,
    /// The largest horizontal sampling factor.
    pub max_h: usize,
    /// The largest vertical sampling factor.
    pub max_v: usize,
    /// The content of a JFIF segment, if there is one.
    pub jfif: Option<[u8; 14]>,
    /// The content of an Adobe segment, if there is one.
    pub adobe: Option<[u8; 12]>,
}

impl Frame {
    /// With these sampling factors; `components` holds name, factors and table of each.
    pub(crate) fn new(width: u32, height: u32, progressive: bool, components: &[(u8, u8, u8)]) -> Result<Self, Error> {
        let good = |factor: u8| (1..=4).contains(&factor);
        if components.iter().any(|&(_, factors, _)| !good(factors >> 4) || !good(factors & 15)) {
            return Err(Error::Broken("a sampling factor is not from 1 to 4"));
        }
        // Alone, a component's factors change nothing but how its blocks would be padded.
        let alone = components.len() == 1;
        let components: Vec<Component> = (components.iter())
            .map(|&(id, factors, table)| Component {
                id,
                h: if alone { 1 } else { usize::from(factors >> 4) },
                v: if alone { 1 } else { usize::from(factors & 15) },
                table,
                width_in_blocks: 0,
                height_in_blocks: 0,
                stride: 0,
                rows: 0,
                quant: None,
            })
            .collect();
        let mut frame = Frame { width, height, progressive, components, max_h: 1, max_v: 1, jfif: None, adobe: None };
        frame.lay_out();
        Ok(frame)
    }

    /// Counts blocks after a change of size or sampling.
    pub(crate) fn lay_out(&mut self) {
        self.max_h = self.components.iter().map(|c| c.h).max().unwrap_or(1);
        self.max_v = self.components.iter().map(|c| c.v).max().unwrap_or(1);
        let (across, down) = (self.mcus_across(), self.mcus_down());
        for c in &mut self.components {
            c.width_in_blocks = (self.width as usize * c.h).div_ceil(self.max_h * 8);
            c.height_in_blocks = (self.height as usize * c.v).div_ceil(self.max_v * 8);
            (c.stride, c.rows) = (across * c.h, down * c.v);
        }
    }

    pub(crate) fn check(&self, limits: &Limits) -> Result<(), Error> {
        if self.width.max(self.height) > limits.side.min(65_500) {
            return Err(Error::TooMuch("a longer side"));
        }
        if u64::from(self.width) * u64::from(self.height) > limits.pixels {
            return Err(Error::TooMuch("more pixels"));
        }
        Ok(())
    }

    /// MCUs across in a scan of all components.
    pub fn mcus_across(&self) -> usize {
        (self.width as usize).div_ceil(self.max_h * 8)
    }

    /// MCUs down in a scan of all components.
    pub fn mcus_down(&self) -> usize {
        (self.height as usize).div_ceil(self.max_v * 8)
    }

    /// What the components mean: libjpeg's guess from segments and names.
    pub fn color(&self) -> Color {
        let transform = self.adobe.map(|adobe| adobe[11]);
        match self.components.len() {
            1 => Color::Grey,
            3 if self.jfif.is_some() => Color::YCbCr,
            3 => match transform {
                Some(0) => Color::Rgb,
                Some(_) => Color::YCbCr,
                None if self.components.iter().map(|c| c.id).eq(*b"RGB") => Color::Rgb,
                None => Color::YCbCr,
            },
            4 if transform.is_some_and(|transform| transform != 0) => Color::Ycck,
            4 => Color::Cmyk,
            _ => Color::Unknown,
        }
    }
}
