//! Conversions over the API: every pair, sizes, alpha, names, links.

use serde_json::json;

use crate::support::pictures;
use crate::support::server::Server;

/// Opens every file with an independent decoder; prints name, format and size of each.
const OPEN: &str = "
import sys
from PIL import Image
for path in sys.argv[1:]:
    picture = Image.open(path)
    picture.load()
    print(path.rsplit('/', 1)[1], picture.format, *picture.size)
";

/// The table of the reference: 6 sources x 6 targets, numbered row by row.
#[test]
fn r167_to_r202_r090_r096_every_image_pair_converts() {
    let server = Server::start();
    let formats = ["jpg", "png", "gif", "bmp", "tiff", "webp"];
    let magic: [&[u8]; 6] = [b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"RIFF"];
    let names = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"];
    let original = pictures::png(61, 33, 7);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let mut number = 167;
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    for from in formats {
        let job = server.convert(&original, "photo.png", from, &json!({}));
        assert_eq!(job["status"], "FINISHED", "png -> {from}: {job:#}");
        let first = server.download(&job);
        for ((to, magic), decoder) in formats.iter().zip(magic).zip(names) {
            let pair = format!("R{number}: {from} -> {to}");
            let job = server.convert(&first.bytes, &format!("photo.{from}"), to, &json!({"quality": 90}));
            assert_eq!(job["status"], "FINISHED", "{pair}: {job:#}");
            assert_eq!(job["tasks"]["convert"]["result"]["files"][0]["format"], *to, "{pair}");
            let file = server.download(&job);
            assert_eq!(file.status, 200, "{pair}");
            assert!(file.bytes.starts_with(magic), "{pair}: {:?}", &file.bytes[..8]);
            let name = format!("photo.{to}");
            assert!(file.header("content-disposition").is_some_and(|header| header.contains(&name)), "{:?}", file.headers);
            let path = folder.path().join(format!("R{number}.{to}"));
            std::fs::write(&path, &file.bytes).expect("written");
            files.push(path);
            expected.push(format!("R{number}.{to} {decoder} 61 33"));
            number += 1;
        }
    }
    assert_eq!(number, 203, "the whole table");
    let opened = std::process::Command::new("/usr/bin/python3").args(["-c", OPEN]).args(&files).output().expect("python3 runs");
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert_eq!(String::from_utf8_lossy(&opened.stdout).lines().collect::<Vec<_>>(), expected, "what Pillow finds in them");
}

/// The last two rows: a drawing, and what telephones store; the latter by another encoder, for we have none.
#[test]
fn r203_to_r214_drawings_and_photos_of_telephones_convert() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (png, heic) = (folder.path().join("a.png"), folder.path().join("a.heic"));
    std::fs::write(&png, pictures::png(62, 34, 7)).expect("written");
    let made = std::process::Command::new("heif-enc").arg("-L").arg(&png).arg("-o").arg(&heic).output().expect("heif-enc runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let svg =
        br##"<svg xmlns="http://www.w3.org/2000/svg" width="62" height="34"><rect width="62" height="34" fill="#1a6"/></svg>"##;
    let sources = [("drawing.svg", svg.to_vec()), ("photo.heic", std::fs::read(&heic).expect("a HEIC file"))];
    let targets = [("jpg", "JPEG"), ("png", "PNG"), ("gif", "GIF"), ("bmp", "BMP"), ("tiff", "TIFF"), ("webp", "WEBP")];
    let (mut number, mut files, mut expected) = (203, Vec::new(), Vec::new());
    for (name, bytes) in &sources {
        for (to, decoder) in targets {
            let job = server.convert(bytes, name, to, &json!({}));
            assert_eq!(job["status"], "FINISHED", "R{number}: {name} -> {to}: {job:#}");
            assert_eq!(job["credits_used"], 1, "R{number}: {name} -> {to}");
            let path = folder.path().join(format!("R{number}.{to}"));
            std::fs::write(&path, server.download(&job).bytes).expect("written");
            files.push(path);
            expected.push(format!("R{number}.{to} {decoder} 62 34"));
            number += 1;
        }
    }
    assert_eq!(number, 215, "both rows");
    let opened = std::process::Command::new("/usr/bin/python3").args(["-c", OPEN]).args(&files).output().expect("python3 runs");
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert_eq!(String::from_utf8_lossy(&opened.stdout).lines().collect::<Vec<_>>(), expected, "what Pillow finds in them");
}

