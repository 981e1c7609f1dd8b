//! The store itself. `rustls-cng` signs with its keys and builds its chains; stores are opened here, since that crate opens
//! them for writing, which only administrators may do to one of the machine.

#![expect(unsafe_code, reason = "stores and certificates are behind handles of C functions")]

use core::ffi::c_void;
use std::io;
use std::sync::Arc;

use rustls::sign::SigningKey;
use rustls_cng::cert::CertContext;
use rustls_cng::error::CngError;
use rustls_cng::key::{AlgorithmGroup, NCryptKey};
use rustls_cng::signer::CngSigningKey;
use windows_sys::Win32::Foundation::{CRYPT_E_NOT_FOUND, ERROR_FILE_NOT_FOUND, ERROR_INVALID_FUNCTION};
use windows_sys::Win32::Security::Cryptography::{
    CERT_CONTEXT, CERT_FIND_SHA1_HASH, CERT_KEY_PROV_INFO_PROP_ID, CERT_STORE_OPEN_EXISTING_FLAG,
    CERT_STORE_PROV_SYSTEM_W, CERT_STORE_READONLY_FLAG, CERT_SYSTEM_STORE_LOCAL_MACHINE, CRYPT_INTEGER_BLOB,
    CRYPT_KEY_PROV_INFO, CertCloseStore, CertFindCertificateInStore, CertGetCertificateContextProperty, CertOpenStore,
    HCERTSTORE, X509_ASN_ENCODING,
};

use super::{FindError, Provider, check_key, key_fault};
use crate::security::Sid;
use crate::wide::{text, wide};

/// A certificate of the machine's store, ready to serve.
#[derive(Debug)]
pub struct Stored {
    /// The certificate and those of its authorities up to its root, which is left out; DER.
    pub chain: Vec<Vec<u8>>,
    /// Its private key. The system signs with it.
    pub key: Arc<dyn SigningKey>,
}

/// Finds a certificate in a store of the machine, such as `MY`, by its SHA-1 thumbprint.
///
/// The system may look for missing certificates of authorities on the network, where the certificate says that they are, so
/// this can take many seconds.
///
/// # Errors
///
/// See [`FindError`].
pub fn find(store: &str, thumbprint: [u8; 20]) -> Result<Stored, FindError> {
    let found = Store::open(store, CERT_STORE_READONLY_FLAG)?.find(thumbprint)?;
    let key = found
        .acquire_key(true)
        .map_err(|error| key_fault(code(&error), provider(&found), store, account))?;
    let key = signing(key)?;
    let chain = found
        .as_chain_der()
        .map_err(|error| FindError::Chain(system_error(&error)))?;
    Ok(Stored { chain, key })
}

/// A store of the machine.
struct Store {
    handle: HCERTSTORE,
    name: String,
}

