//! `tokenward token`.

use std::io::{self, Read};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Outcome, output};
use crate::domain::token::{CompactToken, TOKEN_MAX_LEN};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Show what a token says, WITHOUT checking it. To check one, ask Verify.
    Inspect {
        /// The token; "-" or nothing reads it from standard input.
        token: Option<String>,
    },
}

pub(super) fn run(command: TokenCommand) -> Outcome {
    let TokenCommand::Inspect { token } = command;
    let text = match token {
        Some(text) if text != "-" => text,
        _ => {
            let mut text = String::new();
            let limit = u64::try_from(TOKEN_MAX_LEN).unwrap_or(u64::MAX);
            io::stdin().take(limit.saturating_add(2)).read_to_string(&mut text)?;
            text
        }
    };
    let token = CompactToken::parse(text.trim())
        .map_err(|_| anyhow::anyhow!("this is not a token of Tokenward's form"))?;
    let claims: Value = serde_json::from_slice(token.payload())
        .map_err(|_| anyhow::anyhow!("the token's claims are not JSON"))?;
    let shown = json!({
        "header": {
            "alg": "RS256",
            "typ": token.token_type.header_value(),
            "kid": token.kid.as_str(),
        },
        "claims": claims,
        "signature": "not checked",
    });
    output::line(serde_json::to_string_pretty(&shown)?)?;
    Ok(())
}
