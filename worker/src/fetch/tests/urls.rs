//! The URL table: every way of writing an address that is not public is refused before anything is dialled.

use super::*;

/// Refused, each by the text alone or by what the stub resolves the name to. Names without an answer in [`resolver`] resolve
/// to a public address, so none of these passes for want of an answer.
pub(super) const REFUSED: &[&str] = &[
    // IPv4 literals.
    "http://127.0.0.1/",
    "http://127.0.0.1:80/",
    "http://127.0.0.1:8080/",
    "https://127.0.0.1/",
    "http://127.0.0.2/",
    "http://127.1.2.3/",
    "http://127.255.255.255/",
    "http://0.0.0.0/",
    "http://0.0.0.0:8080/",
    "http://0.1.2.3/",
    "http://10.0.0.1/",
    "http://10.255.255.254/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://169.254.170.2/v2/credentials",
    "http://169.254.169.123/",
    "http://172.16.0.1/",
    "http://172.17.0.1/",
    "http://172.31.255.255/",
    "http://192.0.0.1/",
    "http://192.0.0.192/opc/v2/instance/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://192.168.0.1/",
    "http://192.168.255.255/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    // Decimal, octal, hexadecimal, short and mixed.
    "http://2130706433/",
    "http://2130706433:8080/",
    "http://3232235777/",
    "http://2852039166/latest/meta-data/",
    "http://0/",
    "http://1/",
    "http://4294967295/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://0177.0.0.01/",
    "http://00000177.0.0.1/",
    "http://0251.0376.0251.0376/",
    "http://012.0.0.1/",
    "http://0x7f000001/",
    "http://0X7F000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://0x7f.1/",
    "http://0x7f.0.1/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0xA9.0376.43518/",
    "http://0xc0a80001/",
    "http://0x/",
    "http://0x0/",
    "http://00/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.65535/",
    "http://10.1/",
    "http://192.168.257/",
    "http://169.254.43518/",
    "http://172.1048577/",
    "http://127.0.0.0x1/",
    "http://127.0x0.00.1/",
    "http://127.0.0.1./",
    "http://2130706433./",
    "http://0x7f000001./",
    "http://127.1./",
    // Written so that no number is seen.
    "http://127%2E0%2E0%2E1/",
    "http://%31%32%37.0.0.1/",
    "http://%31%32%37%2e%30%2e%30%2e%31/",
    "http://%30x7f000001/",
    "http://１２７.0.0.1/",
    "http://１２７．０．０．１/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://127｡0｡0｡1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://⑯⑨.②⑤④.①⑥⑨.②⑤④/",
    "http://𝟏𝟐𝟕.𝟎.𝟎.𝟏/",
    "http://２１３０７０６４３３/",
    "http://０ｘ7f000001/",
    "http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/",
    "http://1\u{ad}27.0.0.1/",
    "http://127\u{200b}.0.0.1/",
    "http://127.0.0.1\u{2060}/",
    // Around the host.
    "HTTP://127.0.0.1/",
    "hTTp://127.0.0.1/",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:////127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http:/\\127.0.0.1/",
    "http:\\/127.0.0.1/",
    "  http://127.0.0.1/  ",
    "http://127.0.0.1\\@example.com/",
    "http://127.0.0.1#@example.com/",
    "http://127.0.0.1?@example.com/",
    "http://127.0.0.1/@example.com",
    "http://127.0.0.1:80#example.com",
    "http://127.0.0.1?.example.com/",
    "http://example.com@127.0.0.1/",
    "http://example.com:80@127.0.0.1/",
    "http://example.com%40127.0.0.1/",
    "http://example.com\\@127.0.0.1/../",
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://:password@example.com/",
    "http://foo@evil.example@127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://127.0.0\n.1/",
    "ht\ntp://127.0.0.1/",
    "http://\t127.0.0.1/",
    "http://127.0.0.1\r\nHost: example.com/",
    "http://example.com/\r\nX-Injected: 1",
    "http://example.com/\0",
    "http://127.0.0.1%00.example.com/",
    "http://127.0.0.1%09/",
    "http://127.0.0.1%20/",
    "http://127.0.0.1,example.com/",
    "http://127.0.0.1 example.com/",
    "http://127.0.0.1;example.com/",
    "http://127.0.0.1&example.com/",
    "http://example.com$127.0.0.1/",
    "http://127.0.0.1!.example.com/",
    "http://example..com/",
    "http://.example.com/",
    "http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com/",
    "http://127.0.0.256/",
    "http://999.1/",
    "http://1.2.3.4.5/",
    "http://0x7f.0.0.0.1/",
    "http://4294967296/",
    "http://example.com:0/",
    "http://example.com:22/",
    "http://example.com:25/",
    "http://example.com:6/",
    "http://example.com:1023/",
    "http://example.com:65536/",
    "http://example.com:-80/",
    "http://example.com:http/",
    "https://example.com:23/",
    // IPv6 literals.
    "http://[::1]/",
    "http://[::1]:8080/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "http://[::]/",
    "http://[::]:8080/",
    "http://[::127.0.0.1]/",
    "http://[::7f00:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::FFFF:7F00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::10.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2001::1]/",
    "http://[2001:2::1]/",
    "http://[2001:10::1]/",
    "http://[2001:20::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[100::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fe80::a9fe:a9fe]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::1%25lo]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[4000::1]/",
    "http://[::1/",
    "http://::1/",
    "http://[127.0.0.1]/",
    "http://[::1].example.com/",
    "http://[]/",
    // Names.
    "http://localhost/",
    "http://localhost:8080/",
    "http://LOCALHOST/",
    "http://localhost./",
    "http://foo.localhost/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://loc%61lhost/",
    "http://lo\u{ad}calhost/",
    "http://127.0.0.1.nip.test/",
    "http://loopback.test/",
    "http://loopback.test./",
    "http://LOOPBACK.test/",
    "http://loopback6.test/",
    "http://metadata.test/computeMetadata/v1/",
    "http://private10.test/",
    "http://private172.test/",
    "http://private192.test/",
    "http://cgnat.test/",
    "http://zero.test/",
    "http://mapped.test/",
    "http://sixtofour.test/",
    "http://nat64.test/",
    "http://teredo.test/",
    "http://unique-local.test/",
    "http://link-local.test/",
    "http://site-local.test/",
    "http://broadcast.test/",
    "http://multicast.test/",
    "https://loopback.test/",
    "http://public-then-loopback.test/",
    "http://loopback-then-public.test/",
    "http://public-v4-private-v6.test/",
    "http://public-v6-private-v4.test/",
    "http://one-of-nine.test/",
    "http://bücher-loopback.test/",
    "http://xn--bcher-loopback-gsb.test/",
    "http://nowhere.test/",
    // Other schemes, and no URL at all.
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "FILE:///etc/passwd",
    "ftp://example.com/a",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "ws://example.com/",
    "blob:http://example.com/1",
    "view-source:http://127.0.0.1/",
    "s3://bucket/key",
    "netdoc:///etc/passwd",
    "//127.0.0.1/",
    "/etc/passwd",
    "127.0.0.1",
    "localhost:8080/",
    "example.com/photo.jpg",
    "http://",
    "http:",
    "http://?",
    "http://#",
    "https:///",
    "http://%/",
    "http://exa mple.com/",
    "http://exam<ple.com/",
    "",
    " ",
];

