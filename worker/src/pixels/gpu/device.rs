//! A device of wgpu, its pipelines and its buffers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use convertfly_shaders::SHADERS;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor, BindGroupLayoutEntry,
    BindingResource, BindingType, Buffer, BufferBinding, BufferBindingType, BufferDescriptor, BufferSize, BufferUsages,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePipeline, ComputePipelineDescriptor, Device, DeviceDescriptor, Error,
    ErrorFilter, Features, MapMode, PipelineCompilationOptions, PipelineLayoutDescriptor, PollError, PollType, Queue,
    ShaderModuleDescriptor, ShaderSource, ShaderStages,
};

use super::adapters;
use super::batch::{Deliver, Layout as Batch};
use super::{Backend, Done, Fault, Injected, OpenError, Plan};
use crate::formats::Cancel;
use crate::pixels::image::Image;
use crate::pixels::policy::GpuPolicy;
use crate::pixels::pool::{Pool, size_class};
use crate::pixels::processor::micros;

/// A recording that takes longer hangs: the largest image allowed takes less than a second on the slowest GPU worth using, and a
/// software adapter takes some seconds for it.
const HANG: Duration = Duration::from_secs(20);
/// How often a wait looks whether the work is still wanted.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Idle buffers kept, bytes: recordings and small batches want no more. Where batches are larger, those of all that are in flight are kept, so that
/// none is allocated anew for each, up to [`POOL_BUFFERS`] of the adapter's largest: what memory it has no adapter tells, but one of little memory
/// binds little.
const POOL_BYTES: u64 = 512 << 20;
const POOL_BUFFERS: u64 = 2;
/// Every adapter takes bindings at multiples of this many bytes.
pub(super) const ALIGNMENT: u64 = 256;

/// What a buffer may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Read and written by shaders.
    Storage,
    /// Parameters.
    Uniform,
    /// Read by the host.
    Readback,
    /// Written by the host, to which it is mapped while it is idle.
    Staging,
    /// What a query tells.
    Times,
}

impl Kind {
    fn usages(self) -> BufferUsages {
        match self {
            Self::Storage => BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
            Self::Uniform => BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            Self::Readback => BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            Self::Staging => BufferUsages::MAP_WRITE | BufferUsages::COPY_SRC,
            Self::Times => BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        }
    }
}

/// An open device.
pub(super) struct WgpuBackend {
    pub(super) name: String,
    pub(super) device: Device,
    pub(super) queue: Queue,
    pub(super) layout: BindGroupLayout,
    pub(super) pipelines: HashMap<&'static str, ComputePipeline>,
    pub(super) pool: Pool<Kind, Buffer>,
    lost: Arc<AtomicBool>,
    injected: Mutex<Option<Injected>>,
    pub(super) limit: u64,
    /// Nanoseconds of a tick, where the device tells time.
    pub(super) period: Option<f32>,
}

/// The buffers of one recording.
struct Buffers {
    images: [Buffer; 2],
    params: Buffer,
    tables: Buffer,
    receipts: Buffer,
    readback: Buffer,
}

impl Buffers {
    fn with_kinds(self) -> [(Kind, Buffer); 6] {
        let [a, b] = self.images;
        [
            (Kind::Storage, a),
            (Kind::Storage, b),
            (Kind::Uniform, self.params),
            (Kind::Storage, self.tables),
            (Kind::Storage, self.receipts),
            (Kind::Readback, self.readback),
        ]
    }
}

/// Parameters, tables and expected receipts of a plan, laid out.
struct Layout {
    params: Vec<u8>,
    tables: Vec<u8>,
    /// Offset and length of each pass's table in `tables`.
    slices: Vec<(u64, u64)>,
    receipts: Vec<u32>,
    groups: Vec<[u32; 2]>,
}

impl WgpuBackend {
    /// Opens the adapter that `policy` picks.
    pub(super) fn open(policy: GpuPolicy) -> Result<Self, OpenError> {
        let adapter = adapters::pick(policy).map_err(OpenError::Absent)?;
        let name = adapter.get_info().name;
        let features = adapter.features() & Features::TIMESTAMP_QUERY;
        let descriptor =
            DeviceDescriptor { required_limits: adapter.limits(), required_features: features, ..DeviceDescriptor::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))
            .map_err(|error| OpenError::Failed(format!("{name}: {error}")))?;

