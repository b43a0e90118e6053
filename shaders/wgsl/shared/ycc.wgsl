// Brightness and colour, from 0 to 255, to red, green and blue, in integers: bit for bit `rgb` of worker/jpeg/src/pixels/color.rs.
fn ycc_to_rgb(luma: i32, blue: i32, red: i32) -> vec3<u32> {
    let cb = blue - 128;
    let cr = red - 128;
    let r = luma + ((91881 * cr + 32768) >> 16u);
    let g = luma + ((-22554 * cb - 46802 * cr + 32768) >> 16u);
    let b = luma + ((116130 * cb + 32768) >> 16u);
    return vec3<u32>(clamp(vec3<i32>(r, g, b), vec3<i32>(0), vec3<i32>(255)));
}
