use rustls_pki_types::{CertificateSigningRequestDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::*;
use crate::platform::{OsEntropy, SeededEntropy};

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

const INSTALLATION: Uuid = Uuid::from_u128(0xfeed);

fn authority() -> Authority {
    Authority::make(INSTALLATION, start(), &OsEntropy).unwrap()
}

fn request(change: impl FnOnce(&mut CertificateParams)) -> CertificateSigningRequestDer<'static> {
    let mut params = CertificateParams::new(["wanted.example".to_owned()]).unwrap();
    change(&mut params);
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().into()
}

fn issue(authority: &Authority, request: &[u8]) -> IssuedCertificate {
    let key = ProvenKey::of_request(request).unwrap();
    authority
        .issue_client(&key, INSTALLATION, "anna", start(), &OsEntropy)
        .unwrap()
}

/// Verifies as rustls does.
fn verify(
    authority: &Authority,
    der: &CertificateDer<'_>,
    usage: KeyUsage,
    now: SystemTime,
) -> Result<(), webpki::Error> {
    let anchor = anchor_from_trusted_cert(authority.certificate())?;
    let now = UnixTime::since_unix_epoch(now.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let certificate = EndEntityCert::try_from(der)?;
    certificate
        .verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[anchor], &[], now, usage, None, None)
        .map(drop)
}

fn server_names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_client_certificate_is_for_clients_and_for_its_time() {
    let authority = authority();
    let issued = issue(&authority, &request(|_| ()));
    let check = |usage, now| verify(&authority, &issued.der, usage, now);
    assert_eq!(check(KeyUsage::client_auth(), start()), Ok(()));
    assert!(check(KeyUsage::server_auth(), start()).is_err());
    assert!(check(KeyUsage::client_auth(), issued.expires + Duration::from_secs(1)).is_err());
    assert!(check(KeyUsage::client_auth(), start() - DAY).is_err());
    assert_eq!(issued.expires, start() + CLIENT_LIFE);
    assert!(verify(&self::authority(), &issued.der, KeyUsage::client_auth(), start()).is_err());
    let parsed = parse(&issued.der).unwrap();
    assert_eq!(parsed.tbs_certificate.raw_serial(), issued.serial);
    assert_eq!(parsed.subject().to_string(), "");
    let read = crate::access::certificate::ClientCertificate::of_der(&issued.der);
    let subjects: Vec<_> = read.names.iter().map(ToString::to_string).collect();
    assert_eq!(
        subjects,
        [
            name::subject(INSTALLATION, "anna"),
            format!("cert:{}", crate::access::hex::text(&issued.fingerprint))
        ]
    );
    assert_eq!((read.serial, read.not_after), (issued.serial.to_vec(), issued.expires));
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    assert_eq!(
        names.value.general_names,
        [x509_parser::extensions::GeneralName::URI(
            "wsfcd://00000000-0000-0000-0000-00000000feed/user/anna"
        )]
    );
}

#[test]
fn what_a_request_asks_for_is_passed_over() {
    let authority = authority();
    let issued = issue(
        &authority,
        &request(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.distinguished_name.push(DnType::CommonName, "root");
            let uri = "wsfcd://00000000-0000-0000-0000-00000000feed/user/root";
            params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
            params.custom_extensions = vec![rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0])];
        }),
    );
    assert_eq!(
        verify(&authority, &issued.der, KeyUsage::client_auth(), start()),
        Ok(())
    );
    assert!(verify(&authority, &issued.der, KeyUsage::server_auth(), start()).is_err());
    let parsed = parse(&issued.der).unwrap();
    assert!(!parsed.is_ca());
    assert_eq!(parsed.subject().to_string(), "");
    assert!(!format!("{:?}", parsed.extensions()).contains("root"));
    assert_eq!(parsed.extensions().len(), 4, "{:?}", parsed.extensions());
}

#[test]
fn a_request_proves_its_key() {
    let good = request(|_| ());
    assert!(ProvenKey::of_request(&good).is_ok());
    let refused = |der: &[u8]| ProvenKey::of_request(der).map(drop).unwrap_err();
    // The signature is at the end; a name is at the beginning.
    let mut forged = good.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert_eq!(refused(&forged), RequestUnfit::NotByItsKey);
    let at = good.windows(6).position(|part| part == b"wanted").unwrap();
    let mut other = good.to_vec();
    other[at] = b'W';
    assert_eq!(refused(&other), RequestUnfit::NotByItsKey);
    // The key of another request under the signature of this one.
    let (mut swapped, donor) = (good.to_vec(), request(|_| ()));
    let spki = |der: &[u8]| {
        let (_, parsed) = X509CertificationRequest::from_der(der).unwrap();
        parsed.certification_request_info.subject_pki.raw.to_vec()
    };
    let place = swapped.windows(91).position(|part| part == spki(&good)).unwrap();
    swapped[place..place + 91].copy_from_slice(&spki(&donor));
    assert_eq!(refused(&swapped), RequestUnfit::NotByItsKey);
    assert_eq!(refused(b""), RequestUnfit::Malformed);
    assert_eq!(refused(&[0x30; LONGEST_REQUEST + 1]), RequestUnfit::Malformed);
    assert_eq!(refused(&[good.to_vec(), vec![0]].concat()), RequestUnfit::Malformed);
}

