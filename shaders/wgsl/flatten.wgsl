// Blends onto one opaque colour and drops alpha. own: the samples of that colour.

#import bindings
#import samples
#import words

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let pixel = index / params.dst_channels;
    let max = max_value(params.src_bytes);
    let value = load_sample(pixel * params.src_channels + channel);
    let alpha = load_sample(pixel * params.src_channels + params.src_channels - 1u);
    let under = params.own[0][channel];
    return (value * alpha + under * (max - alpha) + max / 2u) / max;
}
