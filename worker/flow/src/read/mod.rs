//! From a PDF page to what is on it.

mod canvas;
mod device;
mod drawings;
mod effects;
mod faces;
mod links;
mod paths;
mod pictures;
mod tiles;

use hayro::hayro_interpret::util::TransformExt;
use hayro::hayro_interpret::{Context, InterpreterCache, InterpreterSettings, interpret_page};
use hayro::hayro_syntax::Pdf;
use hayro::hayro_syntax::page::Page as Source;
use hayro::kurbo::Rect;

use self::device::Reader;
pub(crate) use self::faces::Faces;
use crate::model::Page;

/// Reads pages of one file.
pub(crate) struct Pages<'a> {
    pdf: &'a Pdf,
    cache: InterpreterCache<'a>,
    pub(crate) faces: Faces<'a>,
    /// Bytes of pictures that may still be taken.
    pub(crate) room: usize,
    /// Characters that have no known meaning.
    pub(crate) unknown: usize,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(pdf: &'a Pdf, room: usize) -> Self {
        Self { pdf, cache: InterpreterCache::new(), faces: Faces::default(), room, unknown: 0 }
    }

    /// What is on `source`, its text not beyond `most` characters.
    pub(crate) fn read(&mut self, source: &'a Source<'a>, most: usize) -> Page {
        let (width, height) = source.render_dimensions();
        let transform = source.initial_transform(true).to_kurbo();
        let bounds = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
        let settings = InterpreterSettings::default();
        self.faces.gather(source.resources(), &settings);
        let mut context = Context::new(transform, bounds, &self.cache, self.pdf.xref(), settings);
        let mut reader = Reader::new(&mut self.faces, bounds, (self.room, most));
        interpret_page(source, &mut context, &mut reader);
        reader.flush();
        self.room = reader.room;
        self.unknown += reader.unknown;
        let mut page = reader.page;
        drawings::apply(&mut page, &mut self.room);
        (page.width, page.height) = (bounds.x1, bounds.y1);
        links::apply(&mut page, source, transform);
        page
    }
}
