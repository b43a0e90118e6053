//! Small documents that the tests make themselves, part by part.

/// Words that every document holds.
pub(crate) const WORDS: [&str; 3] = ["Alphaword", "Betaword", "Gammaword"];

/// A zip archive of parts, packed but for the first one, which is stored as it is: OpenDocument wants that of its media type.
pub(crate) fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    convertfly_flow::archive(&parts)
}

const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

fn types(main: &str, part: &str, more: &str) -> String {
    format!(
        "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/><Override PartName=\"/{part}\" ContentType=\"{main}\"/>{more}</Types>"
    )
}

fn relations(list: &str) -> String {
    format!("<Relationships xmlns=\"{RELATIONS}\">{list}</Relationships>")
}

fn main_part(part: &str) -> String {
    relations(&format!("<Relationship Id=\"r1\" Type=\"{OFFICE}/officeDocument\" Target=\"{part}\"/>"))
}

/// A Word document whose body is that XML.
pub(crate) fn docx_of(body: &str, document_relations: &str) -> Vec<u8> {
    let main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml";
    let document = format!(
        "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\" xmlns:r=\"{OFFICE}\" \
         xmlns:wp=\"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing\" \
         xmlns:a=\"http://schemas.openxmlformats.org/drawingml/2006/main\" \
         xmlns:pic=\"http://schemas.openxmlformats.org/drawingml/2006/picture\"><w:body>{body}</w:body></w:document>"
    );
    archive(&[
        ("[Content_Types].xml", &types(main, "word/document.xml", "")),
        ("_rels/.rels", &main_part("word/document.xml")),
        ("word/document.xml", &document),
        ("word/_rels/document.xml.rels", &relations(document_relations)),
    ])
}

/// A Word document of pages, each of which says its word.
pub(crate) fn docx(pages: &[&str]) -> Vec<u8> {
    let page = |text: &&str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let pages: Vec<_> = pages.iter().map(page).collect();
    docx_of(&pages.join("<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>"), "")
}

/// An Excel workbook of one sheet with those rows of texts.
pub(crate) fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let main = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml";
    let sheet_type = "<Override PartName=\"/xl/worksheets/sheet1.xml\" \
         ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>";
    let space = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
    let cell = |text: &&str| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let row = |cells: &&[&str]| format!("<row>{}</row>", cells.iter().map(cell).collect::<String>());
    let sheet = format!("<worksheet {space}><sheetData>{}</sheetData></worksheet>", rows.iter().map(row).collect::<String>());
    let book = format!(
        "<workbook {space} xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"One\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let to_sheet = format!("<Relationship Id=\"r1\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet1.xml\"/>");
    archive(&[
        ("[Content_Types].xml", &types(main, "xl/workbook.xml", sheet_type)),
        ("_rels/.rels", &main_part("xl/workbook.xml")),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", &relations(&to_sheet)),
        ("xl/worksheets/sheet1.xml", &sheet),
    ])
}

/// An OpenDocument file of that kind (`text`, `spreadsheet`, `presentation`) whose body is that XML.
pub(crate) fn open_document(kind: &str, body: &str) -> Vec<u8> {
    let mime = format!("application/vnd.oasis.opendocument.{kind}");
    let space = |name: &str, place: &str| format!("xmlns:{name}=\"urn:oasis:names:tc:opendocument:xmlns:{place}:1.0\" ");
    let spaces: String = [
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
        ("svg", "svg-compatible"),
        ("style", "style"),
    ]
    .map(|(name, place)| space(name, place))
    .concat();
    let content = format!(
        "<office:document-content {spaces} xmlns:xlink=\"http://www.w3.org/1999/xlink\" office:version=\"1.2\"><office:body>\
         <office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    );
    let manifest = format!(
        "<manifest:manifest {}manifest:version=\"1.2\"><manifest:file-entry manifest:full-path=\"/\" manifest:media-type=\"{mime}\"/>\
         <manifest:file-entry manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/></manifest:manifest>",
        space("manifest", "manifest")
    );
    archive(&[("mimetype", &mime), ("content.xml", &content), ("META-INF/manifest.xml", &manifest)])
}

/// An OpenDocument text of paragraphs.
pub(crate) fn odt(paragraphs: &[&str]) -> Vec<u8> {
    open_document("text", &paragraphs.iter().map(|text| format!("<text:p>{text}</text:p>")).collect::<String>())
}

/// An OpenDocument spreadsheet of rows of texts.
pub(crate) fn ods(rows: &[&[&str]]) -> Vec<u8> {
    let cell = |text: &&str| format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>");
    let row = |cells: &&[&str]| format!("<table:table-row>{}</table:table-row>", cells.iter().map(cell).collect::<String>());
    open_document(
        "spreadsheet",
        &format!("<table:table table:name=\"One\">{}</table:table>", rows.iter().map(row).collect::<String>()),
    )
}

/// An OpenDocument presentation of slides, each of which says its word.
pub(crate) fn odp(slides: &[&str]) -> Vec<u8> {
    let slide = |text: &&str| {
        format!(
            "<draw:page draw:name=\"{text}\"><draw:frame svg:x=\"2cm\" svg:y=\"2cm\" svg:width=\"15cm\" svg:height=\"3cm\">\
             <draw:text-box><text:p>{text}</text:p></draw:text-box></draw:frame></draw:page>"
        )
    };
    open_document("presentation", &slides.iter().map(slide).collect::<String>())
}

/// RTF of paragraphs.
pub(crate) fn rtf(paragraphs: &[&str]) -> Vec<u8> {
    format!("{{\\rtf1\\ansi {}}}", paragraphs.iter().map(|text| format!("{text}\\par ")).collect::<String>()).into_bytes()
}

/// HTML of paragraphs.
pub(crate) fn html(paragraphs: &[&str]) -> Vec<u8> {
    format!("<!DOCTYPE html><title>t</title>{}", paragraphs.iter().map(|text| format!("<p>{text}</p>")).collect::<String>())
        .into_bytes()
}

/// A page of PDF with one line.
pub(crate) fn pdf(line: &str) -> Vec<u8> {
    pdf_page(
        &format!("BT /F 24 Tf 72 720 Td ({line}) Tj ET"),
        "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>",
        &[],
    )
}

/// A page of PDF on which that is drawn with those resources; more objects have the numbers from 5 on.
pub(crate) fn pdf_page(drawn: &str, resources: &str, more: &[&str]) -> Vec<u8> {
    let own = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << {resources} >> >>"),
        pdf_stream("", drawn),
    ];
    let objects: Vec<&str> = own.iter().map(String::as_str).chain(more.iter().copied()).collect();
    pdf_of(&objects)
}

/// A stream of PDF with those entries beside its length.
pub(crate) fn pdf_stream(entries: &str, content: &str) -> String {
    format!("<< {entries} /Length {} >>\nstream\n{content}\nendstream", content.len())
}

/// A PDF file of objects, numbered from 1, the first of which is the catalogue.
pub(crate) fn pdf_of(objects: &[&str]) -> Vec<u8> {
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = "0000000000 65535 f \n".to_owned();
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let (at, size) = (file.len(), objects.len() + 1);
    file.push_str(&format!("xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF\n"));
    file.into_bytes()
}

/// The part of a DOCX file that holds its text.
pub(crate) fn document_xml(docx: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.docx");
    std::fs::write(&path, docx).expect("a file");
    let read = "import sys, zipfile; sys.stdout.write(zipfile.ZipFile(sys.argv[1]).read('word/document.xml').decode())";
    let output = std::process::Command::new("python3").args(["-c", read]).arg(&path).output().expect("python3 runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}
