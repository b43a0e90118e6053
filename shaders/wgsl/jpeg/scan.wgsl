// Lengths of the runs of a component to where their values begin, counted from the component's own first; a workgroup a component, whose lanes sum a
// part each.
//
// Entry: first workgroup; number of the first run in the batch; runs; number of the component.

#import stage
#import sums

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let number = group_number(group, groups);
    let is_active = number < params.groups;
    let entry = entry_of(number);
    let runs = select(0u, table[entry + 2u], is_active);
    let first = table[entry + 1u];
    let each = (runs + 255u) / 256u;
    let origin = first + min(lane * each, runs);
    let end = first + min((lane + 1u) * each, runs);
    var sum = 0u;
    for (var run = origin; run < end; run++) {
        sum += src[params.lengths_at + run];
    }
    var at = sum_before(lane, sum);
    for (var run = origin; run < end; run++) {
        dst[params.starts_at + run] = at;
        at += src[params.lengths_at + run];
    }
    if is_active && lane == 255u {
        dst[params.offsets_at + table[entry + 3u]] = at;
    }
    sign_receipt(lane);
}
