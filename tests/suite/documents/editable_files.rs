//! PDF files that are odd, to documents that can be edited: scanned, protected, written from right to left, or made to do harm.

use std::process::Command;

use serde_json::{Value, json};

use super::{convert_all, server, text};
use crate::support::papers::{document_xml, pdf_of, pdf_page, pdf_stream};

/// Letters of one width whose codes mean what the map says.
fn font(map: &[(char, char)]) -> (String, Vec<String>) {
    let pairs: String =
        map.iter().map(|(code, what)| format!("<{:02X}> <{:04X}>\n", u32::from(*code), u32::from(*what))).collect();
    let cmap = format!(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /A def /CMapType 2 def 1 begincodespacerange <00> <FF> \
         endcodespacerange {} beginbfchar\n{pairs}endbfchar endcmap end end",
        map.len()
    );
    let widths = "600 ".repeat(26);
    let font = format!(
        "<< /Type /Font /Subtype /Type1 /BaseFont /Courier /FirstChar 65 /LastChar 90 /Widths [{widths}] /ToUnicode 6 0 R >>"
    );
    ("/Font << /F 5 0 R >>".to_owned(), vec![font, pdf_stream("", &cmap)])
}

#[test]
fn r101_text_from_right_to_left_is_in_the_order_in_which_it_is_read() {
    let logical = "שלום עולם";
    // On paper the last letter stands leftmost.
    let visual: Vec<char> = logical.chars().rev().collect();
    let codes: Vec<char> = ('A'..='Z').take(visual.len()).collect();
    let map: Vec<(char, char)> = codes.iter().copied().zip(visual).collect();
    let (resources, objects) = font(&map);
    let drawn = format!("BT /F 20 Tf 300 700 Td ({}) Tj ET", codes.iter().collect::<String>());
    let source = pdf_page(&drawn, &resources, &objects.iter().map(String::as_str).collect::<Vec<_>>());
    let (_, results) = convert_all(&server(), &source, "a.pdf", &["docx", "odt"], &json!({}));
    for (result, format) in results.iter().zip(["docx", "odt"]) {
        assert!(text(result, format).contains(logical), "{format}: {}", text(result, format));
    }
    let xml = document_xml(&results[0]);
    assert!(xml.contains("<w:bidi/>") || xml.contains("<w:rtl/>"), "and is set from there: {xml}");
}

#[test]
fn r101_scanned_pages_stay_pictures_and_that_is_said() {
    let pixels = "80 C0 20 ".repeat(64);
    let picture = pdf_stream(
        "/Type /XObject /Subtype /Image /Width 8 /Height 8 /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /ASCIIHexDecode",
        &format!("{pixels}>"),
    );
    let source = pdf_page("q 595 0 0 842 0 0 cm /I Do Q", "/XObject << /I 5 0 R >>", &[&picture]);
    let (job, results) = convert_all(&server(), &source, "a.pdf", &["docx", "rtf"], &json!({}));
    for task in ["c0", "c1"] {
        let warnings = job["tasks"][task]["result"]["warnings"].to_string();
        assert!(warnings.contains("pictures without text"), "{task}: {job:#}");
    }
    assert!(document_xml(&results[0]).contains("<a:blip"), "the picture is there: {}", document_xml(&results[0]));
    assert!(String::from_utf8_lossy(&results[1]).contains("\\pict"), "also on the way to rtf");
}

/// Encrypts a page that says "Alphaword" with the password "open sesame" (ISO 32000-1, 7.6: 40 bits, revision 2).
const ENCRYPT: &str = r#"
import hashlib, sys
PAD = bytes.fromhex('28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A')
def rc4(key, data):
    box, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)
password = (b'open sesame' + PAD)[:32]
owner = rc4(hashlib.md5(password).digest()[:5], password)
ident = bytes(range(16))
key = hashlib.md5(password + owner + (0xfffffffc).to_bytes(4, 'little') + ident).digest()[:5]
user = rc4(key, PAD)
drawn = rc4(hashlib.md5(key + (4).to_bytes(3, 'little') + bytes(2)).digest()[:10], b'BT /F 24 Tf 72 700 Td (Alphaword) Tj ET')
objects = [b'<< /Type /Catalog /Pages 2 0 R >>', b'<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    b'<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>',
    b'<< /Length %d >>\nstream\n%s\nendstream' % (len(drawn), drawn), b'<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
    b'<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>' % (owner.hex().encode(), user.hex().encode())]