        let lost = Arc::new(AtomicBool::new(false));
        let flag = lost.clone();
        device.set_device_lost_callback(move |_reason, _message| flag.store(true, Ordering::SeqCst));
        // Without a handler wgpu panics. All our calls are under error scopes, so what arrives here is a fault of the driver.
        let flag = lost.clone();
        device.on_uncaptured_error(Arc::new(move |error: Error| {
            tracing::error!(%error, "GPU error outside of any call; the device is given up");
            flag.store(true, Ordering::SeqCst);
        }));

        let (built, error) = scoped(&device, || build_pipelines(&device));
        if let Some(fault) = error {
            return Err(OpenError::Failed(format!("{name}: {fault}")));
        }
        let (layout, pipelines) = built;
        let limits = device.limits();
        // Shaders count samples in 32 bits.
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(u64::from(u32::MAX));
        let pool = Pool::new(POOL_BYTES, limit.saturating_mul(POOL_BUFFERS));
        let period = (!features.is_empty()).then(|| queue.get_timestamp_period());
        Ok(Self { name, device, queue, layout, pipelines, pool, lost, injected: Mutex::new(None), limit, period })
    }

    /// The same device, with buffers of that many bytes at most.
    #[cfg(test)]
    pub(super) fn limited(self, limit: u64) -> Self {
        Self { limit, ..self }
    }

    pub(super) fn take_injected(&self, wanted: Injected) -> bool {
        self.injected.lock().unwrap_or_else(PoisonError::into_inner).take_if(|injected| *injected == wanted).is_some()
    }

    /// Refuses what does not fit the device's limits before anything is allocated.
    fn check_size(&self, plan: &Plan) -> Result<(), Fault> {
        if !plan.fits(self.limit) {
            let largest = plan.buffers().into_iter().max().unwrap_or(0);
            return Err(Fault::Unfit(format!(
                "a buffer of {largest} bytes is needed, {} binds at most {}",
                self.name, self.limit
            )));
        }
        Ok(())
    }

    pub(super) fn buffer(&self, kind: Kind, bytes: u64) -> Buffer {
        self.pool.take(&kind, bytes).unwrap_or_else(|| {
            let limit = self.device.limits().max_buffer_size;
            // New buffers are zeros: wgpu sees to that.
            self.device.create_buffer(&BufferDescriptor {
                label: Some("pixels"),
                size: size_class(bytes).min(limit.max(bytes)),
                usage: kind.usages(),
                mapped_at_creation: kind == Kind::Staging,
            })
        })
    }

    fn allocate(&self, plan: &Plan, layout: &Layout, output: u64) -> Result<Buffers, Fault> {
        let [first, second] = plan.buffers();
        let receipts = (layout.receipts.len() * 4) as u64;
        let (buffers, fault) = scoped(&self.device, || {
            if self.take_injected(Injected::OutOfMemory) {
                exhaust(&self.device);
            }
            Buffers {
                images: [self.buffer(Kind::Storage, first), self.buffer(Kind::Storage, second)],
                params: self.buffer(Kind::Uniform, layout.params.len() as u64),
                tables: self.buffer(Kind::Storage, layout.tables.len() as u64),
                receipts: self.buffer(Kind::Storage, receipts),
                readback: self.buffer(Kind::Readback, output + receipts),
            }
        });
        match fault {
            Some(fault) => {
                // Idle memory may be what is missing; the next recording starts without it.
                self.pool.shrink();
                Err(fault)
            }
            None => Ok(buffers),
        }
    }

    fn upload(&self, buffers: &Buffers, layout: &Layout, pixels: &[u8]) {
        let (whole, rest) = pixels.split_at(pixels.len() / 4 * 4);
        self.queue.write_buffer(&buffers.images[0], 0, whole);
        if !rest.is_empty() {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            self.queue.write_buffer(&buffers.images[0], whole.len() as u64, &word);
        }
        self.queue.write_buffer(&buffers.params, 0, &layout.params);
        self.queue.write_buffer(&buffers.tables, 0, &layout.tables);
    }

    fn bind(&self, plan: &Plan, layout: &Layout, buffers: &Buffers, index: usize) -> BindGroup {
        let sizes = plan.buffers();
        let (from, to) = (index % 2, (index + 1) % 2);
        let (table, table_bytes) = layout.slices[index];
        let window = |binding: u32, buffer, offset: u64, size: u64| BindGroupEntry {
            binding,
            resource: BindingResource::Buffer(BufferBinding { buffer, offset, size: BufferSize::new(size) }),
        };
        let params = size_of_val(&plan.passes[index].params) as u64;
        self.device.create_bind_group(&BindGroupDescriptor {
            label: Some(plan.passes[index].shader),
            layout: &self.layout,
            entries: &[
                window(0, &buffers.params, index as u64 * ALIGNMENT, params),
                window(1, &buffers.images[from], 0, sizes[from]),
                window(2, &buffers.images[to], 0, sizes[to]),
                window(3, &buffers.tables, table, table_bytes),
                window(4, &buffers.receipts, 0, (layout.receipts.len() * 4) as u64),
            ],
        })
    }

    /// Encodes and submits all of it, and asks for the result to be mapped.
    fn submit(&self, plan: &Plan, layout: &Layout, buffers: &Buffers, output: u64) -> Result<Submitted, Fault> {
        let skip = self.take_injected(Injected::SkipDispatch);
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor { label: Some("recording") });
        for (index, pass) in plan.passes.iter().enumerate() {
            let Some(pipeline) = self.pipelines.get(pass.shader) else {
                return Err(Fault::Unfit(format!("there is no shader {}", pass.shader)));
            };
            let group = self.bind(plan, layout, buffers, index);
            let [x, y] = layout.groups[index];
            let mut compute =
                encoder.begin_compute_pass(&ComputePassDescriptor { label: Some(pass.shader), timestamp_writes: None });
            compute.set_pipeline(pipeline);
            compute.set_bind_group(0, &group, &[]);
            if !skip {
                compute.dispatch_workgroups(x, y, 1);
            }
        }
        let receipts = (layout.receipts.len() * 4) as u64;
        encoder.copy_buffer_to_buffer(&buffers.images[plan.last_buffer()], 0, &buffers.readback, 0, output);
        encoder.copy_buffer_to_buffer(&buffers.receipts, 0, &buffers.readback, output, receipts);
        let submission = self.queue.submit([encoder.finish()]);
        let (tell, told) = mpsc::channel();
        buffers.readback.map_async(MapMode::Read, 0..output + receipts, move |result| {
            // Nobody listens any more when the work was cancelled.
            let _ = tell.send(result.is_ok());
        });
        Ok(Submitted { submission, told })
    }

    pub(super) fn wait(&self, submitted: &Submitted, cancel: &Cancel) -> Result<(), Fault> {
        let start = Instant::now();
        loop {
            let wait = PollType::Wait { submission_index: Some(submitted.submission.clone()), timeout: Some(LOOK) };
            // wgpu 30 asserts that work is left when a wait times out; another thread's poll may have ended it in that moment.
            match catch_unwind(AssertUnwindSafe(|| self.device.poll(wait))) {
                Ok(Ok(_)) => break,
                Err(_) | Ok(Err(PollError::Timeout)) if start.elapsed() < HANG && !self.is_lost() => {
                    cancel.check().map_err(Fault::Stop)?;
                }
                Ok(Err(PollError::Timeout)) => return Err(Fault::Hang(format!("no answer within {} s", HANG.as_secs()))),
                Ok(Err(error)) => return Err(Fault::Lost(error.to_string())),
                Err(_) => return Err(Fault::Lost("wgpu panicked; see standard error".to_owned())),
            }
        }
        // The callback of the mapping runs on this thread before `poll` returns, or on another one that polls, soon.
        let mapped = submitted.told.recv_timeout(HANG.saturating_sub(start.elapsed()).max(LOOK)).unwrap_or(false);
        if self.is_lost() {
            return Err(Fault::Lost("the driver says so".to_owned()));
        }
        if !mapped || self.take_injected(Injected::FailReadback) {
            return Err(Fault::Lost("the result could not be read back".to_owned()));
        }
        Ok(())
    }

    fn read(&self, plan: &Plan, layout: &Layout, buffers: &Buffers, output: u64) -> Result<Image, Fault> {
        let receipts = (layout.receipts.len() * 4) as u64;
        let range = buffers.readback.slice(0..output + receipts).get_mapped_range();
        let range = range.map_err(|error| Fault::Lost(format!("the result could not be read back: {error}")))?;
        let (pixels, signed) = range.split_at(output as usize);
        if signed != bytemuck::cast_slice::<u32, u8>(&layout.receipts) {
            return Err(Fault::Lost("a pass did not leave its receipt: not all of it ran".to_owned()));
        }
        let mut image = Image::zeroed(plan.output).map_err(Fault::Stop)?;
        let length = image.data().len();
        image.data_mut().copy_from_slice(&pixels[..length]);
        Ok(image)
    }

    /// Overwrites buffers with zeros and puts them into the pool; drops them when that fails.
    pub(super) fn clean(&self, buffers: Vec<(Kind, Buffer)>) {
        let ((), fault) = scoped(&self.device, || {
            let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor { label: Some("clean") });
            for (kind, buffer) in &buffers {
                if *kind == Kind::Readback {
                    buffer.unmap();
                }
                encoder.clear_buffer(buffer, 0, None);
            }
            self.queue.submit([encoder.finish()]);
        });
        if fault.is_none() && !self.is_lost() {
            for (kind, buffer) in buffers {
                self.pool.put(kind, buffer.size(), buffer);
            }
        }
    }

    fn run_guarded(&self, plan: &Plan, image: &Image, cancel: &Cancel) -> Result<Done, Fault> {
        self.check_size(plan)?;
        let start = Instant::now();
        let groups_limit = self.device.limits().max_compute_workgroups_per_dimension;
        let layout = Layout::new(plan, groups_limit).map_err(|error| Fault::Unfit(error.to_string()))?;
        let output = crate::pixels::pass::packed_bytes(plan.output);
        let buffers = self.allocate(plan, &layout, output)?;
        let ((submitted, upload_us, submitted_at), fault) = scoped(&self.device, || {
            self.upload(&buffers, &layout, image.data());
            let upload_us = micros(start.elapsed());
            (self.submit(plan, &layout, &buffers, output), upload_us, Instant::now())
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        let submitted = submitted?;
        crate::cores::away(cancel, || self.wait(&submitted, cancel))?;
        let (kernel_us, reading) = (micros(submitted_at.elapsed()), Instant::now());
        let image = self.read(plan, &layout, &buffers, output)?;
        self.clean(buffers.with_kinds().into());
        Ok(Done { image, upload_us, kernel_us, readback_us: micros(reading.elapsed()) })
    }

    /// The bytes of every idle buffer, for tests that look for what should not be there.
    #[cfg(test)]
    pub(super) fn idle_bytes(&self) -> Vec<u8> {
        let mut found = Vec::new();
        for (size, buffer) in self.pool.drain() {
            let mappable = buffer.usage().contains(BufferUsages::MAP_READ);
            if !buffer.usage().contains(BufferUsages::COPY_SRC) && !mappable {
                continue;
            }
            if buffer.usage().contains(BufferUsages::MAP_WRITE) {
                buffer.unmap();
            }
            let readable = if mappable { buffer } else { self.copy(&buffer, size) };
            let (tell, told) = mpsc::channel();
            readable.map_async(MapMode::Read, 0..size, move |result| tell.send(result.is_ok()).expect("someone listens"));
            self.device.poll(PollType::wait_indefinitely()).expect("the device answers");
            assert_eq!(told.recv(), Ok(true), "an idle buffer can be mapped");
            found.extend_from_slice(&readable.slice(..).get_mapped_range().expect("the buffer is mapped"));
        }
        found
    }

    #[cfg(test)]
    fn copy(&self, buffer: &Buffer, size: u64) -> Buffer {
        let usage = Kind::Readback.usages();
        let copy = self.device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &copy, 0, size);
        self.queue.submit([encoder.finish()]);
        copy
    }
}

