//! Who is at the other end of a connection, and how much of something is
//! taken: in all, and by each peer.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What a peer is called: the names in its client certificate, which was
/// verified in the handshake. Nobody without one has any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerNames(Arc<[String]>);

impl PeerNames {
    /// The DNS and URI names of a certificate (RFC 5280 section 4.2.1.6). DNS
    /// names are told in lower case. Since they have no colon, and what has
    /// none is no URI, neither can be taken for the other.
    pub fn new<'a>(
        dns: impl Iterator<Item = &'a str>,
        uris: impl Iterator<Item = &'a str>,
    ) -> Self {
        let uris = uris.filter(|uri| uri.contains(':')).map(str::to_owned);
        Self(dns.map(str::to_ascii_lowercase).chain(uris).collect())
    }

    /// Is the peer called exactly this?
    pub fn contains(&self, name: &str) -> bool {
        self.iter().any(|known| known == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Things of which there is a fixed number, and fewer for each peer, so that
/// one of them cannot take everything.
#[derive(Debug)]
pub struct Quota {
    total: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Only peers that hold something are here.
    by_peer: HashMap<IpAddr, usize>,
}

impl Quota {
    /// `total` things, of which one peer can have `each`.
    pub fn new(total: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { total, each, taken: Mutex::default() })
    }

    /// One of them, until the share is dropped. `None`: there is no more, or
    /// no more for this peer, which is told apart by its [`network`].
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Share> {
        let peer = network(peer);
        let mut taken = self.lock();
        let own = taken.by_peer.get(&peer).copied().unwrap_or(0);
        if taken.total >= self.total || own >= self.each {
            return None;
        }
        taken.total += 1;
        taken.by_peer.insert(peer, own + 1);
        Some(Share { quota: Arc::clone(self), peer })
    }

    fn give_back(&self, peer: IpAddr) {
        let mut taken = self.lock();
        taken.total = taken.total.saturating_sub(1);
        let left = taken.by_peer.get(&peer).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            taken.by_peer.remove(&peer);
        } else {
            taken.by_peer.insert(peer, left);
        }
    }

    /// Nothing panics while it is held.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a peer has taken; dropped, it is there for others again.
#[derive(Debug)]
pub struct Share {
    quota: Arc<Quota>,
    peer: IpAddr,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.give_back(self.peer);
    }
}

/// Whom an address is counted for: itself, or in IPv6 its /64, of which
/// whoever has one address has all. An IPv4 address is the same in both forms.
pub fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn gt_17_a_peer_has_its_share_and_no_more() {
        let quota = Quota::new(3, 2);
        let first = quota.take(ip("192.0.2.1"));
        let second = quota.take(ip("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(quota.take(ip("192.0.2.1")).is_none(), "its share is used up");
        let other = quota.take(ip("192.0.2.2"));
        assert!(other.is_some());
        assert!(quota.take(ip("192.0.2.3")).is_none(), "all are taken");
        drop(first);
        assert!(quota.take(ip("192.0.2.1")).is_some());
        drop((second, other));
        assert!(quota.lock().by_peer.is_empty(), "nothing is remembered of who has left");
        assert_eq!(quota.lock().total, 0);
    }

    #[test]
    fn ad_11_names_of_two_kinds_are_not_mixed_up() {
        let uris = ["spiffe://Example/a", "admin.example", "\u{e4}"];
        let names = PeerNames::new(["Admin.Example"].into_iter(), uris.into_iter());
        assert_eq!(names.iter().collect::<Vec<_>>(), ["admin.example", "spiffe://Example/a"]);
        assert!(names.contains("spiffe://Example/a") && !names.contains("spiffe://example/a"));
        assert!(!names.contains("") && !PeerNames::default().contains(""));
        let only_uri = PeerNames::new(std::iter::empty(), ["admin.example"].into_iter());
        assert!(!only_uri.contains("admin.example"));
    }

    #[test]
    fn gt_17_one_network_is_one_peer() {
        for (a, b, same) in [
            ("2001:db8::1", "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            assert_eq!(network(ip(a)) == network(ip(b)), same, "{a} {b}");
        }
    }
}
