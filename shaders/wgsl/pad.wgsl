// Places the source on a larger canvas. own: x, y of its corner, then the four samples of the canvas.

#import bindings
#import samples
#import words

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let pixel = index / params.dst_channels;
    // Left of and above the source these wrap around to large numbers, which are outside too.
    let x = pixel % params.dst_width - params.own[0].x;
    let y = pixel / params.dst_width - params.own[0].y;
    if x < params.src_width && y < params.src_height {
        return load_sample((y * params.src_width + x) * params.src_channels + channel);
    }
    let color = vec4<u32>(params.own[0].z, params.own[0].w, params.own[1].x, params.own[1].y);
    return color[channel];
}
