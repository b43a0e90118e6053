// Packed coefficients to samples at a scale, in integers: bit for bit worker/jpeg/src/pixels/idct.rs. A workgroup does a run of blocks, eight lanes a
// block: a column each, then a row each.
//
// Entry: first workgroup; where masks, DCs, starts, values and steps lie in `table`; blocks across; rows of blocks; where the plane lies in `dst`;
// samples of a block across. A row of the plane has room for whole runs.

#import stage
#import packed
#import dct

var<workgroup> columns: array<i32, 512>;
var<workgroup> samples: array<u32, 512>;

// As 16 bits hold it.
fn wrapped(value: i32) -> i32 {
    return (value << 16u) >> 16u;
}

fn rounded(value: i32, shift: u32) -> i32 {
    return clamp((value + (1i << (shift - 1u))) >> shift, -32768, 32767);
}

fn inverse_eight(c: array<i32, 8>, shift: u32) -> array<i32, 8> {
    let even3 = c[2] * (F0541 + F0765) + c[6] * F0541;
    let even2 = c[2] * F0541 + c[6] * (F0541 - F1847);
    let even0 = wrapped(c[0] + c[4]) << 13u;
    let even1 = wrapped(c[0] - c[4]) << 13u;
    let s0 = even0 + even3;
    let s1 = even1 + even2;
    let s2 = even1 - even2;
    let s3 = even0 - even3;
    let z3 = wrapped(c[7] + c[3]);
    let z4 = wrapped(c[5] + c[1]);
    let odd3 = z3 * (F1175 - F1961) + z4 * F1175;
    let odd4 = z3 * F1175 + z4 * (F1175 - F0390);
    let o0 = c[7] * (-F0899) + c[1] * (F1501 - F0899) + odd4;
    let o1 = c[5] * (-F2562) + c[3] * (F3072 - F2562) + odd3;
    let o2 = c[5] * (F2053 - F2562) + c[3] * (-F2562) + odd4;
    let o3 = c[7] * (F0298 - F0899) + c[1] * (-F0899) + odd3;
    return array<i32, 8>(
        rounded(s0 + o0, shift),
        rounded(s1 + o1, shift),
        rounded(s2 + o2, shift),
        rounded(s3 + o3, shift),
        rounded(s3 - o3, shift),
        rounded(s2 - o2, shift),
        rounded(s1 - o1, shift),
        rounded(s0 - o0, shift),
    );
}

// A half, and the cosines of pi/8 and 3 pi/8 over the root of 2.
const HALF = 4096;
const LARGE = 5352;
const SMALL = 2217;

fn inverse_four(c: vec4<i32>, shift: u32) -> vec4<i32> {
    let sum = HALF * c.x + HALF * c.z;
    let difference = HALF * c.x - HALF * c.z;
    let large = LARGE * c.y + SMALL * c.w;
    let small = SMALL * c.y - LARGE * c.w;
    return vec4<i32>(
        rounded(sum + large, shift),
        rounded(difference + small, shift),
        rounded(difference - small, shift),
        rounded(sum - large, shift),
    );
}

fn sample(value: i32) -> u32 {
    return u32(clamp(value, -128, 127) + 128);
}

fn byte_at(at: u32) -> u32 {
    return (src[at >> 2u] >> ((at & 3u) * 8u)) & 0xffu;
}

// A block as it lies in `src`.
struct Packed {
    low: u32,
    high: u32,
    dc: i32,
    // Of its first value, in bytes.
    values: u32,
    steps_at: u32,
}

// The coefficient at a position in natural order, not yet times its step.
fn coefficient(block: Packed, position: u32) -> i32 {
    if position == 0u {
        return block.dc;
    }
    let k = table[params.zigzag_at + position];
    if !has(block.low, block.high, k) {
        return 0;
    }
    let place = rank(block.low, block.high, k);
    if (block.low & 1u) == 0u {
        return i32(byte_at(block.values + place) << 24u) >> 24u;
    }
    let at = block.values + 2u * place;
    return wrapped(i32(byte_at(at) | (byte_at(at + 1u) << 8u)));
}

