//! Certificates in a store of their own, which each test makes on this machine and takes away.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use ring::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use rustls::SignatureScheme;
use rustls_cng::key::SignaturePadding;
use windows_sys::Win32::Security::Cryptography::{
    BCRYPT_RSA_ALGORITHM, BCRYPT_RSAPUBLIC_BLOB, CERT_STORE_ADD_REPLACE_EXISTING, CERT_STORE_DELETE_FLAG,
    CertAddEncodedCertificateToStore, CertDeleteCertificateFromStore, CertDuplicateCertificateContext,
    CertSetCertificateContextProperty, MS_KEY_STORAGE_PROVIDER, NCRYPT_LENGTH_PROPERTY, NCRYPT_MACHINE_KEY_FLAG,
    NCryptCreatePersistedKey, NCryptDeleteKey, NCryptExportKey, NCryptFinalizeKey, NCryptFreeObject,
    NCryptOpenStorageProvider, NCryptSetProperty, PROV_RSA_FULL,
};

use super::*;

/// The system's own provider; the text of `MS_KEY_STORAGE_PROVIDER`.
const KEY_STORAGE: &str = "Microsoft Software Key Storage Provider";

/// A store that goes with its test.
struct OwnStore(String);

impl OwnStore {
    fn new(purpose: &str) -> Self {
        Self(format!("wsfcd-test-{purpose}-{}", std::process::id()))
    }
}

impl Drop for OwnStore {
    fn drop(&mut self) {
        let named = wide(&self.0).unwrap();
        let flags = CERT_SYSTEM_STORE_LOCAL_MACHINE | CERT_STORE_DELETE_FLAG;
        // SAFETY: The name ends with a NUL and outlives the call, which gives no handle.
        unsafe { CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, named.as_ptr().cast()) };
    }
}

/// Opens a store for writing, and makes it unless it is there.
fn open(name: &str) -> Store {
    let named = wide(name).unwrap();
    let flags = CERT_SYSTEM_STORE_LOCAL_MACHINE;
    // SAFETY: The name ends with a NUL and outlives the call.
    let handle = unsafe { CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, named.as_ptr().cast()) };
    assert!(!handle.is_null(), "{}", io::Error::last_os_error());
    Store {
        handle,
        name: name.into(),
    }
}

/// What keeps the key of a certificate.
struct Keeper<'a> {
    key: &'a str,
    provider: &'a str,
    kind: u32,
    flags: u32,
}

/// Puts a certificate into a store, and gives its thumbprint.
fn put(store: &str, der: &[u8], keeper: Option<Keeper<'_>>) -> [u8; 20] {
    // Wine writes what is in a store when it is closed, which is after the certificate is let go.
    let store = open(store);
    let mut context = core::ptr::null_mut();
    // SAFETY: The store is open, the certificate has the size that is given, and `context` takes one pointer.
    let is_put = unsafe {
        CertAddEncodedCertificateToStore(
            store.handle,
            X509_ASN_ENCODING,
            der.as_ptr(),
            u32::try_from(der.len()).unwrap(),
            CERT_STORE_ADD_REPLACE_EXISTING,
            &mut context,
        )
    };
    assert_ne!(is_put, 0, "{}", io::Error::last_os_error());
    let certificate = CertContext::new_owned(context);
    if let Some(keeper) = keeper {
        let mut key = wide(keeper.key).unwrap();
        let mut provider = wide(keeper.provider).unwrap();
        let info = CRYPT_KEY_PROV_INFO {
            pwszContainerName: key.as_mut_ptr(),
            pwszProvName: provider.as_mut_ptr(),
            dwProvType: keeper.kind,
            dwFlags: keeper.flags,
            ..CRYPT_KEY_PROV_INFO::default()
        };
        let certificate: *const CERT_CONTEXT = certificate.inner();
        let info = (&raw const info).cast();
        // SAFETY: The certificate is alive, and the structure with its two names is whole and outlives the call.
        let is_set = unsafe { CertSetCertificateContextProperty(certificate, CERT_KEY_PROV_INFO_PROP_ID, 0, info) };
        assert_ne!(is_set, 0, "{}", io::Error::last_os_error());
    }
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, der);
    digest.as_ref().try_into().unwrap()
}

/// Takes a certificate from a store that stays.
fn take(store: &str, thumbprint: [u8; 20]) {
    let found = open(store).find(thumbprint).unwrap();
    // SAFETY: The certificate is alive; the duplicate counts as one more of it, and is the call's.
    let duplicate = unsafe { CertDuplicateCertificateContext(found.inner()) };
    // SAFETY: The call frees the duplicate, whatever it answers.
    let is_taken = unsafe { CertDeleteCertificateFromStore(duplicate) };
    assert_ne!(is_taken, 0, "{}", io::Error::last_os_error());
}

