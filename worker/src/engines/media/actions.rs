//! What is done beside converting, in the words of the child: merging, fewer bytes, and what is laid over pictures.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::{AUDIO, MediaEngine, VIDEO, said};
use crate::engines::image::job::ImageJob;
use crate::engines::image::optimize::options::{OptimizeOptions, Profile, Quality};
use crate::engines::image::run_job;
use crate::engines::image::watermark::options::{Layer, WatermarkOptions};
use crate::engines::route::reopen;
use crate::engines::{Action, Beside, Made, Work};
use crate::failure::Failure;
use crate::formats::{Limits, by_name};
use crate::options::Options;

/// Options of `merge` that mean something for clips.
const OF_MERGE: [&str; 3] = ["quality", "width", "height"];

/// Those of the options that have one of the names and a value.
fn only(options: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let named = options.iter().filter(|(name, value)| names.contains(&name.as_str()) && !value.is_null());
    named.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A warning for each option that is given and not one of those.
fn unheeded(options: &Map<String, Value>, heeded: &[&str]) -> Vec<String> {
    let others = options.iter().filter(|(name, value)| !heeded.contains(&name.as_str()) && !value.is_null());
    others.map(|(name, _)| format!("`{name}` has no effect on video and audio")).collect()
}

/// Merges the input and the files beside it, in that order.
pub(super) async fn merge(engine: &MediaEngine, work: Work) -> Result<Made, Failure> {
    let is_clip = |format: &str| VIDEO.contains(&format) || AUDIO.contains(&format);
    if !is_clip(&work.to) {
        let title = by_name(&work.to).map_or(work.to.as_str(), |format| format.title);
        return Err(Failure::invalid_field(
            "output_format",
            format!(
                "Video and audio are not merged into {title} files. Set output_format to one of {}, {}",
                VIDEO.join(", "),
                AUDIO.join(", ")
            ),
        ));
    }
    if let Some(index) = work.beside.iter().position(|file| !is_clip(&file.format)) {
        return Err(Failure::invalid(format!(
            "Input {}: {} files cannot be merged with video and audio. Convert it to mp4 first, or leave it out",
            index + 2,
            work.beside.get(index).map_or("", |file| file.format.as_str())
        )));
    }
    let options = only(&work.options, &OF_MERGE);
    let warnings = unheeded(&work.options, &OF_MERGE);
    let mut made = engine.run(work, json!({ "options": options })).await?;
    made.warnings.extend(warnings);
    Ok(made)
}

/// The same in fewer bytes.
pub(super) async fn optimize(engine: &MediaEngine, work: Work) -> Result<Made, Failure> {
    let more = wish(&OptimizeOptions::read(&work.options)?);
    engine.run(work, more).await
}

/// What a profile means for video and audio: factors of x264's scale at which a difference is hardly looked for, and how much patience.
fn wish(options: &OptimizeOptions) -> Value {
    let (usual, preset) = match options.profile {
        Profile::Web => (75, "medium"),
        Profile::Print => (85, "medium"),
        Profile::Max => (65, "slow"),
        Profile::Archive => (85, "slow"),
    };
    let quality = match options.quality {
        Some(Quality::Number(quality)) => quality,
        Some(Quality::Word(_)) => 85,
        None => usual,
    };
    let exact = options.profile == Profile::Archive && options.quality.is_none() && options.max_bytes.is_none();
    json!({ "options": { "quality": quality, "preset": preset }, "max_bytes": options.max_bytes, "exact": exact })
}

/// Puts a text or a picture on every picture of a video. The engine of images draws it once, in its own confined process, on a transparent ground of
/// the size of the video; the child of this engine gets that drawing and nothing else of it.
pub(super) async fn watermark(engine: &MediaEngine, mut work: Work) -> Result<Made, Failure> {
    let start = Instant::now();
    let options = WatermarkOptions::read(&work.options)?;
    options.check()?;
    if options.layer == Layer::Below {
        return Err(Failure::invalid_field(
            "layer",
            "layer is below, but a video has no transparent parts that it could be seen through",
        ));
    }
    let whole = work.deadline;
    let left = |start: Instant| whole.saturating_sub(start.elapsed()).max(Duration::from_millis(1));
    let size = engine.measure(&work).await?;
    let (Some(width), Some(height)) = (size.width, size.height) else {
        return Err(Failure::internal("a video without a size"));
    };
    let ours = |error| Failure::internal(error);
    let mut ground = tempfile::tempfile_in(&work.scratch).map_err(ours)?;
    write!(ground, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"/>").map_err(ours)?;
    let drawing = tempfile::tempfile_in(&work.scratch).map_err(ours)?;
    let (formats, pictures): (Vec<_>, Vec<_>) =
        std::mem::take(&mut work.beside).into_iter().map(|Beside { format, file }| (format, file)).unzip();
    let mut drawn = work.options.clone();
    // Of the ground there is one page, whatever the video has.
    drawn.remove("pages");
    let job = ImageJob {
        action: Action::Watermark,
        from: "svg".to_owned(),
        to: "png".to_owned(),
        beside: formats,
        options: drawn,
        limits: Limits::default(),
        test: work.test,
        pdf: None,
        share: None,
    };
    let files =
        [reopen(&ground).map_err(ours)?].into_iter().chain(pictures).chain([drawing.try_clone().map_err(ours)?]).collect();
    let mark = run_job(&engine.runner, job, files, work.cancel.clone(), left(start)).await?;
    // What is open for writing is taken for a result, and emptied.
    work.beside = vec![Beside { format: "png".to_owned(), file: reopen(&drawing).map_err(ours)? }];
    work.deadline = left(start);
    let heeds_pages = matches!(options.pages.as_str(), "all");
    let more = json!({ "options": only(&work.options, &["quality"]) });
    let mut made = engine.run(work, more).await?;
    made.warnings.extend(mark.warnings);
    if !heeds_pages {
        made.warnings.push("`pages` has no effect on video: all of it is marked".to_owned());
    }
    Ok(made)
}

/// The task's options for a conversion.
pub(super) fn convert(options: &Map<String, Value>) -> Result<Value, Failure> {
    Ok(json!({ "options": said(options)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wished(options: Value) -> Value {
        wish(&OptimizeOptions::read(options.as_object().expect("an object")).expect("options"))
    }

    #[test]
    fn profiles_say_how_much_may_be_lost() {
        let quality = |options: Value| (wished(options.clone())["options"]["quality"].clone(), wished(options)["exact"].clone());
        assert_eq!(quality(json!({})), (json!(75), json!(false)), "web is the default");
        assert_eq!(quality(json!({ "profile": "print" })), (json!(85), json!(false)), "finer");
        assert_eq!(quality(json!({ "profile": "max" })), (json!(65), json!(false)), "coarser");
        assert_eq!(quality(json!({ "profile": "archive" })).1, json!(true), "nothing is lost");
        assert_eq!(quality(json!({ "profile": "archive", "max_bytes": 9 })).1, json!(false), "a size asks for loss");
        assert_eq!(quality(json!({ "quality": 40, "profile": "print" })).0, json!(40), "a number stands");
        assert_eq!(quality(json!({ "quality": "auto" })).0, json!(85), "as x264 does by itself");
    }

    #[test]
    fn what_clips_do_not_have_is_said() {
        let options = json!({ "delay": 5, "width": 320, "gap": null });
        let options = options.as_object().expect("an object");
        assert_eq!(unheeded(options, &OF_MERGE), ["`delay` has no effect on video and audio"], "given, and not heeded");
        assert_eq!(Value::Object(only(options, &OF_MERGE)), json!({ "width": 320 }), "given, and heeded");
    }
}
