use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::{
    account::Role,
    claims::{RefreshClaims, Subject, UserClaims},
    clock::Timestamp,
    id::{ClientId, SessionId, TokenId, UserId},
    policy::{Audience, Scopes},
};

fn account(complete: bool) -> Account {
    let some = |text: &str| complete.then(|| text.to_owned());
    Account {
        id: UserId::new(Uuid::from_u128(1)),
        version: 1,
        revision: 1,
        username: some("alice"),
        email: some("alice@example.org"),
        phone: some("+41446681800"),
        email_verified_at: None,
        phone_verified_at: None,
        display_name: some("Alice \"{user.id}\" Ex\u{e4}mple"),
        roles: if complete { ["admin", "editor"].map(role).to_vec() } else { Vec::new() },
        created_at: Timestamp::from_seconds(1),
        disabled_at: None,
        last_login_at: None,
    }
}

fn role(text: &str) -> Role {
    Role::parse(text).expect("a role")
}

fn claims(account: &Account) -> AccessClaims {
    AccessClaims {
        issuer: "https://auth.example".to_owned(),
        audience: vec![Audience::parse("api").expect("an audience")],
        subject: Subject::User(UserClaims {
            id: account.id,
            session_id: SessionId::new(Uuid::from_u128(2)),
            auth_time: Timestamp::from_seconds(1_799_999_000),
            amr: vec!["pwd".to_owned()],
            roles: account.roles.clone(),
            name: account.display_name.clone(),
            email: account.email.clone(),
        }),
        client_id: ClientId::parse("web").expect("an id"),
        issued_at: Timestamp::from_seconds(1_800_000_000),
        expires_at: Timestamp::from_seconds(1_800_000_900),
        token_id: TokenId::new(Uuid::from_u128(3)),
        scopes: Scopes::parse("read").expect("a scope"),
        user_version: 1,
        client_version: 0,
        custom: Map::new(),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => panic!("{other} is no object"),
    }
}

fn parsed(value: Value) -> CustomClaims {
    CustomClaims::parse(&object(value)).expect("valid")
}

fn rendered(value: Value, account: &Account) -> String {
    let custom =
        render(&[&parsed(value)], Some(account), &claims(account)).expect("no contradiction");
    Value::Object(custom).to_string()
}

fn faults(value: Value) -> Vec<String> {
    let told = |all: Vec<InvalidClaims>| all.iter().map(ToString::to_string).collect();
    CustomClaims::parse(&object(value)).map_or_else(told, |_| Vec::new())
}

#[test]
fn s2_2_s3_1_values_are_exact_and_in_the_order_of_names() {
    let configured = json!({
        "user_id": "{user.id}",
        "role": "{user.roles}",
        "tenant": "acme",
        "limit": -5,
        "beta": true,
        "greeting": "{user.display_name} <{user.email}> since {session.auth_time}",
        "braces": "{{user.id} }}",
        "list": ["u:{user.username}", "fixed", "{client.id}"],
        "https://acme.example/data": {
            "login_time": "{session.auth_time}", "id": "{user.id}", "in": {"sid": "{session.id}"},
        },
    });
    assert_eq!(
        rendered(configured, &account(true)),
        r#"{"beta":true,"braces":"{user.id} }}","#.to_owned()
            + r#""greeting":"Alice \"{user.id}\" Exämple <alice@example.org> since 1799999000","#
            + r#""https://acme.example/data":{"id":"00000000-0000-0000-0000-000000000001","#
            + r#""in":{"sid":"00000000-0000-0000-0000-000000000002"},"login_time":1799999000},"#
            + r#""limit":-5,"list":["u:alice","fixed","web"],"role":["admin","editor"],"#
            + r#""tenant":"acme","user_id":"00000000-0000-0000-0000-000000000001"}"#
    );
}

