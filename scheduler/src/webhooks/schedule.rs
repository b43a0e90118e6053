//! When a delivery is attempted again, and when it is given up.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::store::Outcome;

/// Pauses between the ten attempts. They add up to 94 h 35 min, so that even with every pause shortened by the full jitter
/// the last attempt comes 75 hours after the first one.
pub const PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(6),
    Duration::from_hours(12),
    Duration::from_hours(18),
    Duration::from_hours(24),
    Duration::from_hours(32),
];

/// How far a pause may be off its value, up and down.
const JITTER: f64 = 0.2;

/// The longest that an endpoint may ask to be left alone.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// What an endpoint answered, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An HTTP status, and for how long the endpoint asks to be left alone.
    Status(u16, Option<Duration>),
    /// None: refused, broken off, too slow.
    Nothing,
}

/// What follows from the answer to attempt number `attempt` (the first one is 0). `random` is in 0..1.
pub fn outcome(pauses: &[Duration], attempt: u32, answer: Answer, random: f64) -> Outcome {
    let retry_after = match answer {
        Answer::Status(200..=299, _) => return Outcome::Delivered,
        Answer::Status(410, _) => return Outcome::Gone,
        Answer::Status(_, retry_after) => retry_after,
        Answer::Nothing => None,
    };
    let Some(pause) = pauses.get(usize::try_from(attempt).unwrap_or(usize::MAX)) else { return Outcome::Failed };
    let jittered = pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0));
    let pause = jittered.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER));
    Outcome::Retry { pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX) }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110).
pub fn retry_after(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
    Duration::try_from(at - now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sink that answers by a script, on a clock that is only moved on by what the schedule says: times of the attempts in
    /// seconds since the first one, and how it ended.
    fn attempts(script: impl Fn(u32) -> Answer, random: f64) -> (Vec<u64>, Outcome) {
        let (mut clock_ms, mut times) = (0u64, Vec::new());
        for attempt in 0.. {
            times.push(clock_ms / 1000);
            match outcome(&PAUSES, attempt, script(attempt), random) {
                Outcome::Retry { pause_ms } => clock_ms += pause_ms,
                end => return (times, end),
            }
        }
        unreachable!("the schedule ends")
    }

    #[test]
    fn f15_ten_attempts_at_their_times() {
        let times = vec![0, 5, 305, 2_105, 9_305, 30_905, 74_105, 138_905, 225_305, 340_505];
        let failures = [Answer::Status(500, None), Answer::Status(302, None), Answer::Status(404, None), Answer::Nothing];
        for answer in failures {
            assert_eq!(attempts(|_| answer, 0.5), (times.clone(), Outcome::Failed), "{answer:?}");
        }
    }

    #[test]
    fn f15_the_jitter_is_a_fifth_and_the_whole_takes_75_hours_at_least() {
        let total = |random| *attempts(|_| Answer::Nothing, random).0.last().expect("attempts");
        assert_eq!(attempts(|_| Answer::Nothing, 0.0).0[1..3], [4, 244], "a fifth less");
        assert_eq!(attempts(|_| Answer::Nothing, 1.0).0[1..3], [6, 366], "a fifth more");
        assert!(total(0.0) >= 75 * 3600, "{} s", total(0.0));
        assert!(total(1.0) <= 5 * 24 * 3600, "within what the log keeps: {} s", total(1.0));
    }

    #[test]
    fn f15_success_ends_it_and_410_too() {
        let recovers = |attempt| if attempt < 2 { Answer::Status(503, None) } else { Answer::Status(204, None) };
        assert_eq!(attempts(recovers, 0.5), (vec![0, 5, 305], Outcome::Delivered), "the third one is taken");
        assert_eq!(attempts(|_| Answer::Status(410, None), 0.5), (vec![0], Outcome::Gone), "never again");
    }

    #[test]
    fn f15_retry_after_is_honoured_within_reason() {
        let asks = |seconds| {
            move |attempt| match attempt {
                0 => Answer::Status(429, Some(Duration::from_secs(seconds))),
                _ => Answer::Status(200, None),
            }
        };
        assert_eq!(attempts(asks(60), 0.5).0, [0, 60], "longer than the pause");
        assert_eq!(attempts(asks(1), 0.5).0, [0, 5], "never sooner than the pause");
        assert_eq!(attempts(asks(10_000_000), 0.5).0, [0, 86_400], "a day at most");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = OffsetDateTime::from_unix_timestamp(784_111_777).expect("1994-11-06T08:49:37Z");
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_mins(2)), "seconds");
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_mins(1)), "a date");
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now), None, "the past");
        assert_eq!(retry_after("soon", now), None, "neither");
    }
}
