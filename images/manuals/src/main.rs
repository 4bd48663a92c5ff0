//! Writes manual pages and shell completions into a folder, laid out as they are installed below `/usr/share`.
//!
//! The same version of the programs gives the same bytes: no date, no path of the machine that built them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Command, CommandFactory as _, Parser};
use clap_complete::Shell;
use clap_mangen::Man;

/// Writes the manual pages and shell completions of frontdeskd and frontdeskctl.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder that stands for /usr/share.
    share: PathBuf,
}

fn main() -> io::Result<()> {
    write(&Arguments::parse().share)
}

fn write(share: &Path) -> io::Result<()> {
    let programs = [(frontdeskd::arguments::Arguments::command(), "8"), (frontdeskd::ctl::Arguments::command(), "1")];
    for (mut program, section) in programs {
        program.build();
        pages(&program, section, &share.join(format!("man/man{section}")))?;
        completions(&program, share)?;
    }
    Ok(())
}

/// A page for the program, and one for each command that it has, down to the last.
fn pages(command: &Command, section: &str, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let title = name.to_uppercase();
    // Without a date: the page would differ from day to day.
    let page =
        Man::new(command.clone().version(None::<&str>)).title(title).section(section).date("").manual("Frontdesk");
    let mut text = Vec::new();
    page.render(&mut text)?;
    fs::write(folder.join(format!("{name}.{section}")), text)?;
    let mut below = command.get_subcommands().filter(|command| command.get_name() != "help" && !command.is_hide_set());
    below.try_for_each(|command| pages(command, section, folder))
}

fn completions(program: &Command, share: &Path) -> io::Result<()> {
    let name = program.get_name().to_owned();
    let places = [
        (Shell::Bash, "bash-completion/completions", name.clone()),
        (Shell::Zsh, "zsh/vendor-completions", format!("_{name}")),
        (Shell::Fish, "fish/vendor_completions.d", format!("{name}.fish")),
    ];
    for (shell, folder, file) in places {
        let folder = share.join(folder);
        fs::create_dir_all(&folder)?;
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), &name, &mut text);
        fs::write(folder.join(file), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file below a folder, with what is in it, in the order of their names.
    fn files(folder: &Path) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(files(&path));
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn each_command_has_a_page_and_each_shell_completes_it() {
        let share = tempfile::tempdir().unwrap();
        write(share.path()).unwrap();
        let read =
            |path: &str| fs::read_to_string(share.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let daemon = read("man/man8/frontdeskd.8");
        assert!(daemon.contains("/etc/frontdesk/config.toml") && daemon.contains("check"), "{daemon}");
        let page = read("man/man1/frontdeskctl-calls-show.1");
        assert!(page.contains("frontdeskctl"), "{page}");
        for path in [
            "bash-completion/completions/frontdeskctl",
            "zsh/vendor-completions/_frontdeskctl",
            "fish/vendor_completions.d/frontdeskctl.fish",
        ] {
            assert!(read(path).contains("outbox"), "{path}");
        }
    }

    #[test]
    fn the_same_programs_give_the_same_bytes() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(one.path()).unwrap();
        write(other.path()).unwrap();
        let below = |root: &Path| {
            let found = files(root);
            found
                .into_iter()
                .map(|(path, text)| (path.strip_prefix(root).unwrap().to_owned(), text))
                .collect::<Vec<_>>()
        };
        assert_eq!(below(one.path()), below(other.path()));
    }
}
