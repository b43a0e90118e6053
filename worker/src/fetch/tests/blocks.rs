//! The address table: every special block at both ends and inside, and what lies just outside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::{AllowNets, is_public};

/// Every entry of the IANA IPv4 and IPv6 special-purpose address registries, multicast, and the deprecated site-local and
/// IPv4-compatible blocks: first, last, one inside. Written out independently of the guard's own table.
const SPECIAL: &[(&str, &str, &str, &str)] = &[
    ("0.0.0.0/8", "0.0.0.0", "0.255.255.255", "0.1.2.3"),
    ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "10.20.30.40"),
    ("100.64.0.0/10", "100.64.0.0", "100.127.255.255", "100.100.100.200"),
    ("127.0.0.0/8", "127.0.0.0", "127.255.255.255", "127.0.0.1"),
    ("169.254.0.0/16", "169.254.0.0", "169.254.255.255", "169.254.169.254"),
    ("172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.17.0.1"),
    ("192.0.0.0/24", "192.0.0.0", "192.0.0.255", "192.0.0.192"),
    ("192.0.0.0/29", "192.0.0.0", "192.0.0.7", "192.0.0.2"),
    ("192.0.0.8/32", "192.0.0.8", "192.0.0.8", "192.0.0.8"),
    ("192.0.0.9/32", "192.0.0.9", "192.0.0.9", "192.0.0.9"),
    ("192.0.0.10/32", "192.0.0.10", "192.0.0.10", "192.0.0.10"),
    ("192.0.0.170/31", "192.0.0.170", "192.0.0.171", "192.0.0.170"),
    ("192.0.2.0/24", "192.0.2.0", "192.0.2.255", "192.0.2.77"),
    ("192.31.196.0/24", "192.31.196.0", "192.31.196.255", "192.31.196.9"),
    ("192.52.193.0/24", "192.52.193.0", "192.52.193.255", "192.52.193.1"),
    ("192.88.99.0/24", "192.88.99.0", "192.88.99.255", "192.88.99.2"),
    ("192.168.0.0/16", "192.168.0.0", "192.168.255.255", "192.168.1.1"),
    ("192.175.48.0/24", "192.175.48.0", "192.175.48.255", "192.175.48.6"),
    ("198.18.0.0/15", "198.18.0.0", "198.19.255.255", "198.19.0.1"),
    ("198.51.100.0/24", "198.51.100.0", "198.51.100.255", "198.51.100.7"),
    ("203.0.113.0/24", "203.0.113.0", "203.0.113.255", "203.0.113.99"),
    ("224.0.0.0/4", "224.0.0.0", "239.255.255.255", "239.1.2.3"),
    ("240.0.0.0/4", "240.0.0.0", "255.255.255.254", "250.0.0.1"),
    ("255.255.255.255/32", "255.255.255.255", "255.255.255.255", "255.255.255.255"),
    ("::1/128", "::1", "::1", "::1"),
    ("::/128", "::", "::", "::"),
    ("::/96 compatible", "::", "::ffff:ffff", "::127.0.0.1"),
    ("::ffff:0:0/96 mapped", "::ffff:0.0.0.0", "::ffff:255.255.255.255", "::ffff:8.8.8.8"),
    ("::ffff:0:0:0/96 translated", "::ffff:0:0:0", "::ffff:0:ffff:ffff", "::ffff:0:7f00:1"),
    ("64:ff9b::/96", "64:ff9b::", "64:ff9b::ffff:ffff", "64:ff9b::7f00:1"),
    ("64:ff9b:1::/48", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::a00:1"),
    ("100::/64", "100::", "100::ffff:ffff:ffff:ffff", "100::1"),
    ("100:0:0:1::/64", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", "100:0:0:1::1"),
    ("2001::/23", "2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:100::1"),
    ("2001::/32 Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ("2001:1::1/128", "2001:1::1", "2001:1::1", "2001:1::1"),
    ("2001:1::2/128", "2001:1::2", "2001:1::2", "2001:1::2"),
    ("2001:1::3/128", "2001:1::3", "2001:1::3", "2001:1::3"),
    ("2001:2::/48", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "2001:2::1"),
    ("2001:3::/32", "2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff", "2001:3::1"),
    ("2001:4:112::/48", "2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff", "2001:4:112::1"),
    ("2001:10::/28", "2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:15::1"),
    ("2001:20::/28", "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:25::1"),
    ("2001:30::/28", "2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:35::1"),
    ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::53"),
    ("2002::/16", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002:7f00:1::"),
    ("2620:4f:8000::/48", "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::6"),
    ("3fff::/20", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1::1"),
    ("4000::/2 unallocated", "4000::", "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4001::1"),
    ("5f00::/16", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::1"),
    ("fc00::/7", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fd00:ec2::254"),
    ("fe80::/10", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::1"),
    ("fec0::/10", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::1"),
    ("ff00::/8", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff02::1"),
];

/// Public addresses, most of them right beside a special block.
const PUBLIC: &[&str] = &[
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.3.0",
    "192.31.195.255",
    "192.31.197.0",
    "192.52.192.255",
    "192.52.194.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "192.175.47.255",
    "192.175.49.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "2000::1",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2003::1",
    "2606:4700:4700::1111",
    "2620:4f:7fff::1",
    "2620:4f:8001::1",
    "2a00:1450:4001:82b::200e",
    "3ffe:ffff::1",
    "3fff:1000::1",
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is an address"))
}

#[test]
fn special_blocks_are_refused_from_first_to_last() {
    for (block, first, last, inside) in SPECIAL {
        for text in [first, last, inside] {
            assert!(!is_public(address(text)), "{text} of {block} must be refused");
        }
    }
}

#[test]
fn neighbours_of_special_blocks_are_public() {
    for text in PUBLIC {
        assert!(is_public(address(text)), "{text} is public");
    }
}

#[test]
fn every_ipv4_block_of_256_agrees_with_the_written_table() {
    // All 2^24 networks of 256 addresses: public exactly if no block of the table above covers them.
    let block = |text: &str| text.split_whitespace().next().and_then(|net| net.parse::<ipnet::Ipv4Net>().ok());
    let blocks: Vec<_> = SPECIAL.iter().filter_map(|row| block(row.0)).filter(|net| net.prefix_len() <= 24).collect();
    assert!(blocks.len() >= 17, "the table has its IPv4 rows");
    let mut public = 0_u32;
    for network in 0..1_u32 << 24 {
        let inside = Ipv4Addr::from(network << 8 | 77);
        let expected = !blocks.iter().any(|net| net.contains(&inside));
        assert_eq!(is_public(inside.into()), expected, "{inside}");
        public += u32::from(expected);
    }
    assert!(public > 14_000_000, "most of the space is public: {public}");
}

#[test]
fn no_ipv6_address_that_embeds_a_private_ipv4_one_is_public() {
    for v4 in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.0.1"] {
        let [a, b, c, d] = v4.parse::<Ipv4Addr>().expect("an address").octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let embedded = [
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x64, 0xff9b, 1, high, low >> 8, low << 8, 0, 0),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low),
        ];
        for address in embedded {
            assert!(!is_public(address.into()), "{address} embeds {v4}");
        }
    }
}

#[test]
fn allowed_networks_are_read_and_mistakes_are_named() {
    let nets: AllowNets = " 10.0.0.0/8, fd00::/8,127.0.0.1 ,".parse().expect("two networks and an address");
    assert_eq!(nets.to_string(), "10.0.0.0/8,fd00::/8,127.0.0.1/32", "a bare address is itself");
    for (text, inside) in [("10.9.8.7", true), ("11.0.0.0", false), ("fd12::1", true), ("127.0.0.1", true), ("127.0.0.2", false)]
    {
        assert_eq!(nets.contains(address(text)), inside, "{text}");
    }
    assert!(!nets.contains(address("::ffff:10.0.0.1")), "a mapped address is not the address that it maps");
    assert!("".parse::<AllowNets>().expect("empty is allowed").is_empty(), "empty means none");
    for wrong in ["10.0.0.0/33", "ten", "10.0.0.0/8;fd00::/8", "localhost", "10.0.0/8"] {
        let message = wrong.parse::<AllowNets>().expect_err("not a network").to_string();
        let named =
            message.contains("CONVERTFLY_ALLOW_NETS") && message.contains(wrong) && message.contains("10.0.0.0/8,fd00::/8");
        assert!(named, "variable, entry and an example are in: {message}");
    }
}
