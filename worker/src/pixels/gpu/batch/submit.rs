//! A batch on a device of wgpu.

use std::sync::mpsc;
use std::time::Instant;

use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferSize, CommandEncoder,
    CommandEncoderDescriptor, ComputePassDescriptor, ComputePassTimestampWrites, MapMode, QuerySet, QuerySetDescriptor,
    QueryType,
};

use super::IN_FLIGHT;
use super::layout::Layout;
use super::stages::{BUFFERS, INPUT, OUTPUT, PLANES, Params, STAGES, WORKING};
use super::through::Kernel;
use crate::formats::Cancel;
use crate::pixels::coefficients::{Batched, Outcome};
use crate::pixels::gpu::device::{ALIGNMENT, Kind, LOOK, Submitted, WgpuBackend, exhaust, scoped};
use crate::pixels::gpu::{Backend, Fault, Injected};
use crate::pixels::processor::micros;

/// Takes what each rendition became, and what their batch was.
pub(in crate::pixels) type Deliver<'a> = &'a mut dyn FnMut(Vec<Outcome>, Batched);

/// What passes over pixels are called where it is told what stages took.
const KERNELS: &str = "kernels";

/// Bytes of a time stamp.
const TIME: u64 = 8;

/// The buffers of a batch.
struct Buffers {
    /// What is uploaded, as the host writes it.
    staging: Buffer,
    working: [Buffer; WORKING],
    params: Buffer,
    receipts: Buffer,
    times: Option<(QuerySet, Buffer)>,
    readback: Buffer,
}

impl Buffers {
    /// All of them.
    fn bytes(&self) -> u64 {
        let others = [&self.staging, &self.params, &self.receipts, &self.readback];
        self.working.iter().chain(others).map(Buffer::size).sum()
    }
}

/// Where everything lies in what is read back.
struct Back {
    receipts: u64,
    times: u64,
    results: u64,
    pixels: u64,
    end: u64,
}

