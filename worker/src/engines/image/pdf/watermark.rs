//! A text or a picture on the pages of a PDF file: drawn as for images, a point of the page being a pixel, and placed as one picture that
//! all pages share.

use std::collections::HashMap;
use std::fs::File;

use lopdf::{Dictionary, Document, Object, ObjectId, Stream};
use serde_json::{Map, Value, json};

use super::super::job::{Clock, ImageJob};
use super::super::watermark::options::{Layer, WatermarkOptions};
use super::super::watermark::{Pages, Source, overlay};
use super::file;
use super::work::{damaged, only};
use crate::engines::{Beside, Made};
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::options::Options;
use crate::pixels::{Image, Processor, Step};

/// Pixels a point: 216 an inch, at which letters have no steps that are seen.
const FINE: u32 = 3;

/// Sides of what is drawn, at most.
const MAX_SIDE: u32 = 4_000;

/// Copies of a tile on one page, at most.
const MAX_TILES: usize = 10_000;

/// The name of what is placed, in the resources of a page.
const NAME: &str = "ConvertFlyMark";

/// A mark in the file, and its size in points.
type Mark = (ObjectId, (u32, u32));

/// Puts the watermark on the pages that are meant.
pub(super) fn run(
    job: &ImageJob,
    (data, password): (&[u8], &str),
    beside: Vec<Beside>,
    outputs: Vec<File>,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    let output = only(outputs)?;
    let options = WatermarkOptions::read(&job.options)?;
    options.check()?;
    let pages = Pages::parse(&options.pages)?;
    let source = Source::read(job, &options, beside, cancel)?;
    let mut clock = Clock::default();
    let mut document = clock.time("load", || file::open(data, password))?;
    let ids: Vec<ObjectId> = document.page_iter().collect();
    pages.check(u32::try_from(ids.len()).map_err(Failure::internal)?)?;
    let opacity = f32::from(options.opacity) / 100.0;
    let state = document.add_object(Dictionary::from_iter([("ca", Object::Real(opacity)), ("CA", Object::Real(opacity))]));
    let (mut marks, mut marked): (HashMap<(u32, u32), Mark>, usize) = (HashMap::new(), 0);
    for (index, id) in (0..).zip(&ids) {
        cancel.check()?;
        if !pages.has(index) {
            continue;
        }
        let page = file::push_down(&document, document.get_dictionary(*id).map_err(|error| damaged(&error))?);
        let paper = Paper::of(&document, &page);
        let size = source.size(&options, paper.canvas());
        let mark = match marks.get(&size) {
            Some(mark) => *mark,
            None => {
                let fine = FINE.min(MAX_SIDE / size.0.max(size.1).max(1)).max(1);
                let drawn = clock.time("draw", || source.draw(&options, (size.0 * fine, size.1 * fine), processor, cancel))?;
                let points = |pixels: u32| pixels.div_ceil(fine);
                let mark = (embed(&mut document, &drawn)?, (points(drawn.width()), points(drawn.height())));
                marks.insert(size, mark);
                mark
            }
        };
        let drawing = paper.drawing(&options, mark.1);
        let names = [("XObject", mark.0), ("ExtGState", state)];
        let below = options.layer == Layer::Below;
        file::draw(&mut document, *id, page, &names.map(|(kind, id)| (kind, NAME, Object::Reference(id))), (&drawing, below))?;
        marked += 1;
    }
    if job.test {
        ids.iter().try_for_each(|id| file::mark(&mut document, *id))?;
    }
    let bytes = clock.time("store", || file::write(&mut document, output))?;
    let warnings = if job.test { vec!["Made with a test key: the result is marked TEST".to_owned()] } else { Vec::new() };
    let explain = json!({
        "engine": super::super::super::pdf::ID,
        "pages": ids.len(),
        "marked": marked,
        "bytes_in": data.len(),
        "bytes_out": bytes,
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { warnings, explain, ..Made::default() })
}

/// Adds a picture with its opacity to the file.
fn embed(document: &mut Document, image: &Image) -> Result<ObjectId, Failure> {
    let (pixels, _) = image.data().as_chunks::<4>();
    let colours: Vec<u8> = pixels.iter().flat_map(|[red, green, blue, _]| [*red, *green, *blue]).collect();
    let alpha: Vec<u8> = pixels.iter().map(|[.., alpha]| *alpha).collect();
    let picture = |space: &str, data: Vec<u8>| {
        let dictionary = Dictionary::from_iter([
            ("Type", Object::from("XObject")),
            ("Subtype", "Image".into()),
            ("Width", i64::from(image.width()).into()),
            ("Height", i64::from(image.height()).into()),
            ("ColorSpace", space.into()),
            ("BitsPerComponent", 8.into()),
        ]);
        let mut stream = Stream::new(dictionary, data);
        stream.compress().map_err(|error| Failure::internal(format!("packing a picture: {error}")))?;
        Ok::<_, Failure>(stream)
    };
    let mask = picture("DeviceGray", alpha)?;
    let mut colours = picture("DeviceRGB", colours)?;
    let mask = document.add_object(mask);
    colours.dict.set("SMask", mask);
    Ok(document.add_object(colours))
}

/// A page as it is seen: what is shown of it, and how it is turned.
struct Paper {
    /// Left, bottom, right, top.
    sides: [f64; 4],
    /// Quarters of a turn, clockwise.
    turns: i64,
}

impl Paper {
    fn of(document: &Document, page: &Dictionary) -> Self {
        let bounds = |name: &[u8]| {
            let bounds = page.get(name).and_then(|bounds| document.dereference(bounds)).ok()?.1.as_array().ok()?;
            let number = |side: &Object| document.dereference(side).ok()?.1.as_float().ok().map(f64::from);
            let [a, b, c, d] = <[f64; 4]>::try_from(bounds.iter().filter_map(number).collect::<Vec<_>>()).ok()?;
            let sides = [a.min(c), b.min(d), a.max(c), b.max(d)];
            (sides.iter().all(|side| side.is_finite()) && sides[2] - sides[0] >= 1.0 && sides[3] - sides[1] >= 1.0)
                .then_some(sides)
        };
        let sides = bounds(b"CropBox").or_else(|| bounds(b"MediaBox")).unwrap_or([0.0, 0.0, 612.0, 792.0]);
        let turns =
            page.get(b"Rotate").and_then(|turn| document.dereference(turn)).and_then(|(_, turn)| turn.as_i64()).unwrap_or(0);
        Self { sides, turns: turns.div_euclid(90).rem_euclid(4) }
    }

    /// Whole points, as it is seen.
    fn canvas(&self) -> (u32, u32) {
        let [left, bottom, right, top] = self.sides;
        let side = |from: f64, to: f64| (to - from).round().clamp(1.0, 14_400.0) as u32;
        let (width, height) = (side(left, right), side(bottom, top));
        if self.turns % 2 == 1 { (height, width) } else { (width, height) }
    }

    /// Operators that place a mark of that size.
    fn drawing(&self, options: &WatermarkOptions, size: (u32, u32)) -> String {
        let canvas = self.canvas();
        let Step::Overlay { x, y, every, .. } = overlay(0, options, size, canvas) else { return String::new() };
        // All places of a tile at which a part of it is on the page.
        let places = |start: i32, step: Option<u32>, size: u32, canvas: u32| -> Vec<i32> {
            let Some(step) = step.and_then(|step| i32::try_from(step.max(1)).ok()) else { return vec![start] };
            let (size, canvas) = (i32::try_from(size).unwrap_or(i32::MAX), i32::try_from(canvas).unwrap_or(i32::MAX));
            let before = (start.saturating_add(size)).div_euclid(step).max(0);
            (0..).map(|index| start - before * step + index * step).take_while(|at| *at < canvas).take(MAX_TILES).collect()
        };
        let rows = places(y, every.map(|(_, down)| down), size.1, canvas.1);
        let columns = places(x, every.map(|(across, _)| across), size.0, canvas.0);
        let mut drawing = format!("q /{NAME} gs\n");
        for place in rows.iter().flat_map(|y| columns.iter().map(move |x| (*x, *y))).take(MAX_TILES) {
            let [a, b, c, d, e, f] = self.matrix(place, size);
            drawing += &format!("q {a:.3} {b:.3} {c:.3} {d:.3} {e:.3} {f:.3} cm /{NAME} Do Q\n");
        }
        drawing + "Q\n"
    }

    /// What brings a picture of one by one to a place that is counted from the upper left corner of the page as it is seen.
    fn matrix(&self, (x, y): (i32, i32), (width, height): (u32, u32)) -> [f64; 6] {
        let [left, bottom, right, top] = self.sides;
        let (x, y, w, h) = (f64::from(x), f64::from(y), f64::from(width), f64::from(height));
        match self.turns {
            1 => [0.0, w, -h, 0.0, left + y + h, bottom + x],
            2 => [-w, 0.0, 0.0, -h, right - x, bottom + y + h],
            3 => [0.0, -w, h, 0.0, right - y - h, top - x],
            _ => [w, 0.0, 0.0, h, left + x, top - y - h],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_lies_where_it_is_seen_however_the_page_is_turned() {
        // A mark of 10 by 20 at 5, 7 from the upper left, on a page of 100 by 200: the corners of its unit square on the page.
        let corners = |turns: i64| {
            let [a, b, c, d, e, f] = Paper { sides: [0.0, 0.0, 100.0, 200.0], turns }.matrix((5, 7), (10, 20));
            let place = |x: f64, y: f64| (a * x + c * y + e, b * x + d * y + f);
            (place(0.0, 0.0), place(1.0, 1.0))
        };
        assert_eq!(corners(0), ((5.0, 173.0), (15.0, 193.0)));
        assert_eq!(corners(1), ((27.0, 5.0), (7.0, 15.0)), "up on the page is left as it is seen");
        assert_eq!(corners(2), ((95.0, 27.0), (85.0, 7.0)));
        assert_eq!(corners(3), ((73.0, 195.0), (93.0, 185.0)));
    }
}