/// Let through, with the address that must be dialled.
const PASSED: &[(&str, &str)] = &[
    ("http://example.com/photo.jpg", "93.184.215.14:80"),
    ("https://example.com/photo.jpg", "93.184.215.14:443"),
    ("HTTPS://EXAMPLE.COM/photo.jpg", "93.184.215.14:443"),
    ("http://example.com:8080/a", "93.184.215.14:8080"),
    ("http://example.com:1024/a", "93.184.215.14:1024"),
    ("https://example.com:65535/a", "93.184.215.14:65535"),
    ("http://example.com:443/a", "93.184.215.14:443"),
    ("https://example.com./a", "93.184.215.14:443"),
    ("https://bucket_name.example.com/a?X-Amz-Signature=1#f", "93.184.215.14:443"),
    ("https://bücher.example/ü?q=ü", "93.184.215.14:443"),
    ("https://例え.テスト/", "93.184.215.14:443"),
    ("https://127.0.0.1.example.com/", "93.184.215.14:443"),
    ("https://localhost.example.com/", "93.184.215.14:443"),
    ("https://notlocalhost/", "93.184.215.14:443"),
    ("https://example.com/?next=http://127.0.0.1/", "93.184.215.14:443"),
    ("https://example.com/@127.0.0.1", "93.184.215.14:443"),
    ("https://example.com/a|b^c`d{e}'\"f?g|h`i'{}", "93.184.215.14:443"),
    ("  https://example.com/  ", "93.184.215.14:443"),
    ("http://8.8.8.8/", "8.8.8.8:80"),
    ("http://134744072/", "8.8.8.8:80"),
    ("http://0x08.8.2056/", "8.8.8.8:80"),
    ("http://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]:80"),
    ("https://[2A00:1450:4001:82B::200E]:8443/", "[2a00:1450:4001:82b::200e]:8443"),
    ("https://v6only.test/", "[2606:4700::6810:84e5]:443"),
];

