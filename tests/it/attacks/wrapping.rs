//! VE, continued: tokens in other clothes.

use rsa::traits::PublicKeyParts as _;

use super::{
    forge::{encode, segments},
    table::{Table, Trial},
};

/// Other serialisations (RFC 7515 section 7.2, RFC 7516) and texts that are
/// two things at once.
pub(super) fn rows(trial: &Trial) -> Table {
    let mut table = Table::default();
    let good = trial.good();
    let [h, p, s] = segments(good);
    let flattened = format!(r#"{{"protected":"{h}","payload":"{p}","signature":"{s}"}}"#);
    table.reject("VE-20", "flattened", &flattened);
    table.reject("VE-20", "flattened, encoded", encode(&flattened));
    let unprotected = format!(
        r#"{{"payload":"{p}","signatures":[{{"protected":"{h}","header":{{}},"signature":"{s}"}}]}}"#
    );
    table.reject("VE-20", "general", unprotected);
    for (alg, fill) in [("RSA-OAEP", 0x5a), ("RSA-OAEP-256", 0x5a), ("RSA1_5", 0x01)] {
        // A number below the modulus; nobody may try what is in it.
        let key = encode(vec![fill; trial.forge.key.private().size()]);
        let kid = trial.forge.key.kid();
        let header = encode(format!(r#"{{"alg":"{alg}","enc":"A256GCM","kid":"{kid}"}}"#));
        table.reject(
            "VE-21",
            alg,
            format!("{header}.{key}.AAAAAAAAAAAAAAAA.{p}.AAAAAAAAAAAAAAAAAAAAAA"),
        );
    }
    let polyglots = [
        format!(r#"{{"  {good}":1}}"#),
        format!(r#"{{"a":"{good}"}}"#),
        format!(r#"{{"protected":"{h}","payload":"{p}","signature":"{s}","x":"{good}"}}"#),
        format!("{{\"\":\".{p}.{s}\"}}"),
        format!("[\"{good}\"]"),
        format!("\"{good}\""),
        format!("'{good}'"),
    ];
    for text in polyglots {
        table.reject("VE-22", text.chars().take(20).collect::<String>(), text);
    }
    let two = format!(
        r#"{{"payload":"{p}","signatures":[{{"protected":"{h}","signature":"AAAA"}},{{"protected":"{h}","signature":"{s}"}}]}}"#
    );
    table.reject("VE-23", "two signatures, one valid", two);
    table
}

#[tokio::test]
async fn ve_20_to_ve_23_wrappings() {
    let trial = Trial::new().await;
    trial.judge(rows(&trial)).await;
}
