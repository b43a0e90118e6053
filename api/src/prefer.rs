//! The `Prefer` header (RFC 7240): how long to wait for a result, and whether to wait at all.

use http::{HeaderMap, HeaderName, HeaderValue};

/// What a client prefers.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Which preferences were honoured.
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The preferences that this API knows. Others are ignored, as the standard says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    /// Seconds that the client would wait for the result.
    pub(crate) wait: Option<u64>,
    /// Whether the client would rather have a quick answer than the result.
    pub(crate) respond_async: bool,
}

impl Preferences {
    /// Reads the headers; of a preference that is given twice the first one counts.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut found = Self::default();
        let listed = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        for preference in listed {
            let preference = preference.split(';').next().unwrap_or_default();
            let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
            match name.as_str() {
                "wait" => found.wait = found.wait.or_else(|| value.parse().ok()),
                "respond-async" => found.respond_async = true,
                _ => {}
            }
        }
        found
    }

    /// Says in a response which of them were honoured: `wait` as the number of seconds that were granted.
    pub(crate) fn applied(headers: &mut HeaderMap, respond_async: bool, wait: Option<u64>) {
        let mut applied = Vec::new();
        if respond_async {
            applied.push("respond-async".to_owned());
        }
        applied.extend(wait.map(|seconds| format!("wait={seconds}")));
        if let Ok(value) = HeaderValue::try_from(applied.join(", "))
            && !applied.is_empty()
        {
            headers.insert(PREFERENCE_APPLIED, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_leniently() {
        let read = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(PREFER, HeaderValue::from_static(value));
            }
            let found = Preferences::read(&headers);
            (found.wait, found.respond_async)
        };
        assert_eq!(read(&["respond-async, wait=10"]), (Some(10), true), "both");
        assert_eq!(read(&["Wait = \"5\"; x=y", "wait=7"]), (Some(5), false), "the first one, in any form");
        assert_eq!(read(&["wait=soon, return=minimal"]), (None, false), "what is not understood is ignored");
    }
}
