//! The program inside the jail; a node starts it, nobody else.

use std::ffi::{c_char, c_int};
use std::process::ExitCode;

/// What LibreOffice calls for a new folder (see `twin.rs`).
///
/// # Safety
/// As `mkdir`: `path` is a text that ends in NUL.
// SAFETY: the name and the types are those of the C library's function, and it does what that does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's.
    unsafe { convertfly_office::make_folder(path, mode) }
}

fn main() -> ExitCode {
    // Before anything is written or loaded: outside the jail there is no business for it.
    if !convertfly_sandbox::is_child() {
        eprintln!("convertfly-office is started by a worker node, in a jail, and not by hand; use `convertfly convert`");
        return ExitCode::FAILURE;
    }
    convertfly_office::serve()
}
