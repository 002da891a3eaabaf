//! Where a call comes from, when it came through proxies.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// Peers whose word is taken for the address of their caller.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Believes the peers in these networks.
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// The address that a call of `peer` comes from. Each proxy appends the
    /// one that it saw, so the header is read from its end, and only as far
    /// as those who wrote it are trusted: the first address that is not a
    /// trusted proxy's is the caller's. Whatever cannot be read there makes
    /// it the call of the peer itself.
    pub fn source(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let mut source = peer;
        for entry in headers.get_all(HEADER).iter().rev() {
            let Ok(text) = entry.to_str() else { return peer };
            for hop in text.rsplit(',') {
                let Some(address) = parse(hop.trim()) else { return peer };
                if !self.trusts(address) {
                    return address;
                }
                source = address;
            }
        }
        source
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// An address, with a port or without. Names and zones are none.
fn parse(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    hop.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn source(peer: &str, entries: &[&[u8]]) -> String {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for entry in entries {
            headers.append(HEADER, HeaderValue::from_bytes(entry).expect("a value"));
        }
        headers.append("x-real-ip", HeaderValue::from_static("203.0.113.66"));
        headers.append("forwarded", HeaderValue::from_static("for=203.0.113.66"));
        let proxies = TrustedProxies::new(networks.to_vec());
        proxies.source(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn lg_28_only_trusted_peers_are_believed() {
        let forged: &[&[u8]] = &[b"198.51.100.7"];
        for stranger in ["192.0.2.1", "::1", "127.0.0.1", "11.0.0.1", "2001:db9::1"] {
            assert_eq!(source(stranger, forged), stranger);
        }
        assert_eq!(source("::ffff:192.0.2.1", forged), "192.0.2.1");
        for proxy in ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"] {
            assert_eq!(source(proxy, forged), "198.51.100.7", "{proxy}");
        }
        assert_eq!(source("10.0.0.1", &[]), "10.0.0.1");
    }

    /// What stands before the first stranger, the stranger has written.
    #[test]
    fn lg_28_the_rightmost_stranger_is_the_caller() {
        for (entries, expected) in [
            (&[b"1.1.1.1, 198.51.100.7".as_slice()][..], "198.51.100.7"),
            (&[b"unknown,,\xff", b"198.51.100.7"], "198.51.100.7"),
            (&[b"198.51.100.7, 10.1.1.1,10.2.2.2"], "198.51.100.7"),
            (&[b"1.1.1.1", b"198.51.100.7", b"10.2.2.2"], "198.51.100.7"),
            (&[b"10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        ] {
            assert_eq!(source("10.0.0.1", entries), expected, "{entries:?}");
        }
    }

    #[test]
    fn lg_29_what_cannot_be_read_is_the_call_of_the_peer() {
        let long = vec![b'1'; 10_000];
        let hops = b"10.1.1.1, ".repeat(100);
        for bad in [
            b"a".as_slice(),
            b"",
            b" ",
            b",",
            b"198.51.100.7,",
            b"198.51.100.7, a",
            b"unknown",
            b"_hidden",
            b"fe80::1%eth0",
            b"127.1",
            b"0x7f000001",
            b"198.51.100.256",
            b"198.51.100.7:99999",
            b"[::1",
            b"198.51.100.7 10.1.1.1",
            b"\xff\xfe",
            &long,
            &hops,
        ] {
            assert_eq!(source("10.0.0.1", &[bad]), "10.0.0.1", "{bad:?}");
        }
        assert!(HeaderValue::from_bytes(b"1.1.1.1\0").is_err(), "NUL never gets here");
    }

    #[test]
    fn lg_31_one_address_has_one_form() {
        for (hop, expected) in [
            (b"::ffff:198.51.100.7".as_slice(), "198.51.100.7"),
            (b"::FFFF:C633:6407", "198.51.100.7"),
            (b"198.51.100.7:4711", "198.51.100.7"),
            (b"[::ffff:198.51.100.7]:4711", "198.51.100.7"),
            (b"2001:0DB9:0:0::1", "2001:db9::1"),
        ] {
            assert_eq!(source("10.0.0.1", &[hop]), expected);
        }
    }
}
