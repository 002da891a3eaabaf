//! `tokenward audit`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Database, GlobalArgs, Outcome, output};
use crate::{
    crypto::digest::sha256,
    domain::{
        audit::{Entry, Filter},
        id::UserId,
    },
    service::{Administrator, Auth, audit::Seals},
};

/// Entries that are read at a time.
const PAGE: u32 = 500;

const EXAMPLES: &str = "\
Examples:
  tokenward audit list
  tokenward audit list --user alice --limit 20
  tokenward audit list --action LOGIN --outcome REFUSED --json";

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List entries, newest first.
    #[command(after_help = EXAMPLES)]
    List(ListArgs),
    /// Check that no entry was altered, removed or added. Exits with 1 if one was.
    Verify,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only what was done to this user: id, username, e-mail address or phone number.
    #[arg(long)]
    user: Option<String>,
    /// Only this action, for example LOGIN.
    #[arg(long)]
    action: Option<String>,
    /// Only SUCCEEDED, or only REFUSED.
    #[arg(long)]
    outcome: Option<String>,
    /// At most so many entries.
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: AuditCommand, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let outcome = match command {
        AuditCommand::List(args) => list(&core.auth, args).await,
        AuditCommand::Verify => verify(&core.auth).await,
    };
    core.store.close().await;
    outcome
}

async fn list(auth: &Auth, args: ListArgs) -> Outcome {
    let admin = Administrator::command_line();
    let user = match &args.user {
        // Who is gone has an id still.
        Some(name) if UserId::parse(name).is_ok() => name.clone(),
        Some(name) => auth.find_user(name).await?.id.to_string(),
        None => String::new(),
    };
    let filter = Filter {
        user,
        action: args.action.unwrap_or_default(),
        outcome: args.outcome.unwrap_or_default(),
        ..Filter::default()
    };
    let (mut before, mut left) = (None, args.limit);
    while left > 0 {
        let page = auth.audit_events(filter.clone(), before, left.min(PAGE), &admin).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        left = left.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
        for entry in &page {
            if args.json { output::line(as_json(entry))? } else { output::line(as_line(entry))? }
        }
    }
    Ok(())
}

async fn verify(auth: &Auth) -> Outcome {
    match auth.check_audit_seals(sha256, &Administrator::command_line()).await? {
        Seals::Whole { entries, newest } => {
            output::line(format_args!("{entries} entries are whole; the newest is {newest}"))
        }
        Seals::Broken { seq } => {
            Err(anyhow::anyhow!("the audit log was altered: entry {seq} does not follow").into())
        }
    }
}

fn as_json(entry: &Entry) -> Value {
    json!({
        "seq": entry.seq,
        "event_time": entry.at.to_string(),
        "action": entry.action,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "actor": entry.actor,
        "user": entry.user,
        "session_id": entry.session,
        "client_id": entry.client,
        "source": entry.source,
        "request_id": entry.request_id,
        "detail": entry.detail,
        "digest": entry.digest,
    })
}

fn as_line(entry: &Entry) -> String {
    let shown = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let rest = [&entry.reason, &entry.user, &entry.source, &entry.detail].map(|text| shown(text));
    format!(
        "{:>8}  {}  {} {}  by {}  {}",
        entry.seq,
        entry.at,
        entry.action,
        entry.outcome,
        entry.actor,
        rest.join("  ")
    )
}
