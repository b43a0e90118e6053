//! What has become of encoders: one that fails again and again rests for a while, then it is tried once.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::breaker::Breaker;

/// A breaker for each encoder that has ever failed, by FFmpeg's name.
pub(super) struct Breakers {
    breakers: Mutex<BTreeMap<String, Breaker>>,
    changes: UnboundedSender<Change>,
    unheard: Mutex<Option<UnboundedReceiver<Change>>>,
}

/// An encoder begins to rest on this node, or has come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// FFmpeg's name.
    pub encoder: String,
    /// Whether it rests from now on.
    pub rests: bool,
}

impl Default for Breakers {
    fn default() -> Self {
        let (changes, unheard) = unbounded_channel();
        Self { breakers: Mutex::default(), changes, unheard: Mutex::new(Some(unheard)) }
    }
}

/// Encoders that a list in an answer names.
fn named<'a>(answer: &'a Value, list: &str) -> Vec<(&'a str, &'a Value)> {
    let rows = answer["explain"][list].as_array().into_iter().flatten();
    rows.filter_map(|row| Some((row["encoder"].as_str()?, row))).collect()
}

impl Breakers {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Breaker>> {
        self.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What changes from the start on; for the first who asks.
    pub(super) fn changes(&self) -> Option<UnboundedReceiver<Change>> {
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Does something to a breaker, and tells if that changes whether its encoder rests. A trial changes nothing until it has worked.
    fn change(&self, encoder: &str, breaker: &mut Breaker, what: impl FnOnce(&mut Breaker)) {
        let was_closed = breaker.is_closed();
        what(breaker);
        if breaker.is_closed() == was_closed {
            return;
        }
        let rests = was_closed;
        tracing::warn!(encoder, rests, "a video encoder begins to rest, or has come back");
        // Nobody may be listening: a command line has no metrics.
        let _ = self.changes.send(Change { encoder: encoder.to_owned(), rests });
    }

    /// Those that are not to be tried now, with the reason. One that has rested long enough is left out, once: the work that asks is its trial.
    pub(super) fn resting(&self, now: Instant) -> Vec<(String, String)> {
        let mut breakers = self.lock();
        let resting = breakers.iter_mut().filter_map(|(name, breaker)| (!breaker.may_open(now)).then_some(name));
        resting
            .map(|name| (name.clone(), "failed several times in a row on this server, and is tried again later".to_owned()))
            .collect()
    }

    /// Takes from an answer which encoders have worked and which have refused.
    pub(super) fn learn(&self, answer: Option<&Value>, now: Instant) {
        let mut breakers = self.lock();
        if let Some(answer) = answer {
            let refused = named(answer, "encoders_refused");
            for (name, row) in &refused {
                // One that refused what a file or a customer's options asked of it, and does what is usual, is as good as before.
                if row["fault"] == "task" {
                    tracing::debug!(name, "a video encoder has refused a task; another one has done it");
                    continue;
                }
                tracing::warn!(name, "a video encoder has refused; another one has done the task");
                self.change(name, breakers.entry((*name).to_owned()).or_default(), |breaker| breaker.lost(now));
            }
            let has_refused = |name: &str| refused.iter().any(|(other, _)| *other == name);
            for (name, _) in named(answer, "tracks").into_iter().filter(|(name, _)| !has_refused(name)) {
                if let Some(breaker) = breakers.get_mut(name) {
                    self.change(name, breaker, Breaker::worked);
                }
            }
        }
        // A trial that the work had no use for is left to the next.
        breakers.values_mut().for_each(|breaker| breaker.not_tried(now));
    }

    /// Those encoders have taken their child down.
    pub(super) fn lost(&self, names: &[String], now: Instant) {
        let mut breakers = self.lock();
        for name in names {
            self.change(name, breakers.entry(name.clone()).or_default(), |breaker| breaker.lost(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn refusal(fault: &str) -> Value {
        json!({ "explain": { "encoders_refused": [{ "encoder": "h264_nvenc", "reason": "no session", "fault": fault }],
                             "tracks": [{ "kind": "video", "encoder": "libx264" }] } })
    }

    fn rests(breakers: &Breakers, now: Instant) -> bool {
        breakers.resting(now).iter().any(|(name, _)| name == "h264_nvenc")
    }

    #[test]
    fn an_encoder_that_fails_again_and_again_rests_and_is_tried_once() {
        let (start, breakers) = (Instant::now(), Breakers::default());
        for at in 0..3 {
            assert!(!rests(&breakers, start), "tried at {at}");
            breakers.learn(Some(&refusal("encoder")), start + Duration::from_secs(at));
        }
        assert!(rests(&breakers, start + Duration::from_secs(3)), "three times is enough");
        let later = start + Duration::from_secs(60);
        assert!(!rests(&breakers, later), "it is tried again");
        assert!(rests(&breakers, later), "by one piece of work alone");
        breakers.learn(Some(&refusal("encoder")), later);
        assert!(rests(&breakers, later + Duration::from_secs(1)), "in vain");
    }

    #[test]
    fn each_change_is_told_once() {
        let (start, breakers) = (Instant::now(), Breakers::default());
        let mut told = breakers.changes().expect("nobody else listens");
        let mut heard = || std::iter::from_fn(|| told.try_recv().ok()).map(|change| change.rests).collect::<Vec<_>>();
        let names = ["h264_nvenc".to_owned()];
        (0..2).for_each(|_| breakers.lost(&names, start));
        assert_eq!(heard(), Vec::<bool>::new(), "two are borne");
        (0..3).for_each(|_| breakers.lost(&names, start));
        assert_eq!(heard(), [true], "it rests");
        let later = start + Duration::from_secs(60);
        assert!(!rests(&breakers, later), "the trial");
        breakers.learn(Some(&refusal("encoder")), later);
        assert_eq!(heard(), Vec::<bool>::new(), "a trial in vain changes nothing");
        let later = later + Duration::from_secs(60);
        assert!(!rests(&breakers, later), "another trial");
        breakers.learn(Some(&json!({ "explain": { "tracks": [{ "kind": "video", "encoder": "h264_nvenc" }] } })), later);
        assert_eq!(heard(), [false], "it has come back");
    }

    #[test]
    fn what_a_task_makes_an_encoder_refuse_is_not_held_against_it() {
        let (start, breakers) = (Instant::now(), Breakers::default());
        (0..9).for_each(|_| breakers.learn(Some(&refusal("task")), start));
        assert!(!rests(&breakers, start), "others may need it");
    }

    #[test]
    fn a_trial_that_works_ends_the_rest_and_one_not_made_is_left_to_the_next() {
        let (start, breakers) = (Instant::now(), Breakers::default());
        (0..3).for_each(|_| breakers.learn(Some(&refusal("encoder")), start));
        let later = start + Duration::from_secs(60);
        assert!(!rests(&breakers, later), "the trial");
        breakers.learn(Some(&json!({ "explain": { "tracks": [{ "kind": "video", "how": "copied" }] } })), later);
        assert!(!rests(&breakers, later), "nothing was encoded: the next one tries it");
        breakers.learn(Some(&json!({ "explain": { "tracks": [{ "kind": "video", "encoder": "h264_nvenc" }] } })), later);
        assert!(!rests(&breakers, later) && !rests(&breakers, later), "it works again for all");
    }
}
