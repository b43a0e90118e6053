//! A batch on a device of wgpu.

use std::sync::mpsc;
use std::time::Instant;

use convertfly_jpeg::PackedPlane;
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferSize, CommandEncoderDescriptor,
    ComputePassDescriptor, ComputePassTimestampWrites, MapMode, QuerySet, QuerySetDescriptor, QueryType,
};

use super::IN_FLIGHT;
use super::layout::{Layout, Params, STAGES};
use crate::formats::Cancel;
use crate::pixels::coefficients::Batched;
use crate::pixels::gpu::device::{ALIGNMENT, Kind, LOOK, Submitted, WgpuBackend, exhaust, scoped};
use crate::pixels::gpu::{Backend, Fault, Injected};
use crate::pixels::processor::micros;

/// Takes the planes of each rendition, and what their batch was.
pub(in crate::pixels) type Deliver<'a> = &'a mut dyn FnMut(Vec<Vec<PackedPlane>>, Batched);

/// Bytes of a time stamp.
const TIME: u64 = 8;

/// Which of the working buffers a stage reads and writes: input, planes, between, resampled, coefficients, output.
const BUFFERS: [(usize, usize); STAGES.len()] = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (4, 5), (4, 5)];

/// The buffers of a batch.
struct Buffers {
    /// What is uploaded, as the host writes it.
    staging: Buffer,
    working: [Buffer; 6],
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
        let back = self.back();
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
        let planes = self.read_batch(layout, &buffers, &back, &signed, &mut batched)?;
        batched.renditions = planes.len();
        batched.readback_us = micros(reading.elapsed());
        deliver(planes, batched);
        self.recycle_batch(buffers, staged.recv_timeout(LOOK).unwrap_or(false));
        Ok(())
    }

    fn groups(&self, layout: &Layout, stage: usize) -> [u32; 2] {
        let groups = layout.groups(stage).max(1);
        let x = groups.min(self.device.limits().max_compute_workgroups_per_dimension);
        [x, groups.div_ceil(x)]
    }

    /// What each stage is told, and what it leaves if all of it ran.
    fn params(&self, layout: &Layout) -> Result<(Vec<u8>, Vec<u8>), Fault> {
        let (mut all, mut signed) = (Vec::new(), Vec::new());
        for (stage, params) in layout.params.iter().enumerate() {
            // Odd, so that nonce * workgroups is never 0, which is what an untouched receipt holds.
            let nonce = getrandom::u32().map_err(|error| Fault::Unfit(error.to_string()))? | 1;
            let [x, y] = self.groups(layout, stage);
            let mut params = *params;
            params.nonce = nonce;
            all.resize(stage * ALIGNMENT as usize, 0);
            all.extend_from_slice(bytemuck::bytes_of(&params));
            signed.extend_from_slice(&nonce.wrapping_mul(x).wrapping_mul(y).to_ne_bytes());
        }
        Ok((all, signed))
    }

    fn back(&self) -> Back {
        let receipts = (STAGES.len() * 4) as u64;
        let times = if self.period.is_some() { 2 * STAGES.len() as u64 * TIME } else { 0 };
        Back { receipts, times, results: receipts + times }
    }

    fn allocate_batch(&self, layout: &Layout, back: &Back) -> Result<Buffers, Fault> {
        let sizes = layout.buffers();
        let (buffers, fault) = scoped(&self.device, || {
            if self.take_injected(Injected::OutOfMemory) {
                exhaust(&self.device);
            }
            let times = self.period.map(|_| {
                let (ty, count) = (QueryType::Timestamp, 2 * STAGES.len() as u32);
                let set = self.device.create_query_set(&QuerySetDescriptor { label: Some("times"), ty, count });
                (set, self.buffer(Kind::Times, back.times))
            });
            Buffers {
                staging: self.buffer(Kind::Staging, sizes[0]),
                working: sizes.map(|bytes| self.buffer(Kind::Storage, bytes)),
                params: self.buffer(Kind::Uniform, STAGES.len() as u64 * ALIGNMENT),
                receipts: self.buffer(Kind::Storage, back.receipts),
                times,
                readback: self.buffer(Kind::Readback, back.results + layout.likely_bytes()),
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

    fn bind_stage(&self, layout: &Layout, buffers: &Buffers, stage: usize) -> BindGroup {
        let sizes = layout.buffers();
        let window = |binding: u32, buffer, offset: u64, size: u64| BindGroupEntry {
            binding,
            resource: BindingResource::Buffer(BufferBinding { buffer, offset, size: BufferSize::new(size) }),
        };
        let working = |binding, index: usize| window(binding, &buffers.working[index], 0, sizes[index]);
        let (from, to) = BUFFERS[stage];
        self.device.create_bind_group(&BindGroupDescriptor {
            label: Some(STAGES[stage]),
            layout: &self.layout,
            entries: &[
                window(0, &buffers.params, stage as u64 * ALIGNMENT, size_of::<Params>() as u64),
                working(1, from),
                working(2, to),
                working(3, 0),
                window(4, &buffers.receipts, 0, (STAGES.len() * 4) as u64),
            ],
        })
    }

    /// One submission for all of it; asks for the results to be mapped, and the staging buffer to be mapped again.
    fn submit_batch(&self, layout: &Layout, buffers: &Buffers, back: &Back) -> (Submitted, mpsc::Receiver<bool>) {
        let skip = self.take_injected(Injected::SkipDispatch);
        let mut encoder = self.device.create_command_encoder(&CommandEncoderDescriptor { label: Some("batch") });
        encoder.copy_buffer_to_buffer(&buffers.staging, 0, &buffers.working[0], 0, layout.buffers()[0]);
        for (stage, name) in STAGES.into_iter().enumerate() {
            let Some(pipeline) = self.pipelines.get(name) else { continue };
            let group = self.bind_stage(layout, buffers, stage);
            let [x, y] = self.groups(layout, stage);
            let timestamp_writes = buffers.times.as_ref().map(|(query_set, _)| ComputePassTimestampWrites {
                query_set,
                beginning_of_pass_write_index: Some(2 * stage as u32),
                end_of_pass_write_index: Some(2 * stage as u32 + 1),
            });
            let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor { label: Some(name), timestamp_writes });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &group, &[]);
            if !skip {
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        let readback = &buffers.readback;
        encoder.copy_buffer_to_buffer(&buffers.receipts, 0, readback, 0, back.receipts);
        if let Some((set, times)) = &buffers.times {
            encoder.resolve_query_set(set, 0..2 * STAGES.len() as u32, times, 0);
            encoder.copy_buffer_to_buffer(times, 0, readback, back.receipts, back.times);
        }
        let results = layout.likely_bytes();
        encoder.copy_buffer_to_buffer(&buffers.working[5], 0, readback, back.results, results);
        let submission = self.queue.submit([encoder.finish()]);
        let (tell, told) = mpsc::channel();
        readback.map_async(MapMode::Read, 0..back.results + results, move |result| {
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
    ) -> Result<Vec<Vec<PackedPlane>>, Fault> {
        let likely = layout.likely_bytes();
        let range = mapped(&buffers.readback, back.results + likely)?;
        let (head, results) = range.split_at(back.results as usize);
        let (receipts, times) = head.split_at(back.receipts as usize);
        if receipts != signed {
            return Err(Fault::Lost("a stage did not leave its receipt: not all of it ran".to_owned()));
        }
        let times: Vec<u64> = times.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        if let Some(period) = self.period {
            let spans =
                times.as_chunks::<2>().0.iter().map(|[from, to]| to.saturating_sub(*from) as f64 * f64::from(period) / 1e3);
            batched.stages_us = STAGES.into_iter().zip(spans).collect();
        }
        let all = layout.all_bytes(results)?;
        batched.bytes_back = back.results + all.max(likely);
        if all <= likely {
            return layout.results(results);
        }
        // More values than are likely: what is left is fetched.
        let rest = self.fetch(&buffers.working[5], likely, all - likely)?;
        layout.results(&[results, &rest].concat())
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

fn mapped(buffer: &Buffer, bytes: u64) -> Result<wgpu::BufferView, Fault> {
    let range = buffer.slice(0..bytes).get_mapped_range();
    range.map_err(|error| Fault::Lost(format!("the result could not be read back: {error}")))
}
