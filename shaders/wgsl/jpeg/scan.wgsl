// Lengths of all runs of a batch to where their values begin, and how much all of them take; by one workgroup, whose lanes sum a part each.

#import stage

var<workgroup> sums: array<u32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let each = (params.runs + 255u) / 256u;
    let origin = min(lane * each, params.runs);
    let end = min(origin + each, params.runs);
    var sum = 0u;
    for (var run = origin; run < end; run++) {
        sum += src[params.lengths_at + run];
    }
    sums[lane] = sum;
    workgroupBarrier();
    if lane == 0u {
        var all = 0u;
        for (var i = 0u; i < 256u; i++) {
            let part = sums[i];
            sums[i] = all;
            all += part;
        }
        dst[params.starts_at + params.runs] = all;
    }
    workgroupBarrier();
    var at = sums[lane];
    for (var run = origin; run < end; run++) {
        dst[params.starts_at + run] = at;
        at += src[params.lengths_at + run];
    }
    sign_receipt(lane);
}
