//! What can be asked of a conversion from PDF.

use convertfly_scheduler::catalog::OptionKind;

crate::options! {
    /// Options of `convert` that PDF files understand, beside those of pictures.
    pub struct PdfOptions {
        "Which pages of a document are converted: 1-5, 1,3,5, 2- or all; their order is kept." pages: Option<String> = None =>
            OptionKind::Pages,
        "Which page to take of a source with several, from 1; absent: every page of a document, the first one of other files."
            page: Option<u32> = None => OptionKind::Integer { min: 1, max: 65_535 },
        "What opens a protected document." password: Option<String> = None => OptionKind::Secret { max_length: 1024 },
        "Whether the pages of a document become one tiff with as many pages, instead of a file each." multipage: bool = false =>
            OptionKind::Boolean,
    }
}
