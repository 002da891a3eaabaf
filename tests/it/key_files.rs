//! Key files of every kind, made by the programs that people use.

use std::{fs, os::unix::fs::symlink, path::Path};

use tokenward::{
    crypto::{key_fault::KeyFault, port::TokenKeys},
    domain::token::{AccessTokenType, CompactToken, TokenType},
};

use crate::support::{
    determinism::START,
    key_faults::{fault_of, fault_of_made, problem},
    key_tools::{Bench, good_key, has_key_programs, set_mode},
    skip::{has_tool, skip},
};

const ACCESS: TokenType = TokenType::Access(AccessTokenType::AtJwt);

/// The kid of the only access key.
fn access_kid(bench: &Bench) -> String {
    let keyring = bench.load().unwrap_or_else(|error| panic!("{error}"));
    keyring.keys(START)[0].kid.to_string()
}

/// S4.1: made by `ssh-keygen`, dropped in with its public half beside it, it
/// signs, and what it signs is verified by `openssl` with that public half.
#[tokio::test]
async fn s4_1_an_ssh_keygen_pem_key_just_works() {
    if !has_key_programs() {
        return;
    }
    let bench = Bench::with_refresh_key();
    bench.run("ssh-keygen -q -t rsa -b 4096 -m PEM -N '' -f access/jwtRS256.key");
    bench.run("openssl rsa -in access/jwtRS256.key -pubout -out public.pem");
    fs::copy(bench.path("public.pem"), bench.path("access/jwtRS256.key.pub")).expect("a copy");
    let keyring = bench.load().expect("usable");
    let info = keyring.keys(START).remove(0);
    assert_eq!((info.file.as_str(), info.bits), ("jwtRS256.key", 4096));
    let exported = keyring.public_key(&info.kid).expect("an access key").spki_pem();
    assert_eq!(exported, bench.text("public.pem"));

    let token = keyring.sign(ACCESS, "{}".into(), START).await.expect("a token");
    let token = CompactToken::parse(&token).expect("our own form");
    bench.put("input", token.signing_input.as_bytes());
    bench.put("signature.b64", padded_base64(token.signature).as_bytes());
    bench.run("openssl base64 -d -A -in signature.b64 -out signature");
    bench.run("openssl dgst -sha256 -verify public.pem -signature signature input");
}

fn padded_base64(base64url: &str) -> String {
    let padding = "=".repeat((4 - base64url.len() % 4) % 4);
    format!("{}{padding}\n", base64url.replace('-', "+").replace('_', "/"))
}

/// S4.1, KM-07: what each program writes, in each form and allowed size.
#[test]
fn s4_1_km_07_every_usual_way_to_make_a_key() {
    if !has_key_programs() {
        return;
    }
    for line in [
        "ssh-keygen -q -t rsa -b 2048 -m PEM -N '' -f access/key",
        "ssh-keygen -q -t rsa -b 2048 -m PKCS8 -N '' -f access/key",
        "openssl genrsa -out access/key 2048",
        "openssl genrsa -traditional -out access/key 2048",
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out access/key",
    ] {
        let bench = Bench::with_refresh_key();
        bench.run(line);
        set_mode(&bench.path("access/key"), 0o600);
        assert_eq!(access_kid(&bench).len(), 43, "{line}");
    }
}

/// KM-13, KM-14: one key has one kid in whatever form it is written.
#[test]
fn km_13_forms_of_one_key_have_one_kid() {
    if !has_key_programs() {
        return;
    }
    let bench = Bench::with_refresh_key();
    bench.put("pkcs8", good_key().as_bytes());
    bench.run("openssl rsa -traditional -in pkcs8 -out pkcs1");
    let forms = [bench.text("pkcs8"), bench.text("pkcs1"), good_key().replace('\n', "\r\n")];
    let kids = forms.map(|form| {
        bench.put("access/key.pem", form.as_bytes());
        access_kid(&bench)
    });
    assert!(kids.iter().all(|kid| *kid == kids[0]), "{kids:?}");
}

