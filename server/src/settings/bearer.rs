//! Whose bearer tokens are accepted.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::Unfit;

/// More than clocks that are kept differ.
const LONGEST_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// An issuer of JSON Web Tokens (OpenID Connect), and which of its tokens are accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerIssuer {
    /// The issuer, exactly as `iss` of its tokens has it.
    pub issuer: String,
    /// Whom the tokens must be for: one name or several, one of which must be in `aud`.
    #[serde(deserialize_with = "one_or_several")]
    pub audience: Vec<String>,
    /// A file with the issuer's keys, a JWK set.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// Where the keys are fetched, over https. Absent, and `jwks_file`, too: where the issuer says that they are, in
    /// `/.well-known/openid-configuration` below its own address.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// The authorities, PEM, that the server of the keys is checked against. Absent: those that the system trusts.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The claim with the caller's name.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// The claim with the caller's groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// How far the issuer's clock may be off.
    #[serde(default = "leeway", with = "humantime_serde")]
    pub leeway: Duration,
}

fn name_claim() -> String {
    String::from("sub")
}

fn groups_claim() -> String {
    String::from("groups")
}

fn leeway() -> Duration {
    Duration::from_secs(30)
}

fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(String),
        Several(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::One(one) => vec![one],
        Given::Several(several) => several,
    })
}

impl BearerIssuer {
    /// The settings of an issuer whose keys are found by its own address, all else as it is when nothing is said.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: vec![audience.into()],
            jwks_file: None,
            jwks_url: None,
            ca_file: None,
            name_claim: name_claim(),
            groups_claim: groups_claim(),
            leeway: leeway(),
        }
    }

    fn problem(&self) -> Option<&'static str> {
        // What ends the issuer in the name of a subject.
        let is_odd = |c: char| c == '#' || c.is_whitespace() || c.is_control();
        if self.issuer.is_empty() || self.issuer.contains(is_odd) {
            return Some("`issuer` is empty, or has a # or a blank in it");
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return Some("`audience` is empty, so that tokens for everybody would be accepted");
        }
        if self.name_claim.is_empty() || self.groups_claim.is_empty() {
            return Some("`name_claim` or `groups_claim` is empty");
        }
        if self.leeway > LONGEST_LEEWAY {
            return Some("`leeway` must be at most 5m");
        }
        let secure = |address: &str| {
            let uri = address.parse::<http::Uri>().ok();
            uri.is_some_and(|uri| {
                let authority = uri.authority().map(http::uri::Authority::as_str);
                uri.scheme_str() == Some("https") && authority.is_some_and(|authority| !authority.contains('@'))
            })
        };
        match (&self.jwks_file, &self.jwks_url) {
            (Some(_), Some(_)) => Some("`jwks_file` and `jwks_url` are both set; set one"),
            (Some(path), None) if path.is_relative() => Some("`jwks_file` is not absolute"),
            (Some(_), None) => None,
            (None, Some(url)) if !secure(url) => Some("`jwks_url` does not begin with https:// and a host"),
            (None, None) if !secure(&self.issuer) => {
                Some("`issuer` does not begin with https:// and a host; set `jwks_file` or `jwks_url`")
            }
            (None, _) if self.ca_file.as_ref().is_some_and(|path| path.is_relative()) => {
                Some("`ca_file` is not absolute")
            }
            (None, _) => None,
        }
    }
}

/// Checks all issuers.
pub(super) fn check(issuers: &[BearerIssuer]) -> Result<(), Unfit> {
    for (index, issuer) in issuers.iter().enumerate() {
        let twice = issuers[..index].iter().any(|other| other.issuer == issuer.issuer);
        let problem = issuer
            .problem()
            .or(twice.then_some("the issuer stands twice; name its audiences in one list"));
        if let Some(problem) = problem {
            return Err(Unfit::BearerIssuer {
                issuer: issuer.issuer.clone(),
                problem,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BearerIssuer, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn issuer_and_audience_are_enough() {
        let read_one = read("issuer = 'https://id.example'\naudience = 'wsfcd'").unwrap();
        assert_eq!(read_one, BearerIssuer::new("https://id.example", "wsfcd"));
        assert_eq!(check(&[read_one]), Ok(()));
        let several = read("issuer = 'https://id.example'\naudience = ['a', 'b']").unwrap();
        assert_eq!(several.audience, ["a", "b"]);
        assert!(read("issuer = 'https://id.example'").is_err());
        assert!(read("issuer = 'i'\naudience = 'a'\nalgorithms = ['none']").is_err());
    }

    #[test]
    fn what_could_not_work_or_would_accept_too_much_is_refused() {
        let ground = || BearerIssuer::new("https://id.example", "wsfcd");
        let with = |change: fn(&mut BearerIssuer)| {
            let mut issuer = ground();
            change(&mut issuer);
            check(&[issuer])
        };
        let file = with(|one| one.jwks_file = Some(std::path::absolute("keys.json").unwrap()));
        assert_eq!(file, Ok(()));
        let url = with(|one| one.jwks_url = Some("https://keys.example:8443/jwks".into()));
        assert_eq!(url, Ok(()));
        let refused: [fn(&mut BearerIssuer); 13] = [
            |one| one.issuer.clear(),
            |one| one.issuer.push('#'),
            |one| one.issuer.push(' '),
            |one| one.issuer = "http://id.example".into(),
            |one| one.issuer = "id".into(),
            |one| one.audience.clear(),
            |one| one.audience.push(String::new()),
            |one| one.name_claim.clear(),
            |one| one.leeway = Duration::from_secs(301),
            |one| one.jwks_url = Some("http://keys.example".into()),
            |one| one.jwks_url = Some("https://user:secret@keys.example".into()),
            |one| one.jwks_file = Some("keys.json".into()),
            |one| one.ca_file = Some("ca.pem".into()),
        ];
        for (index, change) in refused.into_iter().enumerate() {
            assert!(matches!(with(change), Err(Unfit::BearerIssuer { .. })), "{index}");
        }
        assert!(check(&[ground(), ground()]).is_err());
    }
}
