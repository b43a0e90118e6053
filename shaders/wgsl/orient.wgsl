// Turns and mirrors. own: source pixel of the first destination pixel, and the distances, in two's complement, to that of the
// next column and the next row.

#import bindings
#import samples
#import words

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let pixel = index / params.dst_channels;
    let x = pixel % params.dst_width;
    let y = pixel / params.dst_width;
    let origin = params.own[0].x + x * params.own[0].y + y * params.own[0].z;
    return load_sample(origin * params.src_channels + channel);
}
