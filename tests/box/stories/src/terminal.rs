//! Somebody at a terminal: types a command, and answers what is asked there.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use tokio::task::block_in_place;

/// Runs `line` in a login shell of `user` and returns what the terminal showed. Whenever that ends with a question, and one
/// of `answers` has a part of it, its other half is typed; each is given as often as it is asked for.
///
/// script(1) makes the terminal: sudo, apt and frontdeskctl ask differently, or not at all, without one.
pub(crate) fn at_terminal(user: &str, line: &str, answers: &[(&str, &str)]) -> anyhow::Result<String> {
    block_in_place(|| {
        let mut child = Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--flush",
                "--command",
                r#"runuser --login "$WHO" --command "$TYPED""#,
                "/dev/null",
            ])
            .envs([("WHO", user), ("TYPED", line), ("LC_ALL", "C.UTF-8"), ("SHELL", "/bin/bash")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run script")?;
        let mut keys = child.stdin.take().context("no keyboard")?;
        let mut screen = child.stdout.take().context("no screen")?;
        let (mut shown, mut answered) = (Vec::new(), 0);
        let mut some = [0; 4096];
        loop {
            let read = screen.read(&mut some)?;
            if read == 0 {
                break;
            }
            shown.extend_from_slice(&some[..read]);
            let new = String::from_utf8_lossy(&shown[answered..]).into_owned();
            let question = new.trim_end().lines().next_back().unwrap_or_default();
            if let Some((_, answer)) = answers.iter().find(|(part, _)| is_asked(question, part)) {
                answered = shown.len();
                writeln!(keys, "{answer}")?;
            }
        }
        let status = child.wait()?;
        let shown = String::from_utf8_lossy(&shown).replace('\r', "");
        if !status.success() {
            bail!("`{line}` failed: {}", shown.trim_end());
        }
        Ok(shown.trim_end().to_owned())
    })
}

fn is_asked(line: &str, part: &str) -> bool {
    line.contains(part) && (line.ends_with(':') || line.ends_with(']'))
}
