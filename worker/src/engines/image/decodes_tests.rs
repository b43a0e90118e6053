//! Tasks that read one file make what they would have made alone, and less work of it.

use std::io::{Read, Seek};

use serde_json::{Value, json};

use super::*;
use crate::engines::image::job::{ImageJob, run};
use crate::engines::image::testing::{file, job, made};
use crate::engines::route::reopen;
use crate::engines::{Action, Made};
use crate::formats::support::testing::{encode, picture, still};
use crate::formats::{Cancel, FORMATS};
use crate::pixels::{Channels, CpuLevel, Depth, GpuPolicy, Processor};

fn share(account: &str, readers: u32, followers: u32) -> Share {
    Share { account: account.to_owned(), readers, followers }
}

fn processor() -> Processor {
    Processor::new(CpuLevel::detect(), GpuPolicy::Off).expect("the CPU is always there")
}

/// Runs a job on an open file.
fn on(input: &File, share: Share, to: &str, options: &Value) -> Result<(Vec<u8>, Made), Failure> {
    let from = if to == "png" { "png" } else { "jpg" };
    let job = ImageJob { share: Some(share), ..job(Action::Convert, from, to, options) };
    let mut output = file(&[]);
    // Handles of their own, as tasks have them: clones would share where they read.
    let files = vec![reopen(input).expect("a handle"), output.try_clone().expect("a handle")];
    let made = run(&job, files, &processor(), &Cancel::new())?;
    let mut result = Vec::new();
    output.rewind().and_then(|()| output.read_to_end(&mut result)).expect("it is read back");
    Ok((result, made))
}

fn photo() -> Vec<u8> {
    encode("jpg", &still(picture(1600, 1000, Channels::Rgb)))
}

/// Full size twice, half twice, a quarter, an eighth.
const WIDTHS: [u32; 6] = [1500, 900, 400, 350, 130, 30];

#[test]
fn renditions_that_share_a_decode_are_those_of_tasks_alone() {
    let (data, count) = (photo(), WIDTHS.len() as u32);
    let input = file(&data);
    let all: Vec<(u32, Vec<u8>, Made)> = std::thread::scope(|scope| {
        let task = |width| {
            let (bytes, made) = on(&input, share("a", count, 0), "jpg", &json!({ "width": width })).expect("made");
            (width, bytes, made)
        };
        let tasks: Vec<_> = WIDTHS.into_iter().map(|width| scope.spawn(move || task(width))).collect();
        tasks.into_iter().map(|task| task.join().expect("a task")).collect()
    });
    let mut own = 0;
    for (width, bytes, made_here) in all {
        let alone = job(Action::Convert, "jpg", "jpg", &json!({ "width": width }));
        let (wanted, without) = made(&alone, &data).expect("made alone");
        assert!(bytes == wanted, "{width}: byte for byte");
        assert_eq!(without.explain.get("decode"), None, "a task alone says nothing of it");
        assert_eq!(made_here.explain["decode_tasks"], json!(count), "{width}");
        own += u32::from(made_here.explain["decode"] == "own");
    }
    // Three sizes are made by libjpeg-turbo out of the file; both full sizes have one decode.
    assert!((1..count).contains(&own), "{own} of {count} had to decode");
    let left = Decodes::of_process().lock().entries.iter().filter(|entry| entry.file.account == "a").count();
    assert_eq!(left, 0, "the last one has taken it along");
}

#[test]
fn nobody_gets_what_another_account_has_decoded() {
    let input = file(&photo());
    let decode = |account: &str, readers| {
        let (_, made) = on(&input, share(account, readers, 0), "jpg", &json!({ "width": 1500 })).expect("made");
        made.explain.get("decode").cloned()
    };
    assert_eq!(decode("b", 3), Some(json!("own")), "the first one");
    assert_eq!(decode("c", 3), Some(json!("own")), "another account, the very same file");
    assert_eq!(decode("b", 3), Some(json!("shared")), "the second one");
    assert_eq!(decode("d", 1), None, "one that is alone has nobody to share with");
}

#[test]
fn another_file_in_the_same_place_is_another_file() {
    let mut input = file(&photo());
    let decode = |input: &File| on(input, share("e", 9, 0), "jpg", &json!({ "width": 900 })).expect("made");
    decode(&input);
    let other = encode("jpg", &still(picture(1000, 1600, Channels::Grey)));
    input.set_len(0).and_then(|()| input.rewind()).expect("emptied");
    std::io::Write::write_all(&mut input, &other).expect("written");
    let (bytes, made_here) = decode(&input);
    assert_eq!(made_here.explain["decode"], json!("own"), "it is decoded anew");
    let alone = made(&job(Action::Convert, "jpg", "jpg", &json!({ "width": 900 })), &other).expect("alone");
    assert!(bytes == alone.0, "and shows itself");
}

