// Unsharp mask on the luma. own: whether this is the last of both passes, positions, window, bits of amount and of threshold.
//
// The first pass blurs downwards, an invocation a pixel. It writes the pixel itself, two samples a word, and behind it luma
// multiplied by alpha and alpha, both blurred, as f32; without alpha luma alone. The last one blurs across and adds the mask, an
// invocation a word.

#import bindings
#import samples

const FIRST_WEIGHTS = 2u;

fn has_alpha() -> bool {
    return (params.dst_channels & 1u) == 0u;
}

fn max_level() -> f32 {
    return f32(max_value(params.src_bytes));
}

fn pair_words() -> u32 {
    return (params.dst_channels + 1u) / 2u;
}

fn pixel_words() -> u32 {
    return pair_words() + select(1u, 2u, has_alpha());
}

fn luma(pixel: vec4<f32>) -> f32 {
    if params.dst_channels <= 2u {
        return pixel.x;
    }
    return 0.299 * pixel.x + 0.587 * pixel.y + 0.114 * pixel.z;
}

fn load_packed(index: u32) -> vec4<f32> {
    var pixel = vec4<f32>();
    for (var i = 0u; i < params.src_channels; i++) {
        pixel[i] = f32(load_sample(index * params.src_channels + i));
    }
    return pixel;
}

fn load_carried(index: u32) -> vec4<f32> {
    let first = index * pixel_words();
    var pixel = vec4<f32>();
    for (var i = 0u; i < params.dst_channels; i++) {
        pixel[i] = f32((src[first + (i >> 1u)] >> ((i & 1u) * 16u)) & 0xffffu);
    }
    return pixel;
}

// Luma and alpha as they are blurred.
fn seen(pixel: vec4<f32>) -> vec2<f32> {
    if has_alpha() {
        let alpha = pixel[params.dst_channels - 1u];
        return vec2<f32>(luma(pixel) * (alpha / max_level()), alpha);
    }
    return vec2<f32>(luma(pixel), 0.0);
}

fn blur_down(x: u32, y: u32) -> vec2<f32> {
    let start = table[y * FIRST_WEIGHTS];
    let weights = params.own[0].y * FIRST_WEIGHTS + y * params.own[0].z;
    var sum = vec2<f32>();
    for (var tap = 0u; tap < table[y * FIRST_WEIGHTS + 1u]; tap++) {
        sum += bitcast<f32>(table[weights + tap]) * seen(load_packed((start + tap) * params.src_width + x));
    }
    return sum;
}

fn blur_across(x: u32, y: u32) -> vec2<f32> {
    let start = table[x * FIRST_WEIGHTS];
    let weights = params.own[0].y * FIRST_WEIGHTS + x * params.own[0].z;
    var sum = vec2<f32>();
    for (var tap = 0u; tap < table[x * FIRST_WEIGHTS + 1u]; tap++) {
        let first = (y * params.src_width + start + tap) * pixel_words() + pair_words();
        let weight = bitcast<f32>(table[weights + tap]);
        sum.x += weight * bitcast<f32>(src[first]);
        if has_alpha() {
            sum.y += weight * bitcast<f32>(src[first + 1u]);
        }
    }
    return sum;
}

// The pixel with the mask added.
fn sharpened(index: u32) -> vec4<f32> {
    let pixel = load_carried(index);
    var around = blur_across(index % params.dst_width, index / params.dst_width);
    if has_alpha() {
        around.x = select(0.0, around.x / around.y * max_level(), around.y > 0.0);
    }
    let difference = luma(pixel) - around.x;
    let beyond = max(abs(difference) - bitcast<f32>(params.own[1].x), 0.0) * sign(difference);
    let changed = clamp(pixel + vec4<f32>(bitcast<f32>(params.own[0].w) * beyond), vec4<f32>(), vec4<f32>(max_level()));
    var result = changed;
    if has_alpha() {
        result[params.dst_channels - 1u] = pixel[params.dst_channels - 1u];
    }
    return floor(result + 0.5);
}

fn first_pass(index: u32) {
    let first = index * pixel_words();
    for (var word = 0u; word < pair_words(); word++) {
        var packed = load_sample(index * params.src_channels + word * 2u);
        if word * 2u + 1u < params.src_channels {
            packed |= load_sample(index * params.src_channels + word * 2u + 1u) << 16u;
        }
        dst[first + word] = packed;
    }
    let sum = blur_down(index % params.dst_width, index / params.dst_width);
    dst[first + pair_words()] = bitcast<u32>(sum.x);
    if has_alpha() {
        dst[first + pair_words() + 1u] = bitcast<u32>(sum.y);
    }
}

fn last_pass(index: u32) {
    let count = params.dst_channels;
    let per_word = 4u / params.dst_bytes;
    var at = index * per_word / count;
    var pixel = sharpened(at);
    var packed = 0u;
    for (var i = 0u; i < per_word; i++) {
        let wanted = index * per_word + i;
        if wanted < params.dst_samples {
            if wanted / count != at {
                at = wanted / count;
                pixel = sharpened(at);
            }
            packed |= u32(pixel[wanted % count]) << (i * 8u * params.dst_bytes);
        }
    }
    dst[index] = packed;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = invocation(group, groups, lane);
    if index < params.invocations {
        if params.own[0].x == 0u {
            first_pass(index);
        } else {
            last_pass(index);
        }
    }
    sign_receipt(lane);
}
