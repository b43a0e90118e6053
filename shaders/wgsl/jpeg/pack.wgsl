// Dense coefficients to packed ones (worker/jpeg/src/packed). A workgroup does a run of blocks, eight lanes a block, of which each has eight
// coefficients.
//
// Entry: first workgroup; where coefficients lie in `src`; where masks and DCs lie in `dst`; the number of the first run in the batch,
// and that of the component.

#import stage
#import packed

// Values, as they are written.
var<workgroup> staged: array<atomic<u32>, 256>;
// Of eight coefficients each: which are not 0, and above them whether one needs two bytes.
var<workgroup> parts: array<u32, 64>;
var<workgroup> dcs: array<u32, 8>;

fn put(at: u32, byte: u32) {
    atomicOr(&staged[at >> 2u], (byte & 0xffu) << ((at & 3u) * 8u));
}

// Mask of a block of the run.
fn mask(place: u32) -> vec2<u32> {
    var low = 0u;
    var high = 0u;
    var wide = 0u;
    for (var j = 0u; j < 4u; j++) {
        let first = parts[place * 8u + j];
        let second = parts[place * 8u + 4u + j];
        low |= (first & 0xffu) << (8u * j);
        high |= (second & 0xffu) << (8u * j);
        wide |= (first | second) >> 8u;
    }
    return vec2<u32>((low & 0xfffffffeu) | wide, high);
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
    let place = lane / 8u;
    let line = lane % 8u;
    for (var word = lane; word < 256u; word += 64u) {
        atomicStore(&staged[word], 0u);
    }
    var values: array<i32, 8>;
    var part = 0u;
    if is_active {
        let origin = table[entry + 1u] + (run * RUN + place) * 32u + line * 4u;
        for (var i = 0u; i < 8u; i++) {
            let value = (i32(src[origin + i / 2u]) << (16u - (i & 1u) * 16u)) >> 16u;
            values[i] = value;
            if line == 0u && i == 0u {
                dcs[place] = u32(value) & 0xffffu;
            } else if value != 0 {
                part |= 1u << i;
                if value < -128 || value > 127 {
                    part |= 0x100u;
                }
            }
        }
    }
    parts[lane] = part;
    workgroupBarrier();
    if is_active {
        var at = 0u;
        for (var before = 0u; before < place; before++) {
            let other = mask(before);
            at += value_bytes(other.x, other.y);
        }
        let own = mask(place);
        let wide = own.x & 1u;
        for (var i = 0u; i < 8u; i++) {
            if ((part >> i) & 1u) == 1u {
                let to = at + (rank(own.x, own.y, line * 8u + i) << wide);
                put(to, u32(values[i]));
                if wide == 1u {
                    put(to + 1u, u32(values[i]) >> 8u);
                }
            }
        }
        if line == 0u {
            let to = table[entry + 2u] + (run * RUN + place) * 2u;
            dst[to] = own.x;
            dst[to + 1u] = own.y;
        }
        if line == 0u && (place & 1u) == 0u {
            dst[table[entry + 3u] + (run * RUN + place) / 2u] = dcs[place] | (dcs[place + 1u] << 16u);
        }
    }
    workgroupBarrier();
    if is_active {
        let offset = dst[params.offsets_at + table[entry + 5u]];
        let origin = offset + dst[params.starts_at + table[entry + 4u] + run];
        var bytes = 0u;
        for (var i = 0u; i < RUN; i++) {
            let other = mask(i);
            bytes += value_bytes(other.x, other.y);
        }
        let words = (bytes + 3u) / 4u;
        for (var word = lane; word < min(words, 256u); word += 64u) {
            dst[params.values_at + origin + word] = atomicLoad(&staged[word]);
        }
    }
    sign_receipt(lane);
}