/// KM-06: keys of other kinds and in other wrappings, each told by its name.
#[test]
fn km_06_other_kinds_of_files() {
    if !has_key_programs() {
        return;
    }
    let pkcs8 = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out k";
    let pss = pkcs8.replace("RSA ", "RSA-PSS ");
    for (commands, expected) in [
        (vec!["ssh-keygen -q -t rsa -b 2048 -N '' -f k"], KeyFault::OpenSsh),
        (vec!["ssh-keygen -q -t ed25519 -N '' -f k"], KeyFault::OpenSsh),
        (vec!["ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f k"], KeyFault::Encrypted),
        (vec!["openssl pkcs8 -topk8 -in good -out k -passout pass:secret"], KeyFault::Encrypted),
        (
            vec!["openssl rsa -traditional -aes256 -passout pass:secret -in good -out k"],
            KeyFault::Encrypted,
        ),
        (vec!["openssl rsa -in good -pubout -out k"], KeyFault::PublicKey),
        (vec!["openssl rsa -in good -RSAPublicKey_out -out k"], KeyFault::PublicKey),
        (vec!["ssh-keygen -q -t rsa -b 2048 -N '' -f x", "cp x.pub k"], KeyFault::PublicKey),
        (vec!["openssl req -x509 -new -key good -subj /CN=x -out k"], KeyFault::Certificate),
        (vec![&format!("openssl genpkey {pss}")], KeyFault::RsaPss),
        (
            vec!["openssl ecparam -name prime256v1 -genkey -noout -out k"],
            KeyFault::NotRsa("an EC key"),
        ),
        (
            vec!["openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k"],
            KeyFault::NotRsa("an EC key"),
        ),
        (vec!["openssl genpkey -algorithm ED25519 -out k"], KeyFault::NotRsa("an Ed25519 key")),
        (vec!["openssl genpkey -algorithm ED448 -out k"], KeyFault::NotRsa("an Ed448 key")),
        (
            vec!["openssl genpkey -algorithm X25519 -out k"],
            KeyFault::NotRsa("a key of another algorithm"),
        ),
        (vec!["openssl dsaparam -genkey -noout -out k 1024"], KeyFault::NotRsa("a DSA key")),
        (vec!["openssl ecparam -name prime256v1 -out k"], KeyFault::UnknownBlock),
        (vec!["openssl rsa -in good -outform DER -out k"], KeyFault::NotPem),
    ] {
        assert_eq!(fault_of_made(&commands), expected, "{commands:?}");
    }
}

