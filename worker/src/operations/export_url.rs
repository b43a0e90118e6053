//! `export/url`: hands files out under links that expire. The API signs the links when it shows them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use convertfly_scheduler::storage::names::sanitise_filename;
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;

use super::{Operation, field};

pub(super) static OPERATION: Operation = Operation {
    name: "export/url",
    description: "Get a presigned download URL",
    kind: OperationKind::Export,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || vec![field("filename", OptionKind::String { max_length: 1024 }, false, "Name of the file, or of the archive.")],
    options: || {
        let archive = "Whether result.url leads to a zip archive of all files; by default it does with several files.";
        vec![
            field("archive_multiple_files", OptionKind::Boolean, false, archive),
            field("inline", OptionKind::Boolean, false, "Whether browsers show the file instead of saving it."),
        ]
    },
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, _| {
        async move {
            let until = SystemTime::now() + context.services.link_lifetime;
            let until = until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
            let mut files = context.lease.inputs.clone();
            // With several files the name is that of their archive.
            let archived =
                context.lease.spec.fields.get("options").is_some_and(|options| options["archive_multiple_files"] == true);
            if let ([file], Some(name), false) = (&mut files[..], context.field("filename"), archived) {
                file.filename = sanitise_filename(name);
            }
            Ok(TaskResult { files, expires_at: Some(u64::try_from(until).unwrap_or(0)), ..TaskResult::default() })
        }
        .boxed()
    },
};
