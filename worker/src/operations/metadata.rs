//! `metadata`: what is known about each input file, inline and as a JSON file.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind};
use futures_util::FutureExt;
use serde_json::Value;

use super::each::Each;
use super::{Operation, file_fields};
use crate::engines::Action;
use crate::engines::media::options::MetadataOptions;
use crate::formats::{Category, Flags, Format};
use crate::options::Options;

/// What is written. In the catalogue for its media type, but no row of the table of formats: nothing reads it or converts to it.
pub(crate) static JSON: Format = Format {
    name: "json",
    title: "JSON",
    mime: "application/json",
    extensions: &["json"],
    aliases: &[],
    category: Category::Data,
    flags: Flags::NONE,
    magic: |_| false,
    decode: None,
    encode: None,
};

pub(super) static OPERATION: Operation = Operation {
    name: "metadata",
    description: "Tell what is known about a file",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    lanes: BTreeMap::new,
    flat: false,
    glances: true,
    fields: || file_fields("the input's name"),
    options: MetadataOptions::entries,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| {
        async move {
            let asked = MetadataOptions::read(context.options())?;
            let each = Each { action: Action::Metadata, target: &|_| Ok(&JSON), options: context.options(), more: None };
            let mut result = each.run(context, explain).await?;
            if asked.loudness {
                result.warnings.extend(result.metadata.as_ref().map(unheeded).unwrap_or_default());
            }
            Ok(result)
        }
        .boxed()
    },
};

/// A warning for each file whose facts do not tell how loud it is.
fn unheeded(metadata: &Value) -> Vec<String> {
    let files = metadata.as_array().map_or(std::slice::from_ref(metadata), Vec::as_slice);
    let silent = files.iter().filter(|facts| facts.get("loudness").is_none());
    silent.map(|facts| format!("`loudness` has no effect on {} files", facts["format"].as_str().unwrap_or("these"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_no_sound_is_said_to_have_none() {
        let facts = json!([{ "format": "png" }, { "format": "mp3", "loudness": { "integrated": -14.0 } }, { "format": "mp4", "loudness": null }]);
        assert_eq!(unheeded(&facts), ["`loudness` has no effect on png files"], "one of three was not measured");
        assert!(unheeded(&json!({ "format": "wav", "loudness": null })).is_empty(), "of one file the facts stand at the top");
    }
}
