// Each channel through its curve, all three through a matrix, each through the curve of the result; alpha stays. own: points of the
// first curves, word of the table where the last curve begins, its points, word where the matrix begins. Curves are 16 bits a point.

#import bindings
#import samples
#import words

fn half_word(first: u32, index: u32) -> f32 {
    return f32((table[first + (index >> 1u)] >> ((index & 1u) * 16u)) & 0xffffu);
}

// Channel of the source as light, 0 to 1.
fn light(value: u32, channel: u32) -> f32 {
    let max = max_value(params.src_bytes);
    let along = value * (params.own[0].x - 1u);
    let index = min(along / max, params.own[0].x - 2u);
    let part = f32(along - index * max) / f32(max);
    let low = half_word(0u, index * 3u + channel);
    let high = half_word(0u, index * 3u + 3u + channel);
    return (low + (high - low) * part) / 65535.0;
}

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    if channel == 3u {
        return load_sample(index);
    }
    let first = index - channel;
    let row = params.own[0].w + channel * 3u;
    var sum = 0.0;
    for (var i = 0u; i < 3u; i++) {
        sum += bitcast<f32>(table[row + i]) * light(load_sample(first + i), i);
    }
    let last = params.own[0].z - 1u;
    let along = clamp(sum, 0.0, 1.0) * f32(last);
    let at = min(u32(along), last - 1u);
    let low = half_word(params.own[0].y, at);
    let high = half_word(params.own[0].y, at + 1u);
    let value = (low + (high - low) * (along - f32(at))) / 65535.0 * f32(max_value(params.src_bytes));
    return u32(floor(value + 0.5));
}
