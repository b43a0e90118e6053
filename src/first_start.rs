//! The account `default` and its first key.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use convertfly_api::keys;
use convertfly_scheduler::ids;
use convertfly_scheduler::plans::ENTERPRISE;
use convertfly_scheduler::store::{ApiKey, NewAccount, Store};

use crate::config::Config;

const ACCOUNT: &str = "acct_default";

/// Makes the account `default` and, while it has no key, one with full access: printed once with a line to try it, and
/// written to `<data>/api-key` (0600).
pub(crate) async fn ensure(store: &Store, config: &Config) -> anyhow::Result<()> {
    let limits = &config.default_account;
    let account = NewAccount {
        max_concurrent_jobs: limits.concurrent_jobs,
        max_waiting_jobs: limits.waiting_jobs,
        requests_per_minute: limits.requests_per_minute,
        ..ENTERPRISE.account(ACCOUNT, "default", limits.credits)
    };
    store.create_account(&account).await?;
    if store.has_keys(ACCOUNT).await? {
        return Ok(());
    }
    let key = keys::generate(keys::Mode::Live);
    let path = config.data.join("api-key");
    // The file comes first: a key that nobody knows would be of no use.
    write_private(&path, key.expose()).with_context(|| format!("cannot write {}", path.display()))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let record = ApiKey {
        id: ids::new_id("key"),
        account: ACCOUNT.into(),
        name: "first key".into(),
        scopes: vec!["*".into()],
        last4: keys::last4(key.expose()),
        created_at: u64::try_from(now).unwrap_or(0),
        ..ApiKey::default()
    };
    store.put_key(&keys::sha256_hex(key.expose()), &record).await?;
    println!(
        "\nYour API key (shown once, kept in {}):\n\n  {}\n\nTry it:\n\n  curl {}/api/v1/account -H \"Authorization: Bearer {}\"\n",
        path.display(),
        key.expose(),
        config.public_url(),
        key.expose()
    );
    Ok(())
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}
