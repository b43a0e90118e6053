//! Decides which URLs and addresses may be reached for a customer: the one gate of imports, exports and webhooks.
//!
//! Everything is refused that is not known to be public: a customer's URL must never make a node talk to itself, to its
//! neighbours or to a cloud's metadata service. [`Gate::check`] judges a URL by its text, which is all that can be done where
//! it is registered; whoever connects asks [`Gate::vet`] as well, on every address that the host resolves to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Bytes that a URL may have; signed URLs are long, but not longer.
pub const MAX_URL_BYTES: usize = 8192;

/// What the customer is told about every host that is not public, whatever it is or resolves to.
pub const NOT_PUBLIC: &str = "The URL's host is not a public address";

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// The IANA IPv4 special-purpose address registry, and multicast. Blocks that the registry calls globally reachable are in
/// it too: they are anycast infrastructure that serves nobody's files.
pub const SPECIAL_V4: [Ipv4Net; 19] = [
    v4(0, 0, 0, 0, 8),       // this network
    v4(10, 0, 0, 0, 8),      // private use
    v4(100, 64, 0, 0, 10),   // carrier-grade NAT
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link local, cloud metadata
    v4(172, 16, 0, 0, 12),   // private use
    v4(192, 0, 0, 0, 24),    // IETF protocol assignments, DS-Lite, PCP, TURN, NAT64 discovery
    v4(192, 0, 2, 0, 24),    // documentation
    v4(192, 31, 196, 0, 24), // AS112
    v4(192, 52, 193, 0, 24), // AMT
    v4(192, 88, 99, 0, 24),  // 6to4 relay anycast, 6a44
    v4(192, 168, 0, 0, 16),  // private use
    v4(192, 175, 48, 0, 24), // AS112 direct delegation
    v4(198, 18, 0, 0, 15),   // benchmarking
    v4(198, 51, 100, 0, 24), // documentation
    v4(203, 0, 113, 0, 24),  // documentation
    v4(224, 0, 0, 0, 4),     // multicast
    v4(240, 0, 0, 0, 4),     // reserved
    v4(255, 255, 255, 255, 32),
];

/// The only IPv6 space that is allocated for global unicast. Loopback, unspecified, mapped (::ffff:0:0/96), compatible
/// (::/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), segment routing (5f00::/16), unique local (fc00::/7),
/// link local (fe80::/10), site local (fec0::/10) and multicast (ff00::/8) all lie outside.
pub const GLOBAL_UNICAST_V6: Ipv6Net = v6(0x2000, 0, 0, 0, 3);

/// What the IANA IPv6 special-purpose address registry takes out of [`GLOBAL_UNICAST_V6`].
pub const SPECIAL_V6: [Ipv6Net; 5] = [
    v6(0x2001, 0, 0, 0, 23),     // IETF protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID, DETs
    v6(0x2001, 0xdb8, 0, 0, 32), // documentation
    v6(0x2002, 0, 0, 0, 16),     // 6to4, which embeds any IPv4 address
    v6(0x2620, 0x4f, 0x8000, 0, 48), // AS112 direct delegation
    v6(0x3fff, 0, 0, 0, 20),     // documentation
];

/// Whether an address is a public unicast address of the internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => GLOBAL_UNICAST_V6.contains(&address) && !SPECIAL_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Networks that may be reached though they are not public: for private installations and tests. Empty by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowNets(Vec<IpNet>);

/// `CONVERTFLY_ALLOW_NETS` does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{variable}: `{entry}` is not a network; write networks in CIDR form separated by commas, for example {variable}=10.0.0.0/8,fd00::/8",
    variable = AllowNets::VARIABLE
)]
pub struct AllowNetsError {
    entry: String,
}

impl AllowNets {
    /// The variable that this comes from.
    pub const VARIABLE: &str = "CONVERTFLY_ALLOW_NETS";

    /// Whether an address lies in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// Whether nothing but public addresses may be reached.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for AllowNets {
    type Err = AllowNetsError;

    /// Reads networks or single addresses separated by commas; spaces and empty entries do not matter.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| {
                let net = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
                net.map_err(|_| AllowNetsError { entry: entry.to_owned() })
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for AllowNets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(IpNet::to_string).collect::<Vec<_>>().join(","))
    }
}

/// A URL that passed the static gate. Nothing else can be requested.
#[derive(Clone, Debug)]
pub struct Target(Url);

impl Target {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The URL, taken out.
    pub fn into_url(self) -> Url {
        self.0
    }
}

/// An address that passed the gate. Nothing else can be dialled: the field is private to this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vetted(SocketAddr);

impl Vetted {
    /// The address.
    pub fn address(self) -> SocketAddr {
        self.0
    }
}

/// The rules in force.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Networks allowed besides the public ones.
    pub allow: AllowNets,
    /// Whether ports from 1024 up may be reached besides 80 and 443.
    pub high_ports: bool,
}

