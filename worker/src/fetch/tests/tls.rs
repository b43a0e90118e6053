//! https: whom the client trusts, what it tells, and that it never falls back to http.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::server::{Answer, Server, field};
use super::*;

const ADDRESS: &str = "93.184.215.14:443";

/// An authority, and a server that it vouches for under `name`.
fn authority(name: &str) -> (CertificateDer<'static>, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, &issuer).expect("signed");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).expect("a certificate");
    (issuer.der().clone(), TlsAcceptor::from(Arc::new(config)))
}

fn config(roots: Vec<CertificateDer<'static>>) -> FetchConfig {
    FetchConfig { extra_roots: roots, ..test_config() }
}

#[tokio::test]
async fn a_trusted_source_is_read_over_tls() {
    let (root, acceptor) = authority("secure.test");
    let server = Server::start_with(Some(acceptor), |_, _| Answer::ok(b"over tls")).await;
    let dialer = RecordingDialer::default().route(ADDRESS, server.address);
    let (fetcher, ..) = stubbed(config(vec![root]), StubResolver::default(), dialer);
    for url in ["https://secure.test/a.png", "https://secure.test./a.png"] {
        assert_eq!(download(&fetcher, url).await.content(), b"over tls", "{url}");
    }
    assert_eq!(field(&server.heads()[0], "host"), Some("secure.test"), "the name, not the address");
}

#[tokio::test]
async fn untrusted_and_misnamed_certificates_are_refused_without_another_try() {
    let (root, acceptor) = authority("secure.test");
    let server = Server::start_with(Some(acceptor), |_, _| Answer::ok(b"x")).await;
    let cases =
        [("an unknown authority", Vec::new(), "https://secure.test/"), ("another name", vec![root], "https://other.test/")];
    for (name, roots, url) in cases {
        let before = server.accepted();
        let dialer = RecordingDialer::default().route(ADDRESS, server.address);
        let (fetcher, ..) = stubbed(config(roots), StubResolver::default(), dialer);
        let run = download(&fetcher, url).await;
        assert!(matches!(run.outcome, Err(Failure::Unreachable { retry: false, .. })), "{name}: {:?}", run.outcome);
        let message = run.message();
        assert!(message.contains("certificate"), "{name}: {message}");
        assert_eq!((server.accepted() - before, server.heads().len()), (1, 0), "{name}: one connection, no request");
    }
}

#[tokio::test]
async fn a_plain_server_on_the_tls_port_is_an_error() {
    // A ClientHello need not hold the line end that an HTTP server waits for, so this one speaks without being asked.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let talker = listener.local_addr().expect("bound");
    let talking = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        std::future::pending::<()>().await;
    });
    let dialer = RecordingDialer::default().route(ADDRESS, talker);
    let (fetcher, ..) = stubbed(test_config(), StubResolver::default(), dialer);
    let message = download(&fetcher, "https://secure.test/").await.message();
    assert!(message.contains("does not speak TLS"), "{message}");
    talking.abort();
}

#[tokio::test]
async fn https_never_leads_to_http() {
    let (root, acceptor) = authority("secure.test");
    let plain = Server::start(|_, _| Answer::ok(b"in clear")).await;
    let server = Server::start_with(Some(acceptor), |_, head| {
        let to = if head.starts_with("GET /up") { "https://secure.test/end" } else { "http://secure.test/" };
        if head.starts_with("GET /end") {
            return Answer::ok(b"end");
        }
        Answer::new(&format!("301 Moved\nLocation: {to}\nContent-Length: 0"), b"")
    })
    .await;
    let dialer = RecordingDialer::default().route(ADDRESS, server.address).route("93.184.215.14:80", plain.address);
    let (fetcher, ..) = stubbed(config(vec![root]), StubResolver::default(), dialer);
    let message = download(&fetcher, "https://secure.test/down").await.message();
    assert!(message.contains("from https to http"), "{message}");
    assert_eq!(plain.accepted(), 0, "nothing was asked in clear");
    assert_eq!(download(&fetcher, "https://secure.test/up").await.content(), b"end", "https to https is followed");
}

#[tokio::test]
async fn a_body_cut_off_inside_tls_is_not_taken_for_its_end() {
    use super::server::End;
    let (root, acceptor) = authority("secure.test");
    // Without a length the end of the connection is the end of the file: only close_notify tells it from a cut.
    let server = Server::start_with(Some(acceptor), |_, _| Answer::new("200 OK", b"half of it").then(End::Reset)).await;
    let dialer = RecordingDialer::default().route(ADDRESS, server.address);
    let (fetcher, ..) = stubbed(config(vec![root]), StubResolver::default(), dialer);
    let run = download(&fetcher, "https://secure.test/").await;
    assert!(matches!(run.outcome, Err(Failure::Unreachable { retry: true, .. })), "{:?}", run.outcome);
    assert_eq!(server.accepted(), 4, "the first attempt and three more");
}

#[test]
fn a_root_that_is_none_is_reported() {
    let made = Fetcher::new(config(vec![CertificateDer::from(vec![1, 2, 3])]));
    let message = made.err().expect("not a certificate").to_string();
    assert!(message.contains("extra root certificate"), "{message}");
}
