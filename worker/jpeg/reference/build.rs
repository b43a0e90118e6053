//! Compiles the C side against the headers of the libjpeg-turbo that `turbojpeg-sys` built.

fn main() {
    println!("cargo:rerun-if-changed=src/reference.c");
    let include = std::env::var("DEP_TURBOJPEG_INCLUDE").expect("turbojpeg-sys names its headers");
    let mut build = cc::Build::new();
    for path in include.split(',') {
        build.include(path);
    }
    build.file("src/reference.c").opt_level(2).compile("convertfly_jpeg_reference");
}
