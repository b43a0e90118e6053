//! What a document may refer to: the files that came with it, by their names.

use std::collections::HashMap;
use std::io::Read;

use crate::engines::Beside;
use crate::engines::route::reopen;
use crate::failure::Failure;

/// Files that came with a document.
#[derive(Debug, Default)]
pub(super) struct Assets(HashMap<String, Vec<u8>>);

/// Types of what documents refer to, by the end of a name. All else is served without a type, which pictures can do without.
const TYPES: [(&str, &str); 11] = [
    ("css", "text/css"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
];

impl Assets {
    /// Reads them, up to `most` bytes together.
    pub(super) fn read(files: &[Beside], most: u64) -> Result<Self, Failure> {
        let (mut assets, mut left) = (HashMap::new(), most);
        for Beside { format: name, file } in files {
            let mut bytes = Vec::new();
            reopen(file).and_then(|file| file.take(left + 1).read_to_end(&mut bytes)).map_err(Failure::internal)?;
            left = left.checked_sub(bytes.len() as u64).ok_or_else(|| {
                Failure::too_large(format!(
                    "The files beside the document have more than {most} bytes together, which is the limit"
                ))
            })?;
            if assets.insert(name.clone(), bytes).is_some() {
                let reason = format!("two of the input files are called `{name}`: the document cannot tell them apart");
                return Err(Failure::invalid_field("assets", reason));
            }
        }
        Ok(Self(assets))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The type and the content of what is meant by a path below the document's address: a file with that path, or the only one whose name is
    /// the last part of it.
    pub(super) fn get(&self, path: &str) -> Option<(&'static str, &[u8])> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
        let last = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let name = last(&path);
        let bytes = self.0.get(path.as_ref()).or_else(|| {
            let mut alike = self.0.iter().filter(|(known, _)| last(known) == name);
            alike.next().filter(|_| alike.next().is_none()).map(|(_, bytes)| bytes)
        })?;
        let extension = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
        let kind = TYPES.iter().find(|(known, _)| *known == extension).map_or("application/octet-stream", |(_, kind)| kind);
        Some((kind, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(name: &str, content: &[u8]) -> Beside {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(content).expect("its bytes");
        Beside { format: name.to_owned(), file }
    }

    #[test]
    fn files_are_found_by_their_names() {
        let assets = Assets::read(&[file("a b.css", b"x"), file("Ü.PNG", b"y")], 2).expect("assets");
        assert_eq!(assets.get("styles/a%20b.css?v=2#x"), Some(("text/css", &b"x"[..])), "wherever the document says it lies");
        assert_eq!(assets.get("%C3%9C.PNG"), Some(("image/png", &b"y"[..])));
        let paths = [file("in/a.css", b"x"), file("out/a.css", b"y"), file("out/b.css", b"z")];
        let paths = Assets::read(&paths, 3).expect("assets");
        assert_eq!(paths.get("out/a.css"), Some(("text/css", &b"y"[..])), "by the whole path");
        assert_eq!(
            (paths.get("a.css"), paths.get("../b.css")),
            (None, Some(("text/css", &b"z"[..]))),
            "or by a name that one has"
        );
        assert_eq!((assets.get("other.css"), assets.get(""), assets.get("%ff")), (None, None, None), "nothing else is there");
    }

    #[test]
    fn too_much_and_the_same_twice_are_refused() {
        let large = Assets::read(&[file("a", b"xx"), file("b", b"yy")], 3);
        assert!(matches!(large, Err(Failure::TooLarge { .. })), "{large:?}");
        let twice = Assets::read(&[file("a", b"x"), file("a", b"y")], 10);
        assert!(matches!(twice, Err(Failure::Invalid { .. })), "{twice:?}");
    }
}
