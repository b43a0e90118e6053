//! `admin account`.

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use convertfly_scheduler::ids::new_id;
use convertfly_scheduler::plans::{self, ENTERPRISE, PLANS, Plan, STARTING_CREDITS};
use convertfly_scheduler::storage::Storage;
use convertfly_scheduler::store::{Account, Audit, Books, PlanLimits, Store, Truth};
use convertfly_scheduler::upkeep::UpkeepConfig;
use serde_json::{Value, json};

use super::{Report, account, job, timestamp};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum What {
    /// Make an account; it starts with 50 credits.
    Create {
        /// Name, for operators; unique.
        name: String,
        /// Plan: free, pro, business or enterprise.
        #[arg(long, value_parser = plan)]
        plan: &'static Plan,
        /// Credits to start with.
        #[arg(long, default_value_t = STARTING_CREDITS)]
        credits: u64,
    },
    /// List the accounts.
    List,
    /// Show an account.
    Show {
        /// Account, by name or identifier.
        name: String,
    },
    /// Move an account to another plan; waiting jobs start at once where it has room for them.
    SetPlan {
        /// Account, by name or identifier.
        name: String,
        /// Plan: free, pro, business or enterprise.
        #[arg(value_parser = plan)]
        plan: &'static Plan,
    },
    /// Suspend an account: its keys open nothing; what runs already goes on.
    Suspend {
        /// Account, by name or identifier.
        name: String,
    },
    /// Take a suspension back.
    Resume {
        /// Account, by name or identifier.
        name: String,
    },
    /// Delete a suspended account with its keys, jobs, files and ledger, for ever.
    Delete {
        /// Account, by name or identifier.
        name: String,
        /// Really delete it.
        #[arg(long)]
        yes: bool,
    },
    /// Hold an account's whole ledger against its figures.
    Audit {
        /// Account, by name or identifier.
        name: String,
        /// Where they are apart: take the account's figures as true, correct the ledger with an entry, and charge again.
        #[arg(long, conflicts_with = "repair")]
        accept: bool,
        /// Where they are apart: take the ledger as true, set the account's figures by it, and charge again.
        #[arg(long)]
        repair: bool,
    },
}

fn plan(name: &str) -> Result<&'static Plan, String> {
    plans::find(name).ok_or_else(|| format!("the plans are {}", PLANS.each_ref().map(|plan| plan.name).join(", ")))
}

pub(super) async fn run(store: &Store, config: &Config, what: &What) -> anyhow::Result<Report> {
    match what {
        What::Create { name, plan, credits } => create(store, config, name, plan, *credits).await,
        What::List => list(store).await,
        What::Show { name } => Ok(show(&account(store, name).await?)),
        What::SetPlan { name, plan } => {
            let found = account(store, name).await?;
            store.set_plan(&found.id, &limits(config, plan)).await?;
            Ok(show(&account(store, &found.id).await?))
        }
        What::Suspend { name } => suspend(store, name, true).await,
        What::Resume { name } => suspend(store, name, false).await,
        What::Delete { name, yes } => delete(store, config, name, *yes).await,
        What::Audit { name, accept, repair } => audit(store, name, *accept, *repair).await,
    }
}

/// What a plan allows here: the custom one's numbers are a matter of the settings.
fn limits(config: &Config, plan: &Plan) -> PlanLimits {
    let own = &config.default_account;
    let (concurrent, waiting, requests) = if *plan == ENTERPRISE {
        (own.concurrent_jobs, own.waiting_jobs, own.requests_per_minute)
    } else {
        (plan.concurrent_jobs, plan.waiting_jobs, plan.requests_per_minute)
    };
    PlanLimits {
        name: plan.name.to_owned(),
        max_concurrent_jobs: concurrent,
        max_waiting_jobs: waiting,
        requests_per_minute: requests,
    }
}

async fn create(store: &Store, config: &Config, name: &str, plan: &Plan, credits: u64) -> anyhow::Result<Report> {
    let plain = (1..=100).contains(&name.len())
        && !name.starts_with("acct_")
        && !name.contains(|c: char| c.is_control() || c.is_whitespace());
    ensure!(plain, "a name has 1 to 100 characters without spaces, and does not begin with `acct_`, as identifiers do");
    let limits = limits(config, plan);
    let mut new = plan.account(&new_id("acct"), name, credits);
    new.max_concurrent_jobs = limits.max_concurrent_jobs;
    new.max_waiting_jobs = limits.max_waiting_jobs;
    new.requests_per_minute = limits.requests_per_minute;
    if !store.create_account(&new).await? {
        bail!("there is an account `{name}` already; choose another name");
    }
    let made = account(store, &new.id).await?;
    let text = format!(
        "{name} is made: {} on the plan {}, with {} credits. A key for it: convertfly admin key create {name}",
        made.id, made.plan, made.balance
    );
    Ok(Report::new(text, view(&made)))
}

