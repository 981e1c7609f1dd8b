//! Certificates that should not get anybody in, and names that should not make anybody an administrator. The harness's own
//! certificate says `administrator.test`, and that name alone is an administrator's.

use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, OtherNameValue, SanType,
    SerialNumber, date_time_ymd,
};
use wsfc_client::{Client, ConnectOptions, Error, Identity, Reason, TlsOptions};
use wsfc_tests::certificates::{Authority, write_private};
use wsfc_tests::{TestDaemon, UnderTest, world};
use wsfcd::settings::Tls;

use crate::target::{ATTACKER, Target};
use crate::wire;

/// The name of an administrator.
const ADMINISTRATOR: &str = "administrator.test";

/// The parameters of a certificate that would be accepted.
fn good() -> CertificateParams {
    CertificateParams::new([ADMINISTRATOR.to_owned()]).unwrap()
}

fn pem(certificate: &str, key: &KeyPair) -> Identity {
    Identity {
        cert_pem: certificate.into(),
        key_pem: key.serialize_pem().into_bytes(),
    }
}

/// What a client with this certificate gets for the simplest of questions.
async fn ask(target: &Target, identity: Identity) -> Result<(), Error> {
    ask_with(target.impatient(showing(target.attacker(), Some(identity)))).await
}

/// Asks what is to be answered, however slow the machine is.
async fn get_in(target: &Target, identity: Identity) -> Result<(), Error> {
    let tls = showing(target.attacker(), Some(identity));
    ask_with(ConnectOptions {
        request_timeout: UnderTest::get().patience(Duration::from_secs(30)),
        ..target.impatient(tls)
    })
    .await
}

async fn ask_with(options: ConnectOptions) -> Result<(), Error> {
    let client = Client::connect(options).await?;
    client.list_clusters().await.map(drop)
}

fn showing(tls: &TlsOptions, identity: Option<Identity>) -> TlsOptions {
    TlsOptions {
        identity,
        ..tls.clone()
    }
}

/// Certificates that no handshake should end with.
fn bad(authority: &Authority) -> Vec<(&'static str, Identity)> {
    let mut expired = good();
    expired.not_before = date_time_ymd(2019, 1, 1);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = good();
    early.not_before = date_time_ymd(2999, 1, 1);
    early.not_after = date_time_ymd(3000, 1, 1);
    let mut reversed = good();
    reversed.not_before = date_time_ymd(3000, 1, 1);
    reversed.not_after = date_time_ymd(2000, 1, 1);
    let mut server_only = good();
    server_only.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let mut signing_only = good();
    signing_only.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::CodeSigning,
        ExtendedKeyUsagePurpose::EmailProtection,
    ];

    let key = KeyPair::generate().unwrap();
    let self_signed = pem(&good().self_signed(&key).unwrap().pem(), &key);

    // An authority by the name of the daemon's, whose certificates are its own.
    let namesake = authority.namesake();
    let mut with_its_authority = namesake.sign(good());
    with_its_authority.cert_pem.extend(namesake.pem());

    // A viewer's own certificate, used as an authority.
    let viewer = authority.issue(ATTACKER);
    let viewers_key = KeyPair::from_pem(std::str::from_utf8(&viewer.key_pem).unwrap()).unwrap();
    let issuer = Issuer::new(good(), viewers_key);
    let key = KeyPair::generate().unwrap();
    let mut of_a_viewer = pem(&good().signed_by(&key, &issuer).unwrap().pem(), &key);
    of_a_viewer.cert_pem.extend(viewer.cert_pem);

    vec![
        ("expired", authority.sign(expired)),
        ("not valid yet", authority.sign(early)),
        ("over before it begins", authority.sign(reversed)),
        ("for servers", authority.sign(server_only)),
        ("for code and mail", authority.sign(signing_only)),
        ("self-signed", self_signed),
        ("of another authority", Authority::new().issue(ADMINISTRATOR)),
        ("of an authority with the same name", namesake.sign(good())),
        ("of such an authority, which comes along", with_its_authority),
        ("of a viewer", of_a_viewer),
    ]
}

/// 1,000 handshakes with certificates that are expired, early, of other authorities, self-signed, of a leaf, or for other
/// uses. None ends.
#[tokio::test]
async fn certificates_that_are_no_good() {
    let target = Target::measured(|_settings| {}).await;
    let bad = bad(target.daemon.authority());
    let address = target.daemon.address();
    let attack = async {
        for _ in 0..1_000 / bad.len() {
            for (what, identity) in &bad {
                let tls = showing(target.attacker(), Some(identity.clone()));
                assert!(!wire::is_spoken_to(address, &tls).await, "{what}");
            }
        }
        let tls = showing(target.attacker(), None);
        assert!(!wire::is_spoken_to(address, &tls).await, "none");
    };
    target.serving_during(attack).await;
    // They would get in if it were not for that.
    let well = target.daemon.authority().sign(good());
    get_in(&target, well).await.unwrap();
    target.finish().await;
}

