//! `thumbnail`: a small picture of each input file. A conversion with defaults of its own.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionEntry, OptionKind};
use futures_util::FutureExt;
use serde_json::{Map, Value, json};

use super::each::Each;
use super::{Operation, field, file_fields};
use crate::engines::Action;
use crate::engines::image::options::ConvertOptions;
use crate::engines::media::options::MediaOptions;
use crate::failure::Failure;
use crate::formats;
use crate::options::Options;

/// Format of a thumbnail where none is asked for.
const FORMAT: &str = "jpg";

/// Sides of the box that a thumbnail fits in where neither width nor height is given, pixels.
const BOX: u32 = 320;

pub(super) static OPERATION: Operation = Operation {
    name: "thumbnail",
    description: "Make a preview image",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    lanes: BTreeMap::new,
    flat: false,
    glances: true,
    fields: || file_fields("the input's name"),
    options: entries,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| {
        async move {
            let (format, options) = conversion(context.options().clone());
            let target = formats::by_name(&format)
                .ok_or_else(|| Failure::invalid_field("output_format", format!("The format {format} is not supported")))?;
            Each { action: Action::Convert, target: &|_| Ok(target), options: &options, more: None }.run(context, explain).await
        }
        .boxed()
    },
};

/// What differs from a conversion: fits inside a box, does not enlarge.
fn defaults() -> [(&'static str, Value); 2] {
    [("fit", json!("max")), ("enlarge", json!(false))]
}

/// The options of `convert` with the defaults of a thumbnail, and the format.
fn entries() -> Vec<OptionEntry> {
    let mut entries = ConvertOptions::entries();
    for (name, default) in defaults() {
        entries.iter_mut().filter(|entry| entry.name == name).for_each(|entry| entry.default = default.clone());
    }
    for entry in &mut entries {
        match entry.name.as_str() {
            "width" | "height" => entry.help = format!("{} {BOX} x {BOX} if neither is given.", entry.help),
            "enlarge" => "Whether a smaller image is enlarged to the size asked for.".clone_into(&mut entry.help),
            _ => {}
        }
    }
    let media = MediaOptions::entries().into_iter().filter(|entry| ["timestamp", "count"].contains(&entry.name.as_str()));
    entries.extend(media);
    let format = field("output_format", OptionKind::Format, false, "Format of the thumbnail.");
    entries.insert(0, OptionEntry { default: FORMAT.into(), ..format });
    entries
}

/// The format asked for, and the options of the conversion that makes the thumbnail.
fn conversion(mut options: Map<String, Value>) -> (String, Map<String, Value>) {
    let format = match options.remove("output_format") {
        Some(Value::String(format)) => format,
        _ => FORMAT.to_owned(),
    };
    let given = |options: &Map<String, Value>, name| options.get(name).is_some_and(|value: &Value| !value.is_null());
    for (name, default) in defaults() {
        if !given(&options, name) {
            options.insert(name.to_owned(), default);
        }
    }
    // Of a document its first page, as of everything else.
    if !given(&options, "page") {
        options.insert("page".to_owned(), 1.into());
    }
    if !given(&options, "width") && !given(&options, "height") {
        options.extend(["width", "height"].map(|side| (side.to_owned(), BOX.into())));
    }
    (format, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Fit;

    #[test]
    fn a_thumbnail_is_a_small_conversion() {
        let (format, options) = conversion(Map::new());
        let read = ConvertOptions::read(&options).expect("options of a conversion");
        assert_eq!(format, "jpg", "the default");
        assert_eq!((read.width, read.height, read.fit, read.may_enlarge()), (Some(320), Some(320), Fit::Max, false), "{read:?}");
    }

    #[test]
    fn what_is_given_stands() {
        let given = json!({ "output_format": "webp", "height": 90, "fit": "crop", "enlarge": true });
        let (format, options) = conversion(given.as_object().expect("an object").clone());
        let read = ConvertOptions::read(&options).expect("options of a conversion");
        assert_eq!(format, "webp", "as asked");
        assert_eq!((read.width, read.height, read.fit, read.may_enlarge()), (None, Some(90), Fit::Crop, true), "{read:?}");
    }

    #[test]
    fn the_catalogue_tells_the_defaults() {
        let entries = entries();
        for (name, default) in [("output_format", json!("jpg")), ("fit", json!("max")), ("enlarge", json!(false))] {
            let entry = entries.iter().find(|entry| entry.name == name).expect(name);
            assert_eq!(entry.default, default, "{name}");
        }
    }
}