fn times_step(block: Packed, position: u32) -> i32 {
    return wrapped(coefficient(block, position) * i32(table[block.steps_at + position]));
}

// The same for the two smallest scales, whose sums of four have to fit.
fn bounded(block: Packed, position: u32) -> i32 {
    return clamp(coefficient(block, position) * i32(table[block.steps_at + position]), -(1i << 27u), 1i << 27u);
}

fn mean(value: i32) -> u32 {
    return u32(clamp(((value + 4) >> 3u) + 128, 0, 255));
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
    let n = table[entry + 9u];
    let place = lane / 8u;
    let line = lane % 8u;
    let there = is_active && (run % in_row) * RUN + place < across;
    var block = Packed();
    if there {
        let masks = table[entry + 1u] + run * RUN * 2u;
        var at = src[table[entry + 3u] + run] * 4u;
        for (var before = 0u; before < place; before++) {
            at += value_bytes(src[masks + 2u * before], src[masks + 2u * before + 1u]);
        }
        let dc = src[table[entry + 2u] + (run * RUN + place) / 2u] >> ((place & 1u) * 16u);
        let values = table[entry + 4u] * 4u + at;
        block = Packed(src[masks + 2u * place], src[masks + 2u * place + 1u], wrapped(i32(dc & 0xffffu)), values, table[entry + 5u]);
        if n == 8u {
            var c: array<i32, 8>;
            for (var y = 0u; y < 8u; y++) {
                c[y] = times_step(block, y * 8u + line);
            }
            let made = inverse_eight(c, 11u);
            for (var y = 0u; y < 8u; y++) {
                columns[place * 64u + y * 8u + line] = made[y];
            }
        } else if n == 4u && line < 4u {
            var c: vec4<i32>;
            for (var y = 0u; y < 4u; y++) {
                c[y] = times_step(block, y * 8u + line);
            }
            let made = inverse_four(c, 11u);
            for (var y = 0u; y < 4u; y++) {
                columns[place * 64u + y * 8u + line] = made[y];
            }
        }
    }
    workgroupBarrier();
    // Samples of the run, in rows of `wide`.
    let wide = RUN * n;
    if there {
        let origin = place * 64u + line * 8u;
        let to = line * wide + place * n;
        if n == 8u {
            var c: array<i32, 8>;
            for (var x = 0u; x < 8u; x++) {
                c[x] = columns[origin + x];
            }
            let made = inverse_eight(c, 18u);
            for (var x = 0u; x < 8u; x++) {
                samples[to + x] = sample(made[x]);
            }
        } else if n == 4u && line < 4u {
            let made = inverse_four(vec4<i32>(columns[origin], columns[origin + 1u], columns[origin + 2u], columns[origin + 3u]), 16u);
            for (var x = 0u; x < 4u; x++) {
                samples[to + x] = sample(made[x]);
            }
        } else if n == 2u && line < 2u {
            let dc = bounded(block, 0u);
            let over = bounded(block, 1u);
            let under = bounded(block, 8u);
            let both = bounded(block, 9u);
            let sign = select(1, -1, line == 1u);
            samples[to] = mean(dc + over + sign * (under + both));
            samples[to + 1u] = mean(dc - over + sign * (under - both));
        } else if n == 1u && line == 0u {
            samples[to] = mean(bounded(block, 0u));
        }
    } else if is_active && line < n {
        // A slot without a block; nothing of what another workgroup left there.
        for (var x = 0u; x < n; x++) {
            samples[line * wide + place * n + x] = 0u;
        }
    }
    workgroupBarrier();
    if is_active {
        let words = wide / 4u;
        let stride = in_row * words;
        let to = table[entry + 8u] + (run / in_row) * n * stride + (run % in_row) * words;
        for (var word = lane; word < words * n; word += 64u) {
            let origin = word * 4u;
            let packed = samples[origin] | (samples[origin + 1u] << 8u) | (samples[origin + 2u] << 16u) | (samples[origin + 3u] << 24u);
            dst[to + (word / words) * stride + word % words] = packed;
        }
    }
    sign_receipt(lane);
}
