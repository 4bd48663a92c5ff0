//! `desk`: the speakerphone, its levels, and the devices that could serve as one.

use std::io::IsTerminal as _;
use std::time::Duration;

use frontdesk_core::clinic::ids::PersonaId;
use http::Method;
use serde_json::json;

use super::client::Client;
use super::show::{plain, table};
use super::{CtlError, Verdict, View};
use crate::http::reply::{DeskDevice, DeskDevices, DeskReport, DeskTalk, DeskWord};

/// Meters move as fast as a person can read them.
const METERS_EVERY: Duration = Duration::from_millis(100);
/// Looks until a device that stands by must be awake.
const WAKES_WITHIN: u32 = 10;
/// The quietest level that a meter shows, and its width.
const QUIETEST: f32 = -60.0;
const WIDTH: usize = 40;

/// Shows how the desk is.
pub(super) async fn status(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let report = ask(client).await?;
    if view.json {
        view.line(json!(report))?;
    } else {
        view.line(overview(&report))?;
    }
    Ok(if report.state == DeskWord::Absent { Verdict::Unwell } else { Verdict::Well })
}

/// Lists the devices, and how each would be opened.
pub(super) async fn list(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let DeskDevices { devices } = client.ask(Method::GET, "/v1/desk/devices").await?.json()?;
    if view.json {
        view.line(json!({ "devices": devices }))?;
    } else if devices.is_empty() {
        view.line("this machine has no sound card; plug a speakerphone in and ask again")?;
    } else {
        view.line(listing(&devices))?;
    }
    Ok(Verdict::Well)
}

/// Shows live meters until Ctrl-C; once, where nobody watches.
pub(super) async fn levels(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let redraw = !view.json && std::io::stdout().is_terminal();
    let mut ticks = tokio::time::interval(METERS_EVERY);
    let (mut drawn, mut waking) = (false, WAKES_WITHIN);
    loop {
        ticks.tick().await;
        let report: DeskReport = client.ask(Method::GET, "/v1/desk?meters=true").await?.json()?;
        if report.standing_by && waking > 0 {
            // It was woken by the question, and levels move a moment behind that.
            waking -= 1;
            ticks.tick().await;
            continue;
        }
        if view.json {
            view.line(json!(report.levels))?;
        } else {
            if std::mem::replace(&mut drawn, true) {
                // Up over what was drawn before.
                write!(view.out, "\x1b[{METERS}A")?;
            }
            view.line(meters(&report))?;
        }
        view.out.flush()?;
        if !redraw {
            return Ok(Verdict::Well);
        }
    }
}

/// Begins a conversation there.
pub(super) async fn talk(
    client: &Client,
    view: &mut View<'_>,
    persona: Option<&PersonaId>,
) -> Result<Verdict, CtlError> {
    // An id has no character that means something in an address.
    let query = persona.map_or_else(String::new, |persona| format!("?persona={persona}"));
    let DeskTalk { call_sid } = client.ask(Method::POST, &format!("/v1/desk/talk{query}")).await?.json()?;
    if view.json {
        view.line(json!({ "call_sid": call_sid }))?;
    } else {
        view.line(format_args!("a conversation begins at the desk: {call_sid}"))?;
    }
    Ok(Verdict::Well)
}

async fn ask(client: &Client) -> Result<DeskReport, CtlError> {
    client.ask(Method::GET, "/v1/desk").await?.json()
}

/// The device in a line. What it calls itself is not ours, and what is wrong with it may quote that.
pub(super) fn device(state: DeskWord, device: Option<&str>, why: Option<&str>) -> String {
    match state {
        DeskWord::Off => "none: [desk] device is \"none\"".to_owned(),
        DeskWord::Absent => format!("no speakerphone: {}", plain(why.unwrap_or("not known why"))),
        DeskWord::Ready => plain(device.unwrap_or_default()),
    }
}

fn overview(report: &DeskReport) -> String {
    let device = device(report.state, report.device.as_deref(), report.why.as_deref());
    let mut lines = vec![format!("desk        {device}")];
    lines.extend(report.opened.as_ref().map(|opened| format!("opened      {}", plain(opened))));
    lines.extend(report.remarks.iter().map(|remark| format!("remark      {}", plain(remark))));
    if report.state == DeskWord::Ready {
        let talking = match (report.talking, report.standing_by) {
            (true, _) => "in conversation",
            (false, true) => "idle, standing by",
            (false, false) => "idle",
        };
        let muted = if report.muted { ", microphone off" } else { "" };
        lines.push(format!("now         {talking}{muted}"));
        if report.taking_turns {
            lines.push(
                "echo        not cancelled: people take turns with the agent; frontdeskctl desk test tells more"
                    .to_owned(),
            );
        }
        let sound = &report.sound;
        let late = sound.starved + sound.capture_dropped + sound.heard_dropped;
        lines.push(format!(
            "sound       {} overruns, {} underruns, {} gaps, {} stalls, {late} late blocks",
            sound.overruns, sound.underruns, sound.gaps, sound.stalls
        ));
        lines.push(format!(
            "audio       thread late by {:.2} ms (p99), {:.2} ms (most)",
            sound.lateness_p99_ms, sound.lateness_max_ms
        ));
    }
    lines.join("\n")
}

fn listing(devices: &[DeskDevice]) -> String {
    let yes = |it: bool| if it { "yes" } else { "no" }.to_owned();
    let rows = devices.iter().map(|device| {
        let chosen = if device.chosen { "*" } else { "" }.to_owned();
        let (microphone, loudspeaker) = (yes(device.capture), yes(device.playout));
        [chosen, plain(&device.spec), plain(&device.name), microphone, loudspeaker, plain(&device.opens)]
    });
    let rows: Vec<_> = rows.collect();
    table(["", "DEVICE", "NAME", "MICROPHONE", "LOUDSPEAKER", "OPENS AS"], &rows)
}

/// Lines of [`meters`].
const METERS: usize = 4;

fn meters(report: &DeskReport) -> String {
    let levels = &report.levels;
    let talking = if report.talking { "in conversation" } else { "idle" };
    [
        format!("microphone   {}", meter(levels.microphone)),
        format!("heard        {}", meter(levels.heard)),
        format!("loudspeaker  {}", meter(levels.loudspeaker)),
        format!("{talking:<15}  echo reduced by {:>5.1} dB      ", levels.echo_reduction),
    ]
    .join("\n")
}

/// A bar from -60 dBFS to full scale.
fn meter(level: f32) -> String {
    let share = ((level - QUIETEST) / -QUIETEST).clamp(0.0, 1.0);
    let full = (share * WIDTH as f32).round() as usize;
    format!("[{}{}] {level:>6.1} dBFS", "#".repeat(full), " ".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_is_empty_at_silence_and_full_at_full_scale() {
        assert_eq!(meter(-120.0), format!("[{}] -120.0 dBFS", " ".repeat(WIDTH)));
        assert_eq!(meter(0.0), format!("[{}]    0.0 dBFS", "#".repeat(WIDTH)));
        assert!(meter(-30.0).starts_with(&format!("[{} ", "#".repeat(WIDTH / 2))));
    }
}
