//! Names to addresses: one question, every A and AAAA record.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResolveError {
    /// The name does not exist or has no address.
    NoSuchName,
    /// The resolver did not answer; for the log.
    Unavailable(String),
}

/// Finds addresses. The connector asks once per connection and dials only what it was told.
pub(super) trait Resolve: Send + Sync {
    /// All IPv4 and IPv6 addresses of a name, IPv4 first.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>>;
}

/// The name servers of `/etc/resolv.conf`, and `/etc/hosts`.
pub(super) struct SystemResolver(TokioResolver);

impl SystemResolver {
    /// Reads the system's configuration; without a readable one it asks a name server on this machine, as the C library does.
    pub(super) fn new() -> Result<Self, String> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|cause| {
            tracing::warn!(%cause, "no readable /etc/resolv.conf; asking the name server on 127.0.0.1");
            let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            let config = ResolverConfig::from_name_servers(vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        // Both families, always: the gate wants to see every address that a name has.
        builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map(Self).map_err(|cause| cause.to_string())
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        async move {
            // The trailing dot keeps the system's search domains away: `intranet` must not become `intranet.corp.example`.
            let absolute = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
            match self.0.lookup_ip(absolute).await {
                Ok(found) => {
                    let addresses: Vec<IpAddr> = found.iter().collect();
                    if addresses.is_empty() { Err(ResolveError::NoSuchName) } else { Ok(addresses) }
                }
                Err(cause) if cause.is_nx_domain() || cause.is_no_records_found() => Err(ResolveError::NoSuchName),
                Err(cause) => Err(ResolveError::Unavailable(cause.to_string())),
            }
        }
        .boxed()
    }
}
