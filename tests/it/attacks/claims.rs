//! VC, first half: dates are JSON integers in range, written once, under
//! their own names. The clock of these tables stands.

use tokenward::domain::clock::Timestamp;

use super::{
    forge::Members,
    table::{Seen, Table, Trial},
};
use crate::support::determinism::START;

/// The moment at which the tables are judged, in seconds.
pub(super) const NOW: i64 = START.seconds();
/// The largest `exp - iat` that is configured.
pub(super) const LIFE: i64 = 900;

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    expiry_types(trial).append(other_dates(trial)).append(names(trial)).append(edges(trial))
}

/// The honest claims with these dates.
pub(super) fn dated(trial: &Trial, issued_at: i64, expires_at: i64) -> Members {
    let claims = trial.forge.claims.clone();
    claims.set("iat", issued_at.to_string()).set("exp", expires_at.to_string())
}

fn expiry_types(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let future = NOW + 600;
    table.accept(
        "VC-01",
        "the neighbour of all: an integer",
        forge.claim("exp", future.to_string()),
    );
    table.reject("VC-01", "missing", forge.with_claims(&forge.claims.clone().without("exp")));
    let cases: [(&'static str, &[&str]); 10] = [
        ("VC-02", &["null"]),
        ("VC-03", &[r#""1999999999""#, r#""1800000600""#]),
        ("VC-04", &[r#""never""#, r#""""#, r#""2033-05-18T03:33:19Z""#]),
        ("VC-05", &["true", "false", "[]", "{}", "[1999999999]", "[1800000600]"]),
        ("VC-06", &["-1", "-1800000600", "-9223372036854775808"]),
        ("VC-07", &["0"]),
        ("VC-08", &["1.5e9", "1500000000.0", "1999999999.5", "1800000600.5", "1800000600.0"]),
        ("VC-09", &["1e400", "-1e400", "1E9999"]),
        ("VC-10", &["1e19", "2e9", "18000006e2", "1.8000006e9", "2E9", "2e+9"]),
        ("VC-11", &["9007199254740993", "9007199254740992", "9007199254740991"]),
    ];
    for (id, texts) in cases {
        for raw in texts {
            table.reject(id, raw, forge.claim("exp", *raw));
        }
    }
    let large = [
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
    ];
    for raw in large {
        table.reject("VC-12", raw, forge.claim("exp", raw));
    }
    let no_numbers = [
        "1e308",
        "1e-400",
        "-0",
        "-0.0",
        "0x7fffffff",
        "1_000",
        "NaN",
        "Infinity",
        "-Infinity",
        "+1800000600",
        "01800000600",
        "1800000600.",
        ".5",
        "1e",
        "0b1",
        "1800000600n",
        "--1",
        "1 800 000 600",
        "\u{ff11}\u{ff18}00000600",
        "١٨٠٠٠٠٠٦٠٠",
    ];
    for raw in no_numbers {
        table.reject("VC-13", raw, forge.claim("exp", raw));
    }
    table.reject("VC-14", "milliseconds", forge.claim("exp", (future * 1_000).to_string()));
    table
}

fn other_dates(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let iat = NOW - 5;
    // VC-22 decided: we write no nbf, and one that is there must not come
    // after iat, so whatever it says has passed already.
    table.accept("VC-22", "nbf as old as iat", forge.claim("nbf", iat.to_string()));
    for later in [iat + 1, NOW, NOW + 1, NOW + 61, NOW + 600] {
        table.reject("VC-22", format!("nbf {later}"), forge.claim("nbf", later.to_string()));
    }
    let wrong =
        ["\"1799999995\"", "1799999995.0", "1.799999995e9", "-1", "0", "null", "[]", "true"];
    for raw in wrong {
        table.reject("VC-23", format!("nbf {raw}"), forge.claim("nbf", raw));
        table.reject("VC-25", format!("iat {raw}"), forge.claim("iat", raw));
        table.reject("VC-29", format!("auth_time {raw}"), forge.claim("auth_time", raw));
    }
    // VC-24 decided: none is minted, so none is missed.
    assert!(!forge.claims.text().contains("\"nbf\""));
    table.accept("VC-24", "no nbf", trial.good());
    table.reject("VC-25", "no iat", forge.with_claims(&forge.claims.clone().without("iat")));
    let no_auth_time = forge.claims.clone().without("auth_time");
    table.reject("VC-29", "no auth_time", forge.with_claims(&no_auth_time));
    // VC-29: updated_at is a claim that we never write, and never read.
    table.accept("VC-29", "updated_at of any type", forge.claim("updated_at", r#""yesterday""#));
    table
}

/// The claim is found under its one name, once, in the payload.
fn names(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let (past, future) = ((NOW - 600).to_string(), (NOW + 600).to_string());
    let none = || forge.claims.clone().without("exp");
    for (what, first, second) in
        [("past, future", &past, &future), ("future, past", &future, &past)]
    {
        let twice = none().add("exp", first).add("exp", second);
        table.reject("VC-30", what, forge.with_claims(&twice));
    }
    table.reject(
        "VC-30",
        "the same twice",
        forge.with_claims(&none().add("exp", &future).add("exp", &future)),
    );
    let old = || dated(trial, NOW - 700, NOW - 600);
    table.expect("VC-31", "past", forge.with_claims(&old()), Seen::Expired);
    for name in ["exp ", " exp", "EXP", "Exp", r"exp\u0000", "expires_at", "\u{ff45}xp"] {
        let beside = forge.with_claims(&old().add(name, &future));
        table.expect("VC-31", format!("{name:?} beside a past one"), beside, Seen::Expired);
        let instead = forge.with_claims(&none().add(name, &future));
        table.reject("VC-31", format!("{name:?} instead of it"), instead);
    }
    let header = forge.header.clone().set("exp", &future).text();
    table.reject("VC-32", "in the header only", forge.signed(&header, none().text()));
    table.reject("VC-33", "in both", forge.with_header(&header));
    let other = forge.header.clone().set("exp", &past).text();
    table.reject("VC-33", "in both, different", forge.with_header(other));
    // VC-34 decided: an escape in a name is the name (RFC 8259 section 8.3),
    // as every JSON parser has it; so it cannot hide a second one either.
    let escaped = r"\u0065xp";
    table.accept("VC-34", "an escape", forge.with_claims(&none().add(escaped, &future)));
    let hidden = forge.claims.clone().add(escaped, &future);
    table.reject("VC-34", "an escape beside it", forge.with_claims(&hidden));
    table
}

fn edges(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let mut at = |id, issued_at: i64, expires_at: i64, expected| {
        let what = format!("iat now{:+}, exp now{:+}", issued_at - NOW, expires_at - NOW);
        table.expect(id, what, forge.with_claims(&dated(trial, issued_at, expires_at)), expected);
    };
    at("VC-15", NOW, NOW + LIFE, Seen::Active);
    at("VC-15", NOW, NOW + LIFE + 1, Seen::Invalid);
    at("VC-35", NOW - 5, NOW - 5 + LIFE, Seen::Active);
    at("VC-35", NOW - 5, NOW - 5 + LIFE + 1, Seen::Invalid);
    at("VC-35", NOW - 2 * LIFE, NOW + 1, Seen::Invalid);
    at("VC-16", NOW - 10, NOW, Seen::Expired);
    at("VC-17", NOW - 10, NOW - 1, Seen::Expired);
    at("VC-17", NOW - 10, NOW + 1, Seen::Active);
    at("VC-21", NOW - 5, NOW - 6, Seen::Invalid);
    at("VC-21", NOW - 5, NOW - 5, Seen::Invalid);
    at("VC-21", NOW + 30, NOW + 20, Seen::Invalid);
    at("VC-28", NOW + 20, NOW + 20, Seen::Invalid);
    at("VC-28", 0, NOW + 600, Seen::Invalid);
    at("VC-28", 1, NOW + 600, Seen::Invalid);
    // VC-26, TM-08 decided: 60 s ahead is what clocks of replicas may differ.
    at("VC-26", NOW + 60, NOW + 600, Seen::Active);
    at("VC-26", NOW + 61, NOW + 600, Seen::Invalid);
    let year_2100 = Timestamp::parse_rfc3339("2100-01-01T00:00:00Z").expect("a date").seconds();
    at("VC-26", year_2100, year_2100 + 600, Seen::Invalid);
    table
}

#[tokio::test]
async fn vc_01_to_vc_14_expiry_is_an_integer() {
    let trial = Trial::new().await;
    trial.judge(expiry_types(&trial)).await;
}

#[tokio::test]
async fn vc_22_to_vc_25_vc_29_other_dates() {
    let trial = Trial::new().await;
    trial.judge(other_dates(&trial)).await;
}

#[tokio::test]
async fn vc_30_to_vc_34_names() {
    let trial = Trial::new().await;
    trial.judge(names(&trial)).await;
}

#[tokio::test]
async fn vc_15_to_vc_17_vc_21_vc_26_vc_28_vc_35_edges() {
    let trial = Trial::new().await;
    trial.judge(edges(&trial)).await;
}
