//! The stream of a PNG beside the fast way of the `png` crate.

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

criterion_group!(benches, streams);
criterion_main!(benches);
