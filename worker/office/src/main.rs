//! The program inside the jail; a node starts it, nobody else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything is written or loaded: outside the jail there is no business for it.
    if !convertfly_sandbox::is_child() {
        eprintln!("convertfly-office is started by a worker node, in a jail, and not by hand; use `convertfly convert`");
        return ExitCode::FAILURE;
    }
    convertfly_office::serve()
}
