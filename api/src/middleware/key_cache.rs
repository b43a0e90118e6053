//! Keys that were found a moment ago, and when each was last noted as used.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use convertfly_scheduler::store::{ApiKey, KeyStamp};

/// How long a key that was found stays good without asking again. Revocations are heard of at once; this bounds what a connection
/// that died unnoticed could do.
const REMEMBERED: Duration = Duration::from_secs(1);

/// Keys that are remembered at once.
const MOST_REMEMBERED: usize = 10_000;

/// How often the use of a key is written down.
const NOTED: Duration = Duration::from_secs(60);

struct Found {
    at: Instant,
    stamp: KeyStamp,
    key: ApiKey,
}

/// See the module. Only hits are kept: a new key works at once.
#[derive(Default)]
pub(crate) struct KeyCache {
    found: Mutex<HashMap<String, Found>>,
    noted: Mutex<HashMap<String, Instant>>,
}

impl KeyCache {
    /// The key, if it was found a moment ago and nothing that concerns it has changed since; `stamp` is the state now.
    pub(super) fn get(&self, hash: &str, now: Instant, stamp: Option<KeyStamp>) -> Option<ApiKey> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let good = |found: &&Found| now.duration_since(found.at) < REMEMBERED && stamp == Some(found.stamp);
        found.get(hash).filter(good).map(|found| found.key.clone())
    }

    /// Remembers a key; `now` and `stamp` were taken before it was read.
    pub(super) fn put(&self, hash: String, key: ApiKey, now: Instant, stamp: Option<KeyStamp>) {
        let Some(stamp) = stamp else { return };
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() >= MOST_REMEMBERED {
            found.retain(|_, found| now.duration_since(found.at) < REMEMBERED);
        }
        if found.len() < MOST_REMEMBERED {
            found.insert(hash, Found { at: now, stamp, key });
        }
    }

    /// Whether the use of a key is to be written down: by one process once a minute, not at every request.
    pub(super) fn note_due(&self, key: &str, now: Instant) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |at: Instant| now.duration_since(at) < NOTED;
        if noted.get(key).is_some_and(|&at| recent(at)) {
            return false;
        }
        if noted.len() >= MOST_REMEMBERED {
            noted.retain(|_, &mut at| recent(at));
        }
        // With more keys than that in a minute the rest is noted later: the figure is for people.
        if noted.len() >= MOST_REMEMBERED {
            return false;
        }
        noted.insert(key.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use convertfly_scheduler::store::KeyWatch;

    use super::*;

    /// A stamp of a subscription that stands.
    fn stamp() -> Option<KeyStamp> {
        KeyWatch::standing().stamp("00")
    }

    #[test]
    fn a_key_is_remembered_for_one_second() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        cache.put("hash".into(), ApiKey::default(), start, stamp());
        assert!(cache.get("hash", start + Duration::from_millis(999), stamp()).is_some(), "still known");
        assert!(cache.get("hash", start + Duration::from_secs(1), stamp()).is_none(), "asked again after a second");
        assert!(cache.get("other", start, stamp()).is_none(), "nothing else");
    }

    #[test]
    fn a_key_is_forgotten_when_its_group_changes_or_nobody_listens() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        cache.put("hash".into(), ApiKey::default(), start, None);
        assert!(cache.get("hash", start, stamp()).is_none(), "nothing is kept without a subscription");
        cache.put("hash".into(), ApiKey::default(), start, stamp());
        assert!(cache.get("hash", start, None).is_none(), "nothing is trusted without a subscription");
        assert!(cache.get("hash", start, KeyWatch::default().stamp("00")).is_none(), "another subscription");
        assert!(cache.get("hash", start, stamp()).is_some(), "the same one");
    }

    #[test]
    fn the_cache_does_not_grow_without_bound() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        for i in 0..MOST_REMEMBERED + 5 {
            cache.put(format!("hash{i}"), ApiKey::default(), start, stamp());
        }
        assert_eq!(cache.found.lock().expect("lock").len(), MOST_REMEMBERED, "full");
        cache.put("late".into(), ApiKey::default(), start + REMEMBERED, stamp());
        assert_eq!(cache.found.lock().expect("lock").len(), 1, "what is too old makes room");
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let (cache, start) = (KeyCache::default(), Instant::now());
        assert!(cache.note_due("key_1", start), "the first one");
        assert!(!cache.note_due("key_1", start + Duration::from_secs(59)), "not again within a minute");
        assert!(cache.note_due("key_2", start), "another key");
        assert!(cache.note_due("key_1", start + Duration::from_secs(60)), "a minute later");
    }
}
