// Planes as they were coded to pixels of the whole picture; colour of half the resolution grows by triangle filters, in integers: bit for bit
// worker/jpeg/src/pixels/upsample.rs and color.rs. A lane makes a word of pixels, which lie one after the other without padding.
//
// Entry: first workgroup; where brightness lies in `src`, and the words of its rows; where both colours lie, and the words of theirs; width; pixels;
// samples of a pixel, one or three; where pixels lie in `dst`; how many samples of brightness one of colour has across and down, each one or two;
// samples of colour across and down.

#import stage
#import ycc

fn plane_sample(plane: u32, words: u32, x: u32, y: u32) -> i32 {
    return i32((src[plane + y * words + x / 4u] >> ((x & 3u) * 8u)) & 0xffu);
}

// Three parts of the nearer row and one of the farther, or four of the row itself; x beyond the sides is the last one there is.
fn column(entry: u32, plane: u32, x: i32, y: u32) -> i32 {
    let words = table[entry + 5u];
    let last = vec2<i32>(i32(table[entry + 12u]), i32(table[entry + 13u])) - vec2<i32>(1);
    let at = u32(clamp(x, 0, last.x));
    if table[entry + 11u] == 1u {
        return plane_sample(plane, words, at, y);
    }
    let near = i32(y / 2u);
    let far = clamp(select(near - 1, near + 1, (y & 1u) == 1u), 0, last.y);
    return 3 * plane_sample(plane, words, at, u32(near)) + plane_sample(plane, words, at, u32(far));
}

fn colour(entry: u32, plane: u32, x: u32, y: u32) -> i32 {
    let across = table[entry + 10u];
    let down = table[entry + 11u];
    if across == 1u {
        let sum = column(entry, plane, i32(x), y);
        return select((sum + 1 + i32(y & 1u)) >> 2u, sum, down == 1u);
    }
    let near = i32(x / 2u);
    let is_right = (x & 1u) == 1u;
    let sum = 3 * column(entry, plane, near, y) + column(entry, plane, select(near - 1, near + 1, is_right), y);
    if down == 1u {
        return (sum + select(1, 2, is_right)) >> 2u;
    }
    return (sum + select(8, 7, is_right)) >> 4u;
}

fn rgb(entry: u32, pixel: u32) -> vec3<u32> {
    let x = pixel % table[entry + 6u];
    let y = pixel / table[entry + 6u];
    let luma = plane_sample(table[entry + 1u], table[entry + 2u], x, y);
    if table[entry + 8u] == 1u {
        return vec3<u32>(u32(luma));
    }
    return ycc_to_rgb(luma, colour(entry, table[entry + 3u], x, y), colour(entry, table[entry + 4u], x, y));
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
        let channels = table[entry + 8u];
        let samples = table[entry + 7u] * channels;
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
            dst[table[entry + 9u] + item] = packed;
        }
    }
    sign_receipt(lane);
}
