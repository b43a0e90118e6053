//! The hot loops, once each, for callgrind to count their instructions: `benches/guards/run.sh` runs this.
//!
//! Instructions do not depend on what else a machine does, and levels are forced, so that they do not depend on its processor either:
//! `scalar` and `avx2` are the kernels on pixels, `jpeg` and `png` are those codecs, which under valgrind see AVX2 at most. Prints the name of
//! each piece of work, in the order in which they are counted.
//!
//! The kernels are compiled here once more, out of the worker's sources: all of that crate takes minutes to build as a release has it.

mod coefficients;
mod failure;
#[expect(dead_code, unreachable_pub, reason = "the worker uses all of it, and others see it there")]
#[path = "../../worker/src/kernels/mod.rs"]
mod kernels;
mod pictures;
#[expect(dead_code, unreachable_pub, reason = "the worker uses all of it, and others see it there")]
mod pixels;

use std::convert::Infallible;
use std::hint::black_box;
use std::process::ExitCode;

use convertfly_jpeg::{Coding, Coefficients, Limits, Picture, Planes, Rewrite, Scale, WriteOptions};
use convertfly_png::{Layout, Rows};

use pixels::{Channels, CpuLevel, Depth, Filter, Image, Orientation, Step};

/// Pixels of the kernels' pictures.
const SIZE: (u32, u32) = (520, 320);

/// callgrind counts in here and nowhere else; it goes by the name.
#[inline(never)]
fn counted_by_callgrind(work: &mut dyn FnMut()) {
    work();
    // So that the call is not the last thing done here: a jump out of this function would not be seen as its end.
    black_box(&work);
}

/// At the end of this callgrind writes down what it has counted since the last time.
#[inline(never)]
fn noted_by_callgrind(name: &str) {
    println!("{name}");
}

/// Once to fill tables that are made on first use, and once to be counted.
fn count(name: &str, work: &mut dyn FnMut()) {
    work();
    counted_by_callgrind(work);
    noted_by_callgrind(name);
}

/// Steps on the layers of [`pictures::layers`]. Crop and pad only copy and are left out.
fn steps() -> Vec<(&'static str, Channels, Step)> {
    let resize = |filter| Step::Resize { width: 160, height: 96, filter };
    let matrix = Step::Matrix { curves: 1, matrix: [0.9, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.1, 0.9], out: 0 };
    let overlay = Step::Overlay { layer: 3, x: 9, y: 7, opacity: 200, every: Some((150, 100)), below: false };
    vec![
        ("blur 2", Channels::Rgb, Step::Blur { sigma: 2.0 }),
        ("sharpen 1", Channels::Rgb, Step::Sharpen { sigma: 1.0, amount: 1.0, threshold: 0.0 }),
        ("curve to linear", Channels::Rgb, Step::Curve { curve: 0, depth: Depth::U16 }),
        ("matrix", Channels::Rgb, matrix),
        ("lut of 33 points", Channels::Rgb, Step::Lut { curves: 1, table: 2 }),
        ("resize lanczos3", Channels::Rgb, resize(Filter::Lanczos3)),
        ("resize lanczos3", Channels::Rgba, resize(Filter::Lanczos3)),
        ("resize box", Channels::Rgb, resize(Filter::Box)),
        ("orient rotate90", Channels::Rgb, Step::Orient { orientation: Orientation::Rotate90 }),
        ("overlay", Channels::Rgb, overlay),
        ("flatten", Channels::Rgba, Step::Flatten { color: [255; 3] }),
        ("convert to grey", Channels::Rgb, Step::Convert { channels: Channels::Grey, depth: Depth::U8 }),
        ("convert to rgba", Channels::Rgb, Step::Convert { channels: Channels::Rgba, depth: Depth::U8 }),
    ]
}

