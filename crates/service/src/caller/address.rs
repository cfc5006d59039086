//! Whom an address on the network stands for.

use std::net::{IpAddr, Ipv6Addr};

/// Whom an address stands for: whoever has one IPv6 address usually has the other 2^64 of its
/// network too.
pub(crate) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        address => address,
    }
}
