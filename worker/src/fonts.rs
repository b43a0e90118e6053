//! The fonts that are part of the program, so that text looks the same on every machine and no file is opened for it.
//!
//! Liberation has the widths of Arial, Times New Roman and Courier New; DejaVu Sans adds Greek, Cyrillic, Arabic, Hebrew and symbols.
//! Their licences lie beside them in `worker/fonts`.

/// Sans-serif, regular: what text is set in unless it asks for something else.
pub const SANS: &[u8] = include_bytes!("../fonts/LiberationSans-Regular.ttf");
/// Sans-serif, bold.
pub const SANS_BOLD: &[u8] = include_bytes!("../fonts/LiberationSans-Bold.ttf");
/// Wide coverage, for characters that the others lack.
pub const FALLBACK: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

/// Every face, the ones with fewer characters first.
pub const ALL: [&[u8]; 11] = [
    SANS,
    SANS_BOLD,
    include_bytes!("../fonts/LiberationSans-Italic.ttf"),
    include_bytes!("../fonts/LiberationSans-BoldItalic.ttf"),
    include_bytes!("../fonts/LiberationSerif-Regular.ttf"),
    include_bytes!("../fonts/LiberationSerif-Bold.ttf"),
    include_bytes!("../fonts/LiberationSerif-Italic.ttf"),
    include_bytes!("../fonts/LiberationSerif-BoldItalic.ttf"),
    include_bytes!("../fonts/LiberationMono-Regular.ttf"),
    include_bytes!("../fonts/LiberationMono-Bold.ttf"),
    FALLBACK,
];
