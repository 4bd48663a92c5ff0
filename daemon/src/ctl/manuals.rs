//! Manual pages and shell completions of both programs, made from what their command lines say; for the packages.
//!
//! The same version gives the same bytes: no date, and no path of the machine that built it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::{FileError, LocalError};

/// Where they go.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The folder that stands for /usr/share
    share: PathBuf,
}

/// Writes them below the folder, laid out as they are installed.
pub(super) fn run<Ctl: CommandFactory>(options: &Options) -> Result<(), LocalError> {
    for (path, bytes) in all::<Ctl>() {
        write(&options.share.join(path), &bytes)?;
    }
    Ok(())
}

/// Every file, by its place below `/usr/share`.
fn all<Ctl: CommandFactory>() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for (mut program, section) in [(crate::arguments::Arguments::command(), "8"), (Ctl::command(), "1")] {
        program.build();
        pages(&program, section, &mut files);
        completions(&program, &mut files);
    }
    files
}

/// A page for the program, and one for each command that it has, down to the last.
fn pages(command: &Command, section: &str, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    // Without a date: the page would differ from day to day.
    let page = Man::new(command.clone().version(None::<&str>))
        .title(name.to_uppercase())
        .section(section)
        .date("")
        .manual("Frontdesk");
    let mut text = Vec::new();
    page.render(&mut text).expect("a vector takes everything");
    files.push((format!("man/man{section}/{name}.{section}").into(), text));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        pages(below, section, files);
    }
}

fn completions(program: &Command, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    let name = program.get_name();
    for (shell, path) in [
        (Shell::Bash, format!("bash-completion/completions/{name}")),
        (Shell::Zsh, format!("zsh/vendor-completions/_{name}")),
        (Shell::Fish, format!("fish/vendor_completions.d/{name}.fish")),
    ] {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), name, &mut text);
        files.push((path.into(), text));
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).and_then(|()| fs::write(path, bytes)).map_err(|source| FileError {
        path: path.to_owned(),
        verb: "written",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Arguments;
    use super::*;

    #[test]
    fn each_command_has_a_page_and_each_shell_completes_it() {
        let share = tempfile::tempdir().unwrap();
        run::<Arguments>(&Options { share: share.path().to_owned() }).unwrap();
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
        assert!(!share.path().join("man/man1/frontdeskctl-manuals.1").exists(), "it is for the packages alone");
    }

    #[test]
    fn the_same_program_gives_the_same_bytes() {
        assert_eq!(all::<Arguments>(), all::<Arguments>());
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let share = tempfile::tempdir().unwrap();
        let file = share.path().join("file");
        fs::write(&file, "").unwrap();
        let said = run::<Arguments>(&Options { share: file.clone() }).unwrap_err().to_string();
        assert!(said.contains(file.to_str().unwrap()), "{said}");
    }
}