#[test]
fn what_the_account_does_not_have_is_left_out() {
    let configured = json!({
        "mail": "{user.email}",
        "login": "login:{user.username}",
        "roles_now": "{user.roles}",
        "table": {"name": "{user.display_name}", "client": "{client.id}"},
        "list": ["{user.email}", "{client.id}"],
    });
    assert_eq!(
        rendered(configured, &account(false)),
        r#"{"list":["web"],"roles_now":[],"table":{"client":"web"}}"#
    );
}

#[test]
fn ad_20_reserved_names_are_refused_in_any_spelling() {
    let (account, mut token) = (account(true), claims(&account(true)));
    token.custom.insert("tenant".to_owned(), json!("acme"));
    let refresh = RefreshClaims {
        issuer: String::new(),
        subject: account.id,
        client_id: token.client_id.clone(),
        issued_at: token.issued_at,
        expires_at: token.expires_at,
        token_id: token.token_id,
        session_id: SessionId::new(Uuid::from_u128(2)),
        generation: 1,
        user_version: 1,
    };
    let ours: Vec<String> = [token.to_json(), refresh.to_json()]
        .iter()
        .flat_map(|text| object(serde_json::from_str(text).expect("JSON")).into_iter())
        .map(|(name, _)| name)
        .filter(|name| name != "tenant")
        .collect();
    assert_eq!(ours.len(), 16 + 12);
    let others = ["nbf", "cnf", "act", "may_act", "typ", "Sub", "EXP", "Token_Use", "clienT_id"];
    for name in ours.iter().map(String::as_str).chain(others) {
        let upper = name.to_ascii_uppercase();
        for name in [name, &upper] {
            let told = format!("{name:?} is reserved, in any case of letters");
            assert_eq!(faults(json!({ name: "x" })), [told]);
        }
    }
    let rule = "must be a name of 1 to 128 printable ASCII characters";
    let too_long = "n".repeat(129);
    for name in
        ["\u{ff53}ub", "\u{17f}ub", "i\u{17f}s", "\u{130}ss", "sub\u{200d}", "sub ", "", &too_long]
    {
        assert_eq!(faults(json!({ name: "x" })), [format!("{name:?} {rule}")]);
    }
    for name in ["subject", "role", "user_id", "https://acme.example/sub", &too_long[..128]] {
        assert_eq!(faults(json!({ name: "x" })), [""; 0]);
    }
}

/// Should a name get past the rules after all, our own claim stands.
#[test]
fn ad_20_no_custom_claim_takes_the_place_of_ours() {
    let mut token = claims(&account(true));
    let honest = token.to_json();
    token.custom = object(json!({"sub": "x", "exp": 1, "roles": [], "ver": 0}));
    assert_eq!(token.to_json(), honest);
}

#[test]
fn each_mistake_is_told_by_its_claim() {
    let texts = [
        ("{user.password}", "has a \"{\" that begins none of"),
        ("{user.id", "has a \"{\" that begins none of"),
        ("{}", "has a \"{\" that begins none of"),
        ("{{{", "has a \"{\" that begins none of"),
        ("{user.roles} ", "has {user.roles} inside a text or list"),
        ("a{user.roles}", "has {user.roles} inside a text or list"),
    ];
    for (text, rule) in texts {
        let told = faults(json!({"tenant": text, "fine": "x"}));
        assert!(told.len() == 1 && told[0].starts_with(&format!("\"tenant\" {rule}")), "{told:?}");
    }
    let values = [
        (json!(null), "must be a text, an integer"),
        (json!(1.5), "must have integers from -9007199254740991 to 9007199254740991 only"),
        (json!(9_007_199_254_740_992_i64), "must have integers"),
        (json!([1]), "must have only texts in a list"),
        (json!([["x"]]), "must have only texts in a list"),
        (json!(["{user.roles}"]), "has {user.roles} inside a text or list"),
        (json!({"a": {"b": {"c": {"d": {}}}}}), "must be at most 4 tables deep"),
        (json!({"\u{e4}": 1}), "has a member that must be a name of 1 to 128"),
    ];
    for (value, rule) in values {
        let told = faults(json!({ "tenant": value }));
        assert!(told.len() == 1 && told[0].starts_with(&format!("\"tenant\" {rule}")), "{told:?}");
    }
    let in_bounds = json!({"t": {"a": {"b": {"c": 9_007_199_254_740_991_i64}}}});
    assert_eq!(faults(in_bounds), [""; 0]);
}

