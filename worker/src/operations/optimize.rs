//! `optimize`: each input file in fewer bytes.

use convertfly_scheduler::catalog::{Lane, OperationKind};
use futures_util::FutureExt;

use super::each::Each;
use super::{Operation, file_fields, video_lanes};
use crate::engines::Action;
use crate::engines::image::optimize::options::OptimizeOptions;
use crate::options::Options;

pub(super) static OPERATION: Operation = Operation {
    name: "optimize",
    description: "Make a file smaller without a visible change",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    lanes: video_lanes,
    flat: false,
    glances: false,
    fields: || file_fields("the input's name"),
    options: OptimizeOptions::entries,
    exactly_one: &[],
    formats_with: Vec::new,
    run: |context, explain| {
        async move {
            // The format stays, also where nothing here could write it anew: what can be done is the engine's matter.
            let each = Each { action: Action::Optimize, target: &Ok, options: context.options(), more: None };
            each.run(context, explain).await
        }
        .boxed()
    },
};