fn certificate() -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([String::from("localhost")]).unwrap();
    certificate.self_signed(&key).unwrap().der().to_vec()
}

#[test]
fn a_certificate_is_found_by_its_thumbprint_alone() {
    let own = OwnStore::new("found");
    let (one, other) = (certificate(), certificate());
    let thumbprint = put(&own.0, &one, None);
    put(&own.0, &other, None);
    let store = Store::open(&own.0, CERT_STORE_READONLY_FLAG).unwrap();
    let found = store.find(thumbprint).unwrap();
    drop(store);
    assert_eq!(found.as_der(), one);
    assert_eq!(found.as_chain_der().unwrap(), [one]);
}

#[test]
fn the_chain_goes_up_to_the_root_and_leaves_it_out() {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let id = std::process::id();
    let root = authority(&format!("wsfcd-test root {id}"));
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let middle = authority(&format!("wsfcd-test middle {id}"));
    let middle = CertifiedIssuer::signed_by(middle, KeyPair::generate().unwrap(), &root).unwrap();
    let leaf = CertificateParams::new([String::from("localhost")]).unwrap();
    let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &middle).unwrap();

    let own = OwnStore::new("chain");
    let thumbprint = put(&own.0, leaf.der(), None);
    // Where Windows has the certificates of authorities that are no roots.
    let authorities = [middle.der(), root.der()].map(|der| put("CA", der, None));
    let store = Store::open(&own.0, CERT_STORE_READONLY_FLAG).unwrap();
    let chain = store.find(thumbprint).unwrap().as_chain_der();
    for thumbprint in authorities {
        take("CA", thumbprint);
    }
    assert_eq!(chain.unwrap(), [leaf.der().to_vec(), middle.der().to_vec()]);
}

#[test]
fn what_is_not_there_is_named() {
    let absent = find("wsfcd-test-absent", [7; 20]).unwrap_err();
    assert!(matches!(absent, FindError::NoStore { .. }), "{absent:?}");
    let own = OwnStore::new("absent");
    put(&own.0, &certificate(), None);
    let absent = find(&own.0, [7; 20]).unwrap_err();
    assert!(
        matches!(&absent, FindError::NoCertificate { store } if *store == own.0),
        "{absent:?}"
    );
}

#[test]
fn a_key_that_is_not_there_is_told_by_what_should_keep_it() {
    let own = OwnStore::new("keys");
    let none = put(&own.0, &certificate(), None);
    let fault = find(&own.0, none).unwrap_err();
    assert!(matches!(fault, FindError::NoKey { .. }), "{fault:?}");

    let provider = "Microsoft Enhanced Cryptographic Provider v1.0";
    let keeper = Keeper {
        key: "wsfcd-test-nobody-has-this-key",
        provider,
        kind: PROV_RSA_FULL,
        flags: 0,
    };
    let old = put(&own.0, &certificate(), Some(keeper));
    let fault = find(&own.0, old).unwrap_err();
    assert!(
        matches!(&fault, FindError::OldProvider { provider: named } if named == provider),
        "{fault:?}"
    );

    let keeper = Keeper {
        key: "wsfcd-test-nobody-has-this-key",
        provider: KEY_STORAGE,
        kind: 0,
        flags: 0,
    };
    let gone = put(&own.0, &certificate(), Some(keeper));
    let fault = find(&own.0, gone).unwrap_err();
    // Wine 8 looks for no key there, and says that the certificate names none.
    assert!(
        matches!(fault, FindError::KeyRefused { .. } | FindError::Key(_)),
        "{fault:?}"
    );
}

/// A key of 2048 bits that the system has made: with a name one of the machine that is kept, without one that goes with its
/// handle.
fn rsa_key(name: Option<&str>) -> NCryptKey {
    let named = name.map(|name| wide(name).unwrap());
    let (named, flags) = match &named {
        Some(named) => (named.as_ptr(), NCRYPT_MACHINE_KEY_FLAG),
        None => (core::ptr::null(), 0),
    };
    let mut provider = 0;
    // SAFETY: The name of the provider is a constant, and `provider` takes one handle.
    let opened = unsafe { NCryptOpenStorageProvider(&mut provider, MS_KEY_STORAGE_PROVIDER, 0) };
    assert_eq!(opened, 0);
    let mut key = 0;
    // SAFETY: The provider is open, the name is none or ends with a NUL, and `key` takes one handle.
    let made = unsafe { NCryptCreatePersistedKey(provider, &mut key, BCRYPT_RSA_ALGORITHM, named, 0, flags) };
    assert_eq!(made, 0, "{made:#x}");
    let bits = 2048_u32;
    // SAFETY: The key is open, and the property is a number of four bytes.
    let set = unsafe { NCryptSetProperty(key, NCRYPT_LENGTH_PROPERTY, (&raw const bits).cast(), 4, 0) };
    assert_eq!(set, 0, "{set:#x}");
    // SAFETY: The key is open and was not made ready before.
    let ready = unsafe { NCryptFinalizeKey(key, 0) };
    assert_eq!(ready, 0, "{ready:#x}");
    // SAFETY: The handle was opened above and is not used afterwards; keys do not need it.
    unsafe { NCryptFreeObject(provider) };
    NCryptKey::new_owned(key)
}

