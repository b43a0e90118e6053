//! LibreOffice as a warm, confined child: what a piece of work for it looks like, and the process that does it.
//!
//! The node starts the program `convertfly-office` inside a bubblewrap jail, and sends it one [`Job`] at a time over the packets of
//! `convertfly-sandbox`. It loads LibreOffice once (LibreOfficeKit, `dlopen`) and drives it through a Basic macro of our own: that
//! reaches every filter and option, and gives exact errors, while LibreOfficeKit's own calls can choose no input filter and may
//! wait for a dialogue that nobody sees.

mod apart;
mod archive;
mod cells;
mod child;
mod compound;
mod fonts;
mod job;
mod kit;
mod profile;
mod rtf;
mod shim;
mod text;
mod twin;

pub use archive::{Parts, parts, unpack};
pub use child::serve;
pub use compound::properties;
pub use job::{Done, Job, Side, Text};
pub use kit::{LIBRARY, PROGRAM};
pub use twin::make_folder;
