//! What each kernel takes on one core: `cargo bench -p convertfly-benches --bench kernels`.

use std::hint::black_box;
use std::sync::Arc;

use convertfly_worker::formats::Cancel;
use convertfly_worker::pixels::{
    Channels, CpuLevel, Depth, Filter, GpuPolicy, Image, Layer, Orientation, Processor, Recording, Step,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// A photo of 12 Mpixel: noise, since no kernel's time depends on what it shows.
fn photo(channels: Channels) -> Image {
    let (width, height) = (4000, 3000);
    let mut state = 1u32;
    let data = (0..width as usize * height as usize * channels.count()).map(|_| {
        // xorshift32, G. Marsaglia 2003.
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    });
    Image::new(width, height, channels, Depth::U8, data.collect()).expect("the length fits the size")
}

/// A curve, three curves, and a table of colours with 33 points a channel; as with photos, the time does not depend on the values.
fn layers() -> Vec<Layer> {
    let ramp = |width: u32, height: u32, channels: Channels| {
        let count = u64::from(width) * u64::from(height) * channels.count() as u64;
        let data = (0..count).flat_map(|index| ((index * 65_535 / count) as u16).to_ne_bytes()).collect();
        Arc::new(Image::new(width, height, channels, Depth::U16, data).expect("the length fits the size"))
    };
    vec![ramp(65_536, 1, Channels::Grey), ramp(65_536, 1, Channels::Rgb), ramp(33 * 33, 33, Channels::Rgb)]
}

fn kernels(criterion: &mut Criterion) {
    let resize = |filter| Step::Resize { width: 800, height: 600, filter };
    let unsharp = Step::Sharpen { sigma: 1.0, amount: 1.0, threshold: 0.0 };
    let cases = [
        ("blur 2", Channels::Rgb, Step::Blur { sigma: 2.0 }),
        ("blur 20", Channels::Rgb, Step::Blur { sigma: 20.0 }),
        ("blur 20", Channels::Rgba, Step::Blur { sigma: 20.0 }),
        ("sharpen 1", Channels::Rgb, unsharp),
        ("curve to linear", Channels::Rgb, Step::Curve { curve: 0, depth: Depth::U16 }),
        ("matrix", Channels::Rgb, Step::Matrix { curves: 1, matrix: [0.9, 0.1, 0.0, 0.0, 1.0, 0.0, 0.0, 0.1, 0.9], out: 0 }),
        ("lut of 33 points", Channels::Rgb, Step::Lut { curves: 1, table: 2 }),
        ("resize lanczos3 to 800x600", Channels::Rgb, resize(Filter::Lanczos3)),
        ("resize lanczos3 to 800x600", Channels::Rgba, resize(Filter::Lanczos3)),
        ("resize box to 800x600", Channels::Rgb, resize(Filter::Box)),
        ("orient rotate90", Channels::Rgb, Step::Orient { orientation: Orientation::Rotate90 }),
        ("flatten", Channels::Rgba, Step::Flatten { color: [255; 3] }),
        ("convert to grey", Channels::Rgb, Step::Convert { channels: Channels::Grey, depth: Depth::U8 }),
        ("convert to rgba", Channels::Rgb, Step::Convert { channels: Channels::Rgba, depth: Depth::U8 }),
    ];
    for (name, channels, step) in cases {
        let image = photo(channels);
        let recording = Recording { steps: vec![step], layers: layers() };
        let mut group = criterion.benchmark_group(format!("{name}, {channels:?} of 12 Mpixel"));
        group.throughput(Throughput::Elements(u64::from(image.width()) * u64::from(image.height()))).sample_size(10);
        // The reference of a blur sums over every pixel that counts: minutes for a photo.
        let patient = !matches!(step, Step::Blur { .. } | Step::Sharpen { .. });
        let levels = CpuLevel::ALL.into_iter().filter(|level| patient || *level > CpuLevel::Scalar);
        for level in levels.filter(|level| level.usable() == *level) {
            let processor = Processor::new(level, GpuPolicy::Off).expect("the CPU is always there");
            group.bench_function(BenchmarkId::from_parameter(level.as_str()), |bencher| {
                bencher.iter_batched(
                    || image.clone(),
                    |image| black_box(processor.run(&recording, image, &Cancel::new()).expect("the step fits")),
                    criterion::BatchSize::PerIteration,
                );
            });
        }
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