file, table = b'%PDF-1.4\n', b'0000000000 65535 f \n'
for number, body in enumerate(objects, 1):
    table += b'%010d 00000 n \n' % len(file)
    file += b'%d 0 obj\n%s\nendobj\n' % (number, body)
ids = ident.hex().encode()
end = b'trailer\n<< /Size 7 /Root 1 0 R /Encrypt 6 0 R /ID [<%s> <%s>] >>\nstartxref\n%d\n%%%%EOF\n' % (ids, ids, len(file))
sys.stdout.buffer.write(file + b'xref\n0 7\n' + table + end)
"#;

#[test]
fn r101_protected_files_need_their_password() {
    let output = Command::new("python3").args(["-c", ENCRYPT]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = server();
    let job = |options: Value| server.convert(&output.stdout, "a.pdf", "docx", &options);
    for options in [json!({}), json!({ "password": "wrong" })] {
        let failed = job(options);
        let error = &failed["tasks"]["convert"]["error"];
        assert_eq!((&error["code"], &error["details"]["field"]), (&json!("INVALID_DATA"), &json!("password")), "{failed:#}");
    }
    let opened = job(json!({ "password": "open sesame" }));
    assert_eq!(opened["status"], "FINISHED", "{opened:#}");
    assert!(text(&server.download(&opened).bytes, "docx").contains("Alphaword"), "its text");
    assert!(!opened.to_string().contains("sesame"), "the password is not told again: {opened:#}");
}

#[test]
fn r101_files_made_to_do_harm_do_none() {
    let font = "/Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>";
    let own = "/XObject << /I 5 0 R >>";
    let form = |entries: &str, drawn: &str| {
        pdf_stream(&format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {own} >> {entries}"), drawn)
    };
    let glyph = pdf_stream("", "500 0 0 0 500 500 d1 BT /F 9 Tf (A) Tj ET");
    let type3 = "<< /Type /Font /Subtype /Type3 /FontBBox [0 0 500 500] /FontMatrix [0.001 0 0 0.001 0 0] /FirstChar 65 /LastChar 65 \
                 /Widths [500] /Encoding << /Differences [65 /a] >> /CharProcs << /a 6 0 R >> /Resources << /Font << /F 5 0 R >> >> >>";
    let picture = pdf_stream(
        "/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /ColorSpace /DeviceGray /BitsPerComponent 8",
        "x",
    );
    let kids = ["<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 2 >>"];
    let text = |drawn: &str| pdf_page(&format!("BT /F 9 Tf 72 700 Td {drawn} ET"), font, &[]);
    let files = [
        ("a form that draws itself", pdf_page("/I Do", own, &[&form("", "/I Do /I Do")])),
        ("a letter that writes itself", pdf_page("BT /F 9 Tf 9 9 Td (AAAA) Tj ET", "/Font << /F 5 0 R >>", &[type3, &glyph])),
        ("a picture without end", pdf_page("q 9 0 0 9 0 0 cm /I Do Q", own, &[&picture])),
        ("pages that hold themselves", pdf_of(&kids)),
        ("states without end", pdf_page(&"q ".repeat(200_000), "", &[])),
        ("places beyond all paper", text("1e38 1e38 Td (far) Tj 99999999999999999999999 0 Td (farther) Tj")),
        ("a text without size", text("0 Tz (none) Tj /F 0 Tf (none) Tj /F -1e30 Tf (none) Tj")),
        ("rules without end", pdf_page(&"0 0 9 9 re f 1 1 m 500 1 l S ".repeat(20_000), "", &[])),
        ("letters without end", text(&format!("({}) Tj", "abcdefghij ".repeat(30_000)))),
    ];
    let server = server();
    for (what, file) in files {
        let job = server.convert(&file, "a.pdf", "docx", &json!({}));
        let error = &job["tasks"]["convert"]["error"];
        let is_told = ["INVALID_DATA", "PAYLOAD_TOO_LARGE", "UNSUPPORTED_FORMAT"].iter().any(|code| error["code"] == *code);
        assert!(job["status"] == "FINISHED" || is_told, "{what}: {job:#}");
        assert!(!error.to_string().contains("gave up"), "{what}: no process died of it: {job:#}");
    }
}
