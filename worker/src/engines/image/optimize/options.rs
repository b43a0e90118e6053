//! What can be asked of `optimize`.

use convertfly_scheduler::catalog::OptionKind;
use serde::{Deserialize, Serialize};

use crate::formats::Nature;

/// What the result is for: how much may change, and how long it may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Looks the same side by side.
    #[default]
    Web,
    /// Looks the same under the eyes of who compares.
    Print,
    /// Is the same, pixel by pixel.
    Archive,
    /// Looks good.
    Max,
}

/// Lossy quality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Quality {
    /// 1 to 100.
    Number(u8),
    /// Found by looking.
    Word(Auto),
}

/// The word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// The lowest quality that looks the same.
    Auto,
}

/// What may become of the pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wish {
    /// Nothing.
    Exact,
    /// What scores at least that much in SSIMULACRA 2.
    Score(f64),
    /// What that quality makes of them.
    Quality(u8),
}

/// Scores of SSIMULACRA 2, by its authors' words: a difference that is not seen when two pictures take turns in one place, one that
/// is not seen side by side, and one that is hard to see.
pub(super) const UNSEEN: f64 = 90.0;
pub(super) const UNSEEN_SIDE_BY_SIDE: f64 = 80.0;
pub(super) const HARDLY_SEEN: f64 = 70.0;

crate::options! {
    /// Options of `optimize`.
    pub struct OptimizeOptions {
        "Quality of the result. A number from 1 to 100: of a jpg or webp as `convert` has it; of a png or gif the percentage of 256 \
         colours that are kept, 100 keeping all. `auto`: the lowest at which the result cannot be told from the source (SSIMULACRA 2 of \
         90 or more). Absent: as the profile says. Video and audio have the scale of `convert`; absent: 75, with profile print 85, with max 65, \
         and with archive nothing is encoded anew. A drawing (svg), an animated png and one of 16 bits always keep \
         everything." quality: Option<Quality> = None =>
            OptionKind::IntegerOrWord { min: 1, max: 100, words: vec!["auto".to_owned()] },
        "What the result is for. web: jpg and lossy webp as small as looks the same side by side (SSIMULACRA 2 of 80), all others \
         exact. print: the same with a score of 90. archive: every pixel exact, packed with more patience. max: as small as still looks \
         good (a score of 70), in fewer colours for png and gif, with more patience." profile: Profile = Profile::Web =>
            OptionKind::OneOf { values: ["web", "print", "archive", "max"].map(str::to_owned).to_vec() },
        "Bytes that the result may have at most; the best quality is taken that fits. The task fails where none does."
            max_bytes: Option<u64> = None => OptionKind::Integer { min: 1, max: 5_368_709_120 },
        "Leave out what does not show: EXIF with place and time, XMP, comments, thumbnails. Video and audio lose their place alone. How the picture has to be turned and the \
         profile of its colours stay." strip: bool = true => OptionKind::Boolean,
    }
}

impl OptimizeOptions {
    /// What may become of the pixels of a file of that nature.
    pub(super) fn wish(&self, nature: Nature) -> Wish {
        match (self.quality, self.profile, nature) {
            (_, _, Nature::Fixed) => Wish::Exact,
            (Some(Quality::Number(100)), _, Nature::Exact) => Wish::Exact,
            (Some(Quality::Number(quality)), ..) => Wish::Quality(quality),
            (Some(Quality::Word(Auto::Auto)), ..) => Wish::Score(UNSEEN),
            (None, Profile::Max, _) => Wish::Score(HARDLY_SEEN),
            (None, Profile::Web, Nature::Lossy) => Wish::Score(UNSEEN_SIDE_BY_SIDE),
            (None, Profile::Print, Nature::Lossy) => Wish::Score(UNSEEN),
            (None, ..) => Wish::Exact,
        }
    }

    /// Whether to take more time.
    pub(super) fn patient(&self) -> bool {
        matches!(self.profile, Profile::Archive | Profile::Max)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::options::Options;

    fn read(options: Value) -> OptimizeOptions {
        OptimizeOptions::read(options.as_object().expect("an object")).expect("options")
    }

    #[test]
    fn profiles_and_quality_say_what_may_change() {
        let wishes =
            |options: Value| [Nature::Lossy, Nature::Exact, Nature::Fixed].map(|nature| read(options.clone()).wish(nature));
        use Wish::{Exact, Quality, Score};
        assert_eq!(wishes(json!({})), [Score(80.0), Exact, Exact], "the default is web");
        assert_eq!(wishes(json!({ "profile": "print" })), [Score(90.0), Exact, Exact], "print");
        assert_eq!(wishes(json!({ "profile": "archive" })), [Exact; 3], "archive");
        assert_eq!(wishes(json!({ "profile": "max" })), [Score(70.0), Score(70.0), Exact], "max");
        assert_eq!(wishes(json!({ "quality": "auto", "profile": "archive" })), [Score(90.0), Score(90.0), Exact], "auto");
        assert_eq!(wishes(json!({ "quality": 60 })), [Quality(60), Quality(60), Exact], "a number");
        assert_eq!(wishes(json!({ "quality": 100 })), [Quality(100), Exact, Exact], "all colours");
    }

    #[test]
    fn wrong_values_name_their_field() {
        for (field, value) in [
            ("quality", json!(0)),
            ("quality", json!("best")),
            ("profile", json!("mrc")),
            ("max_bytes", json!(0)),
            ("strip", json!("no")),
        ] {
            let options = json!({ field: value.clone() });
            match OptimizeOptions::read(options.as_object().expect("an object")) {
                Err(crate::failure::Failure::Invalid { field: Some(named), .. }) => assert_eq!(named, field, "{value}"),
                other => panic!("{field} = {value} gave {other:?}"),
            }
        }
    }
}
