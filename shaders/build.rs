//! Preprocesses every `wgsl/*.wgsl` and `wgsl/jpeg/*.wgsl`, checks it with naga and writes the table that `src/lib.rs` includes.
//!
//! The preprocessor knows one directive: a line `#import name` is replaced by `wgsl/shared/name.wgsl`, once a shader.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=wgsl");
    let mut shaders: Vec<(String, PathBuf)> = Vec::new();
    for (folder, before) in [("wgsl", ""), ("wgsl/jpeg", "jpeg/")] {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("the folder {folder} cannot be read: {error}"));
        let paths = entries.map(|entry| entry.expect("an entry of the folder can be read").path());
        shaders.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl")).map(|path| {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("shader names are UTF-8");
            (format!("{before}{name}"), path)
        }));
    }
    shaders.sort();

    let mut table = String::from("&[\n");
    for (name, path) in &shaders {
        let mut imported = Vec::new();
        let source = preprocess(path, &mut imported);
        let [x, y, z] = check(name, &source);
        writeln!(table, "    Shader {{ name: {name:?}, source: {source:?}, workgroup_size: [{x}, {y}, {z}] }},")
            .expect("a string can be written to");
    }
    table.push_str("]\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&out).join("shaders.rs"), table).expect("the table can be written");
}

/// The text of `path` with its imports in place.
fn preprocess(path: &Path, imported: &mut Vec<String>) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut source = String::new();
    for (index, line) in text.lines().enumerate() {
        let Some(name) = line.strip_prefix("#import") else {
            source.push_str(line);
            source.push('\n');
            continue;
        };
        let name = name.trim();
        let shared = Path::new("wgsl/shared").join(format!("{name}.wgsl"));
        assert!(shared.is_file(), "{}:{}: there is no {} to import", path.display(), index + 1, shared.display());
        if !imported.iter().any(|done| done == name) {
            imported.push(name.to_owned());
            source.push_str(&preprocess(&shared, imported));
        }
    }
    source
}

/// Parses and validates; the workgroup size of its one entry point, which is called `main`.
fn check(name: &str, source: &str) -> [u32; 3] {
    let path = format!("wgsl/{name}.wgsl, after imports");
    let module = match naga::front::wgsl::parse_str(source) {
        Ok(module) => module,
        Err(error) => panic!("{}", error.emit_to_string_with_path(source, &path)),
    };
    let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
    if let Err(error) = validator.validate(&module) {
        panic!("{}", error.emit_to_string_with_path(source, &path));
    }
    match module.entry_points.as_slice() {
        [entry] if entry.name == "main" && entry.stage == naga::ShaderStage::Compute => entry.workgroup_size,
        _ => panic!("{path}: expected exactly one entry point, a @compute fn main"),
    }
}
