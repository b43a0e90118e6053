//! Whether what a process remembers of an API key still holds.
//!
//! A revocation is published. A process that listens counts, per group of keys, how often it has heard of one; what it
//! remembers carries the count at which it was read. A remembered key is good while the subscription stands and the count is
//! the same, so a revocation is felt at once everywhere and costs no read on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Groups of keys: by the first byte of the hash.
const GROUPS: usize = 256;

/// The state of a group of keys at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStamp {
    subscription: u64,
    changes: u64,
}

/// Counts changes of keys; cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyWatch(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    listening: AtomicBool,
    subscriptions: AtomicU64,
    changes: [AtomicU64; GROUPS],
}

impl Default for KeyWatch {
    fn default() -> Self {
        Self(Arc::new(Counts {
            listening: AtomicBool::new(false),
            subscriptions: AtomicU64::new(0),
            changes: std::array::from_fn(|_| AtomicU64::new(0)),
        }))
    }
}

impl KeyWatch {
    /// The state of the group that a key belongs to, by its hash. Take it before the key is read. `None` while nobody listens:
    /// then nothing may be remembered.
    pub fn stamp(&self, sha256_hex: &str) -> Option<KeyStamp> {
        let stamp = KeyStamp { subscription: self.0.subscriptions.load(SeqCst), changes: self.group(sha256_hex)?.load(SeqCst) };
        self.0.listening.load(SeqCst).then_some(stamp)
    }

    /// A watch whose subscription stands, for tests of what relies on one.
    pub fn standing() -> Self {
        let watch = Self::default();
        watch.subscribed();
        watch
    }

    /// A key was revoked.
    pub(super) fn changed(&self, sha256_hex: &str) {
        if let Some(group) = self.group(sha256_hex) {
            group.fetch_add(1, SeqCst);
        }
    }

    /// The subscription stands; what was remembered before it may be out of date.
    pub(super) fn subscribed(&self) {
        self.0.subscriptions.fetch_add(1, SeqCst);
        self.0.listening.store(true, SeqCst);
    }

    /// The subscription is gone.
    pub(super) fn interrupted(&self) {
        self.0.listening.store(false, SeqCst);
    }

    fn group(&self, sha256_hex: &str) -> Option<&AtomicU64> {
        let byte = u8::from_str_radix(sha256_hex.get(..2)?, 16).ok()?;
        self.0.changes.get(usize::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_trusted_without_a_subscription() {
        let watch = KeyWatch::default();
        assert_eq!(watch.stamp("00ff"), None, "nobody listens yet");
        watch.subscribed();
        let first = watch.stamp("00ff");
        assert!(first.is_some(), "listening");
        watch.interrupted();
        assert_eq!(watch.stamp("00ff"), None, "interrupted");
        watch.subscribed();
        assert_ne!(watch.stamp("00ff"), first, "what was published meanwhile was missed");
    }

    #[test]
    fn a_change_spoils_its_own_group_alone() {
        let watch = KeyWatch::default();
        watch.subscribed();
        let (spoilt, other) = (watch.stamp("00ff"), watch.stamp("01ff"));
        watch.changed("00aa");
        assert_ne!(watch.stamp("00ff"), spoilt, "same group");
        assert_eq!(watch.stamp("01ff"), other, "another group");
        watch.changed("no hash");
        assert_eq!(watch.stamp("no hash"), None, "what is no hash is never remembered");
    }
}
