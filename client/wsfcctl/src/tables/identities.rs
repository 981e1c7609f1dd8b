//! Who may call the daemon.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use wsfc_client::v1::{KnownIdentity, Token, WhoAmIResponse};

use super::{dash, facts, rows};

/// How long before its end a certificate is spoken of.
const NOTICE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn role(role: &str, clusters: &[String]) -> String {
    if clusters.is_empty() {
        role.to_owned()
    } else {
        format!("{role} on {}", clusters.join(", "))
    }
}

fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

fn is_over(time: Option<Timestamp>, now: SystemTime) -> bool {
    time.and_then(|time| SystemTime::try_from(time).ok())
        .is_some_and(|time| time <= now)
}

/// Says of a certificate that ends soon when that is.
pub(crate) fn ends_soon(expires: Option<Timestamp>, now: SystemTime) -> Option<String> {
    let expires = SystemTime::try_from(expires?).ok()?;
    match expires.duration_since(now) {
        Err(_past) => Some("has expired".to_owned()),
        Ok(left) if left < NOTICE => {
            let left = Duration::from_secs(left.as_secs() / 60 * 60);
            Some(format!("expires in {}", humantime::format_duration(left)))
        }
        Ok(_) => None,
    }
}

/// Writes who calls.
pub(crate) fn caller(out: &mut dyn Write, answer: &WhoAmIResponse) -> io::Result<()> {
    let roles: Vec<_> = answer
        .roles
        .iter()
        .map(|bound| role(&bound.role, &bound.clusters))
        .collect();
    let permissions: Vec<_> = answer
        .permissions
        .iter()
        .map(|granted| role(&granted.permission, &granted.clusters))
        .collect();
    facts(
        out,
        &[
            ("you are", answer.principal.clone()),
            (
                "also",
                answer.subjects.iter().skip(1).cloned().collect::<Vec<_>>().join("\n"),
            ),
            ("roles", dash(&roles.join("\n"))),
            ("permissions", dash(&permissions.join("\n"))),
            ("you until", time(answer.expire_time)),
            (
                "the daemon's certificate is good until",
                time(answer.server_certificate_expire_time),
            ),
        ],
    )
}

/// Writes who has a certificate or a role, and the join tokens.
pub(crate) fn identities(
    out: &mut dyn Write,
    identities: &[KnownIdentity],
    tokens: &[Token],
    now: SystemTime,
    wide: bool,
) -> io::Result<()> {
    let lines = identities.iter().map(|identity| {
        let roles: Vec<_> = identity
            .roles
            .iter()
            .map(|known| role(&known.role, &known.clusters))
            .collect();
        let good: Vec<_> = identity
            .certificates
            .iter()
            .filter(|certificate| certificate.revoke_time.is_none() && !is_over(certificate.expire_time, now))
            .collect();
        let until = good
            .last()
            .map(|certificate| time(certificate.expire_time))
            .unwrap_or_default();
        let mut line = vec![
            dash(&identity.name),
            dash(&roles.join("; ")),
            match identity.certificates.len() {
                0 => "-".to_owned(),
                _ => good.len().to_string(),
            },
            dash(&until),
            identity.subject.clone(),
        ];
        if wide {
            let fingerprints: Vec<_> = good
                .iter()
                .map(|certificate| certificate.fingerprint.as_str())
                .collect();
            line.push(dash(&fingerprints.join(" ")));
        }
        line
    });
    let mut headings = vec!["NAME", "ROLES", "CERTIFICATES", "UNTIL", "SUBJECT"];
    if wide {
        headings.push("FINGERPRINTS");
    }
    if identities.is_empty() {
        writeln!(out, "Nobody has a certificate of the daemon or a role.")?;
    } else {
        rows(out, &headings, lines)?;
    }
    if tokens.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let lines = tokens.iter().map(|token| {
        let state = if token.use_time.is_some() {
            format!("used {}", time(token.use_time))
        } else if is_over(token.expire_time, now) {
            "expired".to_owned()
        } else {
            format!("until {}", time(token.expire_time))
        };
        vec![
            token.id.clone(),
            token.name.clone(),
            role(&token.role, &token.clusters),
            state,
            token.created_by.clone(),
        ]
    });
    rows(out, &["TOKEN", "FOR", "ROLE", "STATE", "MADE BY"], lines)
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{GrantedPermission, IdentityCertificate, KnownRole, RoleBinding};

    use super::*;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn identities_and_tokens_are_listed() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let certificate = |fingerprint: &str, expires, revoked| IdentityCertificate {
            fingerprint: fingerprint.to_owned(),
            expire_time: at(expires),
            revoke_time: revoked,
            ..Default::default()
        };
        let known = |role: &str, clusters: &[&str]| KnownRole {
            role: role.to_owned(),
            clusters: clusters.iter().map(ToString::to_string).collect(),
            ..Default::default()
        };
        let anna = KnownIdentity {
            name: "anna".to_owned(),
            subject: "uri:wsfcd://1/user/anna".to_owned(),
            roles: vec![known("operator", &["CL1", "CL2"]), known("viewer", &[])],
            certificates: vec![
                certificate("aa", 1_000_001, None),
                certificate("bb", 1_000_001, at(1)),
                certificate("cc", 1, None),
                certificate("dd", 2_000_000, None),
            ],
        };
        let other = KnownIdentity {
            subject: "email:x@example.org".to_owned(),
            roles: vec![known("viewer", &[])],
            ..Default::default()
        };
        let token = |id: &str, expires, used| Token {
            id: id.to_owned(),
            name: "berta".to_owned(),
            role: "viewer".to_owned(),
            created_by: "local:root".to_owned(),
            expire_time: at(expires),
            use_time: used,
            ..Default::default()
        };
        let tokens = [
            token("000000000001", 2_000_000, None),
            token("000000000002", 1, None),
            token("000000000003", 2_000_000, at(5)),
        ];
        let all = [anna, other];
        insta::assert_snapshot!("identities", text(|out| identities(out, &all, &tokens, now, false)));
        assert!(text(|out| identities(out, &all, &[], now, true)).contains("aa dd"));
        assert!(text(|out| identities(out, &[], &[], now, false)).starts_with("Nobody"));
    }

    #[test]
    fn the_caller_is_told() {
        let answer = WhoAmIResponse {
            principal: "uri:wsfcd://1/user/anna".to_owned(),
            subjects: vec!["uri:wsfcd://1/user/anna".to_owned(), "cert:aa".to_owned()],
            permissions: vec![GrantedPermission {
                permission: "view".to_owned(),
                clusters: vec!["cl1".to_owned()],
            }],
            expire_time: at(1_000_000),
            server_certificate_expire_time: at(2_000_000),
            roles: vec![RoleBinding {
                subject: "uri:wsfcd://1/user/anna".to_owned(),
                role: "viewer".to_owned(),
                clusters: vec!["CL1".to_owned()],
            }],
        };
        insta::assert_snapshot!("caller", text(|out| caller(out, &answer)));
    }

    #[test]
    fn only_what_ends_soon_is_spoken_of() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(ends_soon(at(1_000_000 + 8 * 86_400), now), None);
        assert_eq!(ends_soon(at(1_086_400), now).as_deref(), Some("expires in 1day"));
        assert_eq!(ends_soon(at(1), now).as_deref(), Some("has expired"));
        assert_eq!(ends_soon(None, now), None);
    }
}
