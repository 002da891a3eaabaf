//! RSA keys whose numbers are too small, too large, weak or wrong.

use rsa::{
    BigUint, RsaPrivateKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding},
    traits::PrivateKeyParts as _,
};
use tokenward::crypto::key_fault::KeyFault;

use crate::support::{
    altered_key::{Numbers, altered},
    key_faults::{fault_of, fault_of_made},
    key_tools::{Bench, good_key},
    skip::has_tool,
};

/// KM-07, KM-08, KM-10, VS-16: sizes, exponents and primes.
#[test]
fn km_07_km_08_km_10_sizes_exponents_primes() {
    if !has_tool("openssl", "version") {
        return;
    }
    let exponent = |e: &str| {
        let options = "-pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp";
        fault_of_made(&[&format!("openssl genpkey -algorithm RSA {options}:{e} -out k")])
    };
    assert_eq!(fault_of_made(&["openssl genrsa -out k 1024"]), KeyFault::TooShort(1024));
    assert_eq!(fault_of_made(&["openssl genrsa -out k 2047"]), KeyFault::TooShort(2047));
    for e in ["3", "17", "4294967297"] {
        assert_eq!(exponent(e), KeyFault::Exponent, "{e}");
    }
    assert_eq!(fault_of_made(&["openssl genrsa -primes 3 -out k 2048"]), KeyFault::MultiPrime);
}

/// KM-07, KM-08: what no program makes.
#[test]
fn km_07_km_08_sizes_and_exponents_out_of_bounds() {
    for bits in [4097, 8192, 16_384] {
        let contents = altered(|numbers| numbers.n = BigUint::from(1_u8) << (bits - 1));
        assert_eq!(fault_of(contents), KeyFault::TooLong(bits));
    }
    let one = altered(|numbers| numbers.e = BigUint::from(1_u8));
    assert_eq!(fault_of(one), KeyFault::Exponent);
}

/// KM-09: every number of a key, altered.
#[test]
fn km_09_altered_numbers() {
    type Alteration = fn(&mut Numbers);
    let alterations: [(&str, Alteration); 11] = [
        ("n", |k| k.n += 2_u8),
        ("n even", |k| k.n += 1_u8),
        ("d", |k| k.d += 2_u8),
        ("d = 0", |k| k.d = BigUint::from(0_u8)),
        ("p", |k| k.p += 2_u8),
        ("p = 0", |k| k.p = BigUint::from(0_u8)),
        ("q", |k| k.q += 2_u8),
        ("dp", |k| k.dp += 2_u8),
        ("dq", |k| k.dq += 2_u8),
        ("qinv", |k| k.qinv += 1_u8),
        ("p and q swapped", |k| std::mem::swap(&mut k.p, &mut k.q)),
    ];
    for (what, alter) in alterations {
        assert_eq!(fault_of(altered(alter)), KeyFault::Inconsistent, "{what}");
    }
    let unaltered = Bench::with_refresh_key();
    unaltered.put("access/key.pem", altered(|_| ()).as_bytes());
    assert!(unaltered.load().is_ok());
}

/// KM-11: moduli that are known to be easy to factor, and factors that are no
/// primes.
#[test]
fn km_11_weak_moduli() {
    let good = RsaPrivateKey::from_pkcs8_pem(good_key()).expect("a key");
    let (p, q) = (&good.primes()[0], &good.primes()[1]);
    let key = |p: &BigUint, q: &BigUint| {
        let e = BigUint::from(65_537_u32);
        let key = RsaPrivateKey::from_p_q(p.clone(), q.clone(), e).expect("e has an inverse");
        key.to_pkcs8_pem(LineEnding::LF).expect("PEM").to_string()
    };
    let close = fault_of(key(p, &(p + 2_u8)));
    assert!(matches!(close, KeyFault::Weak(why) if why.contains("close")), "{close:?}");
    let composite = fault_of(key(p, &(q + 2_u8)));
    assert!(matches!(composite, KeyFault::Inconsistent | KeyFault::ProbeFailed), "{composite:?}");
    let primes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157_u32];
    let product = primes.iter().fold(BigUint::from(1_u8), |product, prime| product * *prime);
    let roca = fault_of(altered(|numbers| numbers.n = (&product << 1960) + 65_537_u32));
    assert!(matches!(roca, KeyFault::Weak(why) if why.contains("ROCA")), "{roca:?}");
}
