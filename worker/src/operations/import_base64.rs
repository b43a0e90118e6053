//! `import/base64`: the API has decoded the bytes into storage; from there on it is an upload.

use std::collections::BTreeMap;

use convertfly_scheduler::catalog::{Lane, OperationKind, OptionKind};
use futures_util::FutureExt;

use super::{Operation, field, filename_field, import_upload, input_format_field, no_options};

/// Largest decoded file: 10 MiB.
const MAX_BYTES: u64 = 10 << 20;

pub(super) static OPERATION: Operation = Operation {
    name: "import/base64",
    description: "Import a file from base64 data",
    kind: OperationKind::Import,
    credits: Some(0),
    lane: Some(Lane::Io),
    lanes: BTreeMap::new,
    flat: false,
    glances: false,
    fields: || {
        vec![
            field("file", OptionKind::Base64 { max_bytes: MAX_BYTES }, true, "The file's bytes, base64."),
            filename_field(true),
            input_format_field(),
        ]
    },
    options: no_options,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| import_upload::run(context, explain).boxed(),
};
