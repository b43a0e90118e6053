//! A GPU pass as data: which shader runs over what, with no type of any GPU library in it.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};

use super::image::{Image, Shape};
use super::weights::Weights;

/// What a shader is told. Mirrors `struct Params` of `shaders/wgsl/shared/bindings.wgsl`, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Params {
    /// Pixels a row of the source.
    pub src_width: u32,
    /// Rows of the source.
    pub src_height: u32,
    /// Samples a pixel of the source.
    pub src_channels: u32,
    /// Bytes a sample of the source.
    pub src_bytes: u32,
    /// Pixels a row of the destination.
    pub dst_width: u32,
    /// Rows of the destination.
    pub dst_height: u32,
    /// Samples a pixel of the destination.
    pub dst_channels: u32,
    /// Bytes a sample of the destination.
    pub dst_bytes: u32,
    /// Samples of the destination.
    pub dst_samples: u32,
    /// Invocations that have something to do.
    pub invocations: u32,
    /// What each workgroup adds to the receipt; odd. Filled in by the interpreter.
    pub nonce: u32,
    /// Where the receipt of this pass lies. Filled in by the interpreter.
    pub receipt: u32,
    /// Parameters of the kernel; each shader names its own.
    pub own: [u32; 8],
}

/// One dispatch of one shader.
#[derive(Clone, Debug)]
pub struct Pass {
    /// Name in `convertfly_shaders::SHADERS`.
    pub shader: &'static str,
    /// What the shader is told.
    pub params: Params,
    /// Words that the shader reads beside the source; empty for most.
    pub table: Vec<u32>,
    /// Bytes that the pass writes, a multiple of 4.
    pub output_bytes: u64,
}

impl Pass {
    /// A pass over packed samples: an invocation for each word of the destination.
    pub fn over_words(shader: &'static str, src: Shape, dst: Shape, own: [u32; 8]) -> Self {
        let words = packed_bytes(dst) / 4;
        Self { shader, params: params(src, dst, words, own), table: Vec::new(), output_bytes: words * 4 }
    }

    /// A pass that writes `f32` samples: an invocation for each pixel of the destination.
    pub fn over_pixels(shader: &'static str, src: Shape, dst: Shape, own: [u32; 8]) -> Self {
        let output_bytes = dst.pixels().saturating_mul(dst.channels.count() as u64 * 4);
        Self { shader, params: params(src, dst, dst.pixels(), own), table: Vec::new(), output_bytes }
    }

    /// Gives the shader the bytes of a layer, as they lie in memory, padded to whole words.
    pub fn with_layer(mut self, layer: &Image) -> Self {
        let (words, rest) = layer.data().as_chunks::<4>();
        self.table.extend(words.iter().map(|word| u32::from_ne_bytes(*word)));
        if !rest.is_empty() {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            self.table.push(u32::from_ne_bytes(word));
        }
        self
    }

    /// Gives the shader these weights: start and count of each position, then the window's values.
    pub fn with_weights(mut self, weights: &Weights) -> Self {
        self.table = Vec::with_capacity(weights.starts.len() * 2 + weights.values.len());
        self.table.extend(weights.starts.iter().zip(&weights.counts).flat_map(|(start, count)| [*start, *count]));
        self.table.extend(weights.values.iter().map(|value| value.to_bits()));
        self
    }
}

/// What makes some rows of a result.
#[derive(Clone, Debug)]
pub struct Band {
    /// Columns of the source that are read.
    pub columns: Range<u32>,
    /// Rows of the source that are read.
    pub rows: Range<u32>,
    /// The passes over that part of it.
    pub passes: Vec<Pass>,
    /// What they make.
    pub made: Shape,
    /// Rows of that before the wanted ones, which lack what is above the part.
    pub skip: u32,
}

/// Bytes of an image on the GPU: packed as in memory, padded to whole words.
pub fn packed_bytes(shape: Shape) -> u64 {
    shape.pixels().saturating_mul((shape.channels.count() * shape.depth.bytes()) as u64).next_multiple_of(4)
}

fn params(src: Shape, dst: Shape, invocations: u64, own: [u32; 8]) -> Params {
    Params {
        src_width: src.width,
        src_height: src.height,
        src_channels: src.channels.count() as u32,
        src_bytes: src.depth.bytes() as u32,
        dst_width: dst.width,
        dst_height: dst.height,
        dst_channels: dst.channels.count() as u32,
        dst_bytes: dst.depth.bytes() as u32,
        // Too large for 32 bits is refused by the interpreter, which checks the bytes of every buffer first.
        dst_samples: u32::try_from(dst.pixels().saturating_mul(dst.channels.count() as u64)).unwrap_or(u32::MAX),
        invocations: u32::try_from(invocations).unwrap_or(u32::MAX),
        nonce: 0,
        receipt: 0,
        own,
    }
}