async fn list(store: &Store) -> anyhow::Result<Report> {
    let mut accounts = Vec::new();
    for id in store.account_ids().await? {
        accounts.push(account(store, &id).await?);
    }
    accounts.sort_by(|a, b| a.name.cmp(&b.name));
    let rows: Vec<[String; 6]> = accounts
        .iter()
        .map(|a| {
            [
                a.name.clone(),
                a.id.clone(),
                a.plan.clone(),
                a.balance.to_string(),
                a.active_jobs.to_string(),
                standing(a).to_owned(),
            ]
        })
        .collect();
    Ok(Report::table(["name", "id", "plan", "credits", "active jobs", "standing"], &rows, accounts.iter().map(view).collect()))
}

async fn suspend(store: &Store, name: &str, suspended: bool) -> anyhow::Result<Report> {
    let found = account(store, name).await?;
    store.set_suspended(&found.id, suspended).await?;
    Ok(show(&account(store, &found.id).await?))
}

async fn delete(store: &Store, config: &Config, name: &str, yes: bool) -> anyhow::Result<Report> {
    let found = account(store, name).await?;
    ensure!(found.suspended, "{} is not suspended: `convertfly admin account suspend {}` first", found.name, found.name);
    ensure!(yes, "this deletes the keys, jobs, files and ledger of {} for ever; say --yes to do it", found.name);
    let storage = Storage::open(&config.storage).await?;
    loop {
        let page = store.jobs(&found.id, 1, 100, None, None).await?;
        if page.jobs.is_empty() {
            break;
        }
        for record in page.jobs {
            job::delete(store, &storage, &found.id, &record.id).await?;
        }
    }
    store.delete_account(&found.id).await?;
    Ok(Report::new(format!("{} is deleted", found.name), json!({ "id": found.id, "name": found.name, "deleted": true })))
}

async fn audit(store: &Store, name: &str, accept: bool, repair: bool) -> anyhow::Result<Report> {
    let found = account(store, name).await?;
    let keep = u64::try_from(UpkeepConfig::default().keep_ledger.as_millis()).unwrap_or(u64::MAX);
    let (agree, books) = match store.audit(&found.id, true, keep).await? {
        Audit::Agree(books) => (true, books),
        Audit::Apart(books) | Audit::StillApart(books) => (false, books),
    };
    // Books that agree again by themselves (an operator has mended them by hand) still need somebody's word to charge by them.
    let settle = (accept || repair) && (!agree || found.frozen);
    if settle {
        let truth = if accept { Truth::Account } else { Truth::Ledger };
        store.settle_books(&found.id, truth).await.context("the books were left as they are")?;
    }
    let now = account(store, &found.id).await?;
    let json = json!({
        "account": found.id,
        "name": found.name,
        "agree": agree,
        "settled": settle,
        "charging_stopped": now.frozen,
        "credits_remaining": now.balance,
        "ledger": { "balance": books.ledger[0], "held": books.ledger[1], "spent": books.ledger[2] },
        "figures": { "balance": books.pots[0], "held": books.pots[1], "spent": books.pots[2], "granted": books.pots[3] },
    });
    Ok(Report::new(audit_text(&now, &books, agree, settle), json))
}

fn audit_text(account: &Account, books: &Books, agree: bool, settled: bool) -> String {
    let figure = |i: usize| books.pots[i].map_or_else(|| "unreadable".to_owned(), |figure| figure.to_string());
    let table = format!(
        "by the ledger:   balance {}, held {}, spent {}\nby the account:  balance {}, held {}, spent {}, granted {}",
        books.ledger[0],
        books.ledger[1],
        books.ledger[2],
        figure(0),
        figure(1),
        figure(2),
        figure(3)
    );
    let verdict = match (agree, settled, account.frozen) {
        (_, true, _) => format!("settled: the balance is {} and charging goes on", account.balance),
        (true, _, false) => "the books agree".to_owned(),
        (true, _, true) => "the books agree again, and charging is still stopped: --accept lets it go on".to_owned(),
        (false, ..) => {
            "THE BOOKS ARE APART and nothing is charged. --repair takes the ledger as true, --accept the account".to_owned()
        }
    };
    format!("{table}\n{verdict}")
}

fn standing(account: &Account) -> &'static str {
    match (account.suspended, account.frozen) {
        (true, _) => "suspended",
        (false, true) => "charging stopped",
        (false, false) => "ok",
    }
}

fn show(account: &Account) -> Report {
    let text = format!(
        "{} ({})\n  plan       {}: {} requests a minute, {} concurrent jobs, {} waiting\n  credits    {} left, {} reserved, {} spent\n  \
         jobs       {} active\n  standing   {}\n  made       {}",
        account.name,
        account.id,
        account.plan,
        account.requests_per_minute,
        account.max_concurrent_jobs,
        account.max_waiting_jobs,
        account.balance,
        account.held,
        account.spent,
        account.active_jobs,
        standing(account),
        timestamp(account.created_at),
    );
    Report::new(text, view(account))
}

fn view(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "credits_remaining": account.balance,
        "credits_reserved": account.held,
        "credits_used": account.spent,
        "credits_granted": account.granted,
        "active_jobs": account.active_jobs,
        "limits": {
            "requests_per_minute": account.requests_per_minute,
            "concurrent_jobs": account.max_concurrent_jobs,
            "waiting_jobs": account.max_waiting_jobs,
        },
        "suspended": account.suspended,
        "charging_stopped": account.frozen,
        "created_at": timestamp(account.created_at),
    })
}
