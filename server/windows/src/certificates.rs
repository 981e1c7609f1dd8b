//! Certificates of the machine's certificate store. Their private keys stay with the system, which signs with them.

use std::io;

#[cfg(windows)]
mod store;

#[cfg(windows)]
pub use self::store::{Stored, find};

/// Why a certificate of the machine's store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No store has the name.
    #[error(r"there is no store LocalMachine\{store}; `Get-ChildItem Cert:\LocalMachine` in PowerShell lists those that are there")]
    NoStore {
        /// Its name.
        store: String,
    },
    /// The store cannot be opened or searched.
    #[error(r"the store LocalMachine\{store} cannot be read")]
    Store {
        /// Its name.
        store: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store has no such certificate.
    #[error(
        r"LocalMachine\{store} has no such certificate; `Get-ChildItem Cert:\LocalMachine\{store}` in PowerShell lists those that it has"
    )]
    NoCertificate {
        /// The store.
        store: String,
    },
    /// The store has a certificate alone.
    #[error(
        r"the certificate in LocalMachine\{store} has no private key; import it together with its key, from a .pfx file"
    )]
    NoKey {
        /// The store.
        store: String,
    },
    /// The key is not for this account, or gone: providers answer both alike.
    #[error(
        "{account} cannot read the private key, or the key is gone; in certlm.msc choose All Tasks, Manage Private Keys for the certificate, and give {account} Read"
    )]
    KeyRefused {
        /// The account that this process runs as.
        account: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The key is with a provider of before CNG, which cannot make the signatures of TLS 1.3.
    #[error(
        "the private key is with {provider:?}, a cryptographic service provider of the old kind; import the .pfx file again by `certutil -csp \"Microsoft Software Key Storage Provider\" -importpfx FILE.pfx`"
    )]
    OldProvider {
        /// The name of the provider.
        provider: String,
    },
    /// The key cannot be had for another reason.
    #[error("the private key cannot be used")]
    Key(#[source] io::Error),
    /// The key is of a kind or a size that clients do not take.
    #[error("the private key is {key}; TLS 1.3 takes RSA of 2048 to 8192 bits, and ECDSA with P-256 or P-384")]
    UnfitKey {
        /// What it is.
        key: String,
    },
    /// The certificates between this one and its root cannot be had.
    #[error("the certificates of its authorities cannot be looked up")]
    Chain(#[source] io::Error),
}

/// What keeps a private key.
#[cfg(any(windows, test))]
#[derive(Debug, Clone, PartialEq, Eq)]
enum Provider {
    /// Nothing does.
    None,
    /// A key storage provider (CNG).
    KeyStorage,
    /// A cryptographic service provider (CryptoAPI), by its name.
    Old(String),
}

/// What an attempt to have a key came to. Codes are those of winerror.h; the documentation of
/// `CryptAcquireCertificatePrivateKey` names no full list, so which of them say "not for you" is a guess: each that
/// providers are known to give for it.
#[cfg(any(windows, test))]
fn key_fault(code: u32, provider: Provider, store: &str, account: impl FnOnce() -> String) -> FindError {
    /// `ERROR_ACCESS_DENIED`, and the same as an HRESULT.
    const ACCESS_DENIED: [u32; 2] = [5, 0x8007_0005];
    /// `NTE_NO_KEY`, `NTE_PERM`, `NTE_BAD_KEYSET`: with the system's own providers a key that is there gives them to those
    /// who may not read its file.
    const NTE: [u32; 3] = [0x8009_000d, 0x8009_0010, 0x8009_0016];
    let source = io::Error::from_raw_os_error(code.cast_signed());
    match provider {
        Provider::None => FindError::NoKey { store: store.into() },
        Provider::Old(provider) => FindError::OldProvider { provider },
        Provider::KeyStorage if ACCESS_DENIED.contains(&code) || NTE.contains(&code) => FindError::KeyRefused {
            account: account(),
            source,
        },
        Provider::KeyStorage => FindError::Key(source),
    }
}

/// Whether clients take signatures of such a key in TLS 1.3. Keys of elliptic curves are `ECDH` to a provider that was told
/// to exchange keys with them; it signs with them all the same.
#[cfg(any(windows, test))]
fn check_key(algorithm: &str, bits: u32) -> Result<(), FindError> {
    match (algorithm, bits) {
        ("RSA", 2048..=8192) | ("ECDSA" | "ECDH", 256 | 384) => Ok(()),
        _ => Err(FindError::UnfitKey {
            key: format!("{algorithm} of {bits} bits"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: u32, provider: Provider) -> String {
        key_fault(code, provider, "MY", || String::from(r"NT SERVICE\wsfcd")).to_string()
    }

    #[test]
    fn a_key_that_cannot_be_had_is_told_with_what_to_do() {
        for code in [5, 0x8007_0005, 0x8009_000d, 0x8009_0010, 0x8009_0016] {
            let told = fault(code, Provider::KeyStorage);
            assert!(
                told.contains("Manage Private Keys") && told.contains(r"give NT SERVICE\wsfcd Read"),
                "{code:x}: {told}"
            );
        }
        assert_eq!(
            fault(0x8009_0029, Provider::KeyStorage),
            "the private key cannot be used"
        );
        let old = Provider::Old("Microsoft Strong Cryptographic Provider".into());
        let told = fault(0x8009_0014, old);
        assert!(
            told.contains("\"Microsoft Strong Cryptographic Provider\"") && told.contains("certutil -csp"),
            "{told}"
        );
        let told = fault(0x8009_200b, Provider::None);
        assert!(told.contains(r"LocalMachine\MY has no private key"), "{told}");
    }

    #[test]
    fn a_key_must_be_fit_for_tls_1_3() {
        for (algorithm, bits) in [("RSA", 2048), ("RSA", 4096), ("ECDSA", 256), ("ECDH", 384)] {
            assert!(check_key(algorithm, bits).is_ok(), "{algorithm} {bits}");
        }
        for (algorithm, bits) in [
            ("RSA", 1024),
            ("RSA", 16384),
            ("ECDSA", 521),
            ("DSA", 2048),
            ("ECDSA", 255),
        ] {
            let told = check_key(algorithm, bits).unwrap_err().to_string();
            assert!(
                told.starts_with(&format!("the private key is {algorithm} of {bits} bits; ")),
                "{told}"
            );
        }
    }
}
