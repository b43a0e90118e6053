//! How many requests of one key wait at once: each holds a connection, and one key must not hold them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{ApiError, Code};

/// Waiting requests by key.
#[derive(Clone)]
pub(crate) struct Waits {
    waiting: Arc<Mutex<HashMap<String, usize>>>,
    most: usize,
}

/// A counted wait; dropping it gives the place back.
pub(crate) struct Place {
    waits: Waits,
    key: String,
}

impl Waits {
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: Arc::default(), most }
    }

    /// Counts a wait of that key.
    ///
    /// # Errors
    /// `TOO_MANY_REQUESTS` when it has as many as it may.
    pub(crate) fn enter(&self, key: &str) -> Result<Place, ApiError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(key.to_owned()).or_insert(0);
        if *count >= self.most {
            let text = format!(
                "{} requests of this API key are waiting already: use a webhook, or wait for fewer jobs at a time",
                self.most
            );
            let mut error = ApiError::new(Code::TooManyRequests, text).with_details(serde_json::json!({ "limit": self.most }));
            error.retry_after = Some(5);
            return Err(error);
        }
        *count += 1;
        Ok(Place { waits: self.clone(), key: key.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waits.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t18_a_key_waits_only_so_often_at_once() {
        let waits = Waits::new(2);
        let first = waits.enter("key_1").expect("one");
        let _second = waits.enter("key_1").expect("two");
        let refused = waits.enter("key_1").err().expect("the third is refused");
        assert_eq!((refused.code, refused.retry_after), (Code::TooManyRequests, Some(5)), "{refused:?}");
        let _other = waits.enter("key_2").expect("another key is not affected");
        drop(first);
        let _third = waits.enter("key_1").expect("a place was given back");
        drop((_second, _third));
        assert_eq!(waits.waiting.lock().expect("lock").len(), 1, "keys that do not wait take no memory");
    }
}
