//! What encoders of pictures know of time.

use serde::{Deserialize, Serialize};

/// How much time an encoder spends on fewer bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// The least, at the price of some percent more bytes, or of a somewhat coarser picture.
    Fast,
    /// What pays for most.
    #[default]
    Balanced,
    /// The most.
    Small,
}
