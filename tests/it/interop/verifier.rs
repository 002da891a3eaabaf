//! Resource servers that judge tokens with a library of other people.

use std::process::Command;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{has_node_library, has_python, node, python};
use crate::support::command;

/// A library, installed and ready to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verifier {
    /// `jwt.decode` with the key that `PyJWKClient` finds.
    PyJwt,
    /// The validator of `authlib.oauth2.rfc9068`.
    Authlib,
    /// `jwtVerify` with `createRemoteJWKSet`.
    Jose,
}

/// What a library says about a token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    /// Accepted, with these claims.
    Claims(Value),
    /// Not accepted, because of this.
    Refused(String),
}

impl Verdict {
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self, Self::Claims(_))
    }
}

impl Verifier {
    /// Those that are here; for each of the others the calling test says that
    /// it was skipped.
    pub(super) fn installed() -> Vec<Self> {
        let all = [Self::PyJwt, Self::Authlib, Self::Jose];
        all.into_iter().filter(|verifier| verifier.is_installed()).collect()
    }

    /// Whether it is here; if not, the calling test says that it was skipped.
    pub(super) fn is_installed(self) -> bool {
        match self {
            Self::PyJwt | Self::Authlib => has_python(),
            Self::Jose => has_node_library("jose"),
        }
    }

    /// Its verdicts on tokens, in their order. `asked` says where the keys
    /// are and what the tokens must be good for (`tests/interop/question.py`).
    pub(super) fn judge(self, asked: &Value, tokens: &[String]) -> Vec<Verdict> {
        let mut question = asked.clone();
        question["tokens"] = json!(tokens);
        let output = command::run(&mut self.command(), &question.to_string()).success();
        let verdicts: Vec<Verdict> = serde_json::from_str(&output).expect("verdicts");
        assert_eq!(verdicts.len(), tokens.len(), "{self:?}");
        verdicts
    }

    /// Its verdict on one token.
    pub(super) fn judge_one(self, asked: &Value, token: &str) -> Verdict {
        self.judge(asked, &[token.to_owned()]).remove(0)
    }

    fn command(self) -> Command {
        match self {
            Self::PyJwt => python("pyjwt_verifier.py"),
            Self::Authlib => python("authlib_verifier.py"),
            Self::Jose => node("jose_verifier.mjs"),
        }
    }
}