#[test]
fn a_damaged_file_fails_every_task_in_the_same_words() {
    let mut data = photo();
    data.truncate(data.len() / 3);
    let input = file(&data);
    let alone = made(&job(Action::Convert, "jpg", "jpg", &json!({})), &data).expect_err("damaged");
    for _ in 0..3 {
        assert_eq!(on(&input, share("f", 3, 0), "jpg", &json!({})), Err(alone.clone()), "as a task alone");
    }
}

#[test]
fn what_was_just_written_is_not_decoded_again() {
    let data = encode("png", &still(picture(300, 200, Channels::Rgba)));
    let input = file(&data);
    let first = ImageJob { share: Some(share("g", 1, 1)), ..job(Action::Convert, "png", "png", &json!({ "width": 200 })) };
    let middle = file(&[]);
    let files = vec![input, middle.try_clone().expect("a handle")];
    run(&first, files, &processor(), &Cancel::new()).expect("made");
    let (bytes, made_here) = on(&middle, share("g", 1, 0), "png", &json!({ "width": 90 })).expect("made");
    assert_eq!(made_here.explain["decode"], json!("kept"), "its pixels were there");
    let mut written = Vec::new();
    (&middle).rewind().and_then(|()| (&middle).read_to_end(&mut written)).expect("read");
    let alone = made(&job(Action::Convert, "png", "png", &json!({ "width": 90 })), &written).expect("alone");
    assert!(bytes == alone.0, "byte for byte what a task makes that decodes the file");
}

#[test]
fn exact_formats_give_back_what_was_written() {
    for format in FORMATS.iter().filter(|format| format.flags.exact) {
        for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgb, Channels::Rgba] {
            for depth in [Depth::U8, Depth::U16] {
                let flags = format.flags;
                if channels.has_alpha() && !flags.alpha || depth == Depth::U16 && !flags.deep {
                    continue;
                }
                let image = picture(61, 37, channels);
                let image = match depth {
                    Depth::U8 => image,
                    Depth::U16 => crate::formats::support::testing::deep(61, 37, channels),
                };
                let written = still(image);
                let data = encode(format.name, &written);
                let decoder = format.decode.expect("it can be read");
                let read = (decoder.decode)(&data, &DecodeOptions::default()).expect("decoded");
                assert!(read == written, "{} {channels:?} {depth:?}", format.name);
            }
        }
    }
}

#[test]
fn memory_that_is_kept_is_given_back_to_tasks_that_need_it() {
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(1_000)));
    let decodes: &'static Decodes = Box::leak(Box::new(Decodes::new(memory)));
    let input = file(b"some file");
    let joined = decodes.join(&share("h", 2, 0), &input).expect("two readers");
    let known = joined.known().get(Part::Coefficients, 200, &Cancel::new(), || Ok(7_u8)).expect("made");
    assert_eq!((*known, decodes.kept.load(Ordering::Relaxed)), (7, 200), "kept for the other reader");
    assert!(memory.try_acquire(900).is_none(), "its bytes are counted");
    decodes.let_go();
    assert!(memory.try_acquire(900).is_none(), "while it is used it stays");
    drop(joined);
    decodes.let_go();
    assert!(memory.try_acquire(1_000).is_some(), "what nobody uses goes");
    let joined = decodes.join(&share("h", 2, 0), &input).expect("two readers");
    joined.known().get(Part::Coefficients, 300, &Cancel::new(), || Ok(7_u8)).expect("made");
    assert_eq!(decodes.kept.load(Ordering::Relaxed), 0, "more than a quarter of all is never kept");
}

#[test]
fn what_nobody_comes_for_goes_after_a_while() {
    let memory: &'static Memory = Box::leak(Box::new(Memory::new(1_000)));
    let decodes: &'static Decodes = Box::leak(Box::new(Decodes::new(memory)));
    drop(decodes.join(&share("i", 2, 0), &file(b"some file")));
    decodes.drop_idle(KEEP);
    assert_eq!(decodes.lock().entries.len(), 1, "not at once");
    decodes.drop_idle(Duration::ZERO);
    assert_eq!(decodes.lock().entries.len(), 0, "but then");
}
