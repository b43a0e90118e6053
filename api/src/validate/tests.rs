//! One golden error per rule, and what a sound request becomes.

use std::sync::OnceLock;

use ::base64::Engine as _;
use convertfly_scheduler::catalog::{Catalog, Lane};
use serde_json::{Value, json};

use super::*;

/// Some formats and operations of every kind.
pub(crate) fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let format = |name: &str, aliases: &[&str]| {
            json!({ "name": name, "mime": format!("image/{name}"), "extensions": [name], "aliases": aliases, "category": "image", "flags": [] })
        };
        let pair = |from: &str, to: &str, credits: u32, lane: &str| {
            json!({ "from": from, "to": to, "credits": credits, "lane": lane, "engine": "test" })
        };
        let field = |name: &str, rest: Value| {
            let mut entry = json!({ "name": name, "help": "" });
            entry.as_object_mut().expect("object").extend(rest.as_object().expect("object").clone());
            entry
        };
        let filename = || field("filename", json!({ "type": "string", "max_length": 1024 }));
        serde_json::from_value(json!({
            "version": 1,
            "formats": [format("jpg", &["jpeg"]), format("mp3", &[]), format("pdf", &[]), format("png", &[]), format("tiff", &["tif"])],
            "pairs": [
                pair("jpg", "png", 1, "cpu"), pair("png", "png", 1, "cpu"), pair("png", "pdf", 2, "office"), pair("pdf", "jpg", 1, "cpu"),
                pair("jpg", "pdf", 1, "cpu"), pair("png", "jpg", 1, "cpu"), pair("pdf", "png", 4, "cpu"),
            ],
            "operations": [
                { "name": "convert", "description": "", "kind": "process",
                  "fields": [field("output_format", json!({ "type": "format", "required": true })), field("input_format", json!({ "type": "format" }))],
                  "options": [
                    field("quality", json!({ "type": "integer", "min": 1, "max": 100 })),
                    field("width", json!({ "type": "integer", "min": 1, "max": 16384 })),
                    field("height", json!({ "type": "integer", "min": 1, "max": 16384 })),
                    field("fit", json!({ "type": "one_of", "values": ["scale", "max", "crop"] })),
                    field("background", json!({ "type": "color" })),
                  ] },
                { "name": "export/url", "description": "", "kind": "export", "credits": 0, "lane": "io", "fields": [], "options": [] },
                { "name": "import/base64", "description": "", "kind": "import", "credits": 0, "lane": "io", "options": [],
                  "fields": [
                    field("file", json!({ "type": "base64", "max_bytes": 10_485_760, "required": true })),
                    field("filename", json!({ "type": "string", "max_length": 1024, "required": true })),
                  ] },
                { "name": "import/upload", "description": "", "kind": "import", "credits": 0, "lane": "io", "fields": [filename()], "options": [] },
                { "name": "import/url", "description": "", "kind": "import", "credits": 0, "lane": "io", "options": [],
                  "fields": [field("url", json!({ "type": "url", "required": true })), filename(), field("headers", json!({ "type": "headers" }))] },
                { "name": "merge", "description": "", "kind": "process", "credits": 1, "lane": "cpu", "flat": true,
                  "fields": [field("output_format", json!({ "type": "format", "default": "pdf" }))],
                  "options": [field("layout", json!({ "type": "one_of", "values": ["pages", "sheet"], "default": "pages" }))],
                  "formats_with": [{ "option": "layout", "value": "pages", "field": "output_format", "formats": ["pdf", "tiff"] }] },
                { "name": "optimize", "description": "", "kind": "process", "credits": 1, "lane": "cpu", "lanes": { "mp3": "video" }, "fields": [],
                  "options": [field("profile", json!({ "type": "string", "max_length": 9, "required": true }))] },
            ],
        }))
        .expect("a catalogue")
    })
}

fn read(body: &[u8]) -> Result<Accepted, ApiError> {
    job(catalog(), body, "acct_1", "key_1")
}