pub(super) fn resolver() -> StubResolver {
    StubResolver::default()
        .with("localhost", &[&[PUBLIC]])
        .with("localhost.", &[&[PUBLIC]])
        .with("foo.localhost", &[&[PUBLIC]])
        .with("127.0.0.1.nip.test", &[&["127.0.0.1"]])
        .with("loopback.test", &[&["127.0.0.1"]])
        .with("loopback.test.", &[&["127.0.0.1"]])
        .with("loopback6.test", &[&["::1"]])
        .with("metadata.test", &[&["169.254.169.254"]])
        .with("private10.test", &[&["10.1.2.3"]])
        .with("private172.test", &[&["172.20.0.1"]])
        .with("private192.test", &[&["192.168.1.1"]])
        .with("cgnat.test", &[&["100.64.1.1"]])
        .with("zero.test", &[&["0.0.0.0"]])
        .with("mapped.test", &[&["::ffff:127.0.0.1"]])
        .with("sixtofour.test", &[&["2002:7f00:1::"]])
        .with("nat64.test", &[&["64:ff9b::7f00:1"]])
        .with("teredo.test", &[&["2001:0:4136:e378:8000:63bf:80ff:fffe"]])
        .with("unique-local.test", &[&["fd00::1"]])
        .with("link-local.test", &[&["fe80::1"]])
        .with("site-local.test", &[&["fec0::1"]])
        .with("broadcast.test", &[&["255.255.255.255"]])
        .with("multicast.test", &[&["224.0.0.251"]])
        .with("public-then-loopback.test", &[&[PUBLIC, "127.0.0.1"]])
        .with("loopback-then-public.test", &[&["127.0.0.1", PUBLIC]])
        .with("public-v4-private-v6.test", &[&[PUBLIC, "fd00::1"]])
        .with("public-v6-private-v4.test", &[&["10.0.0.1", "2606:4700:4700::1111"]])
        .with(
            "one-of-nine.test",
            &[&["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6", "1.1.1.7", "1.1.1.8", "10.0.0.1"]],
        )
        .with("xn--bcher-loopback-gsb.test", &[&["127.0.0.1"]])
        .with("v6only.test", &[&["2606:4700::6810:84e5"]])
        .with("nowhere.test", &[&[]])
}

#[tokio::test]
async fn every_hostile_form_is_refused_and_nothing_is_dialled() {
    assert!(REFUSED.len() >= 150, "the table has {} rows", REFUSED.len());
    let (fetcher, _, dialer) = stubbed(FetchConfig { retries: 0, ..test_config() }, resolver(), RecordingDialer::default());
    let mut got_through = Vec::new();
    for url in REFUSED {
        let before = dialer.dialled().len();
        let message = download(&fetcher, url).await.message();
        if dialer.dialled().len() > before {
            got_through.push(*url);
        }
        for secret in ["127.0.0.1", "10.", "169.254", "192.168", "::1"] {
            assert!(!message.contains(secret), "{url:?}: the message tells an address: {message}");
        }
    }
    assert!(got_through.is_empty(), "dialled: {got_through:#?}");
}