fn kernels_at(level: CpuLevel) -> ExitCode {
    if level.usable() != level {
        eprintln!("this processor has no {}", level.as_str());
        return ExitCode::FAILURE;
    }
    let layers = pictures::layers();
    for (name, channels, step) in steps() {
        let image = pictures::noise(SIZE.0, SIZE.1, channels);
        let kernel = kernels::of(&step);
        let shape = kernel.output(&step, image.shape()).expect("the step fits");
        let mut made = Image::zeroed(shape).expect("it is small");
        let name = format!("{name} {channels:?} {}", level.as_str()).to_lowercase();
        count(&name, &mut || {
            kernel.cpu(level, &step, &layers, &image, &mut made).expect("the step fits");
            black_box(&made);
        });
    }
    ExitCode::SUCCESS
}

fn jpeg() -> ExitCode {
    let limits = Limits::default();
    let coefficients = coefficients::photo();
    let write = |coding| coefficients.write(&WriteOptions { coding, ..WriteOptions::default() }).expect("it is written");
    let file = write(Coding::Standard);
    let progressive = write(Coding::Progressive);
    let read = |file: &[u8]| drop(black_box(Coefficients::read(file, &limits).expect("it is read")));
    count("jpeg to coefficients", &mut || read(&file));
    count("jpeg, progressive, to coefficients", &mut || read(&progressive));
    count("jpeg to pixels, islow and fancy upsampling", &mut || {
        black_box(Picture::decode(&file, &limits).expect("it is read"));
    });
    count("jpeg to an eighth", &mut || {
        black_box(Planes::decode(&file, Scale::Eighth, &limits).expect("it is read"));
    });
    count("jpeg to a quarter", &mut || {
        black_box(Planes::decode(&file, Scale::Quarter, &limits).expect("it is read"));
    });
    count("coefficients to jpeg, tables of the standard", &mut || drop(black_box(write(Coding::Standard))));
    count("coefficients to jpeg, own tables", &mut || drop(black_box(write(Coding::Optimized))));
    count("jpeg to jpeg, other quality", &mut || {
        let rewrite = Rewrite { quality: 75, ..Rewrite::default() };
        black_box(rewrite.run(&file, &limits).expect("it is read").expect("it is sound"));
    });
    ExitCode::SUCCESS
}

fn png() -> ExitCode {
    let stream = |data: &[u8]| {
        let rows = Rows::new(data, SIZE.0 as usize * 3, 3).expect("whole rows");
        let mut bytes = 0;
        let done: Result<(), Infallible> = convertfly_png::compress(rows, &mut |part| {
            bytes += part.len();
            Ok(())
        });
        done.map_or(0, |()| bytes)
    };
    let noise = pictures::noise(SIZE.0, SIZE.1, Channels::Rgb);
    // Noise on slopes is what a photograph is to a filter; a page is white but for some lines.
    let photo: Vec<u8> = noise.data().iter().enumerate().map(|(at, &byte)| (at / 900) as u8 ^ (byte & 7)).collect();
    let page: Vec<u8> = photo.iter().enumerate().map(|(at, &byte)| if at / 5000 % 4 == 0 { byte } else { 255 }).collect();
    count("photo to png", &mut || {
        black_box(stream(&photo));
    });
    count("page to png", &mut || {
        black_box(stream(&page));
    });
    let layout = Layout::new(SIZE.0 as usize, SIZE.1 as usize, 3).expect("a picture");
    for (name, data) in [("png to photo", &photo), ("png to page", &page)] {
        let mut file = Vec::new();
        let rows = Rows::new(data, SIZE.0 as usize * 3, 3).expect("whole rows");
        let done: Result<(), Infallible> = convertfly_png::compress(rows, &mut |part| {
            file.extend_from_slice(part);
            Ok(())
        });
        assert!(done.is_ok() && convertfly_png::decompress(&file, layout).is_some_and(|read| read == *data), "it is read");
        count(name, &mut || {
            black_box(convertfly_png::decompress(&file, layout));
        });
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("jpeg") => jpeg(),
        Some("png") => png(),
        Some("scalar") => kernels_at(CpuLevel::Scalar),
        Some("avx2") => kernels_at(CpuLevel::Avx2),
        _ => {
            eprintln!("usage: convertfly-guards jpeg|png|scalar|avx2");
            ExitCode::FAILURE
        }
    }
}
