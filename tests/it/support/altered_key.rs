//! Keys that no program makes: the good one with numbers changed.

use rsa::{
    BigUint, RsaPrivateKey,
    pkcs1::{self, UintRef, der::Encode as _},
    pkcs8::{DecodePrivateKey as _, LineEnding, der::pem},
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};

use super::key_tools::good_key;

/// The numbers of an `RSAPrivateKey`, to be altered one by one.
pub(crate) struct Numbers {
    pub(crate) n: BigUint,
    pub(crate) e: BigUint,
    pub(crate) d: BigUint,
    pub(crate) p: BigUint,
    pub(crate) q: BigUint,
    pub(crate) dp: BigUint,
    pub(crate) dq: BigUint,
    pub(crate) qinv: BigUint,
}

#[expect(clippy::many_single_char_names, reason = "the names of RFC 8017")]
/// The good key with some of its numbers changed, as PKCS#1 PEM.
pub(crate) fn altered(alter: impl FnOnce(&mut Numbers)) -> String {
    let key = RsaPrivateKey::from_pkcs8_pem(good_key()).expect("a key");
    let (p, q) = (key.primes()[0].clone(), key.primes()[1].clone());
    let mut numbers = Numbers {
        n: key.n().clone(),
        e: key.e().clone(),
        d: key.d().clone(),
        dp: key.d() % (&p - 1_u8),
        dq: key.d() % (&q - 1_u8),
        qinv: key.crt_coefficient().expect("p and q are prime"),
        p,
        q,
    };
    alter(&mut numbers);
    let Numbers { n, e, d, p, q, dp, dq, qinv } = numbers;
    let bytes = [n, e, d, p, q, dp, dq, qinv].map(|number| number.to_bytes_be());
    let [n, e, d, p, q, dp, dq, qinv] =
        bytes.each_ref().map(|bytes| UintRef::new(bytes).expect("not too long"));
    let der = pkcs1::RsaPrivateKey {
        modulus: n,
        public_exponent: e,
        private_exponent: d,
        prime1: p,
        prime2: q,
        exponent1: dp,
        exponent2: dq,
        coefficient: qinv,
        other_prime_infos: None,
    };
    let der = der.to_der().expect("DER");
    pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, &der).expect("PEM")
}
