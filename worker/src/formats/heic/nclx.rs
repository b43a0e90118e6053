//! The colour of a picture as an ICC profile: the embedded one, or one made from the numbers of an `nclx` box (ITU-T H.273).

use ::libheif_rs::ColorProfile as _;
use ::libheif_rs::{ColorPrimaries, ImageHandle, TransferCharacteristics, color_profile_types};
use ::moxcms::ColorProfile;

/// The profile; `None` where the file says nothing, or says sRGB.
pub(super) fn profile(handle: &ImageHandle) -> Option<Vec<u8>> {
    if let Some(raw) = handle.color_profile_raw() {
        let embedded = [color_profile_types::PROF, color_profile_types::R_ICC].contains(&raw.profile_type());
        if embedded && !raw.data.is_empty() {
            return Some(raw.data);
        }
    }
    let nclx = handle.color_profile_nclx()?;
    // What is made for bright screens has no ICC counterpart of version 2 or 4 and is shown as it is.
    if matches!(
        nclx.transfer_characteristics(),
        TransferCharacteristics::ITU_R_BT_2100_0_PQ
            | TransferCharacteristics::ITU_R_BT_2100_0_HLG
            | TransferCharacteristics::Linear
    ) {
        return None;
    }
    let profile = match nclx.color_primaries() {
        ColorPrimaries::SMPTE_EG_432_1 => ColorProfile::new_display_p3(),
        ColorPrimaries::ITU_R_BT_2020_2_and_2100_0 => ColorProfile::new_bt2020(),
        _ => return None,
    };
    profile.encode().ok()
}
