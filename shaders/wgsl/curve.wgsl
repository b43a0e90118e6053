// Colours through a curve, each channel through its own; alpha only changes its depth. own: points of a curve, curves. The table
// holds the points in 16 bits, those of all curves side by side.

#import bindings
#import samples

fn point(index: u32, channel: u32) -> u32 {
    let at = index * params.own[0].y + channel;
    return (table[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;
}

#import words

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let value = load_sample(index);
    let source_max = max_value(params.src_bytes);
    let target_max = max_value(params.dst_bytes);
    if (params.dst_channels & 1u) == 0u && channel == params.dst_channels - 1u {
        if source_max < target_max {
            return value * 257u;
        }
        return select(value, (value + 128u) / 257u, source_max > target_max);
    }
    let last = params.own[0].x - 1u;
    let along = value * last;
    let first = along / source_max;
    let part = along % source_max;
    let curve = channel % params.own[0].y;
    let made = (point(first, curve) * (source_max - part) + point(min(first + 1u, last), curve) * part + source_max / 2u) / source_max;
    return select(made, (made + 128u) / 257u, target_max == 0xffu);
}
