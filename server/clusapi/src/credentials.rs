//! Credentials for the directory.

use core::fmt;

use crate::error::Error;
use crate::secret::Secret;
use crate::sys::types::PCWSTR;
use crate::wide::{self, WideString};

/// Who works in the directory while accounts are created or repaired. The password is wiped when this is dropped and
/// is never shown.
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: Secret,
    domain: Option<String>,
}

impl Credentials {
    /// Credentials of a user, in a domain unless the user's name carries it.
    #[must_use]
    pub fn new(user: String, password: Secret, domain: Option<String>) -> Self {
        Self { user, password, domain }
    }

    /// Texts for C.
    pub(crate) fn to_wide(&self) -> Result<WideCredentials, Error> {
        Ok(WideCredentials {
            user: WideString::new("credentials.user", &self.user)?,
            password: WideString::new("credentials.password", self.password.reveal())?,
            domain: WideString::optional("credentials.domain", self.domain.as_deref())?,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// Credentials as texts for C; wiped when dropped.
pub(crate) struct WideCredentials {
    user: WideString,
    password: WideString,
    domain: Option<WideString>,
}

impl WideCredentials {
    /// User, password and domain for C; NULL where there are no credentials. Valid as long as `credentials`.
    pub(crate) fn pointers(credentials: Option<&Self>) -> [PCWSTR; 3] {
        match credentials {
            Some(texts) => [
                texts.user.as_ptr(),
                texts.password.as_ptr(),
                wide::pointer_or_null(texts.domain.as_ref()),
            ],
            None => [core::ptr::null(); 3],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials::new("admin".into(), Secret::new("s3cret".into()), None);
        let shown = format!("{credentials:?}");
        assert!(shown.contains("admin"));
        assert!(!shown.contains("s3cret"));
    }
}
