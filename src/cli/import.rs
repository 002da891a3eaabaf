//! `tokenward user import`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal as _, Read as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;

use super::{
    Database, Failure, GlobalArgs, Outcome,
    import_row::{self, RowResult},
    output,
};
use crate::{
    domain::{
        clock::{Clock as _, SystemClock},
        error::{AuthError, FieldViolation},
    },
    service::{
        Administrator, Auth,
        import::{IMPORT_BATCH, ImportUserRequest},
    },
};

/// A line longer than this is refused before it is read whole.
const LINE_MAX: usize = 64 * 1024;

/// How often progress is told: in time to a person, in rows to a log.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
const PROGRESS_ROWS: u64 = 1_000;

pub(super) const EXAMPLES: &str = "\
Each line is a JSON object; username, email or phone, and password_hash, must be there:
  {\"username\":\"alice\",\"email\":\"alice@example.org\",\"phone\":\"+41446681800\",
   \"name\":\"Alice Example\",\"roles\":[\"editor\"],
   \"password_hash\":\"scrypt:32768:8:1$...$...\"}
(without the line breaks). Hashes: Argon2id and Argon2i (PHC), bcrypt ($2a$, $2b$,
$2y$), scrypt and PBKDF2 (PHC, passlib, Werkzeug). The first login with the right
password replaces them by Argon2id with the configured parameters.

Examples:
  tokenward user import --dry-run users.jsonl
  tokenward user import users.jsonl
  export-users | tokenward user import --json > results.jsonl";

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// File with a JSON object a line; "-", or nothing, for standard input.
    file: Option<PathBuf>,
    /// Check every row against the rules and the database, and write nothing.
    /// That two rows want the same name shows only when they are imported.
    #[arg(long)]
    dry_run: bool,
    /// What became of each row, as one JSON object a line.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: ImportArgs, global: &GlobalArgs) -> Outcome {
    let mut input = open(args.file)?;
    let database = if args.dry_run { Database::MustExist } else { Database::MayBeNew };
    let core = global.core(database).await?;
    let mut report = Report::new(args.json, args.dry_run);
    loop {
        let batch = read_batch(&mut *input, report.lines)?;
        let Some(last) = batch.last() else { break };
        let (first, last) = (report.lines + 1, last.line);
        let results = import(&core.auth, batch, args.dry_run).await.with_context(|| {
            format!("stopped at the lines {first} to {last}, which may be imported or not")
        })?;
        for (line, result) in results {
            report.row(line, &result)?;
        }
    }
    core.store.close().await;
    report.end()
}

fn open(file: Option<PathBuf>) -> anyhow::Result<Box<dyn BufRead>> {
    match file.filter(|path| path.as_os_str() != "-") {
        None => Ok(Box::new(io::stdin().lock())),
        Some(path) => {
            let file = File::open(&path);
            let file = file.with_context(|| format!("{} cannot be read", path.display()))?;
            Ok(Box::new(BufReader::new(file)))
        }
    }
}

/// A line that is not empty.
struct Row {
    /// Its number, from 1.
    line: u64,
    request: Result<ImportUserRequest, Vec<FieldViolation>>,
}

/// The next rows, after so many lines.
fn read_batch(input: &mut dyn BufRead, mut lines: u64) -> anyhow::Result<Vec<Row>> {
    let mut batch = Vec::with_capacity(IMPORT_BATCH);
    while batch.len() < IMPORT_BATCH {
        let mut text = Vec::new();
        let read = input.take(LINE_MAX as u64 + 1).read_until(b'\n', &mut text);
        if read.context("the input cannot be read")? == 0 {
            break;
        }
        lines += 1;
        let request = if text.len() > LINE_MAX && !text.ends_with(b"\n") {
            input.skip_until(b'\n').context("the input cannot be read")?;
            Err(vec![FieldViolation::new("line", format!("must have at most {LINE_MAX} bytes"))])
        } else if text.trim_ascii().is_empty() {
            continue;
        } else {
            import_row::parse(&text)
        };
        batch.push(Row { line: lines, request });
    }
    Ok(batch)
}

async fn import(
    auth: &Auth,
    batch: Vec<Row>,
    dry_run: bool,
) -> Result<Vec<(u64, RowResult)>, AuthError> {
    let (mut results, mut requests, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for Row { line, request } in batch {
        match request {
            Err(violations) => results.push((line, RowResult::Invalid(violations))),
            Ok(request) if dry_run => {
                let judged = auth.check_import(request).await?;
                results.push((line, judged.map_or_else(RowResult::of, |()| Ok(RowResult::Valid))?));
            }
            Ok(request) => {
                requests.push(request);
                lines.push(line);
            }
        }
    }
    for (line, result) in
        lines.into_iter().zip(auth.import_users(requests, &Administrator::command_line()).await?)
    {
        let result = result.map_or_else(RowResult::of, |id| Ok(RowResult::Created(id)))?;
        results.push((line, result));
    }
    results.sort_unstable_by_key(|(line, _)| *line);
    Ok(results)
}

/// What was done so far, and who is told of it how.
struct Report {
    json: bool,
    dry_run: bool,
    lines: u64,
    good: u64,
    taken: u64,
    invalid: u64,
    clock: SystemClock,
    told: Duration,
    to_person: bool,
}

impl Report {
    fn new(json: bool, dry_run: bool) -> Self {
        let (clock, to_person) = (SystemClock::new(), io::stderr().is_terminal());
        let told = clock.monotonic();
        Self { json, dry_run, lines: 0, good: 0, taken: 0, invalid: 0, clock, told, to_person }
    }

    fn rows(&self) -> u64 {
        self.good + self.taken + self.invalid
    }

    fn row(&mut self, line: u64, result: &RowResult) -> Outcome {
        self.lines = line;
        match result {
            RowResult::Created(_) | RowResult::Valid => self.good += 1,
            RowResult::Taken(_) => self.taken += 1,
            RowResult::Invalid(_) => self.invalid += 1,
        }
        self.progress();
        if self.json {
            read(output::line(result.as_json(line)))
        } else {
            result.as_line(line).map_or(Ok(()), |text| read(output::line(text)))
        }
    }

    fn progress(&mut self) {
        let (rows, now) = (self.rows(), self.clock.monotonic());
        if self.to_person && now.saturating_sub(self.told) >= PROGRESS_EVERY {
            self.told = now;
            eprintln!("{rows} rows");
        } else if !self.to_person && rows.is_multiple_of(PROGRESS_ROWS) {
            eprintln!("{rows} rows");
        }
    }

    fn end(self) -> Outcome {
        let Self { good, taken, invalid, .. } = self;
        if !self.json {
            let done = if self.dry_run { "would be created" } else { "created" };
            read(output::line(format_args!("{good} {done}, {taken} taken, {invalid} invalid")))?;
        }
        let failed = taken + invalid;
        if failed == 0 {
            return Ok(());
        }
        let failed = if self.dry_run {
            anyhow::anyhow!("{failed} of {} rows would not be imported", self.rows())
        } else {
            anyhow::anyhow!("{failed} of {} rows were not imported", self.rows())
        };
        Err(Failure::Failed(failed))
    }
}

/// Results that nobody reads are no success here: rows may be left.
fn read(written: Outcome) -> Outcome {
    written.map_err(|failure| match failure {
        Failure::Unread => {
            Failure::Failed(anyhow::anyhow!("standard output was closed; rows may be left"))
        }
        failure => failure,
    })
}
