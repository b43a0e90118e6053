//! What each kernel takes on one core: `cargo bench -p convertfly-benches --bench kernels`. The table is `convertfly bench kernels`.

use std::hint::black_box;

use convertfly_benches::{kernels, pictures};
use convertfly_worker::formats::Cancel;
use convertfly_worker::pixels::{CpuLevel, GpuPolicy, Processor, Recording};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn all(criterion: &mut Criterion) {
    for case in kernels::cases() {
        let image = pictures::noise(4000, 3000, case.channels);
        let recording = Recording { steps: vec![case.step], layers: pictures::layers() };
        let mut group = criterion.benchmark_group(format!("{}, {:?} of 12 Mpixel", case.name, case.channels));
        group.throughput(Throughput::Elements(image.shape().pixels())).sample_size(10);
        let patient = image.shape().pixels() <= case.patience();
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

criterion_group!(benches, all);
criterion_main!(benches);
