//! Counts connections per client address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::policy::network;

/// Open connections per address.
#[derive(Clone)]
pub(super) struct Peers {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
    count_loopback: bool,
}

/// A counted connection; dropping it gives the place back.
pub(super) struct Place {
    peers: Peers,
    address: Option<IpAddr>,
}

impl Peers {
    pub(super) fn new(most: usize, count_loopback: bool) -> Self {
        Self { open: Arc::default(), most, count_loopback }
    }

    /// Counts a connection from `address`; `None` when it has as many as it may.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        if address.is_loopback() && !self.count_loopback {
            return Some(Place { peers: self.clone(), address: None });
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { peers: self.clone(), address: Some(address) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_gets_its_places_back() {
        let peers = Peers::new(2, false);
        let first = peers.enter(ip("192.0.2.1")).expect("one");
        let _second = peers.enter(ip("::ffff:192.0.2.1")).expect("two, the same address in another notation");
        assert!(peers.enter(ip("192.0.2.1")).is_none(), "the third is refused");
        assert!(peers.enter(ip("192.0.2.2")).is_some(), "another address is not affected");
        drop(first);
        assert!(peers.enter(ip("192.0.2.1")).is_some(), "a place was given back");
    }

    #[test]
    fn one_ipv6_network_counts_as_one_and_loopback_is_exempt() {
        let peers = Peers::new(1, false);
        let _held = peers.enter(ip("2001:db8:1:2::1")).expect("one");
        assert!(peers.enter(ip("2001:db8:1:2:ffff::9")).is_none(), "the same /64");
        assert!(peers.enter(ip("2001:db8:1:3::1")).is_some(), "another /64");
        let _many: Vec<_> = (0..5).map(|_| peers.enter(ip("127.0.0.1")).expect("exempt")).collect();
        let strict = Peers::new(1, true);
        let _held = strict.enter(ip("::1")).expect("one");
        assert!(strict.enter(ip("::1")).is_none(), "counted when asked for");
    }
}
