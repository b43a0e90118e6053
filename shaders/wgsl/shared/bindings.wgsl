// What every kernel is bound to. Mirrored by `Params` of worker/src/pixels/pass.rs, field by field.

struct Params {
    src_width: u32,
    src_height: u32,
    src_channels: u32,
    // Bytes a sample: 1 or 2.
    src_bytes: u32,
    dst_width: u32,
    dst_height: u32,
    dst_channels: u32,
    dst_bytes: u32,
    dst_samples: u32,
    // Invocations that have something to do; the last workgroups may have more.
    invocations: u32,
    // Odd and random: what each workgroup adds to the receipt.
    nonce: u32,
    // Which word of `receipts` is ours.
    receipt: u32,
    // Parameters of the kernel itself.
    own: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> params: Params;
// Packed samples, row after row without padding, least significant byte first; or bits of f32 between the passes of a resize.
@group(0) @binding(1) var<storage, read> src: array<u32>;
@group(0) @binding(2) var<storage, read_write> dst: array<u32>;
// Weights of a resize; one unused word for other kernels.
@group(0) @binding(3) var<storage, read> table: array<u32>;
// The host takes a result only if each pass left nonce * workgroups here: proof that all of it ran.
@group(0) @binding(4) var<storage, read_write> receipts: array<atomic<u32>>;

const WORKGROUP_SIZE = 256u;

// Number of this invocation. Workgroups lie in two dimensions, since one holds only 65535.
fn invocation(group: vec3<u32>, groups: vec3<u32>, lane: u32) -> u32 {
    return (group.y * groups.x + group.x) * WORKGROUP_SIZE + lane;
}

// Signs the receipt, once a workgroup.
fn sign_receipt(lane: u32) {
    if lane == 0u {
        atomicAdd(&receipts[params.receipt], params.nonce);
    }
}
