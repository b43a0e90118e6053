//! Decides whether a device that was lost is worth another try: a GPU, or an encoder on one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many losses within [`WINDOW`] open the breaker.
const LOSSES: usize = 3;
/// How long a loss is remembered.
const WINDOW: Duration = Duration::from_secs(60);
/// How long an open breaker waits before the next probe.
const PROBE_EVERY: Duration = Duration::from_secs(30);

/// Closed: devices are opened as needed. Open: none is, but for a probe every 30 s; the first thing to work on it closes the
/// breaker, a loss before that opens it again at once.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    losses: VecDeque<Instant>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        since: Instant,
    },
    HalfOpen,
}

impl Breaker {
    /// A device was lost, or could not be opened.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.losses.push_back(now);
        while self.losses.front().is_some_and(|loss| now.saturating_duration_since(*loss) >= WINDOW) {
            self.losses.pop_front();
        }
        if self.state == State::HalfOpen || self.losses.len() >= LOSSES {
            self.state = State::Open { since: now };
        }
    }

    /// Whether a device may be opened now. Of an open breaker this is the probe, and says so only once every 30 s.
    pub(crate) fn may_open(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { since } if now.saturating_duration_since(since) >= PROBE_EVERY => {
                self.state = State::HalfOpen;
                true
            }
            // Half open, a probe is under way or its device is in use.
            State::Open { .. } | State::HalfOpen => false,
        }
    }

    /// A recording ran through.
    pub(crate) fn worked(&mut self) {
        if self.state == State::HalfOpen {
            self.state = State::Closed;
            self.losses.clear();
        }
    }

    /// The probe that was allowed did not take place: the next one may be made at once.
    pub(crate) fn not_tried(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open { since: now.checked_sub(PROBE_EVERY).unwrap_or(now) };
        }
    }

    /// Whether devices are opened as needed.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Whether devices are held back.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn three_losses_in_a_minute_open_it_and_a_working_probe_closes_it() {
        let (start, mut breaker) = (Instant::now(), Breaker::default());
        for at in [0, 20] {
            breaker.lost(seconds(start, at));
            assert!(breaker.may_open(seconds(start, at)), "two losses are borne");
        }
        breaker.lost(seconds(start, 59));
        assert!(breaker.is_open(), "the third within 60 s opens it");
        assert!(!breaker.may_open(seconds(start, 88)), "no probe before 30 s");
        assert!(breaker.may_open(seconds(start, 89)), "a probe after 30 s");
        assert!(!breaker.may_open(seconds(start, 89)), "one probe, not two");
        breaker.worked();
        assert!(breaker.may_open(seconds(start, 90)), "closed by a probe that worked");
        breaker.lost(seconds(start, 91));
        assert!(!breaker.is_open(), "old losses are forgotten then");
    }

    #[test]
    fn a_probe_that_fails_opens_it_again_at_once() {
        let (start, mut breaker) = (Instant::now(), Breaker::default());
        (0..3).for_each(|at| breaker.lost(seconds(start, at)));
        assert!(breaker.may_open(seconds(start, 40)), "a probe after 30 s");
        breaker.lost(seconds(start, 100));
        assert!(breaker.is_open(), "one loss is enough after a probe");
        assert!(!breaker.may_open(seconds(start, 129)), "and the wait starts anew");
        assert!(breaker.may_open(seconds(start, 130)), "until 30 s later");
    }

    #[test]
    fn a_probe_that_did_not_take_place_is_made_by_the_next() {
        let (start, mut breaker) = (Instant::now(), Breaker::default());
        (0..3).for_each(|at| breaker.lost(seconds(start, at)));
        assert!(breaker.may_open(seconds(start, 40)) && !breaker.may_open(seconds(start, 40)), "one probe");
        breaker.not_tried(seconds(start, 41));
        assert!(breaker.may_open(seconds(start, 41)), "and another at once");
    }

    #[test]
    fn losses_far_apart_never_open_it() {
        let (start, mut breaker) = (Instant::now(), Breaker::default());
        for at in (0..300).step_by(30) {
            breaker.lost(seconds(start, at));
            assert!(!breaker.is_open(), "two losses a minute are borne, at {at} s");
        }
    }
}