/// What was submitted, and the news that its result is mapped.
pub(super) struct Submitted {
    pub(super) submission: wgpu::SubmissionIndex,
    pub(super) told: mpsc::Receiver<bool>,
}

impl Backend for WgpuBackend {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    fn limit(&self) -> u64 {
        self.limit
    }

    fn run(&self, plan: &Plan, image: &Image, cancel: &Cancel) -> Result<Done, Fault> {
        // wgpu panics on some errors of a lost device (for one in `Device::poll`). That device is given up, the process is not.
        catch_unwind(AssertUnwindSafe(|| self.run_guarded(plan, image, cancel)))
            .unwrap_or_else(|_| Err(Fault::Lost("wgpu panicked; see standard error".to_owned())))
    }

    fn batch(&self, layout: &Batch, deliver: Deliver<'_>) -> Result<(), Fault> {
        catch_unwind(AssertUnwindSafe(|| self.run_batch(layout, deliver)))
            .unwrap_or_else(|_| Err(Fault::Lost("wgpu panicked; see standard error".to_owned())))
    }

    fn inject(&self, fault: Injected) {
        if fault == Injected::DestroyDevice {
            self.device.destroy();
        } else {
            *self.injected.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
        }
    }
}

impl Layout {
    fn new(plan: &Plan, groups_limit: u32) -> Result<Self, getrandom::Error> {
        let mut layout =
            Self { params: Vec::new(), tables: Vec::new(), slices: Vec::new(), receipts: Vec::new(), groups: Vec::new() };
        for (index, pass) in plan.passes.iter().enumerate() {
            let size = convertfly_shaders::by_name(pass.shader).map_or(1, |shader| shader.workgroup_size[0]);
            let groups = pass.params.invocations.div_ceil(size);
            let x = groups.min(groups_limit);
            let y = groups.div_ceil(x);
            // Odd, so that nonce * workgroups is never 0, which is what an untouched receipt holds.
            let nonce = getrandom::u32()? | 1;
            let params = crate::pixels::pass::Params { nonce, receipt: index as u32, ..pass.params };
            layout.receipts.push(nonce.wrapping_mul(x).wrapping_mul(y));
            layout.groups.push([x, y]);
            pad_to_alignment(&mut layout.params);
            layout.params.extend_from_slice(bytemuck::bytes_of(&params));
            pad_to_alignment(&mut layout.tables);
            let from = layout.tables.len() as u64;
            let table: &[u32] = if pass.table.is_empty() { &[0] } else { &pass.table };
            layout.tables.extend_from_slice(bytemuck::cast_slice(table));
            layout.slices.push((from, layout.tables.len() as u64 - from));
        }
        Ok(layout)
    }
}

