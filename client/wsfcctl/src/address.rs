//! Addresses as they are given on the command line.

use std::net::IpAddr;

use wsfc_client::v1::IpAddress;

/// Reads `ADDRESS/PREFIX`, for example `10.0.0.10/24` or `fd00::10/64`.
///
/// The daemon checks again; this only answers sooner.
pub(crate) fn parse(text: &str) -> Result<IpAddress, String> {
    let (address, prefix) = text
        .split_once('/')
        .ok_or("write it as ADDRESS/PREFIX, for example 10.0.0.10/24")?;
    let ip: IpAddr = address
        .parse()
        .map_err(|_| format!("`{address}` is not an IPv4 or IPv6 address"))?;
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let prefix_length = prefix
        .parse()
        .ok()
        .filter(|length| (1..=longest).contains(length))
        .ok_or_else(|| format!("`{prefix}` is not a prefix length from 1 to {longest}"))?;
    Ok(IpAddress {
        address: ip.to_string(),
        prefix_length,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read() {
        assert_eq!(
            parse("10.0.0.10/24").unwrap(),
            IpAddress {
                address: "10.0.0.10".to_owned(),
                prefix_length: 24
            }
        );
        assert_eq!(
            parse("FD00::0:10/128").unwrap(),
            IpAddress {
                address: "fd00::10".to_owned(),
                prefix_length: 128
            }
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, problem) in [
            ("10.0.0.10", "write it as ADDRESS/PREFIX, for example 10.0.0.10/24"),
            ("10.0.0/24", "`10.0.0` is not an IPv4 or IPv6 address"),
            ("10.0.0.10/33", "`33` is not a prefix length from 1 to 32"),
            ("10.0.0.10/0", "`0` is not a prefix length from 1 to 32"),
            ("10.0.0.10/-1", "`-1` is not a prefix length from 1 to 32"),
            ("fd00::1/129", "`129` is not a prefix length from 1 to 128"),
            ("fd00::1/", "`` is not a prefix length from 1 to 128"),
            ("/24", "`` is not an IPv4 or IPv6 address"),
        ] {
            assert_eq!(parse(text).unwrap_err(), problem, "{text}");
        }
    }
}
