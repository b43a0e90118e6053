//! The real resolver against a name server on loopback: what the gate vets has to be all that a name has.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio_util::task::AbortOnDropHandle;

use super::super::resolve::SystemResolver;
use super::*;

/// The zone: name, and its A, AAAA or CNAME records; all with a TTL of 0.
const ZONE: &[(&str, &[&str])] = &[
    ("both.test.", &["93.184.215.14", "93.184.215.15", "2606:4700::1"]),
    ("mixed.test.", &["93.184.215.14", "fd00::1"]),
    ("hidden.test.", &["2606:4700::1", "127.0.0.1"]),
    ("alias.test.", &["cname both.test."]),
    ("to-localhost.test.", &["cname localhost."]),
    ("to-inside.test.", &["cname inside.test."]),
    ("inside.test.", &["10.0.0.1"]),
    ("text-only.test.", &[]),
    // What a search domain would make of a short name.
    ("intranet.corp.test.", &["93.184.215.14"]),
];

fn answer(request: &[u8], asked: &Mutex<Vec<String>>) -> Vec<u8> {
    let mut message = Message::from_vec(request).expect("a question").into_response();
    let query = message.queries.first().expect("one question").clone();
    asked.lock().expect("not poisoned").push(query.name().to_string());
    message.metadata.recursion_available = true;
    message.edns = None;
    let Some((_, records)) = ZONE.iter().find(|(name, _)| query.name().to_string() == *name) else {
        let broken = query.name().to_string() == "broken.test.";
        message.metadata.response_code = if broken { ResponseCode::ServFail } else { ResponseCode::NXDomain };
        return message.to_vec().expect("encodes");
    };
    for record in *records {
        let data = match record.strip_prefix("cname ") {
            Some(target) => RData::CNAME(CNAME(Name::from_ascii(target).expect("a name"))),
            None => RData::from(record.parse::<IpAddr>().expect("an address")),
        };
        if matches!(data.record_type(), RecordType::CNAME) || data.record_type() == query.query_type() {
            message.add_answer(Record::from_rdata(query.name().clone(), 0, data));
        }
    }
    message.to_vec().expect("encodes")
}

/// A resolver that asks the zone, with a search domain as a company's network sets it.
async fn resolver() -> (SystemResolver, Arc<Mutex<Vec<String>>>, AbortOnDropHandle<()>) {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let serving = tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&answer(&buffer[..length], &seen), client).await;
        }
    });
    let mut connection = ConnectionConfig::udp();
    connection.port = address.port();
    let server = NameServerConfig::new(address.ip(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, vec![Name::from_ascii("corp.test.").expect("a name")], vec![server]);
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    (SystemResolver::build(builder).expect("a resolver"), asked, AbortOnDropHandle::new(serving))
}

#[tokio::test]
async fn every_record_of_both_families_is_found() {
    let (resolver, _, _server) = resolver().await;
    let cases: [(&str, &[&str]); 6] = [
        ("both.test", &["93.184.215.14", "93.184.215.15", "2606:4700::1"]),
        ("mixed.test", &["93.184.215.14", "fd00::1"]),
        ("hidden.test", &["127.0.0.1", "2606:4700::1"]),
        ("alias.test", &["93.184.215.14", "93.184.215.15", "2606:4700::1"]),
        ("to-inside.test.", &["10.0.0.1"]),
        ("to-localhost.test", &["127.0.0.1", "::1"]),
    ];
    for (name, expected) in cases {
        let mut found = resolver.resolve(name).await.expect(name);
        found.sort();
        let mut expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().expect("an address")).collect();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn names_without_addresses_and_broken_servers_are_told_apart() {
    let (resolver, _, _server) = resolver().await;
    for name in ["text-only.test", "missing.test"] {
        assert_eq!(resolver.resolve(name).await, Err(ResolveError::NoSuchName), "{name}");
    }
    assert!(matches!(resolver.resolve("broken.test").await, Err(ResolveError::Unavailable(_))), "a server's failure may pass");
}

#[tokio::test]
async fn search_domains_are_never_tried() {
    let (resolver, asked, _server) = resolver().await;
    assert_eq!(resolver.resolve("intranet").await, Err(ResolveError::NoSuchName), "a short name stays short");
    let asked = asked.lock().expect("not poisoned").clone();
    assert!(!asked.is_empty() && asked.iter().all(|name| name == "intranet."), "only the name itself was asked: {asked:?}");
}

#[tokio::test]
async fn the_client_refuses_what_the_real_resolver_finds_inside() {
    for name in ["mixed.test", "hidden.test", "to-inside.test", "to-localhost.test"] {
        let (resolver, _, _server) = resolver().await;
        let dialer = Arc::new(RecordingDialer::default());
        let fetcher = Fetcher::with_parts(test_config(), Arc::new(resolver), dialer.clone()).expect("a client");
        let message = download(&fetcher, &format!("http://{name}/")).await.message();
        assert_eq!(message, convertfly_scheduler::guard::NOT_PUBLIC, "{name}");
        assert_eq!(dialer.dialled(), [], "{name}: nothing was dialled");
    }
}
