//! What is written is read again, by libjpeg-turbo, too, and is no longer than what that writes.

mod support;

use convertfly_jpeg::{Coding, Coefficients, Limits, WriteOptions};
use convertfly_jpeg_reference as reference;
use support::{Outcome, compare, corpus, fixtures};

fn written(name: &str, file: &[u8], coding: Coding, restart_interval: u16) -> Vec<u8> {
    let source = Coefficients::read(file, &Limits::default()).expect(name);
    let options = WriteOptions { coding, restart_interval, ..WriteOptions::default() };
    let out = source.write(&options).unwrap_or_else(|error| panic!("{name}, {coding:?}: {error}"));
    assert_eq!(compare(&out), Ok(Outcome::Equal), "{name}, {coding:?}");
    let again = Coefficients::read(&out, &Limits::default()).expect(name);
    assert!(again.complete, "{name}");
    for index in 0..source.planes.len() {
        assert!(again.visible(index).eq(source.visible(index)), "{name}, {coding:?}: component {index}");
        assert_eq!(again.frame.components[index].quant, source.frame.components[index].quant, "{name}");
    }
    assert_eq!(again.frame.color(), source.frame.color(), "{name}");
    assert_eq!(reference::coefficients(&out).expect(name).warnings, 0, "{name}, {coding:?}");
    out
}

#[test]
fn coefficients_survive_every_coding() {
    for (name, file) in fixtures() {
        written(&name, &file, Coding::Standard, 0);
        written(&name, &file, Coding::Standard, 4);
        let optimized = written(&name, &file, Coding::Optimized, 0);
        written(&name, &file, Coding::Optimized, 7);
        let progressive = written(&name, &file, Coding::Progressive, 0);
        let theirs = reference::recode(&file, false, true).expect("recoded");
        assert!(optimized.len() <= theirs.len() + 40, "{name}: {} and {}", optimized.len(), theirs.len());
        let theirs = reference::recode(&file, true, true).expect("recoded");
        assert!(progressive.len() <= theirs.len() + 40, "{name}: {} and {}", progressive.len(), theirs.len());
    }
}

#[test]
fn real_files_survive_every_coding() {
    for (path, file) in corpus() {
        let name = path.display().to_string();
        for (coding, progressive) in [(Coding::Optimized, false), (Coding::Progressive, true)] {
            let ours = written(&name, &file, coding, 0);
            let theirs = reference::recode(&file, progressive, true).expect("recoded");
            println!("{name}, {coding:?}: {} of {}, libjpeg {}", ours.len(), file.len(), theirs.len());
            assert!(ours.len() <= theirs.len() + 40, "{name}, {coding:?}: {} and {}", ours.len(), theirs.len());
        }
    }
}

#[test]
fn segments_are_carried_along() {
    let (_, file) = &fixtures()[0];
    let source = Coefficients::read(file, &Limits::default()).expect("read");
    let options = WriteOptions { segments: &[(0xe1, b"Exif\0\0hello"), (0xfe, b"a comment")], ..WriteOptions::default() };
    let out = source.write(&options).expect("written");
    assert!(out.windows(11).any(|window| window == b"Exif\0\0hello"));
    assert!(out.windows(9).any(|window| window == b"a comment"));
    let long = vec![0; 70_000];
    let options = WriteOptions { segments: &[(0xe1, &long)], ..WriteOptions::default() };
    assert!(source.write(&options).is_err(), "a segment holds 65,533 bytes");
}