impl Gate {
    /// Whether an address may be dialled.
    pub fn permits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allow.contains(address)
    }

    /// Parses a URL and checks everything that needs no resolver.
    ///
    /// # Errors
    /// A sentence for the customer. It never tells what an address was taken for.
    pub fn check(&self, url: &str) -> Result<Target, String> {
        if url.len() > MAX_URL_BYTES {
            return Err(format!("The URL has {} bytes; at most {MAX_URL_BYTES} are allowed", url.len()));
        }
        // Parsers drop tabs and line breaks silently and differ about backslashes: a URL with them is a mistake, or means one
        // host to us and another one to whoever looked at it before.
        if url.chars().any(|character| character.is_control() || character == '\\') {
            return Err("The URL contains control characters or backslashes. Percent-encode them".to_owned());
        }
        let parsed = Url::parse(url).map_err(|cause| {
            format!("The URL cannot be read ({cause}). Give an absolute one, for example https://example.com/photo.jpg")
        })?;
        self.check_parsed(parsed)
    }

    /// As [`Gate::check`], for a webhook: https, or http within the networks that are allowed besides the public ones. Whether
    /// a name's addresses lie in them is for [`Gate::allows`] to say when it has been resolved.
    ///
    /// # Errors
    /// As [`Gate::check`].
    pub fn check_webhook(&self, url: &str) -> Result<Target, String> {
        let target = self.check(url)?;
        let within = match target.url().host() {
            Some(Host::Ipv4(address)) => self.allow.contains(address.into()),
            Some(Host::Ipv6(address)) => self.allow.contains(address.into()),
            Some(Host::Domain(_)) | None => !self.allow.is_empty(),
        };
        if target.url().scheme() == "https" || within {
            Ok(target)
        } else {
            Err("The URL's scheme is `http`; webhooks are sent over https only".to_owned())
        }
    }

    /// Whether all addresses lie in the networks that are allowed besides the public ones.
    pub fn allows(&self, addresses: &[IpAddr]) -> bool {
        addresses.iter().all(|&address| self.allow.contains(address))
    }

    /// As [`Gate::check`], for the `Location` of a redirect, which may be relative to `from`.
    ///
    /// # Errors
    /// As [`Gate::check`].
    pub fn check_redirect(&self, from: &Target, location: &str) -> Result<Target, String> {
        if location.len() > MAX_URL_BYTES {
            return Err(format!("its Location has more than {MAX_URL_BYTES} bytes"));
        }
        let next = from.0.join(location).map_err(|cause| format!("its Location cannot be read ({cause})"))?;
        if from.0.scheme() == "https" && next.scheme() == "http" {
            return Err("it leads from https to http".to_owned());
        }
        self.check_parsed(next)
    }

    fn check_parsed(&self, url: Url) -> Result<Target, String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("The URL's scheme is `{}`; only http and https are supported", url.scheme()));
        }
        // Credentials would be stored with the job and shown in its JSON, and `http://public@internal/` only serves to mislead.
        if !url.username().is_empty() || url.password().is_some() {
            return Err("The URL contains credentials. Send them in `headers` as Authorization instead".to_owned());
        }
        match url.port_or_known_default() {
            Some(80 | 443) => {}
            Some(1024..) if self.high_ports => {}
            port => {
                let port = port.unwrap_or_default();
                let and_up = if self.high_ports { " and ports from 1024 up" } else { "" };
                return Err(format!("The URL's port {port} is not allowed; use 80, 443{and_up}"));
            }
        }
        let reachable = match url.host() {
            None => return Err("The URL has no host".to_owned()),
            Some(Host::Ipv4(address)) => self.permits(address.into()),
            Some(Host::Ipv6(address)) => self.permits(address.into()),
            Some(Host::Domain(name)) if !is_host_name(name) => {
                return Err("The URL's host is not a host name".to_owned());
            }
            // RFC 6761: these names mean the machine itself, whatever a resolver says.
            Some(Host::Domain(name)) => !is_localhost(name) || self.permits(Ipv4Addr::LOCALHOST.into()),
        };
        if reachable { Ok(Target(url)) } else { Err(NOT_PUBLIC.to_owned()) }
    }

    /// Turns resolved addresses into ones that may be dialled: all of them, or none if **any** is not permitted, since a name
    /// that mixes public and internal addresses is an attack or a mistake.
    pub fn vet(&self, addresses: &[IpAddr], port: u16) -> Option<Vec<Vetted>> {
        let permitted = addresses.iter().all(|&address| self.permits(address));
        permitted.then(|| addresses.iter().map(|&address| Vetted(SocketAddr::new(address, port))).collect())
    }
}

/// Whether a name has the form of a DNS name, underscores included (RFC 1123 has none, storage buckets do).
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let characters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(characters)
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}
