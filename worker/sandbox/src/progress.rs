//! How work tells how far it is.

use std::sync::Arc;

/// Tells somebody the share of a piece of work that is done, 0 to 1. The default tells nobody.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(f64) + Send + Sync>>);

impl Progress {
    /// Tells `listener`.
    pub fn new(listener: impl Fn(f64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Says that `share` of the work is done.
    pub fn report(&self, share: f64) {
        if let Some(listener) = &self.0 {
            listener(share.clamp(0.0, 1.0));
        }
    }

    /// The progress of a part of this work, which begins at the share `from` and ends at `to`.
    pub fn part(&self, from: f64, to: f64) -> Self {
        let Some(listener) = self.0.clone() else { return Self::default() };
        Self::new(move |share| listener((to - from).mul_add(share, from).clamp(0.0, 1.0)))
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.0.is_some() { "Progress(heard)" } else { "Progress(unheard)" })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_part_fills_its_share_of_the_whole() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let whole = Progress::new(move |share| ears.lock().expect("no panic").push(share));
        let second_half = whole.part(0.5, 1.0);
        second_half.report(0.0);
        second_half.report(0.5);
        second_half.report(7.0);
        whole.report(-1.0);
        assert_eq!(*heard.lock().expect("no panic"), [0.5, 0.75, 1.0, 0.0], "scaled, and within bounds");
        Progress::default().part(0.0, 1.0).report(0.5);
    }
}
