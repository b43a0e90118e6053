//! The plans: how much an account may ask for. An account keeps the numbers that it was given, so that an operator can change
//! one account's without touching the others; the plan says where they begin.

use crate::store::NewAccount;

/// Credits that a new account begins with.
pub const STARTING_CREDITS: u64 = 50;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Name, as operators write it and as accounts show it.
    pub name: &'static str,
    /// Requests that one API key may make in a clock minute.
    pub requests_per_minute: u64,
    /// Jobs of the account that may be active at once.
    pub concurrent_jobs: u64,
    /// Jobs of the account that may wait for their turn or for their uploads; one more is refused.
    pub waiting_jobs: u64,
    /// Share of a contended lane, relative to other accounts.
    pub weight: u32,
    /// Whether the numbers are agreed upon case by case; those here are what an account gets unless it is told otherwise.
    pub custom: bool,
}

/// What somebody who has not shown a key gets, too.
pub const FREE: Plan =
    Plan { name: "free", requests_per_minute: 10, concurrent_jobs: 2, waiting_jobs: 100, weight: 1, custom: false };

/// One's own machine, and customers with a contract of their own.
pub const ENTERPRISE: Plan = Plan {
    name: "enterprise",
    requests_per_minute: 6_000,
    concurrent_jobs: 1_000,
    waiting_jobs: 100_000,
    weight: 1,
    custom: true,
};

/// Every plan, the smallest first.
pub const PLANS: [Plan; 4] = [
    FREE,
    Plan { name: "pro", requests_per_minute: 60, concurrent_jobs: 10, waiting_jobs: 1_000, weight: 1, custom: false },
    Plan { name: "business", requests_per_minute: 200, concurrent_jobs: 50, waiting_jobs: 10_000, weight: 1, custom: false },
    ENTERPRISE,
];

/// The plan of that name.
pub fn find(name: &str) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| plan.name == name)
}

impl Plan {
    /// A new account on this plan, with that many credits.
    pub fn account(&self, id: &str, name: &str, credits: u64) -> NewAccount {
        NewAccount {
            id: id.to_owned(),
            name: name.to_owned(),
            plan: self.name.to_owned(),
            weight: self.weight,
            max_concurrent_jobs: self.concurrent_jobs,
            max_waiting_jobs: self.waiting_jobs,
            requests_per_minute: self.requests_per_minute,
            credits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r320_the_plans_are_those_of_the_reference() {
        let shown: Vec<_> =
            PLANS.iter().map(|plan| (plan.name, plan.requests_per_minute, plan.concurrent_jobs, plan.waiting_jobs)).collect();
        let expected =
            [("free", 10, 2, 100), ("pro", 60, 10, 1_000), ("business", 200, 50, 10_000), ("enterprise", 6_000, 1_000, 100_000)];
        assert_eq!(shown, expected, "requests a minute, concurrent jobs, waiting jobs");
        assert_eq!(PLANS.iter().filter(|plan| plan.custom).count(), 1, "only enterprise is custom");
    }

    #[test]
    fn a_plan_is_found_by_its_name_and_makes_accounts() {
        let account = find("pro").expect("a plan").account("acct_1", "shop", STARTING_CREDITS);
        assert_eq!((account.plan.as_str(), account.requests_per_minute, account.credits), ("pro", 60, 50), "{account:?}");
        assert_eq!(find("platinum"), None, "no such plan");
    }
}
