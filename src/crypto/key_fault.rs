//! What can be wrong with a key file, each with what to do about it.

use std::path::PathBuf;

/// A file or directory that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct KeyProblem {
    /// Which one.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: KeyFault,
}

/// Why a key file or directory is refused. Every text is one line, holds
/// nothing of the key, and ends with what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    // --- the directory ---
    /// There is no such directory.
    #[error("does not exist: make it and a key with `tokenward keys generate`")]
    NoDirectory,
    /// No file in it can be a key.
    #[error("holds no key: make one with `tokenward keys generate`, or copy one in")]
    NoKeys,
    /// Files are there, but none of them signs now.
    #[error("holds no key that signs now: keep the one that did")]
    NothingSigns,
    /// Others could add a key of theirs.
    #[error(
        "mode {0:04o} lets group or others write into this directory: \
         run `chmod go-w` on it"
    )]
    OpenDirectory(u32),

    // --- the file ---
    /// The operating system did not let us.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A name that is not UTF-8.
    #[error("has a name that is not UTF-8: rename it")]
    UnreadableName,
    /// A key that is in use has gone.
    #[error(
        "is gone, but tokens that it signed may live, or gateways count on it: put it back, \
         revoke it with `tokenward keys revoke`, or restart to go on without it"
    )]
    Gone,
    /// A FIFO, a device, a socket.
    #[error("is not a regular file: put the key file itself here, or a symlink to it")]
    NotAFile,
    /// Over [`super::key_file::MAX_LEN`].
    #[error("is larger than 16 KiB: no RSA key file is")]
    TooLarge,
    /// Nothing in it.
    #[error("is empty: copy the key again, or remove the file")]
    Empty,
    /// Group or others may write.
    #[error("mode {0:04o} lets group or others change this key: run `chmod 600` on it")]
    Writable(u32),
    /// Others may read.
    #[error(
        "mode {0:04o} lets everyone read this key: run `chmod 600` on it, \
         and replace the key if others use this machine"
    )]
    WorldReadable(u32),
    /// The group may read, and the owner is not root.
    #[error(
        "mode {0:04o} lets its group read this key: run `chmod 600` on it \
         (only a file that root owns may be readable by its group)"
    )]
    GroupReadable(u32),
    /// Someone else can change it, and has read it.
    #[error(
        "belongs to user {0}: `chown` it to the user who runs this command or to root, \
         or run this command as that user"
    )]
    ForeignOwner(u32),

    // --- the text ---
    /// Neither PEM nor anything we know.
    #[error("is not a PEM file: convert it with `openssl rsa -in KEY -out KEY.pem`")]
    NotPem,
    /// U+FEFF in front.
    #[error("starts with a byte order mark: save it as plain ASCII")]
    ByteOrderMark,
    /// A BEGIN line without its END line.
    #[error("is truncated: there is a BEGIN line without its END line; copy the key again")]
    Truncated,
    /// Something before BEGIN or after END.
    #[error("holds text outside of its PEM block: keep only the lines from BEGIN to END")]
    TextOutside,
    /// More than one block.
    #[error("holds more than one PEM block: keep exactly one private key in a file")]
    SeveralBlocks,
    /// The body is not base64.
    #[error("is damaged: what stands between BEGIN and END is not base64; copy the key again")]
    BadBase64,

    // --- the kind of key ---
    /// What `ssh-keygen` writes unless told otherwise.
    #[error(
        "is in OpenSSH's own format: convert it in place with \
         `ssh-keygen -p -N '' -m PEM -f KEY`"
    )]
    OpenSsh,
    /// `ENCRYPTED PRIVATE KEY`, or `Proc-Type: 4,ENCRYPTED`.
    #[error(
        "is encrypted with a passphrase: decrypt it with `openssl rsa -in KEY -out KEY.pem` \
         and protect it by its file mode"
    )]
    Encrypted,
    /// A public key where the private one belongs.
    #[error("is a public key: put the private key here (files named *.pub are ignored)")]
    PublicKey,
    /// A certificate where the private key belongs.
    #[error("is a certificate: put the private key here")]
    Certificate,
    /// RSA restricted to RSASSA-PSS.
    #[error("is an RSA-PSS key, which cannot sign RS256: make one with `openssl genrsa 3072`")]
    RsaPss,
    /// Another algorithm; its name is given.
    #[error("is {0}: RS256 needs an RSA key; make one with `openssl genrsa 3072`")]
    NotRsa(&'static str),
    /// A PEM block that is no key; its label is not repeated.
    #[error("holds a PEM block that is not a private key: put an RSA private key here")]
    UnknownBlock,
    /// The DER inside is cut off or wrong.
    #[error("is damaged: its PEM block does not hold one whole RSA private key; copy it again")]
    BadDer,

    // --- the numbers ---
    /// RFC 8017 section 3.2 with more than two primes.
    #[error("is an RSA key with more than two primes: make one with `openssl genrsa 3072`")]
    MultiPrime,
    /// Under 2048 bits (RFC 7518 section 3.3).
    #[error("is an RSA key of {0} bits: at least 2048 are needed")]
    TooShort(usize),
    /// Over 4096 bits.
    #[error("is an RSA key of {0} bits: at most 4096 are allowed")]
    TooLong(usize),
    /// Another public exponent.
    #[error("has a public exponent other than 65537: make a key with `openssl genrsa 3072`")]
    Exponent,
    /// The numbers do not belong together.
    #[error("is inconsistent: its numbers do not belong to one RSA key; copy it again")]
    Inconsistent,
    /// The modulus can be factored by a known attack.
    #[error("is a weak RSA key ({0}): replace it, and treat it as known to everyone")]
    Weak(&'static str),
    /// The probe signature was not verified by the public key.
    #[error("does not verify what it signs: replace it")]
    ProbeFailed,

    // --- the set ---
    /// The same key stands in another file of the directory.
    #[error("is the same key as {0}: remove one of them")]
    Duplicate(String),
    /// The same key stands in the other directory.
    #[error(
        "is also the access key {0}: refresh tokens need a key of their own, \
         make one with `tokenward keys generate`"
    )]
    InBothSets(String),

    /// Another library took jsonwebtoken's process-wide provider first.
    #[error("cannot be used: another provider was installed into jsonwebtoken before ours")]
    Provider,
}