/// KM-03, KM-04, KM-05: damaged files, and files with something else in them.
#[test]
fn km_03_km_04_km_05_damaged_files() {
    let good = good_key();
    let (body, _) = good.split_once("-----END").expect("PEM");
    let mut lines: Vec<_> = good.lines().collect();
    lines.remove(5);
    for (contents, expected) in [
        (String::new(), KeyFault::Empty),
        ("\n \n".into(), KeyFault::Empty),
        ("-----BEGIN PRIVATE KEY-----\n".into(), KeyFault::Truncated),
        ("-----BEGIN PRIV".into(), KeyFault::Truncated),
        (body.to_owned(), KeyFault::Truncated),
        (lines.join("\n"), KeyFault::BadDer),
        (good.replacen("MII", "M*I", 1), KeyFault::BadBase64),
        (format!("\u{feff}{good}"), KeyFault::ByteOrderMark),
        (format!("Bag Attributes\n{good}"), KeyFault::TextOutside),
        (format!("{good}# rotated in May\n"), KeyFault::TextOutside),
        (format!("{good}{good}"), KeyFault::SeveralBlocks),
        (r#"{"kty":"RSA"}"#.into(), KeyFault::NotPem),
        ("\0\0\0".into(), KeyFault::NotPem),
    ] {
        assert_eq!(fault_of(&contents), expected, "{contents:?}");
    }
}

/// KM-05: a certificate before the key, as web servers like it.
#[test]
fn km_05_certificate_then_key() {
    if !has_key_programs() {
        return;
    }
    let bench = Bench::new();
    bench.put("good", good_key().as_bytes());
    bench.run("openssl req -x509 -new -key good -subj /CN=x -out chain");
    let both = format!("{}{}", bench.text("chain"), good_key());
    assert_eq!(fault_of(both), KeyFault::SeveralBlocks);
}

/// KM-02: whatever is not a small regular file is not read.
#[test]
fn km_02_not_a_regular_file() {
    let fault = |make: fn(&Bench, &Path)| {
        let bench = Bench::with_refresh_key();
        make(&bench, &bench.path("access/key.pem"));
        problem(&bench, "access/key.pem")
    };
    if has_tool("mkfifo", "--version") {
        assert_eq!(fault(|bench, _| bench.run("mkfifo -m 600 access/key.pem")), KeyFault::NotAFile);
    }
    let device = fault(|_, path| symlink("/dev/zero", path).expect("a link"));
    assert_eq!(device, KeyFault::NotAFile);
    let dangling = fault(|_, path| symlink("nowhere", path).expect("a link"));
    assert!(matches!(dangling, KeyFault::Unreadable(_)), "{dangling:?}");
    let huge = fault(|bench, path| {
        bench.put("access/key.pem", b"");
        let file = fs::File::options().write(true).open(path).expect("ours");
        file.set_len(1 << 30).expect("a sparse file");
    });
    assert_eq!(huge, KeyFault::TooLarge);
}

/// KM-01: modes of files.
#[test]
fn km_01_modes_of_files() {
    let bench = Bench::with_refresh_key();
    bench.put("access/key.pem", good_key().as_bytes());
    let path = bench.path("access/key.pem");
    let fault = |mode| {
        set_mode(&path, mode);
        problem(&bench, "access/key.pem")
    };
    assert_eq!(fault(0o660), KeyFault::Writable(0o660));
    assert_eq!(fault(0o602), KeyFault::Writable(0o602));
    assert_eq!(fault(0o644), KeyFault::WorldReadable(0o644));
    assert_eq!(fault(0o604), KeyFault::WorldReadable(0o604));
    for mode in [0o600, 0o400] {
        set_mode(&path, mode);
        access_kid(&bench);
    }
    if is_root() {
        set_mode(&path, 0o440);
        access_kid(&bench);
    } else {
        assert_eq!(fault(0o440), KeyFault::GroupReadable(0o440));
    }
}

/// KM-01: a key that somebody else owns is one that somebody else can change.
#[test]
fn km_01_owners_of_files() {
    if !is_root() {
        return skip("km_01_owners_of_files", "only root can give files away", "REQUIRE_ROOT");
    }
    let bench = Bench::with_refresh_key();
    bench.put("access/key.pem", good_key().as_bytes());
    let path = bench.path("access/key.pem");
    set_mode(&path, 0o600);
    access_kid(&bench);
    std::os::unix::fs::chown(&path, Some(12_345), None).expect("root may");
    assert_eq!(problem(&bench, "access/key.pem"), KeyFault::ForeignOwner(12_345));
}

/// KM-01: nobody else may add keys to a directory.
#[test]
fn km_01_modes_of_directories() {
    let bench = Bench::with_refresh_key();
    bench.put("access/key.pem", good_key().as_bytes());
    for mode in [0o770, 0o707, 0o777] {
        set_mode(&bench.path("access"), mode);
        assert_eq!(problem(&bench, "access"), KeyFault::OpenDirectory(mode));
    }
    set_mode(&bench.path("access"), 0o755);
    access_kid(&bench);
}

/// KM-02: a mounted Kubernetes secret: root's and sticky, its files links to
/// links, readable by the group.
#[test]
fn km_02_a_mounted_secret_is_read() {
    let bench = Bench::with_refresh_key();
    let mounted = |name: &str| format!("access/{name}");
    fs::create_dir(bench.path(&mounted("..2026_11_01"))).expect("a folder");
    bench.put(&mounted("..2026_11_01/key.pem"), good_key().as_bytes());
    symlink("..2026_11_01", bench.path(&mounted("..data"))).expect("a link");
    symlink("..data/key.pem", bench.path(&mounted("key.pem"))).expect("a link");
    if is_root() {
        set_mode(&bench.path("access"), 0o1777);
        set_mode(&bench.path(&mounted("..2026_11_01/key.pem")), 0o440);
    }
    access_kid(&bench);
    if is_root() {
        let target = bench.path(&mounted("..2026_11_01/key.pem"));
        std::os::unix::fs::chown(target, Some(12_345), None).expect("root may");
        assert_eq!(problem(&bench, "access/key.pem"), KeyFault::ForeignOwner(12_345));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What stands beside keys and is none of them.
#[test]
fn public_halves_dot_files_and_folders_are_ignored() {
    let bench = Bench::with_refresh_key();
    bench.put("access/jwt-key", good_key().as_bytes());
    bench.put("access/jwt-key.pub", b"ssh-rsa AAAA");
    bench.put("access/.key.pem.swp", b"junk");
    fs::create_dir(bench.path("access/old.pem")).expect("a folder");
    access_kid(&bench);
    bench.put("access/README", b"These are the keys.\n");
    assert_eq!(problem(&bench, "access/README"), KeyFault::NotPem);
}
