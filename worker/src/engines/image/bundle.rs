//! A zip archive of a document and what it refers to, taken apart.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use serde_json::{Map, json};

use super::job::ImageJob;
use super::{Runner, run_job};
use crate::engines::{Action, Made};
use crate::failure::Failure;
use crate::formats::{Cancel, Limits};

/// What [`ImageJob::from`] says of such an archive: it is no format of its own.
pub(super) const FORMAT: &str = "zip";

/// Bytes of all files of an archive, at most.
const MAX_UNPACKED: u64 = 64 << 20;

/// Takes an archive apart where jobs run: writes its files one behind the other to `output`, and tells the name of each and how many bytes it has.
///
/// # Errors
/// [`Failure::Invalid`] for one that is damaged or has names that lead out of it, [`Failure::TooLarge`] for one that is a bomb or too large;
/// else as [`run_job`].
pub(crate) async fn unpack(
    runner: &Runner,
    archive: File,
    output: File,
    cancel: Cancel,
    deadline: Duration,
) -> Result<Vec<(String, u64)>, Failure> {
    let job = ImageJob {
        action: Action::Convert,
        from: FORMAT.to_owned(),
        to: FORMAT.to_owned(),
        beside: Vec::new(),
        options: Map::new(),
        limits: Limits::default(),
        test: false,
        pdf: None,
        share: None,
    };
    let made = run_job(runner, job, vec![archive, output], cancel, deadline).await?;
    serde_json::from_value(made.metadata.unwrap_or_default()).map_err(Failure::internal)
}

/// Writes the archive's files one behind the other to the output; [`Made::metadata`] lists the name of each and how many bytes it has.
///
/// # Errors
/// As [`super::job::run`].
pub(super) fn run(files: Vec<File>) -> Result<Made, Failure> {
    let [input, output] =
        <[File; 2]>::try_from(files).map_err(|files| Failure::internal(format!("{} files for an archive", files.len())))?;
    let mut output = BufWriter::with_capacity(1 << 16, output);
    let parts = convertfly_office::unpack(&input, FORMAT, MAX_UNPACKED, &mut output)?;
    output.flush().map_err(Failure::internal)?;
    Ok(Made { metadata: Some(json!(parts)), ..Made::default() })
}
