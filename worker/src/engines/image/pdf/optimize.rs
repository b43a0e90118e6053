//! A smaller file with the same pages: nothing unused, nothing twice, pictures with no more pixels than a page
//! has room for, streams packed, objects in streams.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};

use lopdf::{Document, Object, ObjectId};
use serde_json::{Map, Value, json};

use super::super::job::{Clock, ImageJob};
use super::super::optimize::options::OptimizeOptions;
use super::work::only;
use super::{file, pictures};
use crate::engines::Made;
use crate::failure::Failure;
use crate::formats::Cancel;
use crate::options::Options;
use crate::pixels::Processor;

/// How often equal objects are looked for: what becomes equal by that is found the next time.
const ROUNDS: usize = 4;

/// Writes the input smaller; the input itself where that is not so.
pub(super) fn run(
    job: &ImageJob,
    (data, password): (&[u8], &str),
    outputs: Vec<File>,
    processor: &Processor,
    cancel: &Cancel,
) -> Result<Made, Failure> {
    let mut output = only(outputs)?;
    let options = OptimizeOptions::read(&job.options)?;
    let mut clock = Clock::default();
    let mut document = clock.time("load", || file::open(data, password))?;
    clock.time("prune", || document.prune_objects());
    let doubles = clock.time("doubles", || share_equal(&mut document, cancel))?;
    let pictures = clock.time("pictures", || pictures::shrink(&mut document, &options, processor, cancel))?;
    clock.time("compress", || document.compress());
    cancel.check()?;
    let mut bytes = clock.time("store", || file::write(&mut document, output.try_clone().map_err(Failure::internal)?))?;
    let mut warnings = Vec::new();
    // What was protected is given back open, which is another file in any case.
    let kept = bytes >= data.len() as u64 && !document.was_encrypted();
    if kept {
        output.rewind().and_then(|()| output.set_len(0)).and_then(|()| output.write_all(data)).map_err(Failure::internal)?;
        bytes = data.len() as u64;
        warnings.push("The file could not be made smaller and is given back as it is".to_owned());
    }
    let explain = json!({
        "engine": super::super::super::pdf::ID,
        "bytes_in": data.len(),
        "bytes_out": bytes,
        "kept_original": kept,
        "doubles": doubles,
        "pictures": pictures,
        "ms": clock.stages,
    });
    let explain = if let Value::Object(explain) = explain { explain } else { Map::new() };
    Ok(Made { warnings, explain, ..Made::default() })
}

/// Leaves one of the streams that are equal, and tells how many are gone.
fn share_equal(document: &mut Document, cancel: &Cancel) -> Result<usize, Failure> {
    let mut gone = 0;
    for _ in 0..ROUNDS {
        cancel.check()?;
        let mut first: HashMap<Vec<u8>, ObjectId> = HashMap::new();
        let mut same: HashMap<ObjectId, ObjectId> = HashMap::new();
        for (id, object) in &document.objects {
            // Only streams: dictionaries have a meaning of their own (a page, a field) even where they are equal.
            let Object::Stream(stream) = object else { continue };
            let mut key = format!("{:?}", stream.dict).into_bytes();
            key.push(0);
            key.extend_from_slice(&stream.content);
            match first.get(&key) {
                Some(other) => {
                    same.insert(*id, *other);
                }
                None => {
                    first.insert(key, *id);
                }
            }
        }
        if same.is_empty() {
            break;
        }
        gone += same.len();
        document.objects.retain(|id, _| !same.contains_key(id));
        document.traverse_objects(|object| {
            if let Object::Reference(id) = object
                && let Some(other) = same.get(id)
            {
                *id = *other;
            }
        });
    }
    Ok(gone)
}