impl WgpuBackend {
    /// Runs a batch; what it becomes is handed out before the buffers are cleaned.
    pub(in crate::pixels::gpu) fn run_batch(&self, layout: &Layout, deliver: Deliver<'_>) -> Result<(), Fault> {
        if !layout.fits(self.limit) {
            let largest = layout.buffers().into_iter().max().unwrap_or(0);
            return Err(Fault::Unfit(format!(
                "a buffer of {largest} bytes is needed, {} binds at most {}",
                self.name, self.limit
            )));
        }
        let start = Instant::now();
        let (params, signed) = self.params(layout)?;
        let back = self.back(layout);
        let buffers = self.allocate_batch(layout, &back)?;
        self.pool.expect(buffers.bytes() * IN_FLIGHT as u64);
        let mut batched = Batched { sources: layout.sources, bands: 1, ..Batched::default() };
        let ((submitted, submitted_at), fault) = scoped(&self.device, || {
            let filled = self.fill(layout, &buffers, &params);
            batched.upload_us = micros(start.elapsed());
            (filled.map(|()| self.submit_batch(layout, &buffers, &back)), Instant::now())
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        let (submitted, staged) = submitted?;
        // Whoever asked for one of its pictures may have gone; the others have not.
        self.wait(&submitted, &Cancel::new())?;
        (batched.kernel_us, batched.bytes_up) = (micros(submitted_at.elapsed()), layout.buffers()[0]);
        let reading = Instant::now();
        let made = self.read_batch(layout, &buffers, &back, &signed, &mut batched)?;
        batched.renditions = made.len();
        batched.readback_us = micros(reading.elapsed());
        deliver(made, batched);
        self.recycle_batch(buffers, staged.recv_timeout(LOOK).unwrap_or(false));
        Ok(())
    }

    /// Workgroups across and down; none where a stage has nothing to do.
    fn groups(&self, groups: u32) -> [u32; 2] {
        if groups == 0 {
            return [0, 0];
        }
        let x = groups.min(self.device.limits().max_compute_workgroups_per_dimension);
        [x, groups.div_ceil(x)]
    }

    fn kernel_groups(&self, kernel: &Kernel) -> [u32; 2] {
        let size = convertfly_shaders::by_name(kernel.shader).map_or(1, |shader| shader.workgroup_size[0]);
        self.groups(kernel.params.invocations.div_ceil(size))
    }

    /// What each stage and each pass is told, and what they leave if all of it ran.
    fn params(&self, layout: &Layout) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let (mut all, mut signed) = (Vec::new(), Vec::new());
        // Odd, so that nonce * workgroups is never 0, which is what an untouched receipt holds.
        let nonce = || getrandom::u32().map(|random| random | 1).map_err(|error| Fault::Unfit(error.to_string()));
        let mut add = |bytes: &[u8], nonce: u32, [x, y]: [u32; 2]| {
            all.resize(all.len().next_multiple_of(ALIGNMENT as usize), 0);
            all.extend_from_slice(bytes);
            signed.extend_from_slice(&nonce.wrapping_mul(x).wrapping_mul(y).to_ne_bytes());
        };
        for (stage, params) in layout.params.iter().enumerate() {
            let nonce = nonce()?;
            let params = Params { nonce, ..*params };
            add(bytemuck::bytes_of(&params), nonce, self.groups(layout.groups(stage)));
        }
        for (index, kernel) in layout.kernels.iter().enumerate() {
            let nonce = nonce()?;
            let params = crate::pixels::pass::Params { nonce, receipt: (STAGES.len() + index) as u32, ..kernel.params };
            add(bytemuck::bytes_of(&params), nonce, self.kernel_groups(kernel));
        }
        Ok((all, signed))
    }

    fn back(&self, layout: &Layout) -> Back {
        let receipts = ((STAGES.len() + layout.kernels.len()) * 4) as u64;
        let times = if self.period.is_some() { 2 * spans(layout) as u64 * TIME } else { 0 };
        let results = receipts + times;
        let pixels = results + layout.likely_bytes();
        Back { receipts, times, results, pixels, end: pixels + layout.pixel_bytes() }
    }

    fn allocate_batch(&self, layout: &Layout, back: &Back) -> Result<Buffers, Fault> {
        let sizes = layout.buffers();
        let (buffers, fault) = scoped(&self.device, || {
            if self.take_injected(Injected::OutOfMemory) {
                exhaust(&self.device);
            }
            let times = self.period.map(|_| {
                let (ty, count) = (QueryType::Timestamp, 2 * spans(layout) as u32);
                let set = self.device.create_query_set(&QuerySetDescriptor { label: Some("times"), ty, count });
                (set, self.buffer(Kind::Times, back.times))
            });
            Buffers {
                staging: self.buffer(Kind::Staging, sizes[0]),
                working: sizes.map(|bytes| self.buffer(Kind::Storage, bytes)),
                params: self.buffer(Kind::Uniform, (STAGES.len() + layout.kernels.len()) as u64 * ALIGNMENT),
                receipts: self.buffer(Kind::Storage, back.receipts),
                times,
                readback: self.buffer(Kind::Readback, back.end),
            }
        });
        match fault {
            Some(fault) => {
                self.pool.shrink();
                Err(fault)
            }
            None => Ok(buffers),
        }
    }

    /// Writes what goes up into the mapped buffer, and the parameters.
    fn fill(&self, layout: &Layout, buffers: &Buffers, params: &[u8]) -> Result<(), Fault> {
        let view = buffers.staging.slice(0..layout.buffers()[0]).get_mapped_range_mut();
        let mut view = view.map_err(|error| Fault::Lost(format!("there is no way to write what goes up: {error}")))?;
        for (at, bytes) in layout.pieces() {
            let at = at as usize;
            view.slice(at..at + bytes.len()).copy_from_slice(bytes);
        }
        drop(view);
        buffers.staging.unmap();
        self.queue.write_buffer(&buffers.params, 0, params);
        Ok(())
    }

    /// What a stage or a pass is bound to: parameters, what it reads and writes, and its table, each with its offset and its length.
    fn bind_all(&self, label: &'static str, windows: [(&Buffer, u64, u64); 5]) -> BindGroup {
        let entry = |(binding, (buffer, offset, size))| BindGroupEntry {
            binding,
            resource: BindingResource::Buffer(BufferBinding { buffer, offset, size: BufferSize::new(size) }),
        };
        let entries = [0, 1, 2, 3, 4].map(|binding| entry((binding, windows[binding as usize])));
        self.device.create_bind_group(&BindGroupDescriptor { label: Some(label), layout: &self.layout, entries: &entries })
    }

    fn bind_stage(&self, layout: &Layout, buffers: &Buffers, back: &Back, stage: usize) -> BindGroup {
        let sizes = layout.buffers();
        let (from, to) = BUFFERS[stage];
        let working = |index: usize| (&buffers.working[index], 0, sizes[index]);
        let params = (&buffers.params, stage as u64 * ALIGNMENT, size_of::<Params>() as u64);
        let windows = [params, working(from), working(to), working(INPUT), (&buffers.receipts, 0, back.receipts)];
        self.bind_all(STAGES[stage], windows)
    }

    fn bind_kernel(&self, kernel: &Kernel, buffers: &Buffers, back: &Back, index: usize) -> BindGroup {
        let window = |(buffer, at, length): (usize, u64, u64)| (&buffers.working[buffer], at, length);
        let params = (&buffers.params, (STAGES.len() + index) as u64 * ALIGNMENT, size_of_val(&kernel.params) as u64);
        let table = (&buffers.working[INPUT], kernel.table.0, kernel.table.1);
        self.bind_all(
            kernel.shader,
            [params, window(kernel.from), window(kernel.to), table, (&buffers.receipts, 0, back.receipts)],
        )
    }

    /// The passes of recordings.
    fn run_kernels(&self, encoder: &mut CommandEncoder, layout: &Layout, buffers: &Buffers, back: &Back, skip: bool) {
        let last = layout.kernels.len().wrapping_sub(1);
        for (index, kernel) in layout.kernels.iter().enumerate() {
            let Some(pipeline) = self.pipelines.get(kernel.shader) else { continue };
            let group = self.bind_kernel(kernel, buffers, back, index);
            let at = 2 * STAGES.len() as u32;
            let ends = ((index == 0).then_some(at), (index == last).then_some(at + 1));
            let timed = buffers.times.as_ref().filter(|_| ends != (None, None));
            let timestamp_writes = timed.map(|(query_set, _)| ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: ends.0,
                end_of_pass_write_index: ends.1,
            });
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: Some(kernel.shader), timestamp_writes });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            if !skip {
                let [x, y] = self.kernel_groups(kernel);
                pass.dispatch_workgroups(x, y, 1);
            }
        }
    }

    /// One submission for all of it; asks for the results to be mapped, and the staging buffer to be mapped again.
    fn submit_batch(&self, layout: &Layout, buffers: &Buffers, back: &Back) -> (Submitted, mpsc::Receiver<bool>) {
        let skip = self.take_injected(Injected::SkipDispatch);
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor { label: Some("batch") });
        encoder.copy_buffer_to_buffer(&buffers.staging, 0, &buffers.working[0], 0, layout.buffers()[0]);
        for (stage, name) in STAGES.into_iter().enumerate() {
            if stage == PLANES[0] {
                self.run_kernels(&mut encoder, layout, buffers, back, skip);
            }
            let Some(pipeline) = self.pipelines.get(name) else { continue };
            let group = self.bind_stage(layout, buffers, back, stage);
            let [x, y] = self.groups(layout.groups(stage));
            let timestamp_writes = buffers.times.as_ref().map(|(query_set, _)| ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(2 * stage as u32),
                end_of_pass_write_index: Some(2 * stage as u32 + 1),
            });
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: Some(name), timestamp_writes });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            // One without work is timed all the same: every query that is read has been written.
            if !skip && x > 0 {
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        let readback = &buffers.readback;
        encoder.copy_buffer_to_buffer(&buffers.receipts, 0, readback, 0, back.receipts);
        if let Some((set, times)) = &buffers.times {
            encoder.resolve_query_set(set, 0..2 * spans(layout) as u32, times, 0);
            encoder.copy_buffer_to_buffer(times, 0, readback, back.receipts, back.times);
        }
        encoder.copy_buffer_to_buffer(&buffers.working[OUTPUT], 0, readback, back.results, layout.likely_bytes());
        let mut to = back.pixels;
        for returned in layout.returned() {
            encoder.copy_buffer_to_buffer(&buffers.working[returned.buffer], returned.at, readback, to, returned.bytes);
            to += returned.bytes;
        }
        let submission = self.queue.submit([encoder.finish()]);
        let (tell, told) = mpsc::channel();
        readback.map_async(MapMode::Read, 0..back.end, move |result| {
            // Nobody listens any more where the device was lost.
            let _ = tell.send(result.is_ok());
        });
        let (tell, staged) = mpsc::channel();
        buffers.staging.map_async(MapMode::Write, .., move |result| {
            let _ = tell.send(result.is_ok());
        });
        (Submitted { submission, told }, staged)
    }

    fn read_batch(
        &self,
        layout: &Layout,
        buffers: &Buffers,
        back: &Back,
        signed: &[u8],
        batched: &mut Batched,
    ) -> Result<Vec<Outcome>, Fault> {
        let likely = layout.likely_bytes();
        let range = mapped(&buffers.readback, back.end)?;
        let (head, results) = range.split_at(back.results as usize);
        let (results, pixels) = results.split_at(likely as usize);
        let (receipts, times) = head.split_at(back.receipts as usize);
        if receipts != signed {
            return Err(Fault::Lost("a stage did not leave its receipt: not all of it ran".to_owned()));
        }
        let times: Vec<u64> = times.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        if let Some(period) = self.period {
            let spans =
                times.as_chunks::<2>().0.iter().map(|[from, to]| to.saturating_sub(*from) as f64 * f64::from(period) / 1e3);
            let names = STAGES.into_iter().chain([KERNELS]);
            let ran = |stage: usize| stage == STAGES.len() || layout.groups(stage) > 0;
            for (_, (name, micros)) in names.zip(spans).enumerate().filter(|(stage, _)| ran(*stage)) {
                // A stage may run over either buffer of pixels.
                match batched.stages_us.last_mut().filter(|last| last.0 == name) {
                    Some(last) => last.1 += micros,
                    None => batched.stages_us.push((name, micros)),
                }
            }
        }
        let all = layout.all_bytes(results)?;
        batched.bytes_back = back.end - likely + all.max(likely);
        if all <= likely {
            return layout.results(results, pixels);
        }
        // More values than are likely: what is left is fetched.
        let rest = self.fetch(&buffers.working[OUTPUT], likely, all - likely)?;
        layout.results(&[results, &rest].concat(), pixels)
    }

    /// Bytes of a buffer.
    fn fetch(&self, from: &Buffer, at: u64, bytes: u64) -> Result<Vec<u8>, Fault> {
        let ((buffer, submitted), fault) = scoped(&self.device, || {
            let buffer = self.buffer(Kind::Readback, bytes);
            let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor { label: Some("rest") });
            encoder.copy_buffer_to_buffer(from, at, &buffer, 0, bytes);
            let submission = self.queue.submit([encoder.finish()]);
            let (tell, told) = mpsc::channel();
            buffer.map_async(MapMode::Read, 0..bytes, move |result| {
                let _ = tell.send(result.is_ok());
            });
            (buffer, Submitted { submission, told })
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.wait(&submitted, &Cancel::new())?;
        let found = mapped(&buffer, bytes)?.to_vec();
        self.clean(vec![(Kind::Readback, buffer)]);
        Ok(found)
    }

    /// Everything goes back overwritten with zeros: the staging buffer by the host, to which it is mapped, the others by the device.
    fn recycle_batch(&self, buffers: Buffers, is_mapped: bool) {
        let Buffers { staging, working, params, receipts, times, readback } = buffers;
        let mut used: Vec<(Kind, Buffer)> = working.into_iter().map(|buffer| (Kind::Storage, buffer)).collect();
        used.extend([(Kind::Uniform, params), (Kind::Storage, receipts), (Kind::Readback, readback)]);
        used.extend(times.map(|(_, buffer)| (Kind::Times, buffer)));
        self.clean(used);
        if is_mapped && !self.is_lost() {
            let filled = staging.slice(..).get_mapped_range_mut().map(|mut view| view.slice(..).fill(0));
            if filled.is_ok() {
                self.pool.put(Kind::Staging, staging.size(), staging);
            }
        }
    }
}

/// How many spans of time are told: that of each stage, and of the passes of recordings together, where there are any.
fn spans(layout: &Layout) -> usize {
    STAGES.len() + usize::from(!layout.kernels.is_empty())
}

fn mapped(buffer: &Buffer, bytes: u64) -> Result<wgpu::BufferView, Fault> {
    let range = buffer.slice(0..bytes).get_mapped_range();
    range.map_err(|error| Fault::Lost(format!("the result could not be read back: {error}")))
}
