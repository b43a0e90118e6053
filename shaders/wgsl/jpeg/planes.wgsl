// Pixels to a plane of brightness, or of colour at half the resolution, in integers: bit for bit worker/jpeg/src/encode/sampling.rs. A lane makes four
// samples of a row, a word. Beyond its sides a picture goes on like its last pixels.
//
// Entry: first workgroup; where pixels lie in `src`; width and height of the picture; samples of a pixel, one or three; which component; where the
// plane lies in `dst`, the words of its rows, and how many there are.

#import stage

fn byte_at(at: u32) -> i32 {
    return i32((src[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu);
}

// A component of a pixel.
fn component(entry: u32, x: u32, y: u32) -> i32 {
    let width = table[entry + 2u];
    let pixel = min(y, table[entry + 3u] - 1u) * width + min(x, width - 1u);
    let at = table[entry + 1u] * 4u + pixel * table[entry + 4u];
    if table[entry + 4u] == 1u {
        return byte_at(at);
    }
    let r = byte_at(at);
    let g = byte_at(at + 1u);
    let b = byte_at(at + 2u);
    let kind = table[entry + 5u];
    if kind == 0u {
        return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16u;
    }
    // 128 in 16 bits of fraction, and a half less a little.
    let centre = 8388608 + 32767;
    if kind == 1u {
        return (-11059 * r - 21709 * g + 32768 * b + centre) >> 16u;
    }
    return (32768 * r - 27439 * g - 5329 * b + centre) >> 16u;
}

fn made(entry: u32, x: u32, y: u32) -> i32 {
    if table[entry + 5u] == 0u {
        return component(entry, x, y);
    }
    let upper = component(entry, 2u * x, 2u * y) + component(entry, 2u * x + 1u, 2u * y);
    let lower = component(entry, 2u * x, 2u * y + 1u) + component(entry, 2u * x + 1u, 2u * y + 1u);
    // Rounded down and up in turns.
    return (upper + lower + 1 + i32(x & 1u)) >> 2u;
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
        let words = table[entry + 7u];
        let item = (number - table[entry]) * 64u + lane;
        if item < words * table[entry + 8u] {
            var packed = 0u;
            for (var i = 0u; i < 4u; i++) {
                packed |= (u32(made(entry, (item % words) * 4u + i, item / words)) & 0xffu) << (8u * i);
            }
            dst[table[entry + 6u] + item] = packed;
        }
    }
    sign_receipt(lane);
}