fn accept(body: &Value) -> Accepted {
    read(body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{body} must be accepted: {error:?}"))
}

fn refuse(body: &Value) -> ApiError {
    read(body.to_string().as_bytes()).err().unwrap_or_else(|| panic!("{body} must be refused"))
}

/// A job of an import and `task`, which is called `t`.
fn with_task(task: Value) -> Value {
    json!({ "tasks": { "in": { "operation": "import/upload", "filename": "a.jpg" }, "t": task } })
}

fn convert(extra: Value) -> Value {
    let mut task = json!({ "operation": "convert", "input": "in", "output_format": "png" });
    task.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
    with_task(task)
}

/// Code, field, reason and pointer of the leading problem.
fn gist(error: &ApiError) -> (&'static str, String, String, String) {
    let details = error.details.as_deref().expect("details");
    let text = |key: &str| details[key].as_str().unwrap_or_default().to_owned();
    (error.code.name(), text("field"), text("reason"), text("path"))
}

#[test]
fn the_quick_start_becomes_a_priced_job() {
    let accepted = accept(&json!({
        "tag": "invoice-batch",
        "tasks": {
            "import-file": { "operation": "import/url", "url": "https://example.com/photo.JPEG?x=1.gif", "headers": { "Authorization": "Bearer t" } },
            "convert": { "operation": "convert", "input": ["import-file"], "output_format": ".PNG", "options": { "quality": 95, "x-mine": 1 } },
            "export": { "operation": "export/url", "input": "convert", "x-note": "anything" }
        }
    }));
    let job = accepted.job;
    assert!(job.id.starts_with("job_") && job.account == "acct_1" && job.created_by_key.as_deref() == Some("key_1"), "{job:?}");
    assert_eq!(job.tag.as_deref(), Some("invoice-batch"), "tag");
    let [import, convert, export] = job.tasks.as_slice() else { panic!("three tasks in the customer's order: {job:?}") };
    assert_eq!((import.name.as_str(), import.lane, import.credits), ("import-file", Lane::Io, 0), "free");
    assert_eq!(import.fields["headers"]["Authorization"], "Bearer t", "the worker gets the headers");
    assert_eq!((convert.lane, convert.credits), (Lane::Cpu, 1), "jpg -> png");
    assert_eq!(
        Value::Object(convert.fields.clone()),
        json!({ "output_format": "png", "options": { "quality": 95 } }),
        "canonical"
    );
    assert_eq!(export.input, ["convert"], "a string is a list of one");
    assert!(accepted.payloads.is_empty(), "no file came with it");
}

#[test]
fn base64_leaves_the_task_and_becomes_a_payload() {
    let accepted =
        accept(&json!({ "tasks": { "in": { "operation": "import/base64", "file": "JVBERi0x", "filename": "../a\r\nb.pdf" } } }));
    let [payload] = accepted.payloads.as_slice() else { panic!("one payload") };
    assert_eq!((payload.task.as_str(), &payload.bytes[..]), ("in", &b"%PDF-1"[..]), "decoded");
    assert!(!payload.filename.contains(['/', '\r', '\n']), "sanitised: {}", payload.filename);
    assert!(!accepted.job.tasks[0].fields.contains_key("file"), "never in the record");
    assert!(!accepted.job.tasks[0].awaits_upload, "its bytes are here");
}

#[test]
fn options_may_stand_beside_the_fields() {
    let job = accept(&convert(json!({ "width": 800, "options": { "fit": "crop" } }))).job;
    assert_eq!(job.tasks[1].fields["options"], json!({ "width": 800, "fit": "crop" }), "one object for the worker");
}

#[test]
fn a_format_goes_with_the_value_of_an_option_or_with_its_default() {
    let merge = |extra: Value| {
        let mut task = json!({ "operation": "merge", "input": "in" });
        task.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
        with_task(task)
    };
    for sound in [
        json!({}),
        json!({ "options": { "layout": "pages" } }),
        json!({ "output_format": "TIF" }),
        json!({ "output_format": "jpg", "layout": "sheet" }),
        json!({ "output_format": "jpeg", "options": { "layout": "sheet" } }),
    ] {
        accept(&merge(sound));
    }
    let reason = "jpg does not go with the layout `pages`. Set it to one of pdf, tiff; or `layout` to sheet";
    for unfit in [
        json!({ "output_format": "jpg" }),
        json!({ "output_format": "JPEG", "options": { "layout": "pages" } }),
        json!({ "output_format": ".jpg", "layout": "pages", "x-note": 1 }),
    ] {
        let found = gist(&refuse(&merge(unfit)));
        let wanted = ("INVALID_DATA", "output_format".to_owned(), reason.to_owned(), "/tasks/t/output_format".to_owned());
        assert_eq!(found, wanted, "refused before it costs anything");
    }
    // What is wrong with the format itself is said once.
    let unknown = refuse(&merge(json!({ "output_format": "docs" })));
    assert_eq!(gist(&unknown).0, "UNSUPPORTED_FORMAT", "not both");
}

#[test]
fn an_upload_awaits_its_bytes() {
    assert!(accept(&convert(json!({}))).job.tasks[0].awaits_upload, "import/upload");
}

#[test]
fn prices_are_per_direct_input_and_pair() {
    let imports = |a: &str, b: &str| {
        json!({ "tasks": {
            "a": { "operation": "import/upload", "filename": a }, "b": { "operation": "import/upload", "filename": b },
            "c": { "operation": "convert", "input": ["a", "b"], "output_format": "pdf" },
            "d": { "operation": "convert", "input": ["c"], "output_format": "png" },
            "o": { "operation": "optimize", "input": ["a", "b", "d"], "options": { "profile": "web" } },
        } })
    };
    let credits = |job: &NewJob| job.tasks.iter().map(|task| task.credits).collect::<Vec<_>>();
    let job = accept(&imports("a.jpg", "b.png")).job;
    assert_eq!(credits(&job), [0, 0, 3, 4, 3], "1 + 2, then pdf -> png, then three inputs");
    assert_eq!(job.tasks[2].lane, Lane::Office, "the more demanding lane");
    let job = accept(&imports("a.jpg", "b.unknown")).job;
    assert_eq!(credits(&job), [0, 0, 3, 4, 3], "an unknown source reserves the dearest pair to pdf");
    let job = accept(&json!({ "tasks": {
        "a": { "operation": "import/upload", "filename": "a.mp3" },
        "c": { "operation": "convert", "input": "a", "input_format": "JPEG", "output_format": "png" },
    } }))
    .job;
    assert_eq!(job.tasks[1].credits, 1, "the stated format wins over the file name");
}

#[test]
fn some_formats_take_an_operation_to_another_lane_also_behind_it() {
    let lanes = |name: &str, stated: Value| {
        let job = accept(&json!({ "tasks": {
            "a": { "operation": "import/upload", "filename": name },
            "o": { "operation": "optimize", "input": "a", "options": { "profile": "web" } },
            "p": { "operation": "optimize", "input": ["o", "a"], "options": { "profile": "web" } },
            "q": { "operation": "convert", "input": "o", "input_format": stated, "output_format": "png" },
        } }));
        job.job.tasks.iter().map(|task| task.lane).collect::<Vec<_>>()
    };
    let stated = json!("jpg");
    assert_eq!(lanes("a.mp3", stated.clone()), [Lane::Io, Lane::Video, Lane::Video, Lane::Cpu], "its own, and what it keeps");
    assert_eq!(lanes("a.jpg", stated.clone()), [Lane::Io, Lane::Cpu, Lane::Cpu, Lane::Cpu], "every other format");
    assert_eq!(lanes("a", stated), [Lane::Io, Lane::Cpu, Lane::Cpu, Lane::Cpu], "and what nobody knows yet");
}

#[test]
fn each_rule_has_its_golden_error() {
    let long = "x".repeat(256);
    let many: serde_json::Map<String, Value> =
        (0..1001).map(|i| (format!("t{i}"), json!({ "operation": "import/upload" }))).collect();
    let import = |extra: Value| {
        let mut task = json!({ "operation": "import/url", "url": "https://example.com/a" });
        task.as_object_mut().expect("object").extend(extra.as_object().expect("object").clone());
        json!({ "tasks": { "t": task } })
    };
    let base64 = |file: Value| json!({ "tasks": { "t": { "operation": "import/base64", "file": file, "filename": "a" } } });
    let string = "must be a string of at most 255 bytes";
    let name = "must be 1 to 64 letters, digits, `-` or `_`";
    for (body, field, reason, path) in [
        (json!({}), "tasks", "required", "/tasks"),
        (json!({ "tasks": null }), "tasks", "required", "/tasks"),
        (json!({ "tasks": {} }), "tasks", "must name at least one task", "/tasks"),
        (json!({ "tasks": [] }), "tasks", "must be an object that maps task names to tasks", "/tasks"),
        (json!({ "tasks": many }), "tasks", "must name at most 1000 tasks, not 1001", "/tasks"),
        (json!({ "tasks": { "a b": { "operation": "import/upload" } } }), "tasks", name, "/tasks/a b"),
        (json!({ "tasks": { "": { "operation": "import/upload" } } }), "tasks", name, "/tasks/"),
        (json!({ "tasks": { "t": 1 } }), "t", "must be an object with an `operation`", "/tasks/t"),
        (json!({ "tasks": { "t": {} } }), "operation", "required", "/tasks/t/operation"),
        (
            with_task(json!({ "operation": 1 })),
            "operation",
            "must be the name of an operation, such as \"convert\"",
            "/tasks/t/operation",
        ),
        (
            with_task(json!({ "operation": "convrt" })),
            "operation",
            "there is no operation `convrt`; did you mean `convert`?",
            "/tasks/t/operation",
        ),
        (json!({ "tag": 1, "tasks": { "t": { "operation": "import/upload" } } }), "tag", string, "/tag"),
        (json!({ "tag": long, "tasks": { "t": { "operation": "import/upload" } } }), "tag", string, "/tag"),
        (
            json!({ "tga": "x", "tasks": { "t": { "operation": "import/upload" } } }),
            "tga",
            "unknown; did you mean `tag`?",
            "/tga",
        ),
        (
            json!({ "webhook_url": 7, "tasks": { "t": { "operation": "import/upload" } } }),
            "webhook_url",
            "must be an https URL",
            "/webhook_url",
        ),
        (with_task(json!({ "operation": "convert", "input": "in" })), "output_format", "required", "/tasks/t/output_format"),
        (with_task(json!({ "operation": "convert", "output_format": "png" })), "input", "required", "/tasks/t/input"),
        (convert(json!({ "input": [] })), "input", "required", "/tasks/t/input"),
        (convert(json!({ "input": 7 })), "input", "must be a task name or an array of task names", "/tasks/t/input"),
        (convert(json!({ "input": ["in", 7] })), "1", "must be a task name", "/tasks/t/input/1"),
        (convert(json!({ "input": ["in", "in"] })), "input", "names `in` twice", "/tasks/t/input"),
        (convert(json!({ "input": "im" })), "input", "no task of this job is called `im`; did you mean `in`?", "/tasks/t/input"),
        (convert(json!({ "input": "t" })), "input", "a task cannot be its own input", "/tasks/t/input"),
        (import(json!({ "input": ["t"] })), "input", "an import takes no input", "/tasks/t/input"),
        (
            convert(json!({ "outputformat": "png" })),
            "outputformat",
            "unknown; did you mean `output_format`?",
            "/tasks/t/outputformat",
        ),
        (convert(json!({ "options": [] })), "options", "must be an object", "/tasks/t/options"),
        (convert(json!({ "options": { "qualty": 1 } })), "qualty", "unknown; did you mean `quality`?", "/tasks/t/options/qualty"),
        (
            convert(json!({ "options": { "quality": 101 } })),
            "quality",
            "must be an integer from 1 to 100",
            "/tasks/t/options/quality",
        ),
        (convert(json!({ "quality": "85" })), "quality", "must be an integer from 1 to 100", "/tasks/t/quality"),
        (convert(json!({ "options": { "fit": "cropp" } })), "fit", "must be one of scale, max, crop", "/tasks/t/options/fit"),
        (
            convert(json!({ "width": 1, "options": { "width": 2 } })),
            "width",
            "is given twice: in the task and in its options",
            "/tasks/t/options/width",
        ),
        (
            convert(json!({ "output_format": 3 })),
            "output_format",
            "must be the name of a format, such as png",
            "/tasks/t/output_format",
        ),
        (with_task(json!({ "operation": "optimize", "input": "in" })), "profile", "required", "/tasks/t/options/profile"),
        (import(json!({ "url": "ftp://example.com/" })), "url", "must be an absolute http or https URL", "/tasks/t/url"),
        (
            import(json!({ "url": format!("https://e.com/{}", "x".repeat(8192)) })),
            "url",
            "must be at most 8192 bytes long",
            "/tasks/t/url",
        ),
        (
            import(json!({ "headers": { "Host": "x" } })),
            "Host",
            "is set by the connection and cannot be chosen",
            "/tasks/t/headers/Host",
        ),
        (import(json!({ "headers": { "a b": "x" } })), "a b", "is not the name of an HTTP header", "/tasks/t/headers/a b"),
        (
            import(json!({ "headers": { "X-A": "x\r\nY: z" } })),
            "X-A",
            "must not contain line breaks or control characters",
            "/tasks/t/headers/X-A",
        ),
        (
            import(json!({ "headers": { "X-A": "x".repeat(16_384) } })),
            "headers",
            "must be at most 50 headers of at most 16384 bytes together",
            "/tasks/t/headers",
        ),
        (base64(json!("A$==")), "file", "must be base64", "/tasks/t/file"),
        (base64(json!("")), "file", "must not be empty", "/tasks/t/file"),
        (base64(json!(5)), "file", "must be a base64 string", "/tasks/t/file"),
        (
            json!({ "tasks": { "e": { "operation": "export/url", "input": "i" }, "i": { "operation": "import/upload" },
                "t": { "operation": "export/url", "input": "e" } } }),
            "input",
            "`e` hands files out and passes none on",
            "/tasks/t/input",
        ),
    ] {
        let error = refuse(&body);
        let expected = ("INVALID_DATA", field.to_owned(), reason.to_owned(), path.to_owned());
        assert_eq!(gist(&error), expected, "{}", body.to_string().chars().take(300).collect::<String>());
    }
}

#[test]
fn a_circle_names_its_tasks() {
    let task = |input: &str| json!({ "operation": "convert", "input": input, "output_format": "png" });
    let error = refuse(&json!({ "tasks": { "a": task("b"), "b": task("a") } }));
    let (code, field, reason, path) = gist(&error);
    assert_eq!((code, field.as_str()), ("INVALID_DATA", "input"), "{error:?}");
    assert!(reason.contains("circle") && reason.contains("a -> b") && path.starts_with("/tasks/"), "{reason} at {path}");
}

#[test]
fn pairs_that_nothing_converts_are_422() {
    let error = refuse(&convert(json!({ "output_format": "tif" })));
    let reason = "jpg (known from its file name; `input_format` overrides it) does not convert to tiff, but to png, pdf";
    assert_eq!(
        gist(&error),
        ("UNSUPPORTED_FORMAT", "output_format".into(), reason.into(), "/tasks/t/output_format".into()),
        "from the file name"
    );
    let error = refuse(&convert(json!({ "input_format": "mp3" })));
    assert_eq!(gist(&error).2, "nothing converts mp3", "stated");
    let error = refuse(&convert(json!({ "output_format": "docx" })));
    assert_eq!(gist(&error).2, "the format `docx` is not supported", "unknown format");
    let error = refuse(&json!({ "tasks": {
        "in": { "operation": "import/upload" }, "t": { "operation": "convert", "input": "in", "output_format": "tiff" }
    } }));
    assert_eq!(gist(&error).2, "nothing converts to tiff", "no source could");
    let error = refuse(&json!({ "tasks": {
        "in": { "operation": "import/url", "url": "https://example.com/song.mp3" },
        "t": { "operation": "convert", "input": "in", "output_format": "png" }
    } }));
    assert_eq!(gist(&error).0, "UNSUPPORTED_FORMAT", "from the URL");
}

#[test]
fn a_file_over_ten_mebibytes_is_413() {
    let encode = |bytes: usize| ::base64::engine::general_purpose::STANDARD.encode(vec![0u8; bytes]);
    let body =
        |bytes: usize| json!({ "tasks": { "t": { "operation": "import/base64", "file": encode(bytes), "filename": "a" } } });
    assert_eq!(accept(&body(10 << 20)).payloads[0].bytes.len(), 10 << 20, "exactly 10 MiB");
    assert_eq!(gist(&refuse(&body((10 << 20) + 1))).0, "PAYLOAD_TOO_LARGE", "one byte more");
}

#[test]
fn all_problems_are_listed_and_the_first_leads() {
    let error = refuse(&json!({ "tga": "x", "tasks": {
        "in": { "operation": "import/upload", "filename": "a.jpg" },
        "a": { "operation": "convert", "input": "nowhere" },
        "b": { "operation": "convert", "input": "in", "output_format": "docx", "options": { "quality": 0, "fitt": "max" } },
    } }));
    assert_eq!(error.message, "Unknown field: tga", "the first one in the request's order");
    let details = error.details.expect("details");
    let errors: Vec<String> = details["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| {
            format!(
                "{} {} {}",
                e["code"].as_str().unwrap_or(""),
                e["path"].as_str().unwrap_or(""),
                e["task"].as_str().unwrap_or("-")
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            "INVALID_DATA /tga -",
            "INVALID_DATA /tasks/a/output_format a",
            "INVALID_DATA /tasks/b/options/quality b",
            "INVALID_DATA /tasks/b/options/fitt b",
            "INVALID_DATA /tasks/a/input a",
            "UNSUPPORTED_FORMAT /tasks/b/output_format b",
        ],
        "all six, the gravest code first"
    );
}

#[test]
fn the_sample_of_the_reference_is_met_byte_for_byte() {
    let error = refuse(&with_task(json!({ "operation": "convert", "input": ["in"] })));
    assert_eq!(error.message, "Missing required field: output_format", "message");
    let details = error.details.expect("details");
    assert_eq!(
        (&details["field"], &details["reason"], &details["task"]),
        (&json!("output_format"), &json!("required"), &json!("t")),
        "{details}"
    );
    assert_eq!(details.get("errors"), None, "one problem, no list");
}

#[test]
fn duplicate_names_and_keys_are_refused() {
    let error = read(br#"{"tasks":{"a":{"operation":"import/upload"},"a":{"operation":"import/upload"}}}"#).expect_err("twice");
    assert_eq!(error.message, "Two tasks are called a: names must be unique", "{error:?}");
    assert_eq!(gist(&error).3, "/tasks/a", "{error:?}");
    let error = read(br#"{"tasks":{"a":{"operation":"import/upload","filename":"x","filename":"y"}}}"#).expect_err("twice");
    assert_eq!(
        (error.message.as_str(), gist(&error).3.as_str()),
        ("The key filename is given twice", "/tasks/a/filename"),
        "{error:?}"
    );
}

#[test]
fn what_is_no_json_object_is_400() {
    for body in [&b""[..], b"{", b"[]", b"null", b"\xff", b"{\"tasks\":1e999}"] {
        let error = read(body).expect_err("no object");
        assert_eq!((error.code.name(), gist(&error).1.as_str()), ("INVALID_DATA", "body"), "{body:?}: {error:?}");
    }
}

#[test]
fn secrets_are_never_repeated_and_long_words_are_cut() {
    let error = refuse(&json!({ "tasks": { "t": {
        "operation": "import/url", "url": "nonsense MARKER", "headers": { "Authorization": "MARKER\n" }, "filename": ["MARKER"],
    }, "u": { "operation": "import/base64", "file": "MARKER!", "filename": "x" }, "v": { "operation": "y".repeat(10_000) } } }));
    let body = error.body().to_string();
    assert!(!body.contains("MARKER"), "{body}");
    assert!(body.len() < 3_000, "no echo of 10,000 characters: {} bytes", body.len());
}

#[test]
fn hostile_sizes_stay_bearable() {
    let keys: Vec<String> = (0..60_000).map(|i| format!("\"k{i}\":0")).collect();
    let error = read(format!("{{{}}}", keys.join(",")).as_bytes()).expect_err("unknown keys");
    let details = error.details.as_deref().expect("details");
    assert_eq!(details["errors"].as_array().map(Vec::len), Some(1_000), "the list is bounded");
    assert_eq!(details["errors_left_out"], 59_001, "60,000 unknown keys and the missing tasks, less the listed ones");
    // Every task takes every import: 150,000 edges.
    let imports: Vec<String> = (0..500).map(|i| format!("i{i}")).collect();
    let mut tasks: serde_json::Map<String, Value> =
        imports.iter().map(|name| (name.clone(), json!({ "operation": "import/upload", "filename": "a.jpg" }))).collect();
    tasks
        .extend((0..300).map(|i| (format!("c{i}"), json!({ "operation": "convert", "input": imports, "output_format": "png" }))));
    let job = accept(&json!({ "tasks": tasks })).job;
    assert_eq!(job.tasks.last().map(|task| task.credits), Some(500), "500 inputs");
}
