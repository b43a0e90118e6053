//! The parts of a DOCX file and how they refer to one another.

use super::runs::escape;
use crate::archive;
use crate::model::Picture;

const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";

/// Names of the elements of the parts of a text.
const SPACES: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" \
     xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\" \
     xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" \
     xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
     xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\" \
     xmlns:wps=\"http://schemas.microsoft.com/office/word/2010/wordprocessingShape\" \
     xmlns:mc=\"http://schemas.openxmlformats.org/markup-compatibility/2006\"";

/// Styles that everything is based on: no space of their own, so that what is written is what counts.
const STYLES: &str = "<w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii=\"Times New Roman\" w:hAnsi=\"Times New Roman\" w:cs=\"Times New Roman\"/>\
     <w:sz w:val=\"20\"/><w:szCs w:val=\"20\"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:widowControl w:val=\"0\"/>\
     <w:spacing w:before=\"0\" w:after=\"0\"/></w:pPr></w:pPrDefault></w:docDefaults>\
     <w:style w:type=\"paragraph\" w:default=\"1\" w:styleId=\"Normal\"><w:name w:val=\"Normal\"/><w:qFormat/></w:style>";

/// What a document consists of beside its text.
#[derive(Debug, Default)]
pub(super) struct Package {
    pub(super) header: Option<String>,
    pub(super) footer: Option<String>,
    /// Whether the first page has the header, and the footer.
    pub(super) on_first: (bool, bool),
    /// The lists.
    numbering: String,
    media: Vec<(String, Vec<u8>)>,
    links: Vec<String>,
    ids: usize,
}

impl Package {
    /// One with those lists.
    pub(super) fn new(numbering: String) -> Self {
        Self { numbering, ..Self::default() }
    }

    pub(super) fn next_id(&mut self) -> usize {
        self.ids += 1;
        self.ids
    }

    pub(super) fn pictures(&self) -> usize {
        self.media.len()
    }

    /// Takes in a picture; the name of the relation to it. The same bytes are taken once.
    pub(super) fn media(&mut self, picture: &Picture) -> String {
        let index = self.media.iter().position(|(_, data)| *data == picture.data).unwrap_or_else(|| {
            let name = format!("media/image{}.{}", self.media.len() + 1, picture.kind);
            self.media.push((name, picture.data.clone()));
            self.media.len() - 1
        });
        format!("rIdM{index}")
    }

    /// Takes in an address; the name of the relation to it.
    pub(super) fn link(&mut self, address: &str) -> String {
        let index = self.links.iter().position(|known| known == address).unwrap_or_else(|| {
            self.links.push(address.to_owned());
            self.links.len() - 1
        });
        format!("rIdL{index}")
    }

    /// Whether the first page has not what the others have.
    pub(super) fn is_first_other(&self) -> bool {
        (self.header.is_some() && !self.on_first.0) || (self.footer.is_some() && !self.on_first.1)
    }

    /// The header and the footer, as the first section names them; the others have the same.
    pub(super) fn references(&self) -> String {
        let mut xml = String::new();
        let mut add = |kind: &str, id: &str, on_first: bool| {
            xml += &format!("<w:{kind}Reference w:type=\"default\" r:id=\"{id}\"/>");
            if self.is_first_other() && on_first {
                xml += &format!("<w:{kind}Reference w:type=\"first\" r:id=\"{id}\"/>");
            }
        };
        if self.header.is_some() {
            add("header", "rIdHeader", self.on_first.0);
        }
        if self.footer.is_some() {
            add("footer", "rIdFooter", self.on_first.1);
        }
        xml
    }

    /// The file.
    pub(super) fn finish(&self, body: &str) -> Vec<u8> {
        let part = |name: &str, content: &str| {
            format!("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<w:{name} {SPACES}>{content}</w:{name}>")
        };
        let mut relations = String::new();
        let mut relation = |id: &str, kind: &str, target: &str, more: &str| {
            relations += &format!("<Relationship Id=\"{id}\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"{more}/>");
        };
        relation("rIdStyles", "styles", "styles.xml", "");
        relation("rIdNumbering", "numbering", "numbering.xml", "");
        relation("rIdSettings", "settings", "settings.xml", "");
        for (index, (name, _)) in self.media.iter().enumerate() {
            relation(&format!("rIdM{index}"), "image", name, "");
        }
        for (index, address) in self.links.iter().enumerate() {
            relation(&format!("rIdL{index}"), "hyperlink", &escape(address), " TargetMode=\"External\"");
        }
        let mut types = format!(
            "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/><Default Extension=\"png\" ContentType=\"image/png\"/>\
             <Default Extension=\"jpeg\" ContentType=\"image/jpeg\"/><Override PartName=\"/word/document.xml\" ContentType=\"{WORD}.document.main+xml\"/>"
        );
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |name: &str, xml: String| {
            types +=
                &format!("<Override PartName=\"/word/{name}.xml\" ContentType=\"{WORD}.{}+xml\"/>", name.trim_end_matches('1'));
            parts.push((format!("word/{name}.xml"), xml.into_bytes()));
        };
        let headings: String = (1..=4).map(heading).collect();
        add("styles", part("styles", &format!("{STYLES}{headings}")));
        add("numbering", part("numbering", &self.numbering));
        add(
            "settings",
            part(
                "settings",
                "<w:compat><w:compatSetting w:name=\"compatibilityMode\" w:uri=\"http://schemas.microsoft.com/office/word\" w:val=\"15\"/></w:compat>",
            ),
        );
        if let Some(xml) = &self.header {
            relation("rIdHeader", "header", "header1.xml", "");
            add("header1", part("hdr", xml));
        }
        if let Some(xml) = &self.footer {
            relation("rIdFooter", "footer", "footer1.xml", "");
            add("footer1", part("ftr", xml));
        }
        let head = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
        let types = format!("{head}<Types xmlns=\"{PACKAGE}/content-types\">{types}</Types>");
        let root = format!(
            "{head}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"word/document.xml\"/></Relationships>"
        );
        let relations = format!("{head}<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}</Relationships>");
        let document = part("document", &format!("<w:body>{body}</w:body>"));
        let mut all: Vec<(&str, &[u8])> = vec![
            ("[Content_Types].xml", types.as_bytes()),
            ("_rels/.rels", root.as_bytes()),
            ("word/document.xml", document.as_bytes()),
            ("word/_rels/document.xml.rels", relations.as_bytes()),
        ];
        all.extend(parts.iter().map(|(name, content)| (name.as_str(), content.as_slice())));
        let media: Vec<(String, &[u8])> =
            self.media.iter().map(|(name, data)| (format!("word/{name}"), data.as_slice())).collect();
        all.extend(media.iter().map(|(name, data)| (name.as_str(), *data)));
        archive(&all)
    }
}

fn heading(level: usize) -> String {
    format!(
        "<w:style w:type=\"paragraph\" w:styleId=\"Heading{level}\"><w:name w:val=\"heading {level}\"/><w:basedOn w:val=\"Normal\"/><w:next w:val=\"Normal\"/>\
         <w:qFormat/><w:pPr><w:outlineLvl w:val=\"{}\"/></w:pPr></w:style>",
        level - 1
    )
}
