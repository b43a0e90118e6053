//! What the executor does with PDF files: draws their pages, and rearranges the file itself.

#[cfg(feature = "documents")]
mod file;
#[cfg(feature = "documents")]
mod flow;
#[cfg(feature = "documents")]
mod merge;
#[cfg(feature = "documents")]
mod metadata;
#[cfg(feature = "documents")]
mod optimize;
#[cfg(feature = "documents")]
mod outline;
#[cfg(feature = "documents")]
mod pictures;
#[cfg(feature = "documents")]
mod raster;
#[cfg(feature = "documents")]
mod select;
#[cfg(feature = "documents")]
mod watermark;
#[cfg(feature = "documents")]
mod work;

use serde::{Deserialize, Serialize};

#[cfg(feature = "documents")]
pub(super) use work::run;

/// A piece of work on a PDF file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PdfTask {
    /// Counts the pages; the answer is [`crate::engines::Made::metadata`], a number.
    Count,
    /// Draws those pages, counted from 1, each into an output of its own; [`crate::engines::Made::metadata`] is a list of their widths and heights.
    Draw(Vec<u32>),
    /// Draws those pages into one output that holds several.
    DrawAll(Vec<u32>),
    /// Makes a file of those pages, in that order.
    Select(Vec<u32>),
    /// Makes a document that can be edited, of those pages.
    Rebuild(Vec<u32>),
    /// Makes one file of the input and those beside it.
    Merge,
    /// Makes one file of the input and the one beside it, so many pages of each in turn; the headings of both have those levels, a hexadecimal
    /// digit each, if any are told.
    Interleave(u32, String),
    /// Tells what is known about the file.
    Metadata,
    /// Makes the file smaller.
    Optimize,
    /// Puts a text on pages, or the picture beside the input.
    Watermark,
}

/// There is nothing here that could do it.
///
/// # Errors
/// Always.
#[cfg(not(feature = "documents"))]
pub(super) fn run(
    task: &PdfTask,
    _: &super::job::ImageJob,
    _: Vec<std::fs::File>,
    _: &crate::pixels::Processor,
    _: &crate::formats::Cancel,
) -> Result<crate::engines::Made, crate::failure::Failure> {
    Err(crate::failure::Failure::unsupported(format!("{task:?}: this program was built without the feature `documents`")))
}

#[cfg(all(test, feature = "documents"))]
mod details_tests;
#[cfg(all(test, feature = "documents"))]
mod tests;
