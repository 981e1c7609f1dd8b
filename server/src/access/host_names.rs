//! What this host is called: every name and address that somebody may reach the daemon by.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The addresses that every host has.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A name that no certificate can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a DNS name nor an address")]
pub struct NotAHostName(pub String);

/// Reads a name or an address as a certificate carries it: names in lower case and without the dot at their end.
///
/// # Errors
///
/// See [`NotAHostName`].
pub fn read(text: &str) -> Result<String, NotAHostName> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // One star as the first label stands for any name there.
    let labels = name.strip_prefix("*.").unwrap_or(&name);
    if name.len() <= 253 && labels.split('.').all(label) {
        Ok(name)
    } else {
        Err(NotAHostName(text.to_owned()))
    }
}

/// All names and addresses of this host as the system tells them now. What it does not tell is left out: an operator can
/// name it.
pub fn of_this_host() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = LOOPBACK.map(String::from).into();
    if let Ok(name) = dns_lookup::get_hostname() {
        names.extend(read(&name));
        names.extend(qualified(&name).as_deref().map(read).transpose().ok().flatten());
    }
    for interface in if_addrs::get_if_addrs().unwrap_or_default() {
        let address = interface.ip();
        // A link's own address needs the name of the interface beside it, which a certificate has no place for.
        let is_of_link = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
        if !is_of_link {
            names.insert(address.to_string());
        }
    }
    names
}

/// The name with its domain, as the system resolves it.
fn qualified(name: &str) -> Option<String> {
    let hints = dns_lookup::AddrInfoHints {
        flags: AI_CANONNAME,
        ..dns_lookup::AddrInfoHints::default()
    };
    let mut found = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).ok()?;
    found.find_map(Result::ok)?.canonname
}

/// Asks for the canonical name; the number is the same in `netdb.h` of Linux and in `ws2def.h`.
const AI_CANONNAME: i32 = 2;

/// The name that an operator should be told first: the longest that is no address, since that has its domain.
pub fn foremost(names: &BTreeSet<String>) -> Option<&String> {
    names
        .iter()
        .filter(|name| name.parse::<IpAddr>().is_err() && *name != "localhost" && !name.starts_with('*'))
        .max_by_key(|name| name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read() {
        for (text, read_as) in [
            ("Node1.Example.", "node1.example"),
            ("node_1", "node_1"),
            ("*.example", "*.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("2001:DB8::0", "2001:db8::"),
        ] {
            assert_eq!(read(text), Ok(read_as.to_owned()));
        }
        let long = format!("{}.example", "a".repeat(64));
        for text in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a/b",
            "*",
            "a.*.b",
            "10.0.0.1:7443",
            "änna",
            long.as_str(),
        ] {
            assert_eq!(read(text), Err(NotAHostName(text.to_owned())));
        }
    }

    #[test]
    fn every_host_has_its_loopback_and_a_name() {
        let names = of_this_host();
        for name in LOOPBACK {
            assert!(names.contains(name), "{names:?}");
        }
        assert!(names.iter().all(|name| read(name).as_ref() == Ok(name)), "{names:?}");
        assert!(names.iter().all(|name| !name.starts_with("fe80:")), "{names:?}");
    }

    #[test]
    fn the_name_with_its_domain_comes_first() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let first = |of: &[&str]| foremost(&names(of)).cloned();
        assert_eq!(
            first(&["localhost", "n1", "n1.example", "2001:db8::1234", "*.n1.example"]),
            Some("n1.example".into())
        );
        assert_eq!(first(&["localhost", "10.0.0.1"]), None);
    }
}
