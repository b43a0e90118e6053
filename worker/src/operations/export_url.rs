//! `export/url`: hands files out under links that expire. The API signs the links when it shows them.

use std::time::SystemTime;

use convertfly_scheduler::catalog::{Lane, OperationKind};
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;

use super::{Operation, no_options};

pub(super) static OPERATION: Operation = Operation {
    name: "export/url",
    description: "Get a presigned download URL",
    kind: OperationKind::Export,
    credits: Some(0),
    lane: Some(Lane::Io),
    fields: no_options,
    options: no_options,
    run: |context, _| {
        async move {
            let until = SystemTime::now() + context.services.link_lifetime;
            let until = until.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
            Ok(TaskResult {
                files: context.lease.inputs.clone(),
                expires_at: Some(u64::try_from(until).unwrap_or(0)),
                ..TaskResult::default()
            })
        }
        .boxed()
    },
};
