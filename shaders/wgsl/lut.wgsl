// Colours through a table over all of them, by tetrahedral interpolation; alpha stays. own: points of the table along each channel,
// points of a curve, where the table begins. The curves come first and say where in the table a sample lies. Both hold three
// samples of 16 bits a point; in the table red runs fastest, blue slowest, and words reach below 0 and beyond 1: 0x4000 is 0, and
// 0xc000 is 1.

#import bindings
#import samples
#import words

fn word16(at: u32) -> u32 {
    return (table[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;
}

fn point(index: u32, channel: u32) -> u32 {
    return word16(params.own[0].z * 2u + index * 3u + channel);
}

// What becomes of a sample on the curve of its channel, 16 bits.
fn position(index: u32, curve: u32) -> u32 {
    let max = max_value(params.src_bytes);
    let last = params.own[0].y - 1u;
    let along = load_sample(index) * last;
    let first = along / max;
    let part = along % max;
    return (word16(first * 3u + curve) * (max - part) + word16(min(first + 1u, last) * 3u + curve) * part + max / 2u) / max;
}

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    if channel == 3u {
        return load_sample(index);
    }
    let origin_sample = index - channel;
    let n = params.own[0].x;
    let along = vec3<u32>(position(origin_sample, 0u), position(origin_sample + 1u, 1u), position(origin_sample + 2u, 2u)) * (n - 1u);
    // The last point has no cell behind it: it is the end of the one before.
    let cell = min(along / 0xffffu, vec3<u32>(n - 2u));
    let parts = along - cell * 0xffffu;
    let strides = vec3<u32>(1u, n, n * n);
    let origin = dot(cell, strides);

    // Along the channel that is farthest first, then the next one.
    var most = 0u;
    var middle = 1u;
    var least = 2u;
    if parts[most] < parts[middle] {
        let other = most;
        most = middle;
        middle = other;
    }
    if parts[middle] < parts[least] {
        let other = middle;
        middle = least;
        least = other;
    }
    if parts[most] < parts[middle] {
        let other = most;
        most = middle;
        middle = other;
    }
    let second = origin + strides[most];
    let third = second + strides[middle];
    let sum = point(origin, channel) * (0xffffu - parts[most])
        + point(second, channel) * (parts[most] - parts[middle])
        + point(third, channel) * (parts[middle] - parts[least])
        + point(third + strides[least], channel) * parts[least];
    // What is between 0 and 1.
    let zero = 0x4000u * 0xffffu;
    let rest = min(max(sum, zero) - zero, 0x8000u * 0xffffu);
    let value = min((rest * 2u + 0x7fffu) / 0xffffu, 0xffffu);
    return select(value, (value + 128u) / 257u, params.dst_bytes == 1u);
}
