//! What is wrong is said precisely, and what can go on goes on.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use frontdesk_tests::script::line;
use frontdesk_tests::world::{caller_says, listen};
use frontdesk_twilio_sim::{CallReport, Step};

use super::Scene;
use crate::clinic::{CREDENTIALS, DROP_IN};
use crate::guest::{attempt, clock as clock_of_guest, run, until, write};
use crate::unit;

const SOON: Duration = Duration::from_mins(1);
const CALL: Duration = Duration::from_mins(3);
const STATE: &str = "/var/lib/frontdesk";
/// The only place where names are looked up in this machine.
const HOSTS: &str = "/etc/hosts";

/// Starts a unit that must refuse, and returns what it says.
fn refused(status: &str) -> anyhow::Result<String> {
    let _ = attempt(&["systemctl", "reset-failed", unit::UNIT]);
    unit::stop()?;
    let cursor = unit::cursor()?;
    let (started, _) = attempt(&["systemctl", "start", unit::UNIT])?;
    ensure!(!started, "it started all the same");
    let found = unit::show("ExecMainStatus")?;
    let words = unit::journal_since(&cursor)?;
    let _ = attempt(&["systemctl", "stop", unit::UNIT]);
    let _ = attempt(&["systemctl", "reset-failed", unit::UNIT]);
    ensure!(found == status, "exit status {found} instead of {status}:\n{words}");
    Ok(words)
}

fn says(words: &str, part: &str) -> anyhow::Result<String> {
    let line = words.lines().find(|line| line.contains(part));
    line.map(|line| line.trim().to_owned()).with_context(|| format!("nothing about {part:?} in:\n{words}"))
}

/// Somebody calls, asks and says goodbye.
pub(super) async fn phone_works(scene: &Scene) -> anyhow::Result<CallReport> {
    let scenario = &scene.clinic.scenario;
    let goodbye = Step::Say(caller_says(scenario, &scenario.exchanges[line::GOODBYE].caller)?);
    let report = scene.clinic.call([listen(), goodbye, listen()]).wait_ended(CALL).await?;
    ensure!(report.problems().is_empty(), "Twilio complains: {:?}", report.problems());
    ensure!(report.gave_up.is_empty(), "the caller waited in vain: {:?}", report.gave_up);
    ensure!(report.dialled.is_empty(), "the caller was sent elsewhere: {:?}", report.dialled);
    Ok(report)
}

/// A secret that is not there, and one that is empty.
pub(super) async fn credential(scene: &mut Scene) -> anyhow::Result<String> {
    let file = Path::new(CREDENTIALS).join("twilio-auth-token");
    std::fs::remove_file(&file)?;
    let missing = says(&refused("78")?, "twilio-auth-token")?;
    write(&file, "\n", 0o600)?;
    let empty = says(&refused("78")?, "twilio-auth-token")?;
    scene.clinic.secrets()?;
    unit::restart()?;
    Ok(format!("status 78; {missing:?}; {empty:?}"))
}

/// A file that root wrote for itself.
pub(super) async fn unreadable(scene: &mut Scene) -> anyhow::Result<String> {
    std::fs::set_permissions(DROP_IN, std::fs::Permissions::from_mode(0o600))?;
    let line = says(&refused("78")?, "50-box.toml")?;
    scene.clinic.configure("")?;
    unit::restart()?;
    Ok(format!("status 78; {line:?}"))
}

/// Somebody else has the port.
pub(super) async fn port(_scene: &mut Scene) -> anyhow::Result<String> {
    unit::stop()?;
    let taken = TcpListener::bind("127.0.0.1:8091")?;
    let line = says(&refused("1")?, "127.0.0.1:8091")?;
    drop(taken);
    unit::restart()?;
    Ok(format!("status 1, tried again later; {line:?}"))
}

