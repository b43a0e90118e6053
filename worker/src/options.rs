//! Options are declared once: typed struct, catalogue entries and `{field, reason}` errors come from one place.

use convertfly_scheduler::catalog::OptionEntry;
use serde_json::{Map, Value};

use crate::failure::Failure;

/// A set of options that [`options!`](crate::options!) declares.
pub trait Options: Sized + Default {
    /// The entries for the catalogue, in declaration order.
    fn entries() -> Vec<OptionEntry>;

    /// Reads the values from a JSON object; absent keys take their defaults.
    ///
    /// # Errors
    /// [`Failure::Invalid`] naming the first field whose value has the wrong form. The API has checked already; this guards
    /// the command line and tasks stored by another version.
    fn read(values: &Map<String, Value>) -> Result<Self, Failure>;
}

/// Reads one option: checks it against its entry, then deserialises it.
///
/// # Errors
/// [`Failure::Invalid`] naming the field.
pub fn read_one<T: serde::de::DeserializeOwned>(
    entry: &OptionEntry,
    values: &Map<String, Value>,
    default: T,
) -> Result<T, Failure> {
    match values.get(&entry.name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => {
            entry.kind.check(value).map_err(|reason| Failure::invalid_field(&entry.name, format!("{} {reason}", entry.name)))?;
            serde_json::from_value(value.clone())
                .map_err(|error| Failure::invalid_field(&entry.name, format!("{} is not valid: {error}", entry.name)))
        }
    }
}

/// Declares a set of options.
///
/// ```
/// use convertfly_scheduler::catalog::OptionKind;
/// convertfly_worker::options! {
///     /// Options of an example.
///     pub struct Example {
///         "Output quality." quality: u8 = 85 => OptionKind::Integer { min: 1, max: 100 },
///         "Width in pixels." width: Option<u32> = None => OptionKind::Integer { min: 1, max: 16_384 },
///     }
/// }
/// use convertfly_worker::options::Options;
/// assert_eq!(Example::default().quality, 85);
/// assert_eq!(Example::entries()[1].name, "width");
/// ```
#[macro_export]
macro_rules! options {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($help:literal $field:ident : $type:ty = $default:expr => $kind:expr),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name { $(#[doc = $help] pub $field: $type,)* }

        impl Default for $name {
            fn default() -> Self { Self { $($field: $default,)* } }
        }

        impl $crate::options::Options for $name {
            fn entries() -> Vec<convertfly_scheduler::catalog::OptionEntry> {
                let defaults = Self::default();
                // A set may be empty.
                let _ = &defaults;
                vec![$(convertfly_scheduler::catalog::OptionEntry {
                    name: stringify!($field).to_owned(),
                    kind: $kind,
                    required: false,
                    default: serde_json::to_value(&defaults.$field).unwrap_or(serde_json::Value::Null),
                    help: $help.to_owned(),
                },)*]
            }

            fn read(
                values: &serde_json::Map<String, serde_json::Value>,
            ) -> Result<Self, $crate::failure::Failure> {
                let (defaults, mut entries) = (Self::default(), Self::entries().into_iter());
                // A set may be empty.
                let _ = (&defaults, &mut entries, values);
                Ok(Self { $($field: {
                    let entry = entries.next().expect("one entry per field");
                    $crate::options::read_one(&entry, values, defaults.$field)?
                },)* })
            }
        }
    };
}
