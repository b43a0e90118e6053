//! What lcms2 makes of a profile: the yardstick of colours (Debian's `liblcms2-2`, by `deploy/install-deps.sh test`).

use std::io::Write;
use std::process::{Command, Stdio};

/// Reads a profile and, in lines, colours and what became of them, in levels of 8 bits; prints how far that is from what lcms2 makes
/// of the profile in double precision, and how far the nearest 8 bits are: the mean and the greatest dE2000 of each.
const LCMS: &str = r"
import ctypes, sys
lcms = ctypes.CDLL('liblcms2.so.2')
for name in ('cmsOpenProfileFromMem', 'cmsCreate_sRGBProfile', 'cmsCreateLab4Profile', 'cmsCreateTransform'):
    getattr(lcms, name).restype = ctypes.c_void_p
lcms.cmsCIE2000DeltaE.restype = ctypes.c_double
icc = bytes.fromhex(sys.stdin.readline())
rows = [[float(value) for value in line.split()] for line in sys.stdin]
RGB, LAB, EXACT = (1 << 22) | (4 << 16) | (3 << 3), (1 << 22) | (10 << 16) | (3 << 3), 0x100
# Inks are percents there.
FROM, count, unit = {b'RGB ': (RGB, 3, 1), b'CMYK': ((1 << 22) | (6 << 16) | (4 << 3), 4, 100)}[icc[16:20]]
def transform(source, from_type, target, to_type, colors):
    made = lcms.cmsCreateTransform(ctypes.c_void_p(source), from_type, ctypes.c_void_p(target), to_type, 0, EXACT)
    flat = [value for color in colors for value in color]
    out = (ctypes.c_double * (len(colors) * 3))()
    lcms.cmsDoTransform(ctypes.c_void_p(made), (ctypes.c_double * len(flat))(*flat), out, len(colors))
    return [out[at:at + 3] for at in range(0, len(out), 3)]
srgb, lab = lcms.cmsCreate_sRGBProfile(), lcms.cmsCreateLab4Profile(None)
profile = lcms.cmsOpenProfileFromMem(icc, len(icc))
wanted = transform(profile, FROM, srgb, RGB, [[value / 255 * unit for value in row[:count]] for row in rows])
wanted = [[min(1, max(0, value)) for value in color] for color in wanted]
seen = lambda colors: transform(srgb, RGB, lab, LAB, colors)
one, Color = ctypes.c_double(1), ctypes.c_double * 3
def differences(colors):
    pairs = zip(seen(colors), seen(wanted))
    found = [lcms.cmsCIE2000DeltaE(Color(*a), Color(*b), one, one, one) for a, b in pairs]
    return sum(found) / len(found), max(found)
ours = [[value / 255 for value in row[count:]] for row in rows]
nearest = [[round(value * 255) / 255 for value in color] for color in wanted]
print(*differences(ours), *differences(nearest))
";

/// The mean and the greatest dE2000 between sRGB and what lcms2 makes of the device's colours that it comes from, then between the
/// nearest 8 bits and lcms2: in the dark those alone are up to 1.
pub(crate) fn differences(icc: &[u8], from: &[u8], to: &[f64]) -> [f64; 4] {
    let mut text: String = icc.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect();
    for (from, to) in from.chunks_exact(from.len() / (to.len() / 3)).zip(to.chunks_exact(3)) {
        let values: Vec<String> = from.iter().map(u8::to_string).chain(to.iter().map(f64::to_string)).collect();
        text += &(values.join(" ") + "\n");
    }
    let mut python = Command::new("python3")
        .args(["-c", LCMS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is there (deploy/install-deps.sh test)");
    python.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures: Vec<f64> = printed.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect();
    figures.try_into().unwrap_or_else(|_| panic!("lcms2 (liblcms2-2) compares: {printed}"))
}
