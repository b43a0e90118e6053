//! `export/url`: hands files out under links that expire. The API signs the links when it shows them.

use std::time::{SystemTime, UNIX_EPOCH};

use convertfly_scheduler::catalog::{Lane, OperationKind};
use convertfly_scheduler::task::TaskResult;
use futures_util::FutureExt;

use super::{Operation, no_options};

/// Lifetime of a download link: 24 hours.
const LIFETIME_MS: u64 = 24 * 3_600_000;

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
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
            Ok(TaskResult {
                files: context.lease.inputs.clone(),
                expires_at: Some(u64::try_from(now).unwrap_or(0) + LIFETIME_MS),
                ..TaskResult::default()
            })
        }
        .boxed()
    },
};
