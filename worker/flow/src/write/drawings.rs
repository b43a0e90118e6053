//! Pictures in the text, and what stands at fixed places of a page.

use hayro::kurbo::{Point, Rect};

use super::hex;
use super::package::Package;
use crate::model::{Color, Picture, Turned};

/// A part of a drawing that says what its content is.
const SHAPE: &str = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape";
const PICTURE: &str = "http://schemas.openxmlformats.org/drawingml/2006/picture";

/// English metric units.
fn emu(points: f64) -> i64 {
    (points * 12_700.0).round().clamp(-2e9, 2e9) as i64
}

impl Package {
    /// A picture in the text.
    pub(super) fn inline(&mut self, picture: &Picture) -> String {
        let (width, height) = (emu(picture.bounds.width()), emu(picture.bounds.height()));
        let id = self.next_id();
        let graphic = self.graphic(picture, id);
        format!(
            "<w:drawing><wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\"><wp:extent cx=\"{width}\" cy=\"{height}\"/>\
             <wp:docPr id=\"{id}\" name=\"Picture {id}\"/>{graphic}</wp:inline></w:drawing>"
        )
    }

    /// A picture at its place of the page, behind the text. It is counted from `origin`, where the paragraph that holds it begins: of what is
    /// counted from the page LibreOffice writes the numbers into RTF, and not that they mean the page.
    pub(super) fn behind(&mut self, picture: &Picture, origin: Point) -> String {
        let id = self.next_id();
        let graphic = self.graphic(picture, id);
        let bounds = picture.bounds - origin.to_vec2();
        format!("<w:r><w:drawing>{}</w:drawing></w:r>", anchored(bounds, ("column", "paragraph"), id, &graphic))
    }

    fn graphic(&mut self, picture: &Picture, id: usize) -> String {
        let relation = self.media(picture);
        let (width, height) = (emu(picture.bounds.width()), emu(picture.bounds.height()));
        format!(
            "<a:graphic><a:graphicData uri=\"{PICTURE}\"><pic:pic><pic:nvPicPr><pic:cNvPr id=\"{id}\" name=\"Picture {id}\"/><pic:cNvPicPr/></pic:nvPicPr>\
             <pic:blipFill><a:blip r:embed=\"{relation}\"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>\
             <pic:spPr><a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"{width}\" cy=\"{height}\"/></a:xfrm><a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></pic:spPr>\
             </pic:pic></a:graphicData></a:graphic>"
        )
    }

    /// An area of a colour at its place.
    pub(super) fn shape(&mut self, bounds: Rect, color: Color) -> String {
        let id = self.next_id();
        let fill = format!("<a:solidFill><a:srgbClr val=\"{}\"/></a:solidFill><a:ln><a:noFill/></a:ln>", hex(color));
        // Thinner than that and some readers show nothing.
        let grow = |from: f64, to: f64| if to - from < 0.25 { 0.125 } else { 0.0 };
        let bounds = bounds.inflate(grow(bounds.x0, bounds.x1), grow(bounds.y0, bounds.y1));
        shape(bounds, id, 0, &fill, "<wps:bodyPr/>")
    }

    /// Text that stands turned, in a box of its own.
    pub(super) fn turned(&mut self, turned: &Turned, runs: &str) -> String {
        let id = self.next_id();
        let size = turned.chars.first().map_or(10.0, |char| char.size);
        let direction = match turned.angle {
            45..135 => " vert=\"vert\"",
            225..315 => " vert=\"vert270\"",
            _ => "",
        };
        let mut bounds = turned.bounds.inflate(size * 0.6, size * 0.6);
        let rotation = if direction.is_empty() { i64::from(turned.angle) * 60_000 } else { 0 };
        if rotation != 0 {
            let length = bounds.width().hypot(bounds.height());
            bounds = Rect::from_center_size(bounds.center(), (length, size * 1.8));
        }
        let line = (size * 24.0).round() as i64;
        let body = format!(
            "<wps:txbx><w:txbxContent><w:p><w:pPr><w:spacing w:before=\"0\" w:after=\"0\" w:line=\"{line}\" w:lineRule=\"exact\"/></w:pPr>{runs}</w:p></w:txbxContent></wps:txbx>\
             <wps:bodyPr lIns=\"0\" tIns=\"0\" rIns=\"0\" bIns=\"0\"{direction}/>"
        );
        shape(bounds, id, rotation, "<a:noFill/><a:ln><a:noFill/></a:ln>", &body)
    }
}

fn shape(bounds: Rect, id: usize, rotation: i64, fill: &str, body: &str) -> String {
    let (width, height) = (emu(bounds.width()), emu(bounds.height()));
    let turn = if rotation == 0 { String::new() } else { format!(" rot=\"{rotation}\"") };
    let kind = if body.contains("txbx") { "<wps:cNvSpPr txBox=\"1\"/>" } else { "<wps:cNvSpPr/>" };
    let graphic = format!(
        "<a:graphic><a:graphicData uri=\"{SHAPE}\"><wps:wsp>{kind}<wps:spPr><a:xfrm{turn}><a:off x=\"0\" y=\"0\"/><a:ext cx=\"{width}\" cy=\"{height}\"/></a:xfrm>\
         <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom>{fill}</wps:spPr>{body}</wps:wsp></a:graphicData></a:graphic>"
    );
    format!(
        "<w:r><mc:AlternateContent><mc:Choice Requires=\"wps\"><w:drawing>{}</w:drawing></mc:Choice></mc:AlternateContent></w:r>",
        anchored(bounds, ("page", "page"), id, &graphic)
    )
}

/// Something at its place, counted across and down from those things, behind the text, which does not flow around it.
fn anchored(bounds: Rect, (across, down): (&str, &str), id: usize, graphic: &str) -> String {
    let (x, y, width, height) = (emu(bounds.x0), emu(bounds.y0), emu(bounds.width()), emu(bounds.height()));
    format!(
        "<wp:anchor distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\" simplePos=\"0\" relativeHeight=\"{id}\" behindDoc=\"1\" locked=\"0\" layoutInCell=\"1\" allowOverlap=\"1\">\
         <wp:simplePos x=\"0\" y=\"0\"/><wp:positionH relativeFrom=\"{across}\"><wp:posOffset>{x}</wp:posOffset></wp:positionH>\
         <wp:positionV relativeFrom=\"{down}\"><wp:posOffset>{y}</wp:posOffset></wp:positionV><wp:extent cx=\"{width}\" cy=\"{height}\"/><wp:wrapNone/>\
         <wp:docPr id=\"{id}\" name=\"Object {id}\"/>{graphic}</wp:anchor>"
    )
}
