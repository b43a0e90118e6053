// How much the values of each component take to where they begin, and how much all of them take; by one workgroup, whose lanes sum a part each.

#import stage
#import sums

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let is_active = group_number(group, groups) == 0u;
    let planes = select(0u, params.planes, is_active);
    let each = (planes + 255u) / 256u;
    let origin = min(lane * each, planes);
    let end = min(origin + each, planes);
    var sum = 0u;
    for (var plane = origin; plane < end; plane++) {
        sum += dst[params.offsets_at + plane];
    }
    var at = sum_before(lane, sum);
    for (var plane = origin; plane < end; plane++) {
        let length = dst[params.offsets_at + plane];
        dst[params.offsets_at + plane] = at;
        at += length;
    }
    if is_active && lane == 255u {
        dst[params.offsets_at + planes] = at;
    }
    sign_receipt(lane);
}
