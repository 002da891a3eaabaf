//! The types of settings that are more than a number or a text.

use std::{fmt, net::IpAddr, time::Duration};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use url::Url;

/// A length of time, written like `15m`, `30s`, `1day 12h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Whole days stay days: nobody configures "1year 1month 4days 7h".
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY_S: u64 = 24 * 60 * 60;
        let whole_days = self.0.as_secs() / DAY_S;
        if whole_days > 1 && self.0 == Duration::from_secs(whole_days.saturating_mul(DAY_S)) {
            write!(f, "{whole_days}days")
        } else {
            humantime::format_duration(self.0).fmt(f)
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|_| {
            D::Error::custom(format!("\"{text}\" is not a length of time like \"15m\" or \"30s\""))
        })
    }
}

/// The URL of a database. Shown without its password.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct DatabaseUrl(SecretString);

impl DatabaseUrl {
    /// The whole URL, for connecting.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for DatabaseUrl {
    fn from(text: String) -> Self {
        Self(SecretString::from(text))
    }
}

/// Without the password; what is no URL is not shown at all.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(self.expose()) else {
            return f.write_str("[redacted]");
        };
        if url.password().is_some() && url.set_password(Some("redacted")).is_err() {
            return f.write_str("[redacted]");
        }
        // Drivers take a password from the query as well.
        if url.query().is_some_and(|query| query.contains("password")) {
            url.set_query(Some("redacted"));
        }
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Networks in CIDR notation; a single address stands for itself. A list in
/// a file, one text with commas elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Networks(pub Vec<IpNet>);

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Words(texts) = Words::deserialize(deserializer)?;
        let parse = |text: &String| {
            let address = || text.parse::<IpAddr>().map(IpNet::from);
            text.parse().or_else(|_| address()).map_err(|_| {
                D::Error::custom(format!("\"{text}\" is not a network like \"10.0.0.0/8\""))
            })
        };
        texts.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }
}

/// Several short texts: a list in a file, one text with commas elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Words(pub Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ListOrText::deserialize(deserializer).map(|texts| Self(texts.into_list()))
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "must be a list of texts, or one text with commas")]
enum ListOrText {
    List(Vec<String>),
    Text(String),
}

impl ListOrText {
    /// The texts that are not empty.
    fn into_list(self) -> Vec<String> {
        let texts = match self {
            Self::List(texts) => texts,
            Self::Text(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        };
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }
}

/// The `typ` header of access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessType {
    /// RFC 9068.
    #[serde(rename = "at+jwt")]
    AtJwt,
    /// For verifiers that know nothing else.
    #[serde(rename = "JWT")]
    Jwt,
}

/// The `SameSite` attribute of the session cookie. Never `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// Sent along when a link on another site is followed.
    Lax,
    /// Not even then.
    Strict,
}

/// Whether refresh tokens rotate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rotation {
    /// Each use gives a new one.
    #[default]
    On,
    /// One for the whole session.
    Off,
}

/// What happens when knowledge of the revocation log is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnStale {
    /// Calls are UNAVAILABLE.
    FailClosed,
    /// Calls go on.
    FailOpen,
}

/// Who may ask for verdicts on tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyCallers {
    /// Whoever reaches the listener.
    Anyone,
    /// Service clients and named certificates.
    Known,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, else JSON.
    Auto,
    /// For people.
    Human,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_a_list_or_one_text() {
        let parse = |toml: &str| toml::from_str::<toml::Table>(toml).expect("TOML");
        let of = |toml| parse(toml)["x"].clone().try_into::<Networks>();
        let both = Networks(["10.0.0.0/8", "::1/128"].map(|n| n.parse().expect("one")).to_vec());
        assert_eq!(of(r#"x = ["10.0.0.0/8", "::1"]"#).as_ref(), Ok(&both));
        assert_eq!(of(r#"x = "10.0.0.0/8, ::1/128""#).as_ref(), Ok(&both));
        assert_eq!(of(r#"x = """#), Ok(Networks::default()));
        for bad in [r#"x = "10.0.0.0/33""#, r#"x = ["proxy"]"#, "x = 1", r#"x = "10.0.0.0/8;::1""#]
        {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    /// P8: passwords do not show, wherever a driver accepts them.
    #[test]
    fn p8_database_urls_hide_passwords() {
        for url in [
            "postgres://alice:hunter2@db.example/tokens",
            "postgres://db.example/tokens?user=alice&password=hunter2",
            "postgres://alice:hunter2@db.example:notaport/tokens",
        ] {
            let shown = DatabaseUrl::from(url.to_owned()).to_string();
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        let sqlite = DatabaseUrl::from("sqlite:data/tokenward.db".to_owned());
        assert_eq!(sqlite.to_string(), "sqlite:data/tokenward.db");
    }
}