/// 1,000 handshakes with a certificate that its authority has revoked, and one with another, which it has not.
#[tokio::test]
async fn certificates_that_were_revoked() {
    let folder = tempfile::TempDir::new().unwrap();
    let authority = Authority::new();
    let revoked = authority.issue_numbered(ADMINISTRATOR, 1_001);
    let list = folder.path().join("revoked.pem");
    std::fs::write(&list, authority.revoked(&[1_001])).unwrap();
    let clients = folder.path().join("clients.pem");
    std::fs::write(&clients, authority.pem()).unwrap();
    // The harness's own authority is left out, so its client is not what is asked here.
    let server = Authority::new();
    let own = server.issue("localhost");
    let tls = Tls {
        client_ca: Some(clients),
        crl: vec![list],
        ..Tls::new(folder.path().join("server.pem"), folder.path().join("server.key"))
    };
    std::fs::write(&tls.certificate, &own.cert_pem).unwrap();
    write_private(&tls.key, &own.key_pem);
    let daemon = TestDaemon::builder(world::machines(1))
        .settings(|settings| settings.tls = Some(tls))
        .start()
        .await;
    let tls = |identity| TlsOptions {
        ca_pem: Some(server.pem()),
        identity: Some(identity),
        server_name: Some("localhost".into()),
    };
    let out = tls(revoked);
    for _ in 0..1_000 {
        assert!(!wire::is_spoken_to(daemon.address(), &out).await);
    }
    let other = authority.issue_numbered(ADMINISTRATOR, 1_002);
    assert!(wire::is_spoken_to(daemon.address(), &tls(other)).await);
    daemon.finish().await;
}

fn ia5(text: &str) -> Ia5String {
    text.try_into().unwrap()
}

fn with_names(names: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params
}

fn with_common_name(name: &str) -> CertificateParams {
    let mut params = with_names(Vec::new());
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Certificates of the daemon's own authority for names that are almost an administrator's.
fn almost() -> Vec<(String, CertificateParams)> {
    let long = format!("{ADMINISTRATOR}{}", ".x".repeat(5_000));
    let mut almost = Vec::new();
    for name in [
        "administrator.test\0",
        "administrator.test\0.evil.example",
        "evil.example\0administrator.test",
        "administrator.test\n",
        "administrator.test\r\ndns:administrator.test",
        " administrator.test",
        "administrator.test ",
        "administrator.test.",
        ".administrator.test",
        "*.test",
        "*",
        "administrator.*",
        "administrator.test,evil.example",
        "administrator.test;",
        "dns:administrator.test",
        "evil.administrator.test",
        "administrator.test\u{7f}",
        "\u{1}administrator.test",
        "xn--administratr-lbb.test",
        long.as_str(),
        "",
    ] {
        almost.push((format!("DNS {name:?}"), with_names(vec![SanType::DnsName(ia5(name))])));
        almost.push((format!("URI {name:?}"), with_names(vec![SanType::URI(ia5(name))])));
        almost.push((
            format!("e-mail {name:?}"),
            with_names(vec![SanType::Rfc822Name(ia5(name))]),
        ));
    }
    for name in [
        ADMINISTRATOR,
        "dns:administrator.test",
        "аdministrator.test",
        "administrator.test\u{200b}",
        "\u{202e}tset.rotartsinimda",
        "ａｄｍｉｎｉｓｔｒａｔｏｒ.test",
        "administrator\u{ff0e}test",
        "ADMİNİSTRATOR.TEST",
    ] {
        almost.push((format!("common name {name:?}"), with_common_name(name)));
    }
    for name in [ADMINISTRATOR, "dns:administrator.test"] {
        almost.push((format!("URI {name:?}"), with_names(vec![SanType::URI(ia5(name))])));
        almost.push((
            format!("e-mail {name:?}"),
            with_names(vec![SanType::Rfc822Name(ia5(name))]),
        ));
    }
    let other = SanType::OtherName((
        vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
        OtherNameValue::Utf8String(ADMINISTRATOR.into()),
    ));
    almost.push(("other name".into(), with_names(vec![other])));
    let address = SanType::IpAddress([127, 0, 0, 1].into());
    almost.push(("address".into(), with_names(vec![address])));
    let mut twice = with_common_name(ADMINISTRATOR);
    twice
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "dns:administrator.test");
    almost.push(("organizational unit".into(), twice));
    let mut numbered = with_common_name("nobody");
    numbered.serial_number = Some(SerialNumber::from_slice(&[0x7F; 20]));
    almost.push(("serial number".into(), numbered));
    almost
}

/// Certificates of the daemon's own authority for names that are almost an administrator's: each is refused, or nobody's.
#[tokio::test]
async fn names_that_are_almost_an_administrators() {
    let target = Target::beside(|_settings| {}).await;
    let authority = target.daemon.authority();
    let mut refused_in_the_handshake = 0;
    let almost = almost();
    let count = almost.len();
    for (what, params) in almost {
        match ask(&target, authority.sign(params)).await {
            Err(Error::Rejected { rejection, .. }) => {
                assert_eq!(rejection.reason, Reason::PermissionMissing, "{what}: {rejection:?}");
            }
            Err(_no_answer) => refused_in_the_handshake += 1,
            Ok(()) => panic!("{what} got in"),
        }
    }
    eprintln!(
        "{count} names: {refused_in_the_handshake} did not get through the handshake, and the others were nobody's"
    );
    // Letters of a host's name are the same in both cases (RFC 4343), and several names are all the holder's.
    for names in [vec!["ADMINISTRATOR.test"], vec!["other.test", ADMINISTRATOR]] {
        let names = names.into_iter().map(|name| SanType::DnsName(ia5(name))).collect();
        get_in(&target, authority.sign(with_names(names))).await.unwrap();
    }
    target.finish().await;
}
