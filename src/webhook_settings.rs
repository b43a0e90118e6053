//! Settings of webhooks: the section `[webhooks]` and its variables.

use std::time::Duration;

use convertfly_scheduler::store::DeliveryRules;
use convertfly_scheduler::webhooks::WebhookConfig;
use serde::Deserialize;

/// How webhooks are attempted.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebhookSettings {
    /// `CONVERTFLY_WEBHOOK_PAUSES`: seconds between attempts, less or more a fifth at random.
    pub(crate) pauses: Vec<f64>,
    /// `CONVERTFLY_WEBHOOK_TIMEOUT`: seconds for one attempt.
    pub(crate) timeout: f64,
    /// `CONVERTFLY_WEBHOOK_LEASE_MARGIN`: seconds after which an attempt of a dead process is made by another one, beside `timeout`.
    pub(crate) lease_margin: f64,
    /// `CONVERTFLY_WEBHOOK_HOLD`: attempts of one event after which later events of the same job are no longer held back.
    pub(crate) hold: u32,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        let config = WebhookConfig::default();
        Self {
            pauses: config.pauses.iter().map(Duration::as_secs_f64).collect(),
            timeout: config.timeout.as_secs_f64(),
            lease_margin: config.lease_margin.as_secs_f64(),
            hold: config.rules.hold_attempts,
        }
    }
}

impl WebhookSettings {
    /// Puts the variables over the file's values; returns what does not read.
    pub(crate) fn apply_variables(&mut self, lookup: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let mut problems = Vec::new();
        let text = |name: &str| lookup(name).filter(|value| !value.is_empty());
        if let Some(value) = text("CONVERTFLY_WEBHOOK_PAUSES") {
            match value.split(',').map(|pause| pause.trim().parse()).collect() {
                Ok(pauses) => self.pauses = pauses,
                Err(_) => {
                    problems.push("CONVERTFLY_WEBHOOK_PAUSES must be seconds separated by commas, for example 5,300,1800".into())
                }
            }
        }
        for (name, place) in
            [("CONVERTFLY_WEBHOOK_TIMEOUT", &mut self.timeout), ("CONVERTFLY_WEBHOOK_LEASE_MARGIN", &mut self.lease_margin)]
        {
            match text(name).map(|value| value.parse()) {
                None => {}
                Some(Ok(seconds)) => *place = seconds,
                Some(Err(_)) => problems.push(format!("{name} must be seconds, for example 15")),
            }
        }
        match text("CONVERTFLY_WEBHOOK_HOLD").map(|value| value.parse()) {
            None => {}
            Some(Ok(attempts)) => self.hold = attempts,
            Some(Err(_)) => problems.push("CONVERTFLY_WEBHOOK_HOLD must be a whole number, for example 5".into()),
        }
        problems
    }

    /// What is out of range.
    pub(crate) fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        // The log forgets after eight days: an attempt must not come later.
        if self.pauses.iter().any(|pause| !(0.0..=200_000.0).contains(pause)) || self.pauses.iter().sum::<f64>() > 500_000.0 {
            problems
                .push("CONVERTFLY_WEBHOOK_PAUSES must be seconds of 0 to 200000, 500000 in all, for example 5,300,1800".into());
        }
        if !(0.1..=60.0).contains(&self.timeout) || !(0.1..=600.0).contains(&self.lease_margin) {
            problems.push(
                "CONVERTFLY_WEBHOOK_TIMEOUT must be 0.1 to 60 seconds (CONVERTFLY_WEBHOOK_LEASE_MARGIN: 0.1 to 600)".into(),
            );
        }
        problems
    }

    /// For the deliverer.
    pub(crate) fn to_config(&self) -> WebhookConfig {
        let config = WebhookConfig::default();
        WebhookConfig {
            pauses: self.pauses.iter().copied().map(Duration::from_secs_f64).collect(),
            timeout: Duration::from_secs_f64(self.timeout),
            lease_margin: Duration::from_secs_f64(self.lease_margin),
            rules: DeliveryRules { hold_attempts: self.hold, ..config.rules },
            ..config
        }
    }
}