fn pad_to_alignment(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
}

/// Runs `work` with every error of this device and thread caught; the worst of them is given back.
pub(super) fn scoped<T>(device: &Device, work: impl FnOnce() -> T) -> (T, Option<Fault>) {
    let validation = device.push_error_scope(ErrorFilter::Validation);
    let internal = device.push_error_scope(ErrorFilter::Internal);
    let memory = device.push_error_scope(ErrorFilter::OutOfMemory);
    let made = work();
    let memory = pollster::block_on(memory.pop()).map(|error| Fault::OutOfMemory(error.to_string()));
    let internal = pollster::block_on(internal.pop()).map(|error| Fault::Lost(error.to_string()));
    let validation = pollster::block_on(validation.pop()).map(|error| Fault::Lost(error.to_string()));
    // Invalid objects after a failed allocation are reported too, but are not the cause.
    (made, memory.or(internal).or(validation))
}

/// Asks for more memory than any device has, in pieces of the largest size that one buffer may have.
pub(super) fn exhaust(device: &Device) {
    let size = device.limits().max_buffer_size & !3;
    let usage = Kind::Storage.usages();
    let ballast: Vec<Buffer> = (0..64)
        .map(|_| device.create_buffer(&BufferDescriptor { label: Some("ballast"), size, usage, mapped_at_creation: false }))
        .collect();
    drop(ballast);
}

fn build_pipelines(device: &Device) -> (BindGroupLayout, HashMap<&'static str, ComputePipeline>) {
    let entry = |binding, ty| BindGroupLayoutEntry {
        binding,
        visibility: ShaderStages::COMPUTE,
        ty: BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let layout = device.create_bind_group_layout(&BindGroupLayoutDescriptor {
        label: Some("kernel"),
        entries: &[
            entry(0, BufferBindingType::Uniform),
            entry(1, BufferBindingType::Storage { read_only: true }),
            entry(2, BufferBindingType::Storage { read_only: false }),
            entry(3, BufferBindingType::Storage { read_only: true }),
            entry(4, BufferBindingType::Storage { read_only: false }),
        ],
    });
    let pipeline_layout = device.create_pipeline_layout(&PipelineLayoutDescriptor {
        label: Some("kernel"),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let pipelines = SHADERS.iter().map(|shader| {
        let source = ShaderSource::Wgsl(shader.source.into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label: Some(shader.name), source });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(shader.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions::default(),
            cache: None,
        });
        (shader.name, pipeline)
    });
    let pipelines = pipelines.collect();
    (layout, pipelines)
}
