//! SHA-256 (FIPS 180-4).

use std::io::{self, Write};

use aws_lc_rs::digest;

/// The digest of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    array(digest::digest(&digest::SHA256, bytes))
}

/// Passes on what is written, digests and counts it.
pub struct Digesting<W> {
    to: W,
    context: digest::Context,
    len: u64,
}

impl<W: Write> Digesting<W> {
    /// Nothing was written to `to` yet.
    pub fn new(to: W) -> Self {
        Self { to, context: digest::Context::new(&digest::SHA256), len: 0 }
    }

    /// Where it went, how many bytes it was, and their digest.
    pub fn finish(self) -> (W, u64, [u8; 32]) {
        (self.to, self.len, array(self.context.finish()))
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.context.update(bytes.get(..written).unwrap_or(bytes));
        self.len += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn array(digest: digest::Digest) -> [u8; 32] {
    let mut output = [0; 32];
    output.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::throttle::Fingerprint;

    #[test]
    fn what_is_written_in_pieces_has_the_digest_of_the_whole() {
        let mut digesting = Digesting::new(Vec::new());
        digesting.write_all(b"a").expect("room");
        digesting.write_all(b"bc").expect("room");
        assert_eq!(digesting.finish(), (b"abc".to_vec(), 3, sha256(b"abc")));
    }

    /// The example of FIPS 180-4 for one block.
    #[test]
    fn the_digest_is_sha_256() {
        let hex = Fingerprint::new(sha256(b"abc")).to_string();
        assert_eq!(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
