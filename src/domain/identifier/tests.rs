use proptest::prelude::*;

use super::*;

/// What a login would look for.
fn canonical(text: &str) -> Option<String> {
    Identifier::parse(text).ok().map(|identifier| identifier.as_str().to_owned())
}

/// What would be stored of a new user.
fn new(text: &str) -> Result<String, InvalidIdentifier> {
    Identifier::parse(text)?.accept_new().map(|identifier| identifier.as_str().to_owned())
}

#[test]
fn spellings_of_one_person_are_equal() {
    for (spellings, one) in [
        (&["alice", "Alice", "aLICE", "ａｌｉｃｅ", "ＡＬＩＣＥ"][..], "alice"),
        (&["jürgen", "JÜRGEN", "ju\u{308}rgen", "JU\u{308}RGEN"], "jürgen"),
        (&["straße", "STRAßE", "straẞe"], "straße"),
        (&["σοφία", "ΣΟΦΊΑ"], "σοφία"),
        (&["サクラ", "ｻｸﾗ"], "サクラ"),
        (&["a@x.org", "A@X.org", "a@ｘ.org", "a@X。ORG"], "a@x.org"),
        (
            &["a@bücher.example", "A@BÜCHER.example", "a@xn--bcher-kva.example"],
            "a@xn--bcher-kva.example",
        ),
        (
            &["+41446681800", "+41 44 668 18 00", "+41 (44) 668-18-00", "+41/44.668.18.00"],
            "+41446681800",
        ),
        (&["+39 06 698 12345"], "+390669812345"),
    ] {
        for spelling in spellings {
            assert_eq!(new(spelling).as_deref(), Ok(one), "{spelling}");
        }
    }
}

#[test]
fn the_text_decides_the_kind() {
    for (text, kind) in [
        ("alice", "username"),
        ("41446681800", "username"),
        ("alice@example.org", "email"),
        ("+1@example.org", "email"),
        ("+41446681800", "phone"),
    ] {
        assert_eq!(Identifier::parse(text).map(|found| found.kind()), Ok(kind), "{text}");
    }
    for other_kind in ["alice@example.org", "+41446681800", "＋41446681800", "alice＠example.org"]
    {
        assert_eq!(Identifier::username(other_kind), Err(InvalidIdentifier::Username));
    }
}

/// LG-44: case, and what folds to ASCII in one step or another. Spotify 2013:
/// ᴮᴵᴳᴮᴵᴿᴰ became `BIGBIRD` first and `bigbird` only the second time.
#[test]
fn lg_44_no_folding_makes_two_names_one() {
    for bad in ["ᴮᴵᴳᴮᴵᴿᴰ", "\u{212a}elvin", "maſter", "ﬁona", "①a", "𝖆𝖉𝖒𝖎𝖓", "ǆ", "a²"]
    {
        assert_eq!(canonical(bad), None, "{bad}");
    }
    // Its small letters are younger than the tables: folded, it would be refused.
    assert_eq!(canonical("ᏣᎳᎩ"), None);
    // Letters of their own: other names than `istanbul`, at login too. Nobody
    // gets one.
    for (turkish, other) in [("ıstanbul", "ıstanbul"), ("İstanbul", "i\u{307}stanbul")] {
        assert_eq!(canonical(turkish).as_deref(), Some(other));
        assert_eq!(new(turkish), Err(InvalidIdentifier::LooksLikeAnother), "{turkish}");
    }
    assert_eq!(canonical("ISTANBUL").as_deref(), Some("istanbul"));
    assert_eq!(new("Işık").as_deref(), Ok("işık"), "`I` is `i`, whatever the language");
}

