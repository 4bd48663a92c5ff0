//! A stranger puts the box up by the readme: each command of "Put it on a box" is typed as it stands there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Scene;
use super::refusals::phone_works;
use crate::clinic::GEMINI_KEY;
use crate::guest::{attempt, run, write};
use crate::terminal::at_terminal;
use crate::unit;

const SECTION: &str = "\n## Put it on a box\n";
const STRANGER: &str = "stranger";
const HOME: &str = "/home/stranger";
const EDITOR: &str = "/usr/local/bin/box-editor";
const AUTHORITY: &str = "/usr/local/share/box-authority.pem";
const SOON: Duration = Duration::from_mins(1);

/// The commands of the section, in their order.
fn commands(readme: &str) -> anyhow::Result<Vec<String>> {
    let section = readme.split_once(SECTION).context("the readme has no such section")?.1;
    let section = section.split("\n## ").next().unwrap_or(section);
    let (mut commands, mut inside) = (Vec::new(), false);
    for line in section.lines().map(str::trim) {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            command if inside && !command.is_empty() => commands.push(command.to_owned()),
            _ => {}
        }
    }
    Ok(commands)
}

/// Someone who may use sudo, and an editor that fills in the configuration as step 2 says: what a clinic must say for
/// itself, and where Gemini and Twilio are in this machine.
fn stranger_arrives(scene: &Scene) -> anyhow::Result<()> {
    run(&["useradd", "--create-home", "--shell", "/bin/bash", STRANGER])?;
    write(Path::new("/etc/sudoers.d/stranger"), &format!("{STRANGER} ALL=(ALL) NOPASSWD: ALL\n"), 0o440)?;
    write(Path::new(AUTHORITY), &std::fs::read_to_string(scene.clinic.gemini.ca_path())?, 0o644)?;
    let filled = scene.clinic.filled_in(AUTHORITY);
    // The first place of each: other sections have keys of the same name.
    let edit = |(key, value): &(&str, String)| format!(" -e '0,/^#\\?{key} = .*/s||{key} = \"{value}\"|'");
    let edits: String = filled.iter().map(edit).collect();
    write(Path::new(EDITOR), &format!("#!/bin/sh\nexec sed -i{edits} \"$1\"\n"), 0o755)?;
    write(&Path::new(HOME).join(".profile"), &format!("export EDITOR={EDITOR}\n"), 0o644)
}

/// From the package to the first call.
pub(super) async fn followed(scene: &mut Scene) -> anyhow::Result<String> {
    let commands = commands(&std::fs::read_to_string(scene.share.join("README.md"))?)?;
    let (build, on_the_box) = commands.split_first().context("the section has no commands")?;
    // This is for the build machine, which has done it: the package is its work.
    ensure!(build.starts_with("make package"), "the first command is {build:?}");
    stranger_arrives(scene)?;
    let package = on_the_box.iter().flat_map(|line| line.split_whitespace()).find_map(|word| word.strip_prefix("./"));
    let package = package.context("no command installs a package")?;
    std::fs::copy(scene.share.join("debs/now.deb"), Path::new(HOME).join(package))?;
    let secrets = scene.clinic.secret_values();
    let [(_, key), (_, sid), (_, token)] = &secrets;
    let answers = [
        ("Do you want to continue?", "Y"),
        ("Gemini's API key", key.as_str()),
        ("Twilio's account SID", sid),
        ("Twilio's auth token", token),
    ];
    for line in on_the_box {
        at_terminal(STRANGER, line, &answers)?;
    }

    let installed =
        run(&["dpkg-query", "--show", "--showformat", "frontdesk_${Version}_${Architecture}.deb", "frontdesk"])?;
    ensure!(installed == package, "the readme names {package}, and it is {installed}");
    for (name, _) in &secrets {
        let (sealed, plain) = (format!("/etc/credstore.encrypted/{name}"), format!("/etc/credstore/{name}"));
        ensure!(Path::new(&sealed).exists() && !Path::new(&plain).exists(), "{name} is not kept encrypted");
    }
    let (found, place) = attempt(&["grep", "-rlF", GEMINI_KEY, "/etc", "/var/lib", "/home"])?;
    ensure!(!found, "a secret lies in plain in {place}");
    unit::becomes("active").await?;
    scene.api.wait_for("/health", SOON, |health| health["status"].is_string()).await?;
    phone_works(scene).await?;
    let status = at_terminal(STRANGER, "frontdeskctl status", &[])?;
    Ok(format!(
        "{} commands, and the phone is answered; {:?}",
        on_the_box.len(),
        status.lines().next().unwrap_or_default()
    ))
}
