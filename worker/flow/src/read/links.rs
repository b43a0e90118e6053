//! Links of a page that lead out of the file, and the characters that they lie on.

use hayro::hayro_interpret::util::RectExt;
use hayro::hayro_syntax::object::{Array, Dict, Name, Rect as Bounds, String as Text};
use hayro::hayro_syntax::page::Page as Source;
use hayro::kurbo::Affine;

use crate::model::Page;

/// Links of one page, at most.
const MAX_LINKS: usize = 2_000;

/// Bytes of an address, at most.
const MAX_ADDRESS: usize = 2_048;

/// What a document may lead to. Nothing is opened here; a reader of documents asks before it does.
const SCHEMES: [&str; 3] = ["http://", "https://", "mailto:"];

/// Gives the characters of `page` the links that lie on them.
pub(super) fn apply(page: &mut Page, source: &Source<'_>, transform: Affine) {
    let Some(annotations) = source.raw().get::<Array<'_>>("Annots") else { return };
    for annotation in annotations.iter::<Dict<'_>>().take(MAX_LINKS) {
        let is_link = annotation.get::<Name<'_>>("Subtype").is_some_and(|kind| kind.as_str() == "Link");
        let address = annotation.get::<Dict<'_>>("A").and_then(|action| action.get::<Text<'_>>("URI"));
        let (true, Some(address), Some(bounds)) = (is_link, address, annotation.get::<Bounds>("Rect")) else { continue };
        let Ok(address) = std::str::from_utf8(address.as_bytes()) else { continue };
        let lower = address.trim().to_ascii_lowercase();
        let plain = address.len() <= MAX_ADDRESS && !address.chars().any(char::is_control);
        if !plain || !SCHEMES.iter().any(|scheme| lower.starts_with(scheme)) {
            continue;
        }
        let bounds = transform.transform_rect_bbox(bounds.to_kurbo());
        let index = page.links.len();
        let on = |x: f64, y: f64| bounds.x0 <= x && x <= bounds.x1 && bounds.y0 <= y && y <= bounds.y1;
        let mut found = false;
        for char in page.chars.iter_mut().filter(|char| on((char.x0 + char.x1) / 2.0, char.y - char.size * 0.3)) {
            char.link = Some(index);
            found = true;
        }
        if found {
            page.links.push(address.trim().to_owned());
        }
    }
}
