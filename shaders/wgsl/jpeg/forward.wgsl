// Samples of a plane, turned as they are read, to quantised coefficients, in integers: bit for bit `forward` of worker/jpeg/src/encode/dct.rs. A
// workgroup does a run of blocks, eight lanes a block: a row each, then a column each.
//
// Entry: first workgroup; where the plane lies in `src`, and the words of its rows; turns, of which bit 0 transposes, bit 1 then mirrors
// across, bit 2 down; width and height of the turned plane; blocks across; steps in `table`; where coefficients lie in `dst`, dense and in coding
// order, two a word; the number of the first run in the batch.

#import stage
#import dct

var<workgroup> middle: array<i32, 512>;
var<workgroup> coded: array<i32, 512>;
// Of eight coefficients each: how many are not 0, and above them whether one needs two bytes.
var<workgroup> parts: array<u32, 64>;

fn forward_eight(d: array<i32, 8>, shift: u32, even_up: bool) -> array<i32, 8> {
    let s0 = d[0] + d[7];
    let s1 = d[1] + d[6];
    let s2 = d[2] + d[5];
    let s3 = d[3] + d[4];
    let t7 = d[0] - d[7];
    let t6 = d[1] - d[6];
    let t5 = d[2] - d[5];
    let t4 = d[3] - d[4];
    let t10 = s0 + s3;
    let t11 = s1 + s2;
    let t12 = s1 - s2;
    let t13 = s0 - s3;
    let z3 = t4 + t6;
    let z4 = t5 + t7;
    let odd3 = z3 * (F1175 - F1961) + z4 * F1175;
    let odd4 = z3 * F1175 + z4 * (F1175 - F0390);
    let half = 1i << (shift - 1u);
    // Both outputs without a multiplication, at the scale of the others.
    let sum = t10 + t11;
    let difference = t10 - t11;
    return array<i32, 8>(
        select((sum + 2) >> 2u, sum << 2u, even_up),
        (t7 * (F1501 - F0899) - t4 * F0899 + odd4 + half) >> shift,
        (t13 * (F0541 + F0765) + t12 * F0541 + half) >> shift,
        (t6 * (F3072 - F2562) - t5 * F2562 + odd3 + half) >> shift,
        select((difference + 2) >> 2u, difference << 2u, even_up),
        (t5 * (F2053 - F2562) - t6 * F2562 + odd4 + half) >> shift,
        (t13 * F0541 + t12 * (F0541 - F1847) + half) >> shift,
        (t4 * (F0298 - F0899) - t7 * F0899 + odd3 + half) >> shift,
    );
}

// The sample of the turned plane; beyond its sides it goes on like its last ones.
fn sample(entry: u32, x: u32, y: u32) -> i32 {
    let turns = table[entry + 3u];
    let width = table[entry + 4u];
    let height = table[entry + 5u];
    var at = vec2<u32>(min(x, width - 1u), min(y, height - 1u));
    if (turns & 2u) != 0u {
        at.x = width - 1u - at.x;
    }
    if (turns & 4u) != 0u {
        at.y = height - 1u - at.y;
    }
    if (turns & 1u) != 0u {
        at = at.yx;
    }
    let word = src[table[entry + 1u] + at.y * table[entry + 2u] + at.x / 4u];
    return i32((word >> ((at.x & 3u) * 8u)) & 0xffu);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let is_active = number < params.groups;
    let entry = entry_of(number);
    let run = number - table[entry];
    let across = table[entry + 6u];
    let in_row = (across + RUN - 1u) / RUN;
    let place = lane / 8u;
    let line = lane % 8u;
    let column = (run % in_row) * RUN + place;
    let there = is_active && column < across;
    if there {
        var d: array<i32, 8>;
        for (var x = 0u; x < 8u; x++) {
            d[x] = sample(entry, column * 8u + x, (run / in_row) * 8u + line) - 128;
        }
        let made = forward_eight(d, 11u, true);
        for (var x = 0u; x < 8u; x++) {
            middle[place * 64u + line * 8u + x] = made[x];
        }
    }
    workgroupBarrier();
    if there {
        var d: array<i32, 8>;
        for (var y = 0u; y < 8u; y++) {
            d[y] = middle[place * 64u + y * 8u + line];
        }
        let made = forward_eight(d, 15u, false);
        for (var y = 0u; y < 8u; y++) {
            let position = y * 8u + line;
            let divisor = table[table[entry + 7u] + position] * 8u;
            let magnitude = i32((u32(abs(made[y])) + divisor / 2u) / divisor);
            coded[place * 64u + table[params.zigzag_at + position]] = select(magnitude, -magnitude, made[y] < 0);
        }
    } else {
        for (var y = 0u; y < 8u; y++) {
            coded[place * 64u + y * 8u + line] = 0;
        }
    }
    workgroupBarrier();
    var part = 0u;
    for (var i = 0u; i < 8u; i++) {
        let k = line * 8u + i;
        let value = coded[place * 64u + k];
        if k > 0u && value != 0 {
            part += 1u;
            if value < -128 || value > 127 {
                part |= 0x100u;
            }
        }
    }
    parts[lane] = part;
    workgroupBarrier();
    if is_active {
        let to = table[entry + 8u] + run * RUN * 32u;
        for (var word = lane; word < RUN * 32u; word += 64u) {
            dst[to + word] = (u32(coded[2u * word]) & 0xffffu) | (u32(coded[2u * word + 1u]) << 16u);
        }
        if lane == 0u {
            var bytes = 0u;
            for (var i = 0u; i < RUN; i++) {
                var count = 0u;
                var wide = 0u;
                for (var j = 0u; j < 8u; j++) {
                    count += parts[i * 8u + j] & 0xffu;
                    wide |= parts[i * 8u + j] >> 8u;
                }
                bytes += count << wide;
            }
            dst[params.lengths_at + table[entry + 9u] + run] = (bytes + 3u) / 4u;
        }
    }
    sign_receipt(lane);
}
