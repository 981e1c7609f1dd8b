//! Bearer tokens: what shows who the client is, beside or in place of a certificate.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::{Request, Status};
use zeroize::Zeroizing;

/// The longest file that is read for a token; the daemon takes 8 KiB.
const LONGEST_FILE: u64 = 64 * 1024;

type Give = dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// Where the token of a call comes from. It is asked for before each call, so that a token that was renewed is used without
/// a new connection.
///
/// A call that is refused because its token is over is made once more when there is another token by then. A stream that
/// ends because of that is opened again where it ended as soon as there is another one, which is waited for as long as
/// [`request_timeout`](crate::ConnectOptions::request_timeout) says, unless the token is always the same.
///
/// Its `Debug` form never shows a token.
#[derive(Clone)]
pub struct BearerSource(Source);

#[derive(Clone)]
enum Source {
    Fixed(Zeroizing<String>),
    File(PathBuf, Arc<Mutex<Option<Read>>>),
    Given(Arc<Give>),
}

/// What was read of a file, and of which state of it.
struct Read {
    state: (Option<SystemTime>, u64),
    value: AsciiMetadataValue,
}

impl BearerSource {
    /// Always this token.
    pub fn token(token: impl Into<String>) -> Self {
        Self(Source::Fixed(Zeroizing::new(token.into())))
    }

    /// The token in a file, which is read again when it has changed. Line ends and blanks around it are not part of it.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into(), Arc::default()))
    }

    /// What a function gives, which is asked before each call and must not wait long.
    pub fn from_fn(
        give: impl Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self(Source::Given(Arc::new(give)))
    }

    /// Whether it can have another token later.
    pub(crate) fn changes(&self) -> bool {
        !matches!(self.0, Source::Fixed(_))
    }

    fn value(&self) -> Result<AsciiMetadataValue, String> {
        match &self.0 {
            Source::Fixed(token) => value(token),
            Source::Given(give) => value(&Zeroizing::new(give().map_err(|error| error.to_string())?)),
            Source::File(path, read) => {
                // What was read stays whole when somebody panics.
                let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
                value_in(path, &mut read).map_err(|problem| format!("{}: {problem}", path.display()))
            }
        }
    }
}

impl fmt::Debug for BearerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Fixed(_) => f.write_str("BearerSource(a token)"),
            Source::File(path, _) => f.debug_tuple("BearerSource").field(path).finish(),
            Source::Given(_) => f.write_str("BearerSource(a function)"),
        }
    }
}

/// Reads a file if it has changed.
fn value_in(path: &Path, read: &mut Option<Read>) -> Result<AsciiMetadataValue, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    let state = (found.modified().ok(), found.len());
    if let Some(read) = read.as_ref().filter(|read| read.state == state && state.0.is_some()) {
        return Ok(read.value.clone());
    }
    if found.len() > LONGEST_FILE {
        return Err(String::from("the file is too long for a token"));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| error.to_string())?);
    let value = value(text.trim())?;
    *read = Some(Read {
        state,
        value: value.clone(),
    });
    Ok(value)
}

/// The header's value. What is wrong with a token is said without the token.
fn value(token: &str) -> Result<AsciiMetadataValue, String> {
    // RFC 6750, section 2.1.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(fits) {
        return Err(String::from(
            "the token is empty, or has characters in it that none has",
        ));
    }
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut value: AsciiMetadataValue = text
        .parse()
        .map_err(|error: tonic::metadata::errors::InvalidMetadataValue| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Puts a token on a call. It is read before the call, so that afterwards it is known which one was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credentials(Option<Result<AsciiMetadataValue, String>>);

impl Credentials {
    /// What a source has now.
    pub(crate) fn of(source: Option<&BearerSource>) -> Self {
        Self(source.map(BearerSource::value))
    }

    /// Whether these have a token, and another one than `shown`.
    pub(crate) fn differ_from(&self, shown: &Self) -> bool {
        matches!(self.0, Some(Ok(_))) && self != shown
    }
}

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        match &self.0 {
            Some(Ok(value)) => {
                request.metadata_mut().insert("authorization", value.clone());
            }
            Some(Err(problem)) => {
                return Err(Status::unauthenticated(format!(
                    "there is no bearer token to show: {problem}"
                )));
            }
            None => {}
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &BearerSource) -> Result<String, String> {
        let request = Credentials::of(Some(source)).call(Request::new(()));
        let request = request.map_err(|status| status.message().to_owned())?;
        // A debugger's form of the request has no token in it.
        assert!(!format!("{request:?}").contains("Bearer"), "{request:?}");
        Ok(request
            .metadata()
            .get("authorization")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned())
    }

    #[test]
    fn a_token_is_shown_and_never_printed() {
        let source = BearerSource::token("secret.a-b_c.d");
        assert_eq!(shown(&source).unwrap(), "Bearer secret.a-b_c.d");
        assert!(!format!("{source:?}").contains("secret"));
        let source = BearerSource::from_fn(|| Ok("given".into()));
        assert_eq!(shown(&source).unwrap(), "Bearer given");
        let source = BearerSource::from_fn(|| Err("the agent has ended".into()));
        assert!(shown(&source).unwrap_err().ends_with("the agent has ended"));
    }

    #[test]
    fn what_is_no_token_is_not_sent() {
        for token in ["", "a b", "secret\r\nx: y", "sécret"] {
            let problem = shown(&BearerSource::token(token)).unwrap_err();
            assert!(!problem.contains("cret"), "{problem}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = BearerSource::file(&path);
        assert!(shown(&source).unwrap_err().contains("token: "));
        std::fs::write(&path, "first\r\n").unwrap();
        assert_eq!(shown(&source).unwrap(), "Bearer first");
        std::fs::write(&path, "  the-second\n").unwrap();
        assert_eq!(shown(&source).unwrap(), "Bearer the-second");
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert!(shown(&source).is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(shown(&source).is_err(), "a token that was taken away is not shown");
    }

    #[test]
    fn only_a_token_that_is_there_differs_from_the_one_that_was_shown() {
        let of = |token: &str| Credentials::of(Some(&BearerSource::token(token)));
        assert!(of("second").differ_from(&of("first")));
        assert!(!of("first").differ_from(&of("first")));
        assert!(!of("").differ_from(&of("first")), "what is no token");
        assert!(of("first").differ_from(&of("")));
        assert!(!Credentials::of(None).differ_from(&of("first")));
    }
}
