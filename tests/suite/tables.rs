//! Tables are complete and the catalogue is what they say.

use std::path::Path;

/// Every file of a folder of rows is a module of its registry file, so that nothing lies about unused.
#[test]
fn every_file_is_in_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["worker/src/operations", "worker/src/formats", "worker/src/engines", "worker/src/kernels"] {
        let registry = std::fs::read_to_string(root.join(folder).join("mod.rs")).expect("a registry file");
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            if name == "mod" || !(path.is_dir() || path.extension().is_some_and(|extension| extension == "rs")) {
                continue;
            }
            let declared = registry.lines().any(|line| {
                let line =
                    line.trim().trim_start_matches("pub ").trim_start_matches("(crate) ").trim_start_matches("pub(crate) ");
                line == format!("mod {name};")
            });
            assert!(declared, "{folder}/{name} is not declared in {folder}/mod.rs");
        }
    }
}

/// A row's file that is declared but missing from the table would never run: the table and the modules have the same names.
#[test]
fn every_operation_and_format_file_has_its_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let operations: Vec<&str> = convertfly_worker::operations::OPERATIONS.iter().map(|operation| operation.name).collect();
    for entry in std::fs::read_dir(root.join("worker/src/operations")).expect("the folder") {
        let name = entry.expect("an entry").path().file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        // `mod` is the table, `files`, `each`, `bundle` and `remote` what the rows share.
        if !matches!(name.as_str(), "mod" | "files" | "each" | "bundle" | "remote") {
            assert!(operations.contains(&name.replace('_', "/").as_str()), "operations/{name}.rs has no row");
        }
    }
    let formats: Vec<&str> = convertfly_worker::formats::FORMATS.iter().map(|format| format.name).collect();
    for entry in std::fs::read_dir(root.join("worker/src/formats")).expect("the folder") {
        let name = entry.expect("an entry").path().file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        // `mod` is the table, `support` and `effort` what the codecs share, `planes` and `memo` what they hand to one another and to other tasks, `documents`
        // rows without a codec, and tests have no row.
        if !matches!(name.as_str(), "mod" | "support" | "effort" | "planes" | "memo" | "documents") && !name.contains("test") {
            assert!(formats.contains(&name.as_str()), "formats/{name} has no row");
        }
    }
}

#[test]
fn the_catalogue_is_up_to_date() {
    let generated = serde_json::to_string_pretty(&convertfly_worker::catalog::generate()).expect("JSON") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scheduler/catalog.json");
    let checked_in = std::fs::read_to_string(path).expect("scheduler/catalog.json");
    assert_eq!(checked_in, generated, "regenerate it: cargo run -- catalog > scheduler/catalog.json");
}

/// The arrows between the crates, and no others.
#[test]
fn crates_depend_only_as_designed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (krate, allowed) in [
        ("api", &["scheduler"][..]),
        ("scheduler", &[]),
        ("worker", &["flow", "jpeg", "office", "png", "sandbox", "scheduler", "shaders"]),
        ("worker/jpeg", &["jpeg-reference"]),
        ("worker/flow", &["sandbox"]),
        ("worker/png", &[]),
        ("worker/media", &["sandbox"]),
        ("worker/sandbox", &[]),
        ("worker/office", &["sandbox"]),
        ("shaders", &[]),
    ] {
        let manifest = std::fs::read_to_string(root.join(krate).join("Cargo.toml")).expect("a manifest");
        for line in manifest.lines().filter_map(|line| line.strip_prefix("convertfly-")) {
            let name = line.split(['.', ' ']).next().unwrap_or_default();
            assert!(allowed.contains(&name), "{krate} must not depend on {name}");
        }
    }
}
