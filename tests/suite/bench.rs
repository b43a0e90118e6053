//! What is measured on a machine decides where its pixels are worked on; and the reports of the benches.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::pictures;
use crate::support::process::program;
use crate::support::server::Server;

/// Measures with lavapipe in place of a GPU, quickly, and gives the table.
fn calibrate(folder: &Path, gpu: &str) -> Value {
    let mut command = program(folder);
    command.args(["bench", "calibrate", "--megapixels", "1", "--rounds", "1", "--out", "table.json"]).env("CONVERTFLY_GPU", gpu);
    let done = command.output().expect("the program runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = std::fs::read_to_string(folder.join("table.json")).expect("a table");
    serde_json::from_str(&text).expect("JSON")
}

/// Writes the table with resizes going to the GPU from so many pixels on, and all else staying.
fn write(folder: &Path, mut table: Value, pixels: u64) -> String {
    for (kind, route) in table["recordings"].as_object_mut().expect("rows") {
        route["gpu_from_pixels"] = if kind == "resize" { json!(pixels) } else { Value::Null };
    }
    let path = folder.join("routes.json");
    std::fs::write(&path, table.to_string()).expect("written");
    path.to_string_lossy().into_owned()
}

/// Where a resize of a picture of that size ran, and why there.
fn ran(server: &Server, width: u32, height: u32) -> (String, String) {
    let job = server.convert(&pictures::png(width, height, 1), "a.png", "png", &json!({ "width": width / 2 }));
    let explain = &job["tasks"]["convert"]["explain"];
    let text = |name: &str| explain[name].as_str().unwrap_or_default().to_owned();
    (text("device"), text("reason"))
}

fn failed(folder: &Path, arguments: &[&str], routes: &str) -> String {
    let output: Output = program(folder).args(arguments).env("CONVERTFLY_ROUTES", routes).output().expect("the program runs");
    assert!(!output.status.success(), "it should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_node_routes_by_what_was_measured_on_its_machine() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let table = calibrate(folder.path(), "software");
    let adapter = table["machine"]["adapter"].as_str().expect("lavapipe has a name").to_owned();
    let measured = table["recordings"]["resize"]["measured"].as_array().expect("what was measured");
    assert!(measured.iter().all(|point| point["gpu_ms"].as_f64() > Some(0.0)), "both sides: {measured:?}");
    let routes = write(folder.path(), table.clone(), 30_000);
    let server = Server::start_with(&[("CONVERTFLY_GPU", "software"), ("CONVERTFLY_ROUTES", &routes)]);
    let (device, reason) = ran(&server, 300, 100);
    assert_eq!(device, format!("gpu:{adapter}"), "{reason}");
    assert_eq!(reason, "measured on this machine: resize of 30000 pixels, to the GPU from 30000");
    let (device, reason) = ran(&server, 298, 100);
    assert!(device.starts_with("cpu:") && reason.contains("resize of 29800 pixels, to the GPU from 30000"), "{device}: {reason}");
    drop(server);

    let mut foreign = table.clone();
    foreign["machine"]["cpu"] = json!("Z80");
    let routes = write(folder.path(), foreign, 1);
    let server = Server::start_with(&[("CONVERTFLY_ROUTES", &routes), ("CONVERTFLY_GPU", "software")]);
    let (_, reason) = ran(&server, 300, 100);
    assert_eq!(reason, "CONVERTFLY_GPU=software", "a table of another machine is ignored");
}

#[test]
fn without_a_gpu_the_table_says_cpu_and_a_broken_one_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let table = calibrate(folder.path(), "off");
    assert_eq!(table["machine"]["adapter"], Value::Null, "{table}");
    let rows = table["recordings"].as_object().expect("rows");
    assert!(rows.len() == 5 && rows.values().all(|row| row["gpu_from_pixels"].is_null()), "{table}");

    let doctor = |routes: &str| {
        let output =
            program(folder.path()).args(["doctor", "--json"]).env("CONVERTFLY_ROUTES", routes).output().expect("it runs");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let checks = report["checks"].as_array().expect("checks").clone();
        checks.into_iter().find(|check| check["name"] == "routes").expect("a row")
    };
    assert!(
        doctor("table.json")["detail"].as_str().is_some_and(|detail| detail.contains("everything stays on the CPU")),
        "shown"
    );

    std::fs::write(folder.path().join("broken.json"), "{\"machine\": 5}").expect("written");
    std::fs::write(folder.path().join("a.png"), pictures::png(8, 8, 1)).expect("written");
    assert_eq!(doctor("broken.json")["state"], "missing");
    for (arguments, routes) in [
        (&["serve", "--listen", "127.0.0.1:0"][..], "broken.json"),
        (&["serve", "--listen", "127.0.0.1:0"], "none.json"),
        (&["convert", "a.png", "b.png"], "broken.json"),
    ] {
        let message = failed(folder.path(), arguments, routes);
        for part in ["CONVERTFLY_ROUTES", routes, "convertfly bench calibrate"] {
            assert!(message.contains(part), "{arguments:?} names {part}: {message}");
        }
    }
}

#[test]
fn kernels_and_codecs_are_measured_and_a_report_is_written() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let run = |arguments: &[&str]| -> Value {
        let output = program(folder.path()).arg("bench").args(arguments).output().expect("the program runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    };
    let kernels = run(&["kernels", "--only", "flatten", "--sizes", "64x64", "--rounds", "1", "--json"]);
    assert_eq!(kernels["report"]["rows"][0]["forms"][0]["name"], "scalar", "{kernels}");
    assert!(kernels["run"]["cpu"].is_string(), "with the machine: {kernels}");
    std::fs::write(folder.path().join("a.png"), pictures::png(60, 40, 1)).expect("written");
    let codecs = run(&["codecs", ".", "--rounds", "1", "--json"]);
    assert_eq!((&codecs["report"][0]["format"], &codecs["report"][0]["pixels"]), (&json!("png"), &json!(2400)), "{codecs}");

    let text = "# Title\n\n<!-- performance: begin; written by `make bench-report`, changes by hand are lost -->\n<!-- performance: end -->\n";
    std::fs::write(folder.path().join("README.md"), text).expect("written");
    run(&["report", ".", "--readme", "README.md"]);
    let text = std::fs::read_to_string(folder.path().join("README.md")).expect("written");
    assert!(text.contains("| JPEG to 320 px | not measured |") && text.contains("### What is not faster"), "{text}");
}
