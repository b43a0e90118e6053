// Columns to fewer or more columns, in integers: bit for bit `across` of worker/jpeg/src/pixels/taps.rs. A lane makes four samples of a row, a word.
//
// Entry: first workgroup; where the rows lie in `src`, and the words of each; taps in `table`; columns that are made; the window; where they lie in
// `dst`; rows; whether values keep four bits of fraction, two a word (`across_fine`), since more is done to them before they are rounded.

#import stage
#import taps

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    if number < params.groups {
        let entry = entry_of(number);
        let columns = table[entry + 4u];
        let words = (columns + 3u) / 4u;
        let item = (number - table[entry]) * 64u + lane;
        if item < words * table[entry + 7u] {
            let y = item / words;
            let row = table[entry + 1u] + y * table[entry + 2u];
            let taps_at = table[entry + 3u];
            let is_fine = table[entry + 8u] == 1u;
            var packed = 0u;
            var fine = vec2<u32>();
            for (var place = 0u; place < 4u; place++) {
                let x = (item % words) * 4u + place;
                if x < columns {
                    let start = table[taps_at + 2u * x];
                    let count = table[taps_at + 2u * x + 1u];
                    let weights = weights_of(taps_at, columns, table[entry + 5u], x);
                    var sum = 0;
                    for (var tap = 0u; tap < count; tap++) {
                        let at = start + tap;
                        let sample = (i32(src[row + at / 2u]) << (16u - (at & 1u) * 16u)) >> 16u;
                        sum += sample * weight(weights, tap);
                    }
                    if is_fine {
                        let value = u32(clamp((sum + (1i << 15u)) >> 16u, -32768, 32767)) & 0xffffu;
                        fine[place / 2u] |= value << ((place & 1u) * 16u);
                    } else {
                        packed |= u32(clamp((sum + (1i << 19u)) >> 20u, 0, 255)) << (place * 8u);
                    }
                }
            }
            let to = table[entry + 6u];
            if is_fine {
                dst[to + 2u * item] = fine.x;
                dst[to + 2u * item + 1u] = fine.y;
            } else {
                dst[to + item] = packed;
            }
        }
    }
    sign_receipt(lane);
}
