//! A picture beyond what a device binds: rows of MCUs of the result, one band after the other, each made of those blocks of the source that it needs.

use super::Layout;
use super::axes::mcu_rows;
use crate::formats::Cancel;
use crate::pixels::coefficients::{Batched, Outcome, Rendition};
use crate::pixels::gpu::{Backend, Fault};
use convertfly_jpeg::PackedPlane;

/// Makes a rendition in the largest bands that fit, and hands out its components.
///
/// # Errors
/// [`Fault::Unfit`] where not even one row of MCUs fits, [`Fault::Stop`] once `cancel` is set, and those of the device: what was made till then is
/// thrown away.
pub(super) fn run(backend: &dyn Backend, rendition: &Rendition, cancel: &Cancel) -> Result<(Vec<PackedPlane>, Batched), Fault> {
    let all = mcu_rows(rendition);
    let mut made: Vec<PackedPlane> = Vec::new();
    let mut total = Batched { renditions: 1, ..Batched::default() };
    let (mut first, mut rows) = (0, all);
    while first < all {
        cancel.check().map_err(Fault::Stop)?;
        rows = rows.min(all - first);
        let layout = Layout::band(rendition, first..first + rows)?;
        let (largest, limit) = (layout.buffers().into_iter().max().unwrap_or(0), backend.limit());
        if largest > limit {
            if rows == 1 {
                return Err(Fault::Unfit(format!(
                    "a row of blocks needs a buffer of {largest} bytes, {} binds at most {limit}",
                    backend.name()
                )));
            }
            // Most of it grows with the rows.
            let fitting = u64::try_from(rows).unwrap_or(u64::MAX).saturating_mul(limit) / largest;
            rows = usize::try_from(fitting).unwrap_or(rows).clamp(1, rows - 1);
            continue;
        }
        let mut delivered = None;
        backend
            .batch(&layout, &mut |outcomes, batched| delivered = outcomes.into_iter().next().map(|outcome| (outcome, batched)))?;
        let Some((Outcome::Coefficients(planes), batched)) = delivered else {
            return Err(Fault::Lost("a band was not handed out".to_owned()));
        };
        made.resize_with(planes.len(), PackedPlane::default);
        for (whole, band) in made.iter_mut().zip(&planes) {
            whole.append(band);
        }
        total.add(batched);
        first += rows;
    }
    Ok((made, total))
}
