// Planes of brightness and colour to pixels, in integers: values with four bits of fraction become colours and are rounded once, bit for bit `rgb_fine`
// of worker/jpeg/src/pixels/color.rs; grey is there as samples. A lane makes a word of pixels, which lie one after the other without padding.
//
// Entry: first workgroup; where brightness and both colours lie in `src`, and the words of their rows; width; pixels; samples of a pixel, one or
// three; where pixels lie in `dst`.

#import stage

fn value(plane: u32, words: u32, x: u32, y: u32) -> i32 {
    return (i32(src[plane + y * words + x / 2u]) << (16u - (x & 1u) * 16u)) >> 16u;
}

fn rgb(entry: u32, pixel: u32) -> vec3<u32> {
    let words = table[entry + 4u];
    let x = pixel % table[entry + 5u];
    let y = pixel / table[entry + 5u];
    if table[entry + 7u] == 1u {
        return vec3<u32>((src[table[entry + 1u] + y * words + x / 4u] >> ((x & 3u) * 8u)) & 0xffu);
    }
    let luma = (value(table[entry + 1u], words, x, y) << 16u) + (1i << 19u);
    let cb = value(table[entry + 2u], words, x, y) - 2048;
    let cr = value(table[entry + 3u], words, x, y) - 2048;
    let sums = vec3<i32>(luma + 91881 * cr, luma - 22554 * cb - 46802 * cr, luma + 116130 * cb);
    return vec3<u32>(clamp(sums >> vec3<u32>(20u), vec3<i32>(0), vec3<i32>(255)));
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    if number < params.groups {
        let entry = entry_of(number);
        let channels = table[entry + 7u];
        let samples = table[entry + 6u] * channels;
        let item = (number - table[entry]) * 64u + lane;
        if item * 4u < samples {
            var at = item * 4u / channels;
            var pixel = rgb(entry, at);
            var packed = 0u;
            for (var i = 0u; i < 4u; i++) {
                let wanted = item * 4u + i;
                if wanted < samples {
                    if wanted / channels != at {
                        at = wanted / channels;
                        pixel = rgb(entry, at);
                    }
                    packed |= pixel[wanted % channels] << (i * 8u);
                }
            }
            dst[table[entry + 8u] + item] = packed;
        }
    }
    sign_receipt(lane);
}
