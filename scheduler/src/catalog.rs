//! The catalogue: formats, pairs, operations, options, prices and lanes as data.
//!
//! `catalog.json` beside this crate is generated from the worker's tables (`convertfly catalog`) and checked in; the API
//! validates and prices from it and never depends on the worker.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::pages::{self, Pages};

/// What a task needs to run; a node advertises lanes with slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Network and storage.
    #[default]
    Io,
    /// Processor cores.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// Video encoder sessions.
    Video,
    /// Office document workers.
    Office,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 5] = [Self::Io, Self::Cpu, Self::Gpu, Self::Video, Self::Office];

    /// The name in Redis keys, metrics and the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Video => "video",
            Self::Office => "office",
        }
    }

    /// Reads a name back.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }
}

/// The whole catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Catalog {
    /// Layout version of this file.
    pub version: u32,
    /// Formats, sorted by name.
    pub formats: Vec<FormatEntry>,
    /// Conversions, sorted by source and target.
    pub pairs: Vec<PairEntry>,
    /// Operations, sorted by name.
    pub operations: Vec<OperationEntry>,
}

/// A file format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormatEntry {
    /// Canonical name, the one that responses echo.
    pub name: String,
    /// Media type.
    pub mime: String,
    /// File name extensions without the dot, the preferred one first.
    pub extensions: Vec<String>,
    /// Other names that requests may use (`jpeg`, `tif`).
    pub aliases: Vec<String>,
    /// `image`, `document`, `video`, `audio` …
    pub category: String,
    /// Names of the flags that hold (`alpha`, `lossy`, `pages`, `animated`, `untrusted`).
    pub flags: Vec<String>,
}

/// A conversion that some engine offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairEntry {
    /// Source format.
    pub from: String,
    /// Target format.
    pub to: String,
    /// Price of one input file.
    pub credits: u32,
    /// Where it runs.
    pub lane: Lane,
    /// Engine of the cheapest route.
    pub engine: String,
}

/// Which part of a pipeline an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// Brings files in; takes no `input`.
    Import,
    /// Makes files from files.
    Process,
    /// Hands files out.
    Export,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationEntry {
    /// Name in requests.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Part of the pipeline.
    pub kind: OperationKind,
    /// Fixed price per direct input; absent where the pair decides (`convert`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<u32>,
    /// Where it runs; absent where the pair decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    /// Formats of inputs that make it run elsewhere. Such an operation keeps those formats.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lanes: BTreeMap<String, Lane>,
    /// Fields beside `operation` and `input` in the task object.
    pub fields: Vec<OptionEntry>,
    /// Keys of its `options` object.
    pub options: Vec<OptionEntry>,
    /// Whether the price is for the task, however many inputs it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flat: bool,
    /// Whether it may do with parts of a large file, read where it lies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub glances: bool,
    /// Groups of options; of each exactly one has to be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exactly_one: Vec<Vec<String>>,
    /// Values of options that only some formats can be made with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats_with: Vec<FormatsWith>,
}

/// Which formats go with a value of an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormatsWith {
    /// The option.
    pub option: String,
    /// Its value, also where that is the default and the option absent.
    pub value: String,
    /// The field that names the format.
    pub field: String,
    /// The formats that it may then name.
    pub formats: Vec<String>,
}

/// A field or option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptionEntry {
    /// Key in the request.
    pub name: String,
    /// Type and range.
    #[serde(flatten)]
    pub kind: OptionKind,
    /// Whether it must be given.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Value when absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub default: Value,
    /// One line for people.
    pub help: String,
}

/// Type and range of an option.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OptionKind {
    /// Whole number within bounds, both included.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Whole number within bounds, both included, or one of the listed words.
    IntegerOrWord {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// The words.
        words: Vec<String>,
    },
    /// Number within bounds, both included, with or without decimals.
    Number {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
    },
    /// Text of limited length.
    String {
        /// Longest value, bytes.
        max_length: usize,
    },
    /// `true` or `false`.
    Boolean,
    /// One of the listed words.
    OneOf {
        /// The words.
        values: Vec<String>,
    },
    /// One of the listed whole numbers.
    OneOfIntegers {
        /// The numbers.
        values: Vec<i64>,
    },
    /// `#rgb`, `#rrggbb` or `#rrggbbaa`.
    Color,
    /// Name or alias of a format.
    Format,
    /// Object whose values are text.
    StringMap,
    /// Object of HTTP header fields. Their values are secrets: stored encrypted, never shown.
    Headers,
    /// Text that is stored encrypted and never shown.
    Secret {
        /// Longest value, bytes.
        max_length: usize,
    },
    /// Base64 text whose decoded size is limited.
    Base64 {
        /// Largest decoded size, bytes.
        max_bytes: u64,
    },
    /// Absolute http or https URL.
    Url,
    /// Name of another task of the job, whose file is read beside the inputs.
    Task,
    /// Pages of a document, see [`crate::pages::Pages`].
    Pages,
}

