//! Reading a password: never from an argument, which every process can see.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read},
    path::Path,
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::domain::password::{InvalidPassword, PASSWORD_MAX_LEN, Password};

/// A line longer than this is refused before it is read whole.
const LINE_MAX: u64 = PASSWORD_MAX_LEN as u64 + 2;

/// The password, or the rule that it breaks: from the file if there is one,
/// else typed twice without echo, else from the pipe.
pub(super) async fn read(file: Option<&Path>) -> anyhow::Result<Result<Password, InvalidPassword>> {
    let line = match file {
        Some(path) => {
            let file = fs::File::open(path)
                .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
            first_line(file)?
        }
        None if io::stdin().is_terminal() => typed().await?,
        None => first_line(io::stdin())?,
    };
    Ok(Password::parse(line))
}

/// Typed twice, because a mistake would be noticed by nobody. Ctrl-C leaves
/// the terminal as it was.
async fn typed() -> anyhow::Result<String> {
    let silence = Silence::begin()?;
    let ask = tokio::task::spawn_blocking(|| -> io::Result<(String, String)> {
        eprint!("Password: ");
        let first = first_line(io::stdin())?;
        eprint!("\nOnce more: ");
        Ok((first, first_line(io::stdin())?))
    });
    let answer = tokio::select! {
        answer = ask => answer,
        _ = tokio::signal::ctrl_c() => {
            drop(silence);
            eprintln!();
            // The other thread still waits for a line.
            std::process::exit(130);
        }
    };
    drop(silence);
    eprintln!();
    let (first, second) = answer??;
    anyhow::ensure!(first == second, "the two passwords differ");
    Ok(first)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // If this fails there is no terminal any more.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

fn first_line(input: impl Read) -> io::Result<String> {
    let mut line = String::new();
    io::BufReader::new(input.take(LINE_MAX)).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}
