//! JSON documents of every class that parsers are known to disagree about:
//! what must be read, what must be refused, and what is left open. Made here
//! by rule; they stand for the public test suites and copy none.

/// A name, and the document's bytes.
pub(super) type Document = (String, Vec<u8>);

/// Documents of all classes. None is a token's claims.
pub(super) fn documents() -> Vec<Document> {
    let mut all = Vec::new();
    all.extend(readable().map(|text| (format!("well formed {text}"), text.into_bytes())));
    all.extend(malformed().map(|text| (format!("malformed {text}"), text.into_bytes())));
    all.extend(bytes().map(|bytes| (format!("bytes {bytes:02x?}"), bytes)));
    all.extend(cut());
    all
}

/// Scalars that are well formed.
const VALUES: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "123456789",
    "0.5",
    "-0.5",
    "1e5",
    "1E5",
    "1e+5",
    "1e-5",
    "0e0",
    "1.5e300",
    "9007199254740993",
    "18446744073709551616",
    "0.1e1",
    "20e1",
    "null",
    "true",
    "false",
    r#""""#,
    r#""a""#,
    r#""\"""#,
    r#""\\""#,
    r#""\/\b\f\n\r\t""#,
    r#""\u0000""#,
    r#""\u002c""#,
    r#""\ud83d\ude00""#,
    r#""\uFFFF""#,
    r#""\u2028""#,
    "\"\u{7f}\"",
    "\"\u{2028}\"",
    "\"\u{10ffff}\"",
    "\"\u{feff}\"",
    "\"é\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    r#"{"":0}"#,
    r#"{"a":[]}"#,
    r#"{"\u0000":1}"#,
];

/// Scalars, or parts of them, that no JSON has.
const BROKEN: &[&str] = &[
    "",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "-.5",
    "1.e5",
    "1e",
    "1e+",
    "1eE5",
    "1e5.5",
    "0x1",
    "0x",
    "1_0",
    "1 0",
    "--1",
    "-a",
    "1a",
    "NaN",
    "nan",
    "-NaN",
    "Infinity",
    "-Infinity",
    "inf",
    "1f",
    "nul",
    "tru",
    "True",
    "NULL",
    "undefined",
    "'a'",
    "a",
    "\"",
    "\"a",
    "a\"",
    "\"\\\"",
    "\"\\x00\"",
    "\"\\u\"",
    "\"\\u1\"",
    "\"\\u12g4\"",
    "\"\\ud800\"",
    "\"\\udead\"",
    "\"\\ud800\\u\"",
    "\"\\ud800\\ud800\"",
    "\"\\a\"",
    "\"\\0\"",
    "\"\t\"",
    "\"\n\"",
    "\"\0\"",
    "\"\u{1f}\"",
    "[",
    "]",
    "[,",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1,,2]",
    "[1 2]",
    "[1:2]",
    "[1}",
    "[-]",
    "[\"a\"",
    "[\"a\",",
    "{",
    "}",
    "{\"",
    "{\"a",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{:1}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{null:1}",
    "{[]:1}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1]",
    "{\"a\":1}}",
    "{\"a\":1,,\"b\":2}",
    "{\"a\";1}",
    "*",
    "&",
    "<>",
    "<null>",
    "#",
    "//",
    "/*",
    "/**/",
    "\u{a0}",
    "\u{2060}",
    "\u{c}",
    "\u{b}",
    "\u{1680}",
    "…",
    "\u{85}",
    "\\u000A",
    "\\",
    "_",
    "$",
    "@",
];

/// Each value alone, in an array, in an object, and between white space.
fn readable() -> impl Iterator<Item = String> {
    let places: [fn(&str) -> String; 4] = [
        str::to_owned,
        |value| format!("[{value},{value}]"),
        |value| format!(r#"{{"sub":{value}}}"#),
        |value| format!(" \t\r\n{{ \"a\" : {value} }} \n"),
    ];
    VALUES.iter().flat_map(move |value| places.map(|place| place(value)))
}

/// Each broken text alone, in an array, in an object, and as garbage around a
/// good one.
fn malformed() -> impl Iterator<Item = String> {
    let places: [fn(&str) -> String; 4] = [
        str::to_owned,
        |text| format!("[{text}"),
        |text| format!(r#"{{"a":{text}"#),
        |text| format!("{{}}{text}{text}"),
    ];
    BROKEN.iter().flat_map(move |text| places.map(|place| place(text)))
}

/// Bytes that are no UTF-8, or no JSON in any encoding.
fn bytes() -> impl Iterator<Item = Vec<u8>> {
    let inside: [&[u8]; 14] = [
        &[0x80],
        &[0xbf],
        &[0xc0, 0xaf],
        &[0xc1, 0xbf],
        &[0xc3],
        &[0xc3, 0x28],
        &[0xe0, 0x80, 0x80],
        &[0xe2, 0x28, 0xa1],
        &[0xed, 0xa0, 0x80],
        &[0xf0, 0x80, 0x80, 0x80],
        &[0xf4, 0xbf, 0xbf, 0xbf],
        &[0xf8, 0x88, 0x80, 0x80, 0x80],
        &[0xfe],
        &[0xff],
    ];
    let strings = inside.map(|bytes| [&b"{\"a\":\""[..], bytes, b"\"}"].concat());
    let bare = inside.map(<[u8]>::to_vec);
    let marks: [&[u8]; 6] = [
        &[0xef, 0xbb, 0xbf],
        &[0xef, 0xbb, 0xbf, b'{', b'}'],
        &[0xff, 0xfe, b'{', 0, b'}', 0],
        &[0xfe, 0xff, 0, b'{', 0, b'}'],
        &[b'{', 0, b'}', 0],
        &[0, 0, 0, b'{', 0, 0, 0, b'}'],
    ];
    strings.into_iter().chain(bare).chain(marks.map(<[u8]>::to_vec))
}

/// Every beginning of one document that has a bit of everything.
fn cut() -> impl Iterator<Item = Document> {
    let whole = r#"{"a":[1,-2.5e+3,"\u00e9\n",true,null,{"b":{}}],"sub":"x"}"#;
    (1..whole.len()).map(|end| (format!("cut at {end}"), whole.as_bytes()[..end].to_vec()))
}
