//! Texts that are never shown.

use core::fmt;

use zeroize::Zeroizing;

/// A password, a key or a token. It is wiped when it is dropped, and nothing shows it by accident: it has no `Display`
/// and no form for files, and its `Debug` says only that there is one.
///
/// ```compile_fail
/// println!("{}", wsfc_clusapi::Secret::new("hunter2".into()));
/// ```
///
/// What the system, the network and the allocator keep of a text before it comes here is out of reach.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for whoever has to have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hunter2".into());
        assert_eq!(
            format!("{secret:?} {:#?}", Some(&secret)),
            "(secret) Some(\n    (secret),\n)"
        );
        assert_eq!(secret.reveal(), "hunter2");
    }
}
