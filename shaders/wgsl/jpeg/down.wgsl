// Rows of a plane to fewer or more rows, in integers: bit for bit `down` of worker/jpeg/src/pixels/taps.rs. A lane does four columns of a row, and
// leaves 6 bits of fraction, two samples a word.
//
// Entry: first workgroup; where the plane lies in `src` and the words of its rows; columns, in words; taps in `table`; rows that are made; the window;
// where they lie in `dst`, in rows of two words a lane.

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
        let columns = table[entry + 3u];
        let rows = table[entry + 5u];
        let item = (number - table[entry]) * 64u + lane;
        if item < columns * rows {
            let x = item % columns;
            let y = item / columns;
            let taps_at = table[entry + 4u];
            let start = table[taps_at + 2u * y];
            let count = table[taps_at + 2u * y + 1u];
            let weights = weights_of(taps_at, rows, table[entry + 6u], y);
            var at = table[entry + 1u] + start * table[entry + 2u] + x;
            var sum = vec4<i32>();
            for (var tap = 0u; tap < count; tap++) {
                let word = src[at];
                let four = vec4<i32>(vec4<u32>(word, word >> 8u, word >> 16u, word >> 24u) & vec4<u32>(0xffu));
                sum += four * weight(weights, tap);
                at += table[entry + 2u];
            }
            let made = vec4<u32>(clamp((sum + vec4<i32>(128)) >> vec4<u32>(8u), vec4<i32>(-32768), vec4<i32>(32767))) & vec4<u32>(0xffffu);
            let to = table[entry + 7u] + (y * columns + x) * 2u;
            dst[to] = made.x | (made.y << 16u);
            dst[to + 1u] = made.z | (made.w << 16u);
        }
    }
    sign_receipt(lane);
}