/// LG-45: what looks like another name, and what is not seen at all.
#[test]
fn lg_45_look_alikes_are_nobody() {
    let name = "admin";
    for alike in
        ["аdmin", "αdmin", "admіn", "adm\u{131}n", "аԁміп", "с\u{43e}с\u{43e}", "ѕсоре", "yıldız"]
    {
        assert_ne!(canonical(alike).as_deref(), Some(name), "{alike}");
        assert_eq!(new(alike), Err(InvalidIdentifier::LooksLikeAnother), "{alike}");
    }
    let hidden = "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\
        \u{feff}\u{a0}\u{ad}\u{34f}\u{115f}\u{3164}\u{180e}\u{fe0f}\u{e0061}\u{e000}\u{378}";
    for hidden in hidden.chars() {
        for text in [format!("{hidden}admin"), format!("ad{hidden}min"), format!("admin{hidden}")] {
            assert_eq!(canonical(&text), None, "{}", text.escape_unicode());
        }
    }
    for seen in
        ["москва", "山田太郎", "山田taro", "홍길동", "דוד", "محمد", "राम", "สมชาย", "jürgen.k_1-a"]
    {
        assert!(new(seen).is_ok(), "{seen}");
    }
}

/// LG-46: a code point that the tables of usernames do not know is refused.
/// They stay at Unicode 6.3, so what is stored stays what it is.
#[test]
fn lg_46_what_came_after_unicode_6_3_is_nobody() {
    for newer in ['\u{10d50}', '\u{1c89}', '\u{a7ae}', '\u{1e900}', '\u{105c0}'] {
        assert_eq!(canonical(&format!("a{newer}")), None, "{}", newer.escape_unicode());
        assert_eq!(canonical(&newer.to_string()), None, "{}", newer.escape_unicode());
    }
}

/// LG-47, GitHub 2016: `ı` is no `i`, before the `@` or after it.
#[test]
fn lg_47_addresses_match_no_other_address() {
    assert_eq!(canonical("mıke@example.org"), None);
    assert_eq!(canonical("mike@gıthub.example").as_deref(), Some("mike@xn--gthub-n4a.example"));
    assert_eq!(canonical("mike@аpple.example").as_deref(), Some("mike@xn--pple-43d.example"));
    assert_eq!(canonical("a@straße.example").as_deref(), Some("a@xn--strae-oqa.example"));
    // In the DNS these are one domain.
    assert_eq!(canonical("a@\u{212a}.example").as_deref(), Some("a@k.example"));
    for bad in [
        "ä@example.org",
        "\"a\"@example.org",
        "a@xn--a.example",
        "a@xn--example-.org",
        "a@exa_mple.org",
        "a@exa mple.org",
        "a@ab--c.org",
        "a@b..c",
        "a@b.",
        "a@-b",
        "a@b-.org",
        "a@b\u{200d}.org",
        "a@b\u{202e}.org",
        "a@[127.0.0.1]",
        ".a@x.org",
        "a.@x.org",
        "a..b@x.org",
        "a b@c",
        "a@b@c",
        "@host",
    ] {
        assert_eq!(canonical(bad), None, "{bad}");
    }
}

