//! Is this an RSA key that may sign for years? The `rsa` crate parses and
//! checks the numbers; it never computes with the private ones on behalf of a
//! caller (RUSTSEC-2023-0071).

use rsa::{
    BigUint, RsaPrivateKey,
    pkcs1::{self, Version},
    pkcs8::{ObjectIdentifier, PrivateKeyInfo},
    traits::PrivateKeyParts as _,
};
use zeroize::Zeroizing;

use super::{
    key_fault::KeyFault,
    pem::{Block, Wrapping},
    public_key::PublicKey,
};

const MIN_BITS: usize = 2048;
const MAX_BITS: usize = 4096;
const EXPONENT: [u8; 3] = [1, 0, 1];

const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const DSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const ED448: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.113");

/// A private key whose numbers were checked, for AWS-LC to take over. Without
/// `Debug`, which would show it.
pub(super) struct CheckedKey {
    pub(super) public: PublicKey,
    /// `RSAPrivateKey` (RFC 8017 appendix A.1.2).
    pub(super) pkcs1_der: Zeroizing<Vec<u8>>,
}

/// Parses and judges the key of a file.
pub(super) fn check(block: Block) -> Result<CheckedKey, KeyFault> {
    let pkcs1_der = match block.wrapping {
        Wrapping::Pkcs1 => block.der,
        Wrapping::Pkcs8 => unwrap_pkcs8(&block.der)?,
    };
    let key = pkcs1::RsaPrivateKey::try_from(pkcs1_der.as_slice()).map_err(|_| KeyFault::BadDer)?;
    if key.version() != Version::TwoPrime {
        return Err(KeyFault::MultiPrime);
    }
    let public = check_public(&key)?;
    check_private(&key)?;
    Ok(CheckedKey { public, pkcs1_der })
}

fn unwrap_pkcs8(der: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let info = PrivateKeyInfo::try_from(der).map_err(|_| KeyFault::BadDer)?;
    match info.algorithm.oid {
        pkcs1::ALGORITHM_OID => Ok(Zeroizing::new(info.private_key.to_vec())),
        RSA_PSS => Err(KeyFault::RsaPss),
        EC => Err(KeyFault::NotRsa("an EC key")),
        DSA => Err(KeyFault::NotRsa("a DSA key")),
        ED25519 => Err(KeyFault::NotRsa("an Ed25519 key")),
        ED448 => Err(KeyFault::NotRsa("an Ed448 key")),
        _ => Err(KeyFault::NotRsa("a key of another algorithm")),
    }
}

/// Sizes come first: what follows takes time that grows with them.
fn check_public(key: &pkcs1::RsaPrivateKey<'_>) -> Result<PublicKey, KeyFault> {
    let n = key.modulus.as_bytes();
    match BigUint::from_bytes_be(n).bits() {
        bits if bits < MIN_BITS => return Err(KeyFault::TooShort(bits)),
        bits if bits > MAX_BITS => return Err(KeyFault::TooLong(bits)),
        _ => {}
    }
    if key.public_exponent.as_bytes() != EXPONENT {
        return Err(KeyFault::Exponent);
    }
    if has_roca_fingerprint(n) {
        return Err(KeyFault::Weak("ROCA, CVE-2017-15361"));
    }
    PublicKey::new(n.to_vec(), EXPONENT.to_vec())
}

/// n = pq and ed = 1 modulo p - 1 and q - 1, with p and q far apart. The CRT
/// values are checked by AWS-LC, which uses them; that p and q are prime is
/// shown by the probe signature.
fn check_private(key: &pkcs1::RsaPrivateKey<'_>) -> Result<(), KeyFault> {
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    let primes = vec![number(key.prime1.as_bytes()), number(key.prime2.as_bytes())];
    let private = RsaPrivateKey::from_components(
        number(key.modulus.as_bytes()),
        number(key.public_exponent.as_bytes()),
        number(key.private_exponent.as_bytes()),
        primes,
    )
    .map_err(|_| KeyFault::Inconsistent)?;
    match private.primes() {
        [p, q] if are_close(p, q) => Err(KeyFault::Weak("its primes are close together")),
        _ => Ok(()),
    }
}

/// FIPS 186-5 appendix A.1.3: |p - q| must exceed 2^(bits/2 - 100), or
/// Fermat's method finds them.
fn are_close(p: &BigUint, q: &BigUint) -> bool {
    let distance = if p > q { p - q } else { q - p };
    distance.bits() + 100 <= p.bits().max(q.bits())
}

/// Primes modulo which 65537 generates a proper subgroup only.
const ROCA_PRIMES: [u32; 17] =
    [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Moduli made by one faulty chip library are a power of 65537 modulo every
/// one of these primes; of others, one in some hundred million is.
fn has_roca_fingerprint(n: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|prime| {
        let residue = n.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        is_power_of_65537(residue, *prime)
    })
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let powers = std::iter::successors(Some(1), |power| {
        Some(power * (65537 % prime) % prime).filter(|next| *next != 1)
    });
    powers.into_iter().any(|power| power == residue)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// KM-03: no DER makes the loader panic, nor one that is almost a key.
        #[test]
        fn km_03_any_der_is_judged(der in any::<Vec<u8>>(), pkcs8 in any::<bool>()) {
            let wrapping = if pkcs8 { Wrapping::Pkcs8 } else { Wrapping::Pkcs1 };
            let block = Block { wrapping, der: Zeroizing::new(der) };
            prop_assert!(check(block).is_err(), "accepted");
        }
    }

    /// KM-11: powers of 65537 modulo the product of the primes have the
    /// fingerprint, their neighbours have not.
    #[test]
    fn km_11_roca_fingerprint() {
        let product: u128 = ROCA_PRIMES.iter().map(|prime| u128::from(*prime)).product();
        let mut power: u128 = 1;
        for _ in 0..1000 {
            power = power.checked_mul(65537).expect("below 2^128") % product;
            assert!(has_roca_fingerprint(&power.to_be_bytes()), "{power}");
            assert!(!has_roca_fingerprint(&(power + 1).to_be_bytes()), "{power} + 1");
        }
    }

    /// KM-11: the limit of FIPS 186-5 is exact.
    #[test]
    fn km_11_close_primes() {
        let base = BigUint::from(1_u8) << 1023;
        let at_distance = |bits: usize| are_close(&base, &(&base + (BigUint::from(1_u8) << bits)));
        assert!(at_distance(0));
        assert!(at_distance(923));
        assert!(!at_distance(924));
        assert!(are_close(&base, &base));
    }
}