/// Whatever bit is turned of what is signed, and of the signature: it is nobody's request any more. A bit of the DER around
/// them (a class, a count of unused bits) may be lost, since it says nothing.
#[test]
fn a_damaged_request_proves_nothing() {
    let good = request(|_| ());
    let (_, parsed) = X509CertificationRequest::from_der(&good).unwrap();
    let signed = parsed.certification_request_info.raw;
    let signature = &parsed.signature_value.data;
    for part in [signed, signature.as_ref()] {
        let begins = good.windows(part.len()).position(|window| window == part).unwrap();
        for bit in begins * 8..(begins + part.len()) * 8 {
            let mut damaged = good.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(
                ProvenKey::of_request(&damaged).is_err(),
                "bit {bit} of {}",
                crate::access::hex::text(&good)
            );
        }
    }
}

#[test]
fn other_keys_of_use_are_signed() {
    let authority = authority();
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        let issued = issue(&authority, request.der());
        assert_eq!(
            verify(&authority, &issued.der, KeyUsage::client_auth(), start()),
            Ok(())
        );
    }
}

#[test]
fn the_daemons_certificate_has_all_names_and_serves_only() {
    let authority = authority();
    let names = server_names(&["localhost", "n1.example", "10.0.0.1", "2001:db8::1"]);
    let pem = authority.issue_server(&names, start(), &OsEntropy).unwrap();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(chain.len(), 2);
    assert_eq!(
        &chain[1],
        authority.certificate(),
        "clients look for the pinned key in the chain"
    );
    assert_eq!(verify(&authority, &chain[0], KeyUsage::server_auth(), start()), Ok(()));
    assert!(verify(&authority, &chain[0], KeyUsage::client_auth(), start()).is_err());
    let certificate = EndEntityCert::try_from(&chain[0]).unwrap();
    for name in &names {
        let name = ServerName::try_from(name.as_str()).unwrap();
        certificate.verify_is_valid_for_subject_name(&name).unwrap();
    }
    assert!(rustls_pki_types::PrivateKeyDer::from_pem_slice(pem.as_bytes()).is_ok());
    let read = ServerCertificate::of_pem(pem.as_bytes()).unwrap();
    assert_eq!(read.names, names);
    assert_eq!(read.expires, start() + SERVER_LIFE);
    assert!(!read.is_due(&names, start() + SERVER_LIFE / 2));
    assert!(read.is_due(&names, start() + SERVER_LIFE * 2 / 3));
    assert!(!read.is_due(&server_names(&["localhost"]), start()));
    assert!(read.is_due(&server_names(&["localhost", "10.0.0.2"]), start()));
}

#[test]
fn nothing_outlives_the_authority() {
    let authority = authority();
    let late = start() + AUTHORITY_LIFE - DAY;
    let key = ProvenKey::of_request(&request(|_| ())).unwrap();
    let issued = authority
        .issue_client(&key, INSTALLATION, "anna", late, &OsEntropy)
        .unwrap();
    assert_eq!(issued.expires, start() + AUTHORITY_LIFE);
}

#[test]
fn an_authority_is_kept_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let access = AccessFolder::of(folder.path());
    access.make().unwrap();
    assert!(Authority::load(&access).unwrap().is_none());
    let made = authority();
    made.save_key(&access).unwrap();
    assert!(
        Authority::load(&access).unwrap().is_none(),
        "it is not there before its certificate is"
    );
    made.save_certificate(&access).unwrap();
    let loaded = Authority::load(&access).unwrap().unwrap();
    assert_eq!((loaded.pin(), loaded.pem()), (made.pin(), made.pem()));
    assert!(matches!(
        authority().save_key(&access),
        Err(AuthorityError::Exists { .. })
    ));
    let issued = issue(&loaded, &request(|_| ()));
    assert_eq!(verify(&made, &issued.der, KeyUsage::client_auth(), start()), Ok(()));
    // The key of another one.
    std::fs::remove_file(access.authority_key()).unwrap();
    assert!(matches!(Authority::load(&access), Err(AuthorityError::File { .. })));
    let other = KeyPair::generate().unwrap().serialize_pem();
    write(&access.authority_key(), other.as_bytes()).unwrap();
    assert!(matches!(Authority::load(&access), Err(AuthorityError::Damaged { .. })));
    write(&access.authority_key(), b"no key").unwrap();
    assert!(matches!(Authority::load(&access), Err(AuthorityError::Damaged { .. })));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_no_authority_s() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let access = AccessFolder::of(folder.path());
    access.make().unwrap();
    let made = authority();
    made.save_key(&access).unwrap();
    made.save_certificate(&access).unwrap();
    let mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(access.authority_key(), mode).unwrap();
    let refused = Authority::load(&access).err().unwrap();
    let mend = format!("chmod 600 '{}'", access.authority_key().display());
    assert!(crate::logging::chain(&refused).contains(&mend), "{refused:?}");
}

#[test]
fn serials_have_all_their_bytes_and_differ() {
    let entropy = SeededEntropy::new(1);
    let serials: BTreeSet<_> = (0..1_000).map(|_| serial(&entropy)).collect();
    assert_eq!(serials.len(), 1_000);
    assert!(serials.iter().all(|serial| (0x40..0x80).contains(&serial[0])));
}