#[test]
fn number_and_length_have_edges() {
    let many = |n: usize| Value::Object((0..n).map(|i| (format!("c{i}"), json!(1))).collect());
    assert_eq!(faults(many(32)), [""; 0]);
    assert_eq!(faults(many(33)), ["there are more than 32 custom claims"]);
    let long = |len: usize| json!({ "c": "x".repeat(len - r#"{"c":""}"#.len()) });
    assert_eq!(faults(long(4096)), [""; 0]);
    assert_eq!(faults(long(4097)), ["the custom claims have 4097 bytes of JSON, more than 4096"]);
    let (half, more) = (parsed(long(2048)), parsed(json!({"d": "x".repeat(2041)})));
    assert_eq!(check_together(&[&half, &half]), Ok(()));
    assert_eq!(check_together(&[&half, &more]), Err(InvalidClaims::TooLong(4097)));
}

#[test]
fn two_audiences_of_one_token_agree_or_are_refused() {
    let (a, b) = (json!({"role": "x", "a": 1}), json!({"role": "x", "b": 2}));
    let (a, b, c) = (parsed(a), parsed(b), parsed(json!({"role": "{user.roles}"})));
    let account = account(true);
    let claims = claims(&account);
    let both = render(&[&b, &a], Some(&account), &claims).expect("they agree");
    assert_eq!(Value::Object(both).to_string(), r#"{"a":1,"b":2,"role":"x"}"#);
    let differs = InvalidClaims::Contradiction("role".to_owned());
    assert_eq!(check_together(&[&a, &b]), Ok(()));
    assert_eq!(check_together(&[&a, &b, &c]), Err(differs.clone()));
    assert_eq!(render(&[&c, &a], Some(&account), &claims), Err(differs));
}

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~\u{e4}\n]{0,12}",
        Just("{user.roles}".to_owned()),
        "[a{]{0,2}(\\{(user\\.(id|email)|session\\.auth_time)\\})?[a}]{0,2}",
    ];
    let leaf = prop_oneof![
        text.clone().prop_map(Value::from),
        (-(1_i64 << 53)..1 << 53).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::collection::vec(text, 0..3).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop::collection::btree_map("[a-z]{1,3}", inner, 0..3)
            .prop_map(|members| Value::Object(members.into_iter().collect()))
    })
}

proptest! {
    /// Whatever is accepted gives a token that is read as the same claims,
    /// and on any replica the same bytes.
    #[test]
    fn ad_20_accepted_claims_change_nothing_of_ours(
        raw in prop::collection::btree_map("(sub|exp|ROLES|[a-zA-Z:/]{1,8})", value(), 0..5),
        complete in any::<bool>(),
    ) {
        let raw: Map<_, _> = raw.into_iter().collect();
        if let Ok(custom) = CustomClaims::parse(&raw) {
            let account = account(complete);
            let honest = claims(&account);
            let token = |custom| {
                let custom = render(&[&custom], Some(&account), &honest).expect("one audience");
                AccessClaims { custom, ..honest.clone() }.to_json()
            };
            let again = CustomClaims::parse(&raw.iter().rev().map(|(n, v)| (n.clone(), v.clone())).collect());
            let text = token(custom);
            prop_assert_eq!(&text, &token(again.expect("as before")));
            prop_assert_eq!(AccessClaims::parse(text.as_bytes()), Ok(honest.clone()));
        }
    }
}
