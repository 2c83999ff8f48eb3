//! What the addresses of a name stand for.

use std::net::SocketAddr;

/// The endpoints behind the addresses that a name has, as lists of the addresses of each.
///
/// Several addresses are as many replicas. One of each family is one host with two ways to it (`localhost`, one
/// dual-stack pod): whoever connects may try both. Of several in both families only those of the first one's family
/// count, which is the one that the resolver prefers: the others are the same replicas again.
pub(super) fn endpoints(found: &[SocketAddr]) -> Vec<Vec<SocketAddr>> {
    let mut unique: Vec<SocketAddr> = Vec::with_capacity(found.len());
    for address in found {
        if !unique.contains(address) {
            unique.push(*address);
        }
    }
    let Some(first) = unique.first().copied() else { return Vec::new() };
    let preferred = unique.iter().filter(|address| address.is_ipv4() == first.is_ipv4()).count();
    if preferred == 1 && unique.len() <= 2 {
        return vec![unique];
    }
    unique.into_iter().filter(|address| address.is_ipv4() == first.is_ipv4()).map(|address| vec![address]).collect()
}

/// What a new resolution makes of what is known: those that are still there stay what they are, those that are gone are
/// left out, and new ones are made (none where `make` says so). The first address of an endpoint is what it is known by.
pub(super) fn merge<T: Clone>(
    known: &[T],
    found: &[Vec<SocketAddr>],
    first_address: impl Fn(&T) -> Option<SocketAddr>,
    mut make: impl FnMut(&[SocketAddr]) -> Option<T>,
) -> Vec<T> {
    let still = |addresses: &[SocketAddr]| known.iter().find(|one| first_address(one) == addresses.first().copied());
    found.iter().filter_map(|addresses| still(addresses).cloned().or_else(|| make(addresses))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn each_address_is_an_endpoint_once() {
        let found = parse(&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.1:80"]);
        assert_eq!(endpoints(&found), [parse(&["10.0.0.1:80"]), parse(&["10.0.0.2:80"])]);
        assert_eq!(endpoints(&parse(&["[fd00::1]:80", "[fd00::2]:80"])).len(), 2);
        assert!(endpoints(&[]).is_empty());
    }

    #[test]
    fn one_of_each_family_is_one_host() {
        let found = parse(&["[::1]:80", "127.0.0.1:80"]);
        assert_eq!(endpoints(&found), [found]);
    }

    #[test]
    fn several_of_both_families_are_counted_once() {
        let found = parse(&["[fd00::1]:80", "10.0.0.1:80", "[fd00::2]:80", "10.0.0.2:80"]);
        assert_eq!(endpoints(&found), [parse(&["[fd00::1]:80"]), parse(&["[fd00::2]:80"])]);
        // A family of which the resolver knows less.
        let found = parse(&["10.0.0.1:80", "[fd00::1]:80", "[fd00::2]:80"]);
        assert_eq!(endpoints(&found), [parse(&["10.0.0.1:80"])]);
    }

    #[test]
    fn what_is_still_there_stays_and_the_rest_changes() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let known = [(at("10.0.0.1:80"), "old"), (at("10.0.0.2:80"), "old")];
        let found = endpoints(&parse(&["10.0.0.3:80", "10.0.0.2:80", "10.0.0.4:80"]));
        let make = |addresses: &[SocketAddr]| (addresses[0] != at("10.0.0.4:80")).then_some((addresses[0], "new"));
        let merged = merge(&known, &found, |one| Some(one.0), make);
        assert_eq!(merged, [(at("10.0.0.3:80"), "new"), (at("10.0.0.2:80"), "old")]);
    }
}
