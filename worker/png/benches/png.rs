//! The stream of a PNG, written beside the fast way of the `png` crate and read beside its only one.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Something like a photograph: slopes with noise of a sensor.
fn photo(width: usize, height: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let at = |x: usize, y: usize, channel: usize| {
        ((x as f32 / (70.0 + channel as f32)).sin() * 60.0 + (y as f32 / 83.0).cos() * 60.0 + 128.0) as u8
    };
    (0..height * width * 3).map(|byte| at(byte / 3 % width, byte / 3 / width, byte % 3) ^ random.u8(..4)).collect()
}

fn streams(criterion: &mut Criterion) {
    let (width, height) = (2000, 1500);
    let data = photo(width, height);
    let mut group = criterion.benchmark_group("png of 3 megapixels");
    group.throughput(Throughput::Bytes(data.len() as u64)).sample_size(20);
    group.bench_function("convertfly", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::new();
            let rows = convertfly_png::Rows::new(black_box(&data), width * 3, 3).expect("rows");
            convertfly_png::compress(rows, &mut |part| {
                out.extend_from_slice(part);
                Ok::<_, std::convert::Infallible>(())
            })
            .map(|()| out)
        });
    });
    group.bench_function("png crate, fast", |bencher| {
        bencher.iter(|| {
            let mut out = Vec::new();
            let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
            encoder.set_color(png::ColorType::Rgb);
            encoder.set_compression(png::Compression::Fast);
            encoder.write_header().and_then(|mut writer| writer.write_image_data(black_box(&data))).expect("a file");
            out
        });
    });
    group.finish();
}

/// A file as most programs write it: every filter tried, deflated at the level that is usual; or no filters at all.
fn file(data: &[u8], (width, height): (usize, usize), filter: png::Filter) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_deflate_compression(png::DeflateCompression::Level(6));
    encoder.set_filter(filter);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(data)).expect("a file");
    out
}

/// What the IDAT chunks of a file hold.
fn stream(file: &[u8]) -> Vec<u8> {
    let (mut rest, mut stream) = (&file[8..], Vec::new());
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let (chunk, after) = rest[4..].split_at(u32::from_be_bytes(*length) as usize + 8);
        if let Some(body) = chunk.strip_prefix(b"IDAT") {
            stream.extend_from_slice(&body[..body.len() - 4]);
        }
        rest = after;
    }
    stream
}

fn reading(criterion: &mut Criterion) {
    let (width, height) = (2000, 1500);
    let data = photo(width, height);
    for (name, filter) in [("filtered", png::Filter::Adaptive), ("unfiltered", png::Filter::NoFilter)] {
        let file = file(&data, (width, height), filter);
        let stream = stream(&file);
        let mut group = criterion.benchmark_group(format!("reading {name} png of 3 megapixels"));
        group.throughput(Throughput::Bytes(data.len() as u64)).sample_size(20);
        group.bench_function("convertfly", |bencher| {
            let layout = convertfly_png::Layout::new(width, height, 3).expect("a picture");
            bencher.iter(|| convertfly_png::decompress(black_box(&stream), layout));
        });
        group.bench_function("png crate", |bencher| {
            bencher.iter(|| {
                let mut reader = png::Decoder::new(std::io::Cursor::new(black_box(&file))).read_info().expect("a header");
                let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
                reader.next_frame(&mut pixels).expect("pixels");
                pixels
            });
        });
        group.finish();
    }
}

criterion_group!(benches, streams, reading);
criterion_main!(benches);
