//! Names of identities that the own authority vouches for, and the subject that a certificate says them in.

use uuid::Uuid;

/// The longest name.
const LONGEST: usize = 128;

/// A name that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name has 1 to {LONGEST} characters of a-z, A-Z, 0-9, `.`, `_`, `-`, `@` and `+`, begins with a letter or digit, and has no `..` in it"
)]
pub struct NameUnfit;

/// Checks a name. It stands in a URI, in logs and in lists, so it has nothing in it that means something there.
///
/// # Errors
///
/// See [`NameUnfit`].
pub fn check(name: &str) -> Result<(), NameUnfit> {
    let fits = (1..=LONGEST).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte))
        && !name.contains("..");
    if fits { Ok(()) } else { Err(NameUnfit) }
}

/// The URI that a certificate of the own authority carries for an identity.
pub fn uri(installation: Uuid, name: &str) -> String {
    format!("wsfcd://{installation}/user/{name}")
}

/// The subject that bindings and operations have for an identity of the own authority.
pub fn subject(installation: Uuid, name: &str) -> String {
    format!("uri:{}", uri(installation, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        let longest = "a".repeat(LONGEST);
        for name in ["anna", "anna@corp.example", "ci-7", "a", "A.b_c+d", longest.as_str()] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        let too_long = "a".repeat(LONGEST + 1);
        for name in [
            "",
            " anna",
            "anna ",
            "an na",
            "../anna",
            "a..b",
            "a/b",
            "a\\b",
            "-anna",
            ".anna",
            "anna\n",
            "ann\u{0}",
            "änna",
            "anna\u{202e}",
            "a%2fb",
            "a:b",
            too_long.as_str(),
        ] {
            assert_eq!(check(name), Err(NameUnfit), "{name:?}");
        }
    }
}
