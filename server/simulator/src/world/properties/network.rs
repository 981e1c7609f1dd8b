//! The properties of networks and network interfaces (facts 3.3).

use super::definition::{Definition, dword, flag, text, texts};

/// Network properties that may be set. Guess: client only (2) is refused, since it is unsupported now (facts 2.6); the
/// network itself checks that. A `Metric` that is set turns `AutoMetric` off.
pub(super) const NETWORK: &[Definition] = &[
    texts("AdminExtensions"),
    flag("AutoMetric", 1),
    text("Description"),
    dword("Metric", 0),
    dword("Role", 3).within(0, 3),
];

/// Read-only network properties.
pub(super) const NETWORK_RO: &[Definition] = &[
    text("Name"),
    text("Address"),
    text("AddressMask"),
    texts("IPv4Addresses"),
    texts("IPv4PrefixLengths"),
    texts("IPv6Addresses"),
    texts("IPv6PrefixLengths"),
    dword("LinkSpeed", 10_000),
    flag("RdmaCapable", 0),
    flag("RssCapable", 1),
];

/// Network interface properties that may be set.
pub(super) const INTERFACE: &[Definition] = &[texts("AdminExtensions"), text("Description")];

/// Read-only network interface properties.
pub(super) const INTERFACE_RO: &[Definition] = &[
    text("Name"),
    text("Node"),
    text("Network"),
    text("Adapter"),
    text("AdapterId"),
    text("Address"),
    texts("IPv4Addresses"),
    texts("IPv6Addresses"),
    flag("DhcpEnabled", 0),
];
