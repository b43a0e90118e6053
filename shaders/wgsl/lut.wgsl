// Colours through a table over all of them, by tetrahedral interpolation; alpha stays. own: points along each channel. The table
// holds three samples of 16 bits a point: red runs fastest, blue slowest.

#import bindings
#import samples
#import words

fn point(index: u32, channel: u32) -> u32 {
    let at = index * 3u + channel;
    return (table[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;
}

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    if channel == 3u {
        return load_sample(index);
    }
    let first = index - channel;
    let n = params.own[0].x;
    let max = max_value(params.src_bytes);
    let along = vec3<u32>(load_sample(first), load_sample(first + 1u), load_sample(first + 2u)) * (n - 1u);
    // The last point has no cell behind it: it is the end of the one before.
    let cell = min(along / max, vec3<u32>(n - 2u));
    let parts = along - cell * max;
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
    let sum = point(origin, channel) * (max - parts[most])
        + point(second, channel) * (parts[most] - parts[middle])
        + point(third, channel) * (parts[middle] - parts[least])
        + point(third + strides[least], channel) * parts[least];
    let value = (sum + max / 2u) / max;
    return select(value, (value + 128u) / 257u, max == 0xffu);
}
