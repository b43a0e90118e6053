// What the stages on the way from coefficients to coefficients are bound to. One dispatch of a stage does its part of a whole batch of pictures: its
// entries say, a plane each, which workgroups do what. Mirrored by worker/src/pixels/gpu/batch/layout.rs, field by field.

struct Params {
    // Where the entries of this stage begin in `table`, in words, and how many they are.
    entries_at: u32,
    entries: u32,
    // Workgroups that have something to do; the last rows may have more.
    groups: u32,
    // Odd and random: what each workgroup adds to the receipt.
    nonce: u32,
    // Which word of `receipts` is ours.
    receipt: u32,
    // Where `table` has, for each position in natural order, its number in coding order.
    zigzag_at: u32,
    // Components of all results, and where the lengths of runs, their starts, the components' offsets and the values lie.
    planes: u32,
    lengths_at: u32,
    starts_at: u32,
    offsets_at: u32,
    values_at: u32,
    unused: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> src: array<u32>;
@group(0) @binding(2) var<storage, read_write> dst: array<u32>;
// What was uploaded: entries, weights, steps of quantisation, and the packed coefficients of all sources.
@group(0) @binding(3) var<storage, read> table: array<u32>;
// The host takes results only if each stage left nonce * workgroups here: proof that all of it ran.
@group(0) @binding(4) var<storage, read_write> receipts: array<atomic<u32>>;

// Words of an entry; the first one is the number of its first workgroup.
const ENTRY = 16u;

// Blocks of a run, which is what a workgroup of those stages works on that know blocks.
const RUN = 8u;

// Number of this workgroup. They lie in two dimensions, since one holds only 65535.
fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}

// Where the entry of a workgroup begins in `table`.
fn entry_of(number: u32) -> u32 {
    var low = 0u;
    var high = params.entries;
    // The last entry that begins at this number or before.
    while high - low > 1u {
        let middle = (low + high) / 2u;
        if table[params.entries_at + middle * ENTRY] <= number {
            low = middle;
        } else {
            high = middle;
        }
    }
    return params.entries_at + low * ENTRY;
}

// Signs the receipt, once a workgroup.
fn sign_receipt(lane: u32) {
    if lane == 0u {
        atomicAdd(&receipts[params.receipt], params.nonce);
    }
}
