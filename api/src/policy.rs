//! Settings of the API: how often strangers may ask, whom to believe about a client's address, which pages may call.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use convertfly_scheduler::plans::FREE;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::Deserialize;

/// Addresses that a request came through, the client's first: what proxies add to.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Settings of the API, from the `[api]` table of the configuration file or the variables named below.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// `CONVERTFLY_TRUSTED_PROXIES`: networks of the reverse proxies in front of this server, whose `X-Forwarded-For` is
    /// believed. Everybody else's is not.
    pub trusted_proxies: Vec<IpNet>,
    /// `CONVERTFLY_CORS_ORIGINS`: origins whose pages may call the API from a browser, or `*` for all. None by default: an API
    /// key has no place in a page.
    pub cors_origins: Vec<String>,
    /// `CONVERTFLY_STRANGER_REQUESTS`: requests a minute that an address may make without a valid key; the Free plan's.
    pub stranger_requests: u64,
    /// `CONVERTFLY_RATE_WINDOW_MS`: length of a window of the rate limit. The reference promises a minute of the clock; only
    /// tests have reason for another.
    pub rate_window_ms: u64,
    /// Requests of one key that may wait for a job's end at once, in this process.
    pub waits_per_key: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
            stranger_requests: FREE.requests_per_minute,
            rate_window_ms: 60_000,
            waits_per_key: 4_096,
        }
    }
}

impl Policy {
    /// Takes over the variables that `lookup` finds (the environment, in a program) and returns what is wrong with them.
    pub fn apply_variables(&mut self, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut problems = Vec::new();
        let list = |name: &str| {
            let text = lookup(name)?;
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(parts.map(str::to_owned).collect::<Vec<_>>())
        };
        if let Some(nets) = list("CONVERTFLY_TRUSTED_PROXIES") {
            self.trusted_proxies.clear();
            for net in nets {
                match net.parse().or_else(|_| net.parse::<IpAddr>().map(IpNet::from)) {
                    Ok(net) => self.trusted_proxies.push(net),
                    Err(_) => problems.push(format!(
                        "CONVERTFLY_TRUSTED_PROXIES: {net:?} is not a network, for example `10.0.0.0/8,127.0.0.1`"
                    )),
                }
            }
        }
        if let Some(origins) = list("CONVERTFLY_CORS_ORIGINS") {
            self.cors_origins = origins;
        }
        for (name, place) in [
            ("CONVERTFLY_STRANGER_REQUESTS", &mut self.stranger_requests),
            ("CONVERTFLY_RATE_WINDOW_MS", &mut self.rate_window_ms),
        ] {
            match lookup(name).map(|text| text.parse()) {
                None => {}
                Some(Ok(number)) => *place = number,
                Some(Err(_)) => problems.push(format!("{name} must be a whole number, for example {place}")),
            }
        }
        problems
    }

    /// What is wrong with the settings; each entry names the variable and an example.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for origin in &self.cors_origins {
            let plain = url::Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == *origin);
            if origin != "*" && !plain {
                problems.push(format!(
                    "CONVERTFLY_CORS_ORIGINS: {origin:?} is not an origin: scheme, host and port without a slash at the end, for \
                     example `https://app.example.com`"
                ));
            }
        }
        if self.rate_window_ms == 0 {
            problems.push("CONVERTFLY_RATE_WINDOW_MS must be 1 or more, for example 60000".into());
        }
        problems
    }

    /// The window of the rate limit.
    pub(crate) fn rate_window(&self) -> Duration {
        Duration::from_millis(self.rate_window_ms)
    }

    /// Whose request it is: the peer, or, behind proxies of ours, the last address in `X-Forwarded-For` that is not one of them.
    /// Everything before that address is the client's own word.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let ours = |address: IpAddr| self.trusted_proxies.iter().any(|net| net.contains(&address.to_canonical()));
        let mut client = peer.to_canonical();
        let lines: Vec<&str> = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok()).collect();
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            if !ours(client) {
                break;
            }
            let Some(address) = address(hop.trim()) else { break };
            client = address;
        }
        client
    }

    /// The permission for a page of that origin, if there is one.
    pub(crate) fn allowed_origin(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        if self.cors_origins.iter().any(|allowed| allowed == "*") {
            return Some(HeaderValue::from_static("*"));
        }
        self.cors_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
    }
}

/// An address as proxies write it: with or without brackets and a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let parsed = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    parsed.map(|address| address.to_canonical())
}

/// The unit by which addresses are counted: an IPv4 address, or the /64 that one IPv6 subscriber holds.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let trusted_proxies = proxies.iter().map(|net| net.parse().expect("a network")).collect();
        let policy = Policy { trusted_proxies, ..Policy::default() };
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        policy.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn a_proxy_is_believed_only_if_it_is_ours() {
        assert_eq!(client(&[], "192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "anybody can send the header");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &["198.51.100.7"]), "192.0.2.1", "not from our network");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1", &["198.51.100.7"]), "198.51.100.7", "our proxy says so");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.1.1.1", &["198.51.100.7"]), "198.51.100.7", "in another notation");
        assert_eq!(client(&["10.0.0.0/8"], "10.1.1.1", &[]), "10.1.1.1", "it says nothing");
    }

    #[test]
    fn what_the_client_wrote_itself_does_not_count() {
        let ours = &["10.0.0.0/8"];
        assert_eq!(client(ours, "10.1.1.1", &["1.1.1.1, 198.51.100.7"]), "198.51.100.7", "the last one is our proxy's word");
        assert_eq!(client(ours, "10.1.1.1", &["1.1.1.1", "198.51.100.7, 10.2.2.2"]), "198.51.100.7", "two proxies, two lines");
        assert_eq!(client(ours, "10.1.1.1", &["198.51.100.7, nonsense"]), "10.1.1.1", "what does not read ends the search");
        assert_eq!(client(ours, "10.1.1.1", &["[2001:db8::7]:443"]), "2001:db8::7", "with port and brackets");
        assert_eq!(client(ours, "10.1.1.1", &["198.51.100.7:5000"]), "198.51.100.7", "with a port");
    }

    #[test]
    fn settings_are_read_and_their_faults_named() {
        let mut policy = Policy::default();
        let problems = policy.apply_variables(|name| match name {
            "CONVERTFLY_TRUSTED_PROXIES" => Some("10.0.0.0/8, 127.0.0.1, far".into()),
            "CONVERTFLY_CORS_ORIGINS" => Some("https://a.example, http://b.example/".into()),
            "CONVERTFLY_STRANGER_REQUESTS" => Some("many".into()),
            _ => None,
        });
        assert!(problems.len() == 2 && problems.iter().all(|problem| problem.contains("for example")), "{problems:?}");
        assert_eq!(policy.trusted_proxies.len(), 2, "the others are taken");
        let problems = policy.validate();
        assert!(problems.len() == 1 && problems[0].contains("b.example/"), "a slash is no part of an origin: {problems:?}");
    }

    #[test]
    fn an_ipv6_subscriber_is_one_client() {
        let of = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(of("2001:db8:1:2:3::4"), "2001:db8:1:2::", "the /64");
        assert_eq!((of("::ffff:192.0.2.1"), of("::1")), ("192.0.2.1".into(), "::1".into()), "IPv4 and loopback as they are");
    }
}
