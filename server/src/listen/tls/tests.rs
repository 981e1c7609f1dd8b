//! Handshakes over memory: who gets through, and until when certificates are good.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::listen::certificate_store::tests::{Shelf, stored};

type Authority = CertifiedIssuer<'static, KeyPair>;
type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn identity(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([String::from("client")]).unwrap();
    change(&mut params);
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.der().clone(), key.into())
}

/// The files of a server that `authority` vouches for, as it does for clients.
fn files(folder: &TempDir, authority: &Authority) -> Tls {
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([String::from("localhost")]).unwrap();
    params.not_after = date_time_ymd(3000, 1, 1);
    let certificate = params.signed_by(&key, authority).unwrap();
    std::fs::write(path("server.pem"), certificate.pem()).unwrap();
    std::fs::write(path("server.key"), key.serialize_pem()).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path("server.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(path("clients.pem"), authority.pem()).unwrap();
    Tls {
        client_ca: Some(path("clients.pem")),
        ..Tls::new(path("server.pem"), path("server.key"))
    }
}

/// Shakes hands; gives what the client has shown.
async fn shake_hands(
    secured: &Secured,
    authority: &Authority,
    identity: Option<Identity>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (here, there) = tokio::io::duplex(65_536);
    let name = ServerName::try_from("localhost").unwrap();
    let (served, _connected) = tokio::join!(
        TlsAcceptor::from(Arc::clone(secured.config())).accept(there),
        TlsConnector::from(Arc::new(config)).connect(name, here),
    );
    let served = served.map_err(|error| error.to_string())?;
    let shown = served.get_ref().1.peer_certificates().unwrap_or_default();
    Ok(shown.iter().map(|one| one.clone().into_owned()).collect())
}

#[tokio::test]
async fn clients_need_a_certificate_unless_it_is_optional_and_a_bad_one_never_does() {
    let (folder, own, other) = (TempDir::new().unwrap(), authority("own"), authority("other"));
    let tls = files(&folder, &own);
    let client = || ExtendedKeyUsagePurpose::ClientAuth;
    for (asked, lets_strangers_in) in [
        (ClientCertificates::Required, false),
        (ClientCertificates::Optional, true),
    ] {
        let secured = server_config(&tls, asked, &Shelf::default()).unwrap();
        let good = identity(&own, |params| params.extended_key_usages = vec![client()]);
        let shown = shake_hands(&secured, &own, Some((good.0.clone(), good.1)))
            .await
            .unwrap();
        assert_eq!(shown, [good.0]);
        assert!(!secured.refuses(&shown));
        assert_eq!(shake_hands(&secured, &own, None).await.is_ok(), lets_strangers_in);
        let mut bad = vec![
            ("of another authority", identity(&other, |_params| {})),
            (
                "expired",
                identity(&own, |params| params.not_after = date_time_ymd(2020, 1, 1)),
            ),
            (
                "not begun",
                identity(&own, |params| params.not_before = date_time_ymd(3000, 1, 1)),
            ),
            (
                "of a server",
                identity(&own, |params| {
                    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                }),
            ),
        ];
        let lone = KeyPair::generate().unwrap();
        let alone = CertificateParams::new([String::from("client")])
            .unwrap()
            .self_signed(&lone)
            .unwrap();
        bad.push(("of its own", (alone.der().clone(), lone.into())));
        for (what, bad) in bad {
            assert!(secured.refuses(std::slice::from_ref(&bad.0)), "{what}");
            let shown = shake_hands(&secured, &own, Some(bad)).await;
            assert!(shown.is_err(), "{what}: {shown:?}");
        }
    }
}

#[tokio::test]
async fn without_an_authority_nobody_is_asked() {
    let (folder, own) = (TempDir::new().unwrap(), authority("own"));
    let tls = Tls {
        client_ca: None,
        ..files(&folder, &own)
    };
    let secured = server_config(&tls, ClientCertificates::Required, &Shelf::default()).unwrap();
    assert_eq!(shake_hands(&secured, &own, None).await, Ok(Vec::new()));
    assert!(!secured.refuses(&[]));
}

#[test]
fn a_session_is_never_taken_up_again() {
    let (folder, own) = (TempDir::new().unwrap(), authority("own"));
    let secured = server_config(&files(&folder, &own), ClientCertificates::Required, &Shelf::default()).unwrap();
    let config = secured.config();
    assert_eq!((config.send_tls13_tickets, config.max_early_data_size), (0, 0));
    assert!(!config.session_storage.can_cache() && !config.ticketer.enabled());
}

#[test]
fn it_is_known_until_when_certificates_are_good() {
    let (folder, own) = (TempDir::new().unwrap(), authority("own"));
    let certificates = server_config(&files(&folder, &own), ClientCertificates::Required, &Shelf::default())
        .unwrap()
        .certificates();
    // The first day of the year 3000, and of the year 4096, which is as long as the library knows.
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(certificates.server_not_after, at(32_503_680_000));
    assert_eq!(certificates.client_ca_not_after, at(67_090_118_400));
    assert_eq!(certificates.crl_next_update, None);
}

#[tokio::test]
async fn a_key_that_the_machine_keeps_signs_handshakes() {
    let (root, shelf) = (authority("root"), Shelf::default());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "middle");
    let middle = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([String::from("localhost")]).unwrap();
    params.not_after = date_time_ymd(3000, 1, 1);
    let leaf = params.signed_by(&key, &middle).unwrap();
    // The client knows the root alone: it gets through by the chain that the machine gives.
    let chain = [leaf.der().clone(), middle.der().clone()];
    let tls = Tls::stored(shelf.put(stored(chain.clone(), &key)));
    let secured = server_config(&tls, ClientCertificates::Required, &shelf).unwrap();
    assert_eq!(shake_hands(&secured, &root, None).await, Ok(Vec::new()));
    assert_eq!(secured.chain(), chain);
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(32_503_680_000);
    assert_eq!(secured.certificates().server_not_after, Some(expires));
    assert!(secured.certificates().server_is_stored);
    let absent = Tls::stored([7; 20].into());
    let fault = server_config(&absent, ClientCertificates::Required, &shelf).unwrap_err();
    assert!(fault.to_string().starts_with("`tls.store_thumbprint` 0707"), "{fault}");
}