/// The public half of such a key.
fn public(key: &NCryptKey) -> RsaPublicKeyComponents<Vec<u8>> {
    let mut blob = vec![0_u8; 1024];
    let mut size = 0;
    // SAFETY: The key is open, and the buffer has the size that is given.
    let told = unsafe {
        NCryptExportKey(
            key.inner(),
            0,
            BCRYPT_RSAPUBLIC_BLOB,
            core::ptr::null(),
            blob.as_mut_ptr(),
            1024,
            &mut size,
            0,
        )
    };
    assert_eq!(told, 0, "{told:#x}");
    // BCRYPT_RSAKEY_BLOB: six numbers of four bytes, of which the third and fourth are the sizes of what follows, the
    // exponent and the modulus.
    let number = |at: usize| u32::from_ne_bytes(blob[at..at + 4].try_into().unwrap()) as usize;
    let (exponent, modulus) = (24 + number(8), 24 + number(8) + number(12));
    assert_eq!(modulus, size as usize);
    RsaPublicKeyComponents {
        e: blob[24..exponent].to_vec(),
        n: blob[exponent..modulus].to_vec(),
    }
}

fn signs(key: &dyn SigningKey, public: &RsaPublicKeyComponents<Vec<u8>>) {
    let offered = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256];
    let signer = key.choose_scheme(&offered).unwrap();
    assert_eq!(signer.scheme(), SignatureScheme::RSA_PSS_SHA256);
    let signature = signer.sign(b"said").unwrap();
    public.verify(&RSA_PSS_2048_8192_SHA256, b"said", &signature).unwrap();
    public
        .verify(&RSA_PSS_2048_8192_SHA256, b"else", &signature)
        .unwrap_err();
}

#[test]
fn the_system_signs_for_tls() {
    let key = rsa_key(None);
    let public = public(&key);
    signs(&*signing(key).unwrap(), &public);
}

/// A certificate whose key the system keeps: `rcgen` has it signed there.
struct Kept<'a>(&'a NCryptKey, Vec<u8>);

impl rcgen::PublicKeyData for Kept<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.1
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl rcgen::SigningKey for Kept<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let hash = ring::digest::digest(&ring::digest::SHA256, message);
        let signed = self.0.sign(hash.as_ref(), SignaturePadding::Pkcs1);
        signed.map_err(|_refused| rcgen::Error::RemoteKeyError)
    }
}

/// An integer or a sequence of less than 64 KiB in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match size {
        [0, short @ 0..=0x7f] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

#[test]
#[ignore = "Wine 8 keeps no keys by their names, and finds none of a certificate; for a Windows host, as an administrator"]
fn a_certificate_is_found_with_its_key() {
    let name = format!("wsfcd-test-{}", std::process::id());
    let key = rsa_key(Some(&name));
    let public = public(&key);
    let modulus = der(2, &[&[0], &*public.n].concat());
    let kept = Kept(&key, der(0x30, &[modulus, der(2, &public.e)].concat()));
    let certificate = CertificateParams::new([String::from("localhost")]).unwrap();
    let certificate = certificate.self_signed(&kept).unwrap().der().to_vec();

    let own = OwnStore::new("whole");
    let keeper = Keeper {
        key: &name,
        provider: KEY_STORAGE,
        kind: 0,
        flags: NCRYPT_MACHINE_KEY_FLAG,
    };
    let thumbprint = put(&own.0, &certificate, Some(keeper));
    let found = find(&own.0, thumbprint);
    if let Ok(found) = &found {
        assert_eq!(found.chain, [certificate]);
        signs(&*found.key, &public);
    }
    // SAFETY: The key is open, and its handle is not used after it was deleted.
    let deleted = unsafe { NCryptDeleteKey(key.inner(), 0) };
    assert_eq!(deleted, 0, "{deleted:#x}");
    // The deletion has freed the handle.
    std::mem::forget(key);
    found.unwrap();
    let gone = find(&own.0, thumbprint).unwrap_err();
    assert!(matches!(gone, FindError::KeyRefused { .. }), "{gone:?}");
}
