// Cuts out a rectangle. own: x, y of its corner.

#import bindings
#import samples
#import words

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let pixel = index / params.dst_channels;
    let x = params.own[0].x + pixel % params.dst_width;
    let y = params.own[0].y + pixel / params.dst_width;
    return load_sample((y * params.src_width + x) * params.src_channels + channel);
}
