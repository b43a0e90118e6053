//! `watermark`: a text or a picture on each input file.

use convertfly_scheduler::catalog::{Lane, OperationKind};
use futures_util::FutureExt;

use super::each::{Downloaded, Each, same_or_writable};
use super::{Context, Operation, file_fields, files, video_lanes};
use crate::engines::Action;
use crate::engines::image::watermark::options::WatermarkOptions;
use crate::failure::Failure;
use crate::fetch::Request;
use crate::options::Options;

pub(super) static OPERATION: Operation = Operation {
    name: "watermark",
    description: "Put a text or a picture on a file",
    kind: OperationKind::Process,
    credits: Some(1),
    lane: Some(Lane::Cpu),
    lanes: video_lanes,
    flat: false,
    glances: false,
    fields: || file_fields("the input's name"),
    options: WatermarkOptions::entries,
    exactly_one: &[&["text", "image", "image_url"]],
    formats_with: Vec::new,
    run: |context, explain| {
        async move {
            let picture = picture(context).await?;
            let options = context.options();
            let each = Each { action: Action::Watermark, target: &same_or_writable, options, more: picture.as_ref() };
            each.run(context, explain).await
        }
        .boxed()
    },
};

/// Bytes of the largest picture that is fetched by its address.
const MAX_PICTURE: u64 = 64 << 20;

/// The picture that an address was given for.
async fn picture(context: &Context<'_>) -> Result<Option<Downloaded>, Failure> {
    let Some(url) = context.option("image_url") else { return Ok(None) };
    let folder = files::folder(context)?;
    let path = folder.path().join("picture");
    let request = Request { url, headers: &[], max_bytes: MAX_PICTURE, deadline: context.deadline };
    let fetched = context.services.fetcher.download(request, &path, context.cancel, |_, _| {}).await;
    let fetched = fetched.map_err(|failure| match failure {
        Failure::Invalid { message, field: Some(_) } => Failure::invalid_field("image_url", message),
        other => other,
    })?;
    let filename = fetched.filename.unwrap_or_default();
    let (format, _) = files::recognise(files::sniff(&path)?, None, &filename);
    let format =
        format.ok_or_else(|| Failure::invalid_field("image_url", "image_url leads to no picture whose format is known"))?;
    Ok(Some(Downloaded { format, path, _folder: folder }))
}