#[test]
fn sizes_follow_the_options() {
    let server = Server::start();
    let picture = pictures::png(200, 100, 1);
    for (options, size) in [
        (json!({"width": 50}), (50, 25)),
        (json!({"height": 50}), (100, 50)),
        (json!({"width": 60, "height": 60}), (60, 60)),
        (json!({"width": 60, "height": 60, "fit": "max"}), (60, 30)),
        (json!({"width": 60, "height": 60, "fit": "crop"}), (60, 60)),
        (json!({"width": 60, "height": 60, "fit": "pad"}), (60, 60)),
        (json!({"width": 400, "fit": "max"}), (200, 100)),
        (json!({"width": 400}), (400, 200)),
    ] {
        let job = server.convert(&picture, "a.png", "png", &options);
        assert_eq!(pictures::png_size(&server.download(&job).bytes), Some(size), "{options}: {job:#}");
    }
}

#[test]
fn transparency_is_flattened_on_white_or_the_background() {
    let server = Server::start();
    let picture = pictures::half_transparent_png(40, 20);
    for (options, expected) in [(json!({}), [255, 255, 255]), (json!({"background": "#0000ff"}), [0, 0, 255])] {
        let job = server.convert(&picture, "a.png", "bmp", &options);
        let bmp = server.download(&job).bytes;
        // Rows of a BMP are stored bottom up, blue first; the first pixel of the data is transparent in the source.
        let start = u32::from_le_bytes(bmp[10..14].try_into().expect("four bytes")) as usize;
        let pixel = [bmp[start + 2], bmp[start + 1], bmp[start]];
        assert_eq!(pixel, expected, "{options}");
    }
}

#[test]
fn explain_tells_how_it_was_done() {
    let server = Server::start();
    let job = server.convert(&pictures::png(64, 64, 1), "a.png", "webp", &json!({"width": 32}));
    let explain = &job["tasks"]["convert"]["explain"];
    assert_eq!(explain["engine"], "image", "{explain:#}");
    assert!(explain["device"].as_str().is_some_and(|device| device.starts_with("cpu:")), "no GPU was allowed: {explain:#}");
    assert!(explain["ms"]["decode"].is_number() && explain["queued_ms"].is_number(), "{explain:#}");
}

#[test]
fn r092_a_thumbnail_is_a_small_jpg_unless_told_otherwise() {
    use base64::Engine;
    let server = Server::start();
    let thumbnail = |picture: &[u8], options: serde_json::Value| {
        let file = base64::engine::general_purpose::STANDARD.encode(picture);
        let job = server.run(&json!({"tasks": {
            "import": {"operation": "import/base64", "file": file, "filename": "photo.png"},
            "thumbnail": {"operation": "thumbnail", "input": "import", "options": options},
            "export": {"operation": "export/url", "input": "thumbnail"},
        }}));
        assert_eq!(job["status"], "FINISHED", "{job:#}");
        (job["credits_used"].clone(), job["tasks"]["thumbnail"]["result"]["files"][0].clone(), server.download(&job).bytes)
    };
    let size = |file: &serde_json::Value| (file["width"].clone(), file["height"].clone());
    let (credits, file, bytes) = thumbnail(&pictures::png(640, 400, 1), json!({}));
    assert_eq!((credits, file["filename"].clone()), (json!(1), json!("photo.jpg")), "one credit, a jpg");
    assert_eq!(size(&file), (json!(320), json!(200)), "fits a box of 320 pixels");
    assert!(bytes.starts_with(b"\xff\xd8\xff"), "really a JPEG");
    let (_, file, _) = thumbnail(&pictures::png(64, 40, 1), json!({}));
    assert_eq!(size(&file), (json!(64), json!(40)), "never enlarged by default");
    let (_, file, bytes) =
        thumbnail(&pictures::png(640, 400, 1), json!({"output_format": "png", "width": 50, "height": 50, "fit": "crop"}));
    assert_eq!(file["format"], "png", "as asked");
    assert_eq!(pictures::png_size(&bytes), Some((50, 50)), "filled");
}
