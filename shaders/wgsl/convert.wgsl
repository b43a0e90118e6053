// Converts channels and depth. Colour is computed at the deeper of both depths and then brought to the wanted one.

#import bindings
#import samples
#import luma
#import words

fn sample(index: u32) -> u32 {
    let channel = index % params.dst_channels;
    let first = index / params.dst_channels * params.src_channels;
    let deep = max(params.src_bytes, params.dst_bytes);
    let scale = max_value(deep) / max_value(params.src_bytes);
    let down = max_value(deep) / max_value(params.dst_bytes);

    var value = max_value(deep);
    let wants_alpha = (params.dst_channels & 1u) == 0u && channel == params.dst_channels - 1u;
    if wants_alpha {
        if (params.src_channels & 1u) == 0u {
            value = load_sample(first + params.src_channels - 1u) * scale;
        }
    } else if params.src_channels <= 2u {
        value = load_sample(first) * scale;
    } else if params.dst_channels <= 2u {
        value = luma(load_sample(first) * scale, load_sample(first + 1u) * scale, load_sample(first + 2u) * scale);
    } else {
        value = load_sample(first + channel) * scale;
    }
    return (value + down / 2u) / down;
}
