// Applies a table of weights along one axis. own: whether it is the vertical one, whether the source is f32, positions, window,
// whether packed samples are written.
//
// A first pass reads packed samples and writes an f32 a sample, colour multiplied by alpha, an invocation a pixel. Passes between
// read and write those. The last one writes packed samples, an invocation a word. All samples are in units of the sample, not of 1.

const FIRST_WEIGHTS = 2u;

fn max_level() -> f32 {
    return f32(max_value(params.src_bytes));
}

// Pixel `index` of the source, colour multiplied by alpha, unused samples 0.
fn load_pixel(index: u32) -> vec4<f32> {
    let count = params.src_channels;
    var pixel = vec4<f32>();
    if params.own[0].y == 0u {
        for (var i = 0u; i < count; i++) {
            pixel[i] = f32(load_sample(index * count + i));
        }
        if (count & 1u) == 0u {
            let alpha = pixel[count - 1u];
            pixel = pixel * (alpha / max_level());
            pixel[count - 1u] = alpha;
        }
    } else {
        for (var i = 0u; i < count; i++) {
            pixel[i] = bitcast<f32>(src[index * count + i]);
        }
    }
    return pixel;
}

// Pixel x, y of the destination: the weighted sum, clamped to the range of a sample.
fn resample(x: u32, y: u32) -> vec4<f32> {
    let vertical = params.own[0].x == 1u;
    let position = select(x, y, vertical);
    let start = table[position * FIRST_WEIGHTS];
    let count = table[position * FIRST_WEIGHTS + 1u];
    let weights = params.own[0].z * FIRST_WEIGHTS + position * params.own[0].w;
    let first = select(y * params.src_width + start, start * params.src_width + x, vertical);
    let step = select(1u, params.src_width, vertical);
    var sum = vec4<f32>();
    for (var tap = 0u; tap < count; tap++) {
        sum += bitcast<f32>(table[weights + tap]) * load_pixel(first + tap * step);
    }
    return clamp(sum, vec4<f32>(), vec4<f32>(max_level()));
}

// Sample `channel` of a premultiplied pixel as it is stored: straight colour, rounded to the nearest.
fn store_value(pixel: vec4<f32>, channel: u32) -> u32 {
    var value = pixel[channel];
    let last = params.dst_channels - 1u;
    if (params.dst_channels & 1u) == 0u && channel != last {
        let alpha = pixel[last];
        value = select(min(value / alpha * max_level(), max_level()), 0.0, floor(alpha + 0.5) < 1.0);
    }
    return u32(floor(value + 0.5));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = invocation(group, groups, lane);
    if index < params.invocations {
        let count = params.dst_channels;
        if params.own[1].x == 0u {
            let pixel = resample(index % params.dst_width, index / params.dst_width);
            for (var i = 0u; i < count; i++) {
                dst[index * count + i] = bitcast<u32>(pixel[i]);
            }
        } else {
            let per_word = 4u / params.dst_bytes;
            var at = index * per_word / count;
            var pixel = resample(at % params.dst_width, at / params.dst_width);
            var packed = 0u;
            for (var i = 0u; i < per_word; i++) {
                let wanted = index * per_word + i;
                if wanted < params.dst_samples {
                    if wanted / count != at {
                        at = wanted / count;
                        pixel = resample(at % params.dst_width, at / params.dst_width);
                    }
                    packed |= store_value(pixel, wanted % count) << (i * 8u * params.dst_bytes);
                }
            }
            dst[index] = packed;
        }
    }
    sign_receipt(lane);
}