/// Hands every hostile URL to another sink than a download, with a client of its own; returns those that were dialled, and how
/// many there are.
pub(crate) async fn hostile_endpoints(sink: impl AsyncFn(Fetcher, &str) -> Result<(), Failure>) -> (Vec<&'static str>, usize) {
    let mut got_through = Vec::new();
    for url in REFUSED {
        let config = FetchConfig { retries: 0, ..test_config() };
        let (fetcher, _, dialer) = stubbed(config, resolver(), RecordingDialer::default());
        let outcome = sink(fetcher, url).await;
        assert!(outcome.is_err(), "{url:?} must be refused");
        if !dialer.dialled().is_empty() {
            got_through.push(*url);
        }
    }
    (got_through, REFUSED.len())
}

#[tokio::test]
async fn ordinary_urls_pass_and_exactly_their_address_is_dialled() {
    for (url, address) in PASSED {
        let (fetcher, _, dialer) = stubbed(FetchConfig { retries: 0, ..test_config() }, resolver(), RecordingDialer::default());
        let run = download(&fetcher, url).await;
        assert_eq!(run.message(), "The source cannot be connected to", "{url} fails only for want of a network");
        assert_eq!(dialer.dialled(), [address.parse().expect("an address with a port")], "{url}");
    }
}

#[test]
fn the_static_gate_names_the_field_and_the_remedy() {
    let (fetcher, ..) = stubbed(test_config(), resolver(), RecordingDialer::default());
    let cases = [
        ("ftp://example.com/a", "only http and https"),
        ("example.com/a.jpg", "https://example.com/photo.jpg"),
        ("https://me:secret@example.com/", "Authorization"),
        ("https://example.com:22/", "80, 443 and ports from 1024 up"),
        ("https://10.0.0.1/", "not a public address"),
        ("https://example.com/a\nb", "Percent-encode"),
        ("https://example.com\\@10.0.0.1/", "Percent-encode"),
    ];
    for (url, expected) in cases {
        let Err(Failure::Invalid { message, field }) = fetcher.check_url(url) else { panic!("{url} must be refused") };
        assert_eq!(field.as_deref(), Some("url"), "{url}");
        assert!(message.contains(expected) && !message.contains("secret"), "{url}: {message}");
    }
    let long = format!("https://example.com/{}", "a".repeat(9000));
    assert!(fetcher.check_url(&long).is_err(), "a URL has a length limit");
    assert_eq!(fetcher.check_url("https://example.com/a").expect("passes").host_str(), Some("example.com"), "the URL comes back");
}

#[test]
fn high_ports_can_be_closed() {
    let config = FetchConfig { high_ports: false, ..test_config() };
    let (fetcher, ..) = stubbed(config, resolver(), RecordingDialer::default());
    assert!(fetcher.check_url("http://example.com:8080/").is_err(), "8080 is closed");
    assert!(fetcher.check_url("http://example.com:443/").is_ok(), "443 stays open");
}

#[tokio::test]
async fn allowed_networks_open_exactly_themselves() {
    let allow = "10.0.0.0/8,127.0.0.1/32".parse().expect("networks");
    let config = FetchConfig { allow, retries: 0, ..test_config() };
    let (fetcher, _, dialer) = stubbed(config, resolver(), RecordingDialer::default());
    download(&fetcher, "http://private10.test/").await;
    download(&fetcher, "http://10.9.9.9/").await;
    download(&fetcher, "http://private192.test/").await;
    download(&fetcher, "http://127.0.0.2/").await;
    download(&fetcher, "http://mapped.test/").await;
    let expected = ["10.1.2.3:80", "10.9.9.9:80"].map(|text| text.parse().expect("an address with a port"));
    assert_eq!(dialer.dialled(), expected, "only what is in the networks");
    assert!(fetcher.check_url("http://localhost:8080/").is_ok(), "localhost follows 127.0.0.1");
}
