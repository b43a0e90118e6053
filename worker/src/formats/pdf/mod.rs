//! PDF 1.7 (ISO 32000-1) made of pictures: one page each, written only.

mod page;

use std::io::{BufWriter, Write};

use self::page::Page;
use super::support::encoding;
use super::{Category, Decoded, EncodeOptions, Flags, Format, WriteSeek};
use crate::failure::Failure;

const TITLE: &str = "PDF";

/// The longest side of a page, in 1/72 inch, that readers have to show (annex C).
const MAX_SIDE: f64 = 14_400.0;

/// The row of the table.
pub(super) static FORMAT: Format = Format {
    name: "pdf",
    title: TITLE,
    mime: "application/pdf",
    extensions: &["pdf"],
    aliases: &[],
    category: Category::Document,
    flags: Flags { alpha: true, lossy: true, pages: true, grey: true, embeds_jpeg: true, ..Flags::NONE },
    magic: |head| head.starts_with(b"%PDF-"),
    decode: None,
    encode: Some(encode),
};

fn encode(decoded: &Decoded, options: &EncodeOptions, out: &mut dyn WriteSeek) -> Result<(), Failure> {
    let mut file = Writer::begin(BufWriter::new(out))?;
    let count = decoded.frames.len();
    for frame in &decoded.frames {
        options.cancel.check()?;
        let as_it_is = options.jpeg.as_deref().filter(|_| count == 1);
        file.page(&Page::of(&frame.image, as_it_is, options)?, options.density)?;
    }
    file.finish()
}

/// A PDF file that is being written, and where its objects begin.
struct Writer<W> {
    out: W,
    at: u64,
    /// Offsets of objects 1, 2 …; 1 is the catalogue and 2 the list of pages, which are written last.
    objects: Vec<u64>,
    pages: Vec<usize>,
}

impl<W: Write> Writer<W> {
    fn begin(out: W) -> Result<Self, Failure> {
        let mut writer = Self { out, at: 0, objects: vec![0, 0], pages: Vec::new() };
        // Bytes above 127 tell that the file is not text.
        writer.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes).map_err(|error| encoding(TITLE, error))
    }

    /// Writes an object under the next number, which is returned.
    fn object(&mut self, body: &str, stream: Option<&[u8]>) -> Result<usize, Failure> {
        self.objects.push(self.at);
        let number = self.objects.len();
        self.numbered(number, body, stream)?;
        Ok(number)
    }

    fn numbered(&mut self, number: usize, body: &str, stream: Option<&[u8]>) -> Result<(), Failure> {
        match stream {
            None => self.write(format!("{number} 0 obj\n<<{body}>>\nendobj\n").as_bytes()),
            Some(bytes) => {
                self.write(format!("{number} 0 obj\n<<{body}/Length {}>>\nstream\n", bytes.len()).as_bytes())?;
                self.write(bytes)?;
                self.write(b"\nendstream\nendobj\n")
            }
        }
    }

    /// Adds a page that the picture fills, `density` of its pixels an inch.
    fn page(&mut self, page: &Page<'_>, density: u32) -> Result<(), Failure> {
        let mask = match &page.mask {
            Some(mask) => Some(self.object(&page.dictionary("/DeviceGray", mask.filter()), Some(mask.bytes()))?),
            None => None,
        };
        let mut body = page.dictionary(page.space, page.colors.filter());
        if let Some(mask) = mask {
            body.push_str(&format!("/SMask {mask} 0 R"));
        }
        let picture = self.object(&body, Some(page.colors.bytes()))?;
        let points = |pixels: u32| f64::from(pixels) * 72.0 / f64::from(density.max(1));
        let (width, height) = (points(page.width), points(page.height));
        let fit = (MAX_SIDE / width.max(height)).min(1.0);
        let (width, height) = (number(width * fit), number(height * fit));
        let content = self.object("", Some(format!("q {width} 0 0 {height} 0 0 cm /P Do Q").as_bytes()))?;
        let body = format!(
            "/Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents {content} 0 R/Resources<</XObject<</P {picture} 0 R>>>>"
        );
        let page = self.object(&body, None)?;
        self.pages.push(page);
        Ok(())
    }

    fn finish(mut self) -> Result<(), Failure> {
        let kids: String = self.pages.iter().map(|page| format!("{page} 0 R ")).collect();
        self.objects[0] = self.at;
        self.numbered(1, "/Type/Catalog/Pages 2 0 R", None)?;
        self.objects[1] = self.at;
        let pages = format!("/Type/Pages/Count {}/Kids[{}]", self.pages.len(), kids.trim_end());
        self.numbered(2, &pages, None)?;
        let (start, count) = (self.at, self.objects.len() + 1);
        let rows: String = self.objects.iter().map(|at| format!("{at:010} 00000 n \n")).collect();
        self.write(format!("xref\n0 {count}\n0000000000 65535 f \n{rows}").as_bytes())?;
        self.write(format!("trailer\n<</Size {count}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").as_bytes())?;
        self.out.flush().map_err(|error| encoding(TITLE, error))
    }
}

/// A number as PDF writes it: no exponent, no needless zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
