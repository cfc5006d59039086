//! The peer behind a network address.

use std::net::{IpAddr, Ipv6Addr};

/// The peer behind an address. The owner of one IPv6 address usually owns all 2^64 of its network,
/// so the /64 counts.
pub(crate) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}