impl Store {
    /// Opens a store that is there already.
    fn open(name: &str, flags: u32) -> Result<Self, FindError> {
        let fault = |source| FindError::Store {
            store: name.into(),
            source,
        };
        let named = wide(name).map_err(fault)?;
        let flags = CERT_SYSTEM_STORE_LOCAL_MACHINE | CERT_STORE_OPEN_EXISTING_FLAG | flags;
        // SAFETY: This provider takes a name as UTF-16 that ends with a NUL, which `named` does; it outlives the call.
        let handle = unsafe { CertOpenStore(CERT_STORE_PROV_SYSTEM_W, 0, 0, flags, named.as_ptr().cast()) };
        if !handle.is_null() {
            return Ok(Self {
                handle,
                name: name.into(),
            });
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(ERROR_FILE_NOT_FOUND.cast_signed()) {
            Err(FindError::NoStore { store: name.into() })
        } else {
            Err(fault(error))
        }
    }

    fn find(&self, mut thumbprint: [u8; 20]) -> Result<CertContext, FindError> {
        let wanted = CRYPT_INTEGER_BLOB {
            cbData: 20,
            pbData: thumbprint.as_mut_ptr(),
        };
        // SAFETY: The store is open; a search for a hash takes a blob, and it and the hash outlive the call.
        let found = unsafe {
            CertFindCertificateInStore(
                self.handle,
                X509_ASN_ENCODING,
                0,
                CERT_FIND_SHA1_HASH,
                (&raw const wanted).cast(),
                core::ptr::null(),
            )
        };
        if !found.is_null() {
            // It is the caller's from here on, who frees it once.
            return Ok(CertContext::new_owned(found));
        }
        let source = io::Error::last_os_error();
        let store = self.name.clone();
        Err(if source.raw_os_error() == Some(CRYPT_E_NOT_FOUND) {
            FindError::NoCertificate { store }
        } else {
            FindError::Store { store, source }
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: The handle was opened for this value alone. Certificates that were found in the store keep what they need
        // of it, since it is not closed by force.
        unsafe { CertCloseStore(self.handle, 0) };
    }
}

/// The key for rustls, if clients take its signatures.
fn signing(key: NCryptKey) -> Result<Arc<dyn SigningKey>, FindError> {
    let key = CngSigningKey::new(key).map_err(|error| match error {
        CngError::UnsupportedKeyAlgorithmGroup => FindError::UnfitKey {
            key: "neither RSA nor of an elliptic curve".into(),
        },
        error => FindError::Key(system_error(&error)),
    })?;
    let algorithm = match key.algorithm_group() {
        AlgorithmGroup::Rsa => "RSA",
        AlgorithmGroup::Ecdsa => "ECDSA",
        AlgorithmGroup::Ecdh => "ECDH",
    };
    check_key(algorithm, key.bits())?;
    Ok(Arc::new(key))
}

/// What keeps the key of a certificate, by the certificate's own word.
fn provider(certificate: &CertContext) -> Provider {
    let certificate: *const CERT_CONTEXT = certificate.inner();
    let mut size = 0;
    // SAFETY: The certificate is alive, and without a buffer the call says how large one must be.
    let is_there = unsafe {
        CertGetCertificateContextProperty(
            certificate,
            CERT_KEY_PROV_INFO_PROP_ID,
            core::ptr::null_mut(),
            &mut size,
        )
    };
    // Of words, so that it is aligned for the structure, and large enough for it whatever the system says.
    let mut buffer = vec![0_u64; (size as usize).max(size_of::<CRYPT_KEY_PROV_INFO>()).div_ceil(8)];
    let is_read = is_there != 0 && {
        let out: *mut c_void = buffer.as_mut_ptr().cast();
        // SAFETY: The certificate is alive, and the buffer has at least the size that is given.
        unsafe { CertGetCertificateContextProperty(certificate, CERT_KEY_PROV_INFO_PROP_ID, out, &mut size) != 0 }
    };
    if !is_read {
        return Provider::None;
    }
    // SAFETY: The buffer is aligned for the structure and no smaller, and all of its bytes are set; any bytes are one.
    let info = unsafe { buffer.as_ptr().cast::<CRYPT_KEY_PROV_INFO>().read() };
    // Zero is what certificates have whose key is with CNG (CRYPT_KEY_PROV_INFO, `dwProvType`).
    if info.dwProvType == 0 {
        return Provider::KeyStorage;
    }
    let name = if info.pwszProvName.is_null() {
        "the default provider".into()
    } else {
        // SAFETY: The name is in the buffer, where the call has put it, and ends with a NUL.
        unsafe { text(info.pwszProvName) }
    };
    Provider::Old(name.to_string_lossy().into_owned())
}

/// The account of this process, as an administrator names it.
fn account() -> String {
    Sid::of_process().map_or_else(
        |_untold| String::from("the service's account"),
        |sid| sid.account().unwrap_or_else(|_nameless| sid.as_str().to_owned()),
    )
}

fn code(error: &CngError) -> u32 {
    match error {
        CngError::WindowsError(code) => *code,
        // What the crate finds fault with itself has no code of the system.
        _ => ERROR_INVALID_FUNCTION,
    }
}

fn system_error(error: &CngError) -> io::Error {
    match error {
        CngError::WindowsError(code) => io::Error::from_raw_os_error(code.cast_signed()),
        error => io::Error::other(error.clone()),
    }
}

#[cfg(test)]
mod tests;
