use std::collections::HashSet;

use serde_json::json;

use super::*;

fn options(value: serde_json::Value) -> OfficeOptions {
    OfficeOptions::read(value.as_object().expect("an object")).expect("options")
}

/// The pairs of the reference that LibreOffice converts: 36 to and from text documents less those from PDF, 16 and 9.
#[test]
fn every_pair_of_the_three_rows_has_an_edge() {
    let edges: HashSet<_> = edges().into_iter().map(|edge| (edge.from, edge.to)).collect();
    let rows: [(&[&str], &[&str]); 3] = [
        (&["docx", "doc", "odt", "rtf", "txt", "html"], &["pdf", "docx", "odt", "rtf", "txt", "html"]),
        (&["xlsx", "xls", "ods", "csv"], &["xlsx", "ods", "csv", "pdf"]),
        (&["pptx", "ppt", "odp"], &["pptx", "odp", "pdf"]),
    ];
    let mut count = 0;
    for (sources, targets) in rows {
        for (from, to) in sources.iter().flat_map(|from| targets.iter().map(move |to| (*from, *to))) {
            assert!(edges.contains(&(from, to)), "{from} -> {to}");
            assert!(job(from, to, &OfficeOptions::default()).is_ok(), "{from} -> {to} has filters");
            count += 1;
        }
    }
    assert_eq!((count, edges.len()), (61, 63), "and two from PDF");
    for name in edges.iter().flat_map(|(from, to)| [from, to]) {
        assert!(by_name(name).is_some(), "{name} is a format");
    }
}

#[test]
fn filters_are_those_of_both_ends() {
    let job = job("xls", "pdf", &options(json!({ "single_page_sheets": true, "password": "p" }))).expect("a job");
    assert_eq!((job.from.filter.as_str(), job.to.filter.as_str()), ("MS Excel 97", "calc_pdf_Export"), "{job:?}");
    assert!(job.to.options.contains("SinglePageSheets"), "{job:?}");
    assert_eq!((job.password.as_str(), job.archive, job.text), ("p", false, None), "{job:?}");
}

#[test]
fn csv_is_written_as_asked() {
    let to = |from, value| {
        let job = job(from, "csv", &options(value)).expect("a job");
        (job.to.options, job.sheets)
    };
    let open = "44,34,76,1,,0,false,true,true,false,false,";
    assert_eq!(to("xlsx", json!({})), (open.to_owned(), true), "a comma, every sheet");
    assert_eq!(to("csv", json!({})), (open.to_owned(), false), "csv has one");
    let asked = "9,34,76,1,,0,false,true,true,false,false,3".to_owned();
    assert_eq!(to("xlsx", json!({ "delimiter": "tab", "sheet": 3 })), (asked, false), "as asked");
}

#[test]
fn what_libreoffice_does_not_convert_is_unsupported() {
    for (from, to) in [("pdf", "docx"), ("docx", "doc"), ("png", "pdf"), ("xlsx", "nothing")] {
        let job = job(from, to, &OfficeOptions::default());
        assert!(matches!(job, Err(Failure::Unsupported { .. })), "{from} -> {to}: {job:?}");
    }
}
