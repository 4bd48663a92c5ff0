//! How many connections each peer holds, so that one stranger does not take them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The peers of a listener. Whoever is on this machine is not counted: a tunnel or a proxy speaks for everybody.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    held: Mutex<HashMap<IpAddr, usize>>,
}

/// A place among the connections of one peer; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    of: Option<(Arc<Neighbours>, IpAddr)>,
}

impl Neighbours {
    /// A place for one more connection of `peer`, of which it may hold `most`. `None` when it holds that many.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Place> {
        let household = household(peer);
        if household.is_loopback() {
            return Some(Place { of: None });
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(household).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { of: Some((Arc::clone(self), household)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((neighbours, household)) = &self.of else { return };
        let mut held = neighbours.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(household) {
            *count -= 1;
            if *count == 0 {
                held.remove(household);
            }
        }
    }
}

/// What one subscriber is given: an address, or with version 6 a whole network of 64 bits.
fn household(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) if !peer.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() & !u128::from(u64::MAX)))
        }
        peer => peer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_stranger_takes_no_more_than_its_share_and_gets_it_back_with_every_place() {
        let neighbours = Arc::<Neighbours>::default();
        let admit = |text| neighbours.admit(ip(text), 2);
        let (first, _second) = (admit("192.0.2.1"), admit("192.0.2.1"));
        assert!(first.is_some() && admit("192.0.2.1").is_none());
        assert!(admit("::ffff:192.0.2.1").is_none(), "the same address in another spelling");
        assert!(admit("192.0.2.2").is_some(), "somebody else");
        drop(first);
        assert!(admit("192.0.2.1").is_some());
    }

    #[test]
    fn a_network_of_version_6_is_one_stranger() {
        let neighbours = Arc::<Neighbours>::default();
        let _place = neighbours.admit(ip("2001:db8:0:1::1"), 1);
        assert!(neighbours.admit(ip("2001:db8:0:1:ffff::2"), 1).is_none());
        assert!(neighbours.admit(ip("2001:db8:0:2::1"), 1).is_some());
    }

    #[test]
    fn whoever_is_on_this_machine_speaks_for_everybody_and_is_not_counted() {
        let neighbours = Arc::<Neighbours>::default();
        let places: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "::1"].map(|text| neighbours.admit(ip(text), 1)).into();
        assert!(places.iter().all(Option::is_some));
        assert!(neighbours.held.lock().unwrap().is_empty());
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let neighbours = Arc::<Neighbours>::default();
        drop(neighbours.admit(ip("192.0.2.1"), 1));
        assert!(neighbours.held.lock().unwrap().is_empty());
    }
}
