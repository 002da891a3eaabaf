//! SHA-256 (FIPS 180-4).

use aws_lc_rs::digest;

/// The digest of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    let digest = digest::digest(&digest::SHA256, bytes);
    output.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::throttle::Fingerprint;

    /// The example of FIPS 180-4 for one block.
    #[test]
    fn the_digest_is_sha_256() {
        let hex = Fingerprint::new(sha256(b"abc")).to_string();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
