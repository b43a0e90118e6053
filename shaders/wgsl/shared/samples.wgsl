// Samples of 8 or 16 bits, packed into words.

fn max_value(bytes: u32) -> u32 {
    return select(0xffffu, 0xffu, bytes == 1u);
}

// The sample at `index` of the source, counted over the whole image.
fn load_sample(index: u32) -> u32 {
    if params.src_bytes == 1u {
        return (src[index >> 2u] >> ((index & 3u) * 8u)) & 0xffu;
    }
    return (src[index >> 1u] >> ((index & 1u) * 16u)) & 0xffffu;
}