impl OptionKind {
    /// Whether values are stored encrypted and never shown.
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret { .. } | Self::Headers)
    }

    /// Checks one value; the error is the `reason` for the client: what form the value must have.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match self {
            Self::Integer { min, max } => match value.as_i64() {
                Some(number) if (*min..=*max).contains(&number) => Ok(()),
                _ => Err(format!("must be an integer from {min} to {max}")),
            },
            Self::IntegerOrWord { min, max, words } => match (value.as_i64(), value.as_str()) {
                (Some(number), _) if (*min..=*max).contains(&number) => Ok(()),
                (_, Some(word)) if words.iter().any(|known| known == word) => Ok(()),
                _ => Err(format!("must be an integer from {min} to {max}, or {}", words.join(", "))),
            },
            Self::Number { min, max } => match value.as_f64() {
                Some(number) if (*min..=*max).contains(&number) => Ok(()),
                _ => Err(format!("must be a number from {min} to {max}")),
            },
            Self::String { max_length } | Self::Secret { max_length } => match value.as_str() {
                Some(text) if text.len() <= *max_length => Ok(()),
                _ => Err(format!("must be a string of at most {max_length} bytes")),
            },
            Self::Boolean => value.as_bool().map(|_| ()).ok_or_else(|| "must be true or false".to_owned()),
            Self::OneOf { values } => match value.as_str() {
                Some(text) if values.iter().any(|v| v == text) => Ok(()),
                _ => Err(format!("must be one of {}", values.join(", "))),
            },
            Self::OneOfIntegers { values } => match value.as_i64() {
                Some(number) if values.contains(&number) => Ok(()),
                _ => Err(format!("must be one of {}", values.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))),
            },
            Self::Color => match value.as_str() {
                Some(text) if is_color(text) => Ok(()),
                _ => Err("must be a colour such as #fff, #ffffff or #ffffffff".to_owned()),
            },
            Self::Format => match value.as_str() {
                Some(_) => Ok(()),
                None => Err("must be the name of a format, such as png".to_owned()),
            },
            Self::StringMap | Self::Headers => match value.as_object() {
                Some(map) if map.values().all(Value::is_string) => Ok(()),
                _ => Err("must be an object whose values are strings".to_owned()),
            },
            Self::Task => match value.as_str() {
                Some(_) => Ok(()),
                None => Err("must be the name of another task of the job".to_owned()),
            },
            Self::Base64 { .. } => match value.as_str() {
                Some(_) => Ok(()),
                None => Err("must be a base64 string".to_owned()),
            },
            Self::Pages => match value.as_str().map(str::parse::<Pages>) {
                Some(Ok(_)) => Ok(()),
                _ => Err(pages::FORM.to_owned()),
            },
            Self::Url => match value.as_str().map(url::Url::parse) {
                Some(Ok(url)) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
                _ => Err("must be an absolute http or https URL".to_owned()),
            },
        }
    }
}

/// Whether `text` is `#` and 3, 6 or 8 hex digits.
fn is_color(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|hex| matches!(hex.len(), 3 | 6 | 8) && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

impl Catalog {
    /// The catalogue this program was built with.
    ///
    /// # Panics
    /// When the checked-in `catalog.json` does not parse, which a test rules out.
    pub fn builtin() -> &'static Self {
        static CATALOG: OnceLock<Catalog> = OnceLock::new();
        CATALOG.get_or_init(|| {
            serde_json::from_str(include_str!("../catalog.json")).expect("scheduler/catalog.json is generated and valid")
        })
    }

    /// The format of that name, alias or extension; case and a leading dot do not matter.
    pub fn format(&self, name: &str) -> Option<&FormatEntry> {
        let name = name.trim().trim_start_matches('.').to_ascii_lowercase();
        self.formats
            .iter()
            .find(|f| f.name == name)
            .or_else(|| self.formats.iter().find(|f| f.aliases.contains(&name) || f.extensions.contains(&name)))
    }

    /// The conversion between two canonical names.
    pub fn pair(&self, from: &str, to: &str) -> Option<&PairEntry> {
        self.pairs.iter().find(|pair| pair.from == from && pair.to == to)
    }

    /// The operation of that name.
    pub fn operation(&self, name: &str) -> Option<&OperationEntry> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The known word nearest to a mistyped one, if it is near enough to be meant.
    pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        known
            .into_iter()
            .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
            .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1) + 1 && *distance < candidate.len())
            .min()
            .map(|(_, candidate)| candidate)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_are_whole_and_in_range() {
        let kind = OptionKind::Integer { min: 1, max: 100 };
        assert!(kind.check(&json!(85)).is_ok(), "in range");
        for bad in [json!(0), json!(101), json!(8.5), json!("85"), json!(null), json!(1e30)] {
            assert!(kind.check(&bad).is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn a_word_may_stand_for_a_number() {
        let kind = OptionKind::IntegerOrWord { min: 1, max: 100, words: vec!["auto".to_owned()] };
        for good in [json!(1), json!(100), json!("auto")] {
            assert!(kind.check(&good).is_ok(), "{good} is taken");
        }
        for bad in [json!(0), json!(101), json!(8.5), json!("85"), json!("automatic"), json!(null), json!(true)] {
            assert_eq!(kind.check(&bad), Err("must be an integer from 1 to 100, or auto".to_owned()), "{bad}");
        }
    }

    #[test]
    fn listed_numbers_are_numbers() {
        let kind = OptionKind::OneOfIntegers { values: vec![0, 90] };
        assert!(kind.check(&json!(90)).is_ok(), "listed");
        assert_eq!(kind.check(&json!(45)), Err("must be one of 0, 90".to_owned()), "not listed");
        assert!(kind.check(&json!("90")).is_err(), "a string is no number");
    }

    #[test]
    fn a_typo_finds_its_word() {
        assert_eq!(Catalog::did_you_mean("qualty", ["quality", "width"]), Some("quality"), "one letter lost");
        assert_eq!(Catalog::did_you_mean("zzzz", ["quality", "width"]), None, "nothing near");
    }
}