/// There is no room for records when the box comes up.
pub(super) async fn full(scene: &mut Scene) -> anyhow::Result<String> {
    unit::stop()?;
    run(&["mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "full", STATE])?;
    run(&["chown", "frontdesk:frontdesk", STATE])?;
    let told = answers_without_room(scene).await;
    // Whatever came of it: the disk is itself again.
    let _ = unit::stop();
    run(&["umount", STATE])?;
    unit::restart()?;
    Ok(format!("a call went well; {:?}", told?))
}

/// A disk that the kernel has made read-only, as it does with one that fails.
pub(super) async fn read_only(scene: &mut Scene) -> anyhow::Result<String> {
    unit::stop()?;
    run(&["mount", "--bind", STATE, STATE])?;
    run(&["mount", "-o", "remount,bind,ro", STATE])?;
    let told = answers_without_disk(scene).await;
    let _ = unit::stop();
    run(&["umount", STATE])?;
    unit::restart()?;
    Ok(format!("a call went well; {:?}", told?))
}

/// A store is made, the rest of the disk is taken to the last block, and somebody calls.
async fn answers_without_room(scene: &Scene) -> anyhow::Result<String> {
    unit::start()?;
    unit::stop()?;
    let (fits, _) = attempt(&["dd", "if=/dev/zero", &format!("of={STATE}/filler"), "bs=4k", "status=none"])?;
    ensure!(!fits, "there is room without end");
    answers_without_disk(scene).await
}

async fn answers_without_disk(scene: &Scene) -> anyhow::Result<String> {
    unit::start()?;
    phone_works(scene).await?;
    until("a status that says that records wait", SOON, async || {
        let status = unit::show("StatusText")?;
        Ok(status.contains("records").then_some(status))
    })
    .await
}

/// A box without a battery for its clock.
pub(super) async fn clock(scene: &mut Scene) -> anyhow::Result<String> {
    unit::stop()?;
    let now = run(&["date", "+%s"])?;
    run(&["date", "--set", "@3600"])?;
    let told = async {
        unit::restart()?;
        until("a status that speaks of the clock", SOON, async || {
            let status = unit::show("StatusText")?;
            Ok(status.contains("clock").then_some(status))
        })
        .await
    }
    .await;
    run(&["date", "--set", &format!("@{now}")])?;
    let status: String = told?;
    // Set right, it goes on by itself.
    let after = until("a status without the clock", SOON, async || {
        let status = unit::show("StatusText")?;
        Ok((!status.contains("clock")).then_some(status))
    })
    .await?;
    phone_works(scene).await?;
    Ok(format!("{status:?}, and once it is set {after:?}"))
}

/// The model cannot be found at first, as on a box whose cable is plugged in later: its name leads nowhere.
pub(super) async fn network(scene: &mut Scene) -> anyhow::Result<String> {
    unit::stop()?;
    let hosts = std::fs::read_to_string(HOSTS)?;
    write(Path::new(HOSTS), "", 0o644)?;
    let told = async {
        unit::start()?;
        let ready = unit::ready_after()?;
        // Whoever calls now reaches a human.
        let report = scene.clinic.call([listen()]).wait_ended(CALL).await?;
        ensure!(!report.dialled.is_empty(), "nobody answered the caller: {:?}", report.events);
        anyhow::Ok((ready, unit::show("StatusText")?))
    }
    .await;
    write(Path::new(HOSTS), &hosts, 0o644)?;
    let (ready, status) = told?;
    let (pid, arrived) = (unit::pid()?, clock_of_guest());
    let call =
        until("a call that the agent answers", Duration::from_mins(2), async || phone_works(scene).await.map(Some));
    call.await?;
    let took = clock_of_guest().saturating_sub(arrived);
    ensure!(unit::pid()? == pid, "it needed a restart");
    Ok(format!(
        "ready after {} ms, {status:?}, the caller reached the fallback number; {} s after it arrived the agent had \
         finished a call",
        ready.as_millis(),
        took.as_secs()
    ))
}

/// Half a speakerphone.
pub(super) async fn no_microphone(scene: &mut Scene) -> anyhow::Result<String> {
    scene.phone.order("unplug")?;
    scene.api.wait_for("/v1/desk", SOON, |desk| desk["state"] == "absent").await?;
    scene.phone.order("plug --playback-only --product \"Loudspeaker Only\"")?;
    scene.phone.wait("configured")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let desk = scene.api.json("/v1/desk").await?;
    ensure!(desk["state"] == "absent", "it is used as a desk: {desk}");
    let why = desk["why"].as_str().unwrap_or_default().to_owned();
    ensure!(!why.is_empty(), "it does not say why");
    phone_works(scene).await?;
    scene.phone.order("unplug")?;
    scene.phone.order("plug --duplex --product \"Box Speakerphone\"")?;
    scene.desk_is_free().await?;
    Ok(format!("{why:?}; the phone is answered"))
}
