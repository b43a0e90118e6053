//! Lets LibreOffice, which is loaded while the program runs, find the `mkdir` of `main.rs` before that of the C library.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=mkdir");
}
