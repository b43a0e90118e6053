// Sums over the lanes of a workgroup of 256 (W. D. Hillis, G. L. Steele, "Data Parallel Algorithms", 1986), without subgroups.

var<workgroup> sums: array<u32, 256>;

// What the lanes before this one have, together.
fn sum_before(lane: u32, own: u32) -> u32 {
    sums[lane] = own;
    workgroupBarrier();
    for (var distance = 1u; distance < 256u; distance *= 2u) {
        var before = 0u;
        if lane >= distance {
            before = sums[lane - distance];
        }
        workgroupBarrier();
        sums[lane] += before;
        workgroupBarrier();
    }
    return sums[lane] - own;
}
