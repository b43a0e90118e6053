// Places a layer over or under the image. own: width and height of the layer, x and y of its corner (signed), pixels from one copy to
// the next (0: a single copy), whether it lies below. The table holds the layer, packed as the image is, with one alpha more where the image has none.

#import bindings
#import samples
#import words

fn layer_sample(index: u32) -> u32 {
    if params.src_bytes == 1u {
        return (table[index >> 2u] >> ((index & 3u) * 8u)) & 0xffu;
    }
    return (table[index >> 1u] >> ((index & 1u) * 16u)) & 0xffffu;
}

// Position within a copy; one that is outside is at least the layer's length.
fn within(at: u32, start: u32, every: u32) -> u32 {
    let distance = bitcast<i32>(at - start);
    if every == 0u {
        // Negative distances become large numbers.
        return bitcast<u32>(distance);
    }
    let rest = distance % bitcast<i32>(every);
    return bitcast<u32>(select(rest, rest + bitcast<i32>(every), rest < 0));
}

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let pixel = index / params.dst_channels;
    let x = within(pixel % params.dst_width, params.own[0].z, params.own[1].x);
    let y = within(pixel / params.dst_width, params.own[0].w, params.own[1].y);
    let under = load_sample(index);
    if x >= params.own[0].x || y >= params.own[0].y {
        return under;
    }
    let max = max_value(params.src_bytes);
    // Grey images have one or two samples, coloured ones three or four.
    let colours = select(3u, 1u, params.dst_channels < 3u);
    let at = (y * params.own[0].x + x) * (colours + 1u);
    let alpha = layer_sample(at + colours);
    let value = layer_sample(at + channel);
    let lies_below = params.own[1].z != 0u;
    if params.dst_channels == colours {
        if lies_below {
            return under;
        }
        return (value * alpha + under * (max - alpha) + max / 2u) / max;
    }
    let ground = load_sample(pixel * params.dst_channels + colours);
    let mine = select(alpha * max, alpha * (max - ground), lies_below);
    let theirs = select(ground * (max - alpha), ground * max, lies_below);
    let sum = mine + theirs;
    if sum == 0u {
        return under;
    }
    if channel == colours {
        // Rounded to the nearest without a sum beyond 32 bits: max is odd.
        return sum / max + select(0u, 1u, sum % max > max / 2u);
    }
    if params.src_bytes == 1u {
        return (value * mine + under * theirs + sum / 2u) / sum;
    }
    // 48 bits would be needed: single precision instead.
    let share = f32(mine) / f32(sum);
    let blended = f32(under) + (f32(value) - f32(under)) * share;
    return u32(clamp(blended + 0.5, 0.0, 65535.0));
}