/// LG-48: lengths and forms at their edges, at login and for new users.
#[test]
fn lg_48_rules_are_uniform() {
    let label = "x".repeat(62);
    let longest = format!("aa@{label}.{label}.{label}.{label}");
    assert_eq!(longest.len(), 254);
    for good in ["a", &"a".repeat(64), &"字".repeat(64), &format!("{}@x", "a".repeat(64)), &longest]
    {
        assert!(new(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        " ",
        "admin ",
        " admin",
        "ad min",
        "admin\0",
        "admin\n",
        "root@",
        "a'b",
        "l·l",
        "a/b",
        "😀",
        "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60",
        "０18F3A5E-7C1B-7D2E-8F3A-1B2C3D4E5F60",
        &"a".repeat(65),
        &"字".repeat(65),
        &"𠀀".repeat(64),
        &format!("{}@x", "a".repeat(65)),
        &format!("a{longest}"),
        &"x".repeat(1_000_000),
        &format!("+{}", "1".repeat(1_000_000)),
    ] {
        assert_eq!(canonical(bad), None, "{}", bad.get(..80).unwrap_or(bad));
    }
}

#[test]
fn phone_numbers_are_international_and_given_out() {
    for bad in [
        "+",
        "++41446681800",
        "+0446681800",
        "+41 44 668 18 00 ext. 5",
        "+1800FLOWERS",
        "+41;ext=1",
        "+٤١٤٤٦٦٨١٨٠٠",
        "+41\u{a0}446681800",
        "+41\u{200b}446681800",
        "+123456",
        "+1234567890123456",
    ] {
        assert_eq!(canonical(bad), None, "{bad}");
    }
    for nobody in ["+41044 668 18 00", "+44 (0)20 7946 0000", "+1 111 111 1111", "+999 123 4567"] {
        assert!(canonical(nobody).is_some(), "{nobody}");
        assert_eq!(new(nobody), Err(InvalidIdentifier::NoSuchPhone), "{nobody}");
    }
    let local = "044 668 18 00";
    assert_eq!(Identifier::phone(local), Err(InvalidIdentifier::Phone));
}

/// LG-22: what is nobody's in any spelling is counted as one.
#[test]
fn lg_22_spellings_of_no_identifier_are_folded() {
    for spelling in [
        "no body",
        "No\u{a0}Body ",
        "ｎｏ ｂｏｄｙ",
        "ⓝⓞ ⓑⓞⓓⓨ",
        "no\u{200b} b\u{200d}ody\u{feff}",
        "NO\0BODY",
    ] {
        assert!(Identifier::parse(spelling).is_err());
        assert_eq!(folded(spelling), "nobody", "{}", spelling.escape_unicode());
    }
    let longest = folded(&"\u{fdfa}".repeat(IDENTIFIER_MAX_LEN / 3));
    assert!(longest.len() < 10 * 1024, "{}", longest.len());
}

/// Text of what people and attackers write, mostly short.
fn texts() -> impl Strategy<Value = String> {
    let odd =
        "[a-zA-Z0-9._@+ ()/'ıİſK\u{307}\u{308}\u{200d}\u{202e}\u{feff}ａＡ＠＋．。ﬁß\u{3a3}ςאب٠]";
    prop_oneof![
        proptest::string::string_regex(&format!("{odd}{{1,12}}")).unwrap(),
        proptest::string::string_regex("\\PC{1,24}").unwrap(),
        proptest::string::string_regex("[\\p{L}\\p{M}\\p{Nd}]{1,8}").unwrap(),
        proptest::string::string_regex("[a-z]{1,4}@[\\p{L}\\p{M}\\p{Nd}.-]{1,12}").unwrap(),
        proptest::string::string_regex("\\+[0-9 ().-]{6,20}").unwrap(),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// LG-44, LG-22: the canonical form is the canonical form of itself, and of
    /// one kind; asking panics for no text.
    #[test]
    fn lg_44_canonical_forms_are_their_own(text in texts()) {
        folded(&text);
        if let Ok(identifier) = Identifier::parse(&text) {
            prop_assert!((1..=IDENTIFIER_MAX_LEN).contains(&identifier.as_str().len()));
            prop_assert_eq!(Identifier::parse(identifier.as_str()), Ok(identifier.clone()));
            let lower = identifier.as_str().to_lowercase();
            prop_assert_eq!(identifier.as_str(), lower);
            if let Ok(new) = identifier.clone().accept_new() {
                prop_assert_eq!(new, identifier);
            }
        }
    }

    /// LG-44: another case of a name's letters is nobody else.
    #[test]
    fn lg_44_case_tells_nobody_apart(name in "[a-z0-9._-]{1,16}", upper in any::<u16>()) {
        let mixed: String = name.char_indices().map(|(at, c)| {
            if upper & (1 << (at % 16)) == 0 { c } else { c.to_ascii_uppercase() }
        }).collect();
        prop_assert_eq!(canonical(&mixed), canonical(&name));
    }
}
