// ITU-R BT.601 luma as JFIF uses it, rounded to the nearest, ties up.
fn luma(r: u32, g: u32, b: u32) -> u32 {
    return (299u * r + 587u * g + 114u * b + 500u) / 1000u;
}
