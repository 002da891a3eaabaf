//! Tokens with one thing wrong, the same ones for the same seed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use tokenward::domain::entropy::Entropy as _;

use crate::support::determinism::SeededEntropy;

/// Characters to put where they do not belong; the first 64 are base64url.
const CHARACTERS: &str =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=. \n\t\0é";

/// Makes mutants of a token.
pub(super) struct Mutator<'a> {
    token: &'a str,
    /// A token whose parts are good ones in the wrong place.
    donor: &'a str,
    random: SeededEntropy,
}

impl<'a> Mutator<'a> {
    pub(super) fn new(token: &'a str, donor: &'a str, seed: u64) -> Self {
        Self { token, donor, random: SeededEntropy::new(seed) }
    }

    /// A text that is not the token.
    pub(super) fn next(&self) -> String {
        loop {
            let mutant = match self.below(8) {
                0 => self.flipped_bit(),
                1 => self.replaced_character(),
                2 => self.inserted_character(),
                3 => self.deleted(),
                4 => self.rearranged(),
                5 => self.other_header(),
                6 => self.other_claims(),
                _ => self.respelt(),
            };
            if mutant != self.token && !mutant.is_empty() {
                return mutant;
            }
        }
    }

    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 4];
        self.random.fill(&mut bytes).expect("seeded");
        u32::from_le_bytes(bytes) as usize % limit
    }

    fn one_of<T: Clone>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn character(&self) -> char {
        self.one_of(&CHARACTERS.chars().collect::<Vec<_>>())
    }

    fn parts(&self) -> Vec<String> {
        self.token.split('.').map(str::to_owned).collect()
    }

    /// In what a part encodes.
    fn flipped_bit(&self) -> String {
        let mut parts = self.parts();
        let part = &mut parts[self.below(3)];
        let mut bytes = URL_SAFE_NO_PAD.decode(&part).expect("our token");
        let at = self.below(bytes.len());
        bytes[at] ^= 1 << self.below(8);
        *part = URL_SAFE_NO_PAD.encode(bytes);
        parts.join(".")
    }

    fn replaced_character(&self) -> String {
        let mut characters: Vec<_> = self.token.chars().collect();
        // The ends of parts have bits that encode nothing.
        let ends = self.token.match_indices('.').map(|(at, _)| at - 1);
        let ends: Vec<_> = ends.chain([self.token.len() - 1]).collect();
        let at = match self.below(2) {
            0 => self.one_of(&ends),
            _ => self.below(characters.len()),
        };
        characters[at] = self.character();
        characters.into_iter().collect()
    }

    fn inserted_character(&self) -> String {
        let at = self.one_of(&[0, self.token.len(), self.below(self.token.len())]);
        format!("{}{}{}", &self.token[..at], self.character(), &self.token[at..])
    }

    fn deleted(&self) -> String {
        let at = self.below(self.token.len());
        match self.below(3) {
            0 => self.token[..at].to_owned(),
            1 => self.token[at..].to_owned(),
            _ => format!("{}{}", &self.token[..at], &self.token[at + 1..]),
        }
    }

    /// Whole parts, in another order or of another token.
    fn rearranged(&self) -> String {
        let mut parts = self.parts();
        let donor: Vec<_> = self.donor.split('.').collect();
        let at = self.below(3);
        match self.below(4) {
            0 => parts.swap(at, (at + 1) % 3),
            1 => parts.push(parts[at].clone()),
            2 => self.one_of(&["", ".", "AA", "e30", "bnVsbA"]).clone_into(&mut parts[at]),
            _ => donor[at].clone_into(&mut parts[at]),
        }
        parts.join(".")
    }

    fn other_header(&self) -> String {
        let changes = [
            ("alg", json!("none")),
            ("alg", json!("None")),
            ("alg", json!("HS256")),
            ("alg", json!("RS384")),
            ("alg", json!("PS256")),
            ("alg", json!("rs256")),
            ("alg", Value::Null),
            ("typ", json!("JWT")),
            ("typ", json!("rt+jwt")),
            ("typ", json!("application/at+jwt")),
            ("typ", Value::Null),
            ("kid", json!("another")),
            ("kid", json!("../../dev/null")),
            ("kid", json!(7)),
            ("kid", Value::Null),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
            ("zip", json!("DEF")),
            ("jku", json!("http://127.0.0.1:1/keys")),
            ("jwk", json!({ "kty": "oct", "k": "AAAA" })),
        ];
        let mut parts = self.parts();
        parts[0] = changed(&parts[0], self.one_of(&changes));
        if self.below(3) == 0 {
            parts[2].clear();
        }
        parts.join(".")
    }

    fn other_claims(&self) -> String {
        let changes = [
            ("iss", json!("https://elsewhere.example")),
            ("aud", json!("billing")),
            ("aud", json!(["api"])),
            ("aud", Value::Null),
            ("sub", json!("00000000-0000-4000-8000-000000000000")),
            ("exp", json!(4_000_000_000_u32)),
            ("exp", Value::Null),
            ("iat", json!(0)),
            ("nbf", json!(0)),
            ("roles", json!(["admin"])),
            ("scope", json!("admin")),
            ("client_id", json!("another")),
            ("ver", json!(99)),
        ];
        let mut parts = self.parts();
        parts[1] = changed(&parts[1], self.one_of(&changes));
        parts.join(".")
    }

    /// The same content, written in another way.
    fn respelt(&self) -> String {
        let mut parts = self.parts();
        let at = self.below(3);
        match self.below(6) {
            0 => parts[at].push_str(self.one_of(&["=", "==", "A", "A==="])),
            1 => parts[at] = parts[at].replace('-', "+").replace('_', "/"),
            2 => parts[at] = parts[at].to_uppercase(),
            3 => parts[0] = pretty(&parts[0]),
            4 => parts[1] = pretty(&parts[1]),
            _ => {
                return format!(
                    "{}{}",
                    self.one_of(&["Bearer ", " ", "\u{feff}", "\n"]),
                    self.token
                );
            }
        }
        parts.join(".")
    }
}

fn object(part: &str) -> Map<String, Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("our token");
    serde_json::from_slice(&bytes).expect("an object")
}

/// The object with one member changed; null takes it away.
fn changed(part: &str, (name, value): (&str, Value)) -> String {
    let mut object = object(part);
    match value {
        Value::Null => object.remove(name),
        value => object.insert(name.to_owned(), value),
    };
    URL_SAFE_NO_PAD.encode(Value::Object(object).to_string())
}

fn pretty(part: &str) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_string_pretty(&object(part)).expect("JSON"))
}
