// The entry point of kernels that make each sample of the destination on its own: a kernel has `fn sample(index: u32) -> u32`.

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let word = invocation(group, groups, lane);
    if word < params.invocations {
        let per_word = 4u / params.dst_bytes;
        var packed = 0u;
        for (var i = 0u; i < per_word; i++) {
            let index = word * per_word + i;
            if index < params.dst_samples {
                packed |= sample(index) << (i * 8u * params.dst_bytes);
            }
        }
        dst[word] = packed;
    }
    sign_receipt(lane);
}
