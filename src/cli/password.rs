//! Reading a password: never from an argument, which every process can see.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::domain::password::{InvalidPassword, PASSWORD_MAX_LEN, Password};

/// A line longer than this is refused before it is read whole.
const LINE_MAX: u64 = PASSWORD_MAX_LEN as u64 + 2;

/// The password, or the rule that it breaks: from the file if there is one,
/// else typed without echo, else from the pipe.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<Result<Password, InvalidPassword>> {
    let line = match file {
        Some(path) => {
            let file = fs::File::open(path)
                .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
            first_line(file)?
        }
        None if io::stdin().is_terminal() => typed()?,
        None => first_line(io::stdin())?,
    };
    Ok(Password::parse(line))
}

fn first_line(input: impl Read) -> io::Result<String> {
    let mut line = String::new();
    io::BufReader::new(input.take(LINE_MAX)).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

fn typed() -> io::Result<String> {
    let terminal = io::stdin();
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("Password: ");
    tcsetattr(&terminal, OptionalActions::Now, &silent)?;
    let line = first_line(&terminal);
    tcsetattr(&terminal, OptionalActions::Now, &before)?;
    eprintln!();
    line
}
