//! `desk test`: a sound at the desk, and what it tells.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use frontdesk_hw::selftest::stimulus;
use http::Method;

use super::client::Client;
use super::show::plain;
use super::{CtlError, Verdict, View};
use crate::http::reply::{DeskFinding, DeskRate, DeskSeverity, DeskTest};

/// The bar moves as often as that.
const MOVES_EVERY: Duration = Duration::from_millis(100);
/// Characters of the bar.
const WIDTH: usize = 40;
/// Back to the beginning of the line, and clear it.
const AGAIN: &str = "\r\x1b[K";

/// Tests the desk and says what is wrong.
pub(super) async fn test(client: &Client, view: &mut View<'_>) -> Result<Verdict, CtlError> {
    let asked = client.ask(Method::POST, "/v1/desk/test");
    let answer = if view.json {
        asked.await?
    } else if std::io::stdout().is_terminal() {
        let answer = with_bar(asked, view).await;
        write!(view.out, "{AGAIN}")?;
        view.out.flush()?;
        answer?
    } else {
        let seconds = stimulus::LENGTH.as_secs_f64().ceil();
        view.line(format!("testing for {seconds:.0} seconds: silence, a sweep, a murmur; please be quiet"))?;
        view.out.flush()?;
        asked.await?
    };
    let tested: DeskTest = answer.json()?;
    if view.json {
        view.line(answer.text()?)?;
    } else {
        view.line(figures(&tested))?;
        view.line("")?;
        view.line(findings(&tested.findings))?;
    }
    Ok(if tested.well { Verdict::Well } else { Verdict::Unwell })
}

/// Waits for the answer and shows how far the sound has come; nobody is asked for that, because it takes as long as it is.
async fn with_bar<T>(answer: impl Future<Output = Result<T, CtlError>>, view: &mut View<'_>) -> Result<T, CtlError> {
    let began = Instant::now();
    let mut ticks = tokio::time::interval(MOVES_EVERY);
    let mut answer = std::pin::pin!(answer);
    loop {
        tokio::select! {
            answer = &mut answer => return answer,
            _ = ticks.tick() => {
                write!(view.out, "{AGAIN}{}", bar(began.elapsed()))?;
                view.out.flush()?;
            }
        }
    }
}

fn bar(elapsed: Duration) -> String {
    let share = (elapsed.as_secs_f64() / stimulus::LENGTH.as_secs_f64()).min(1.0);
    let full = (share * WIDTH as f64) as usize;
    let now = if share < 1.0 { "please be quiet" } else { "comparing" };
    format!("testing [{}{}] {now}", "#".repeat(full), " ".repeat(WIDTH - full))
}

fn figures(tested: &DeskTest) -> String {
    let delay = match (tested.loop_delay_ms, tested.device_delay_ms) {
        (Some(all), Some(device)) => {
            format!("{all:.1} ms, {device:.1} of them in the device and the air; certainty {:.2}", tested.certainty)
        }
        _ => "unknown: nothing of the sound came back".to_owned(),
    };
    let least = if tested.loop_delay_ms.is_none() { "at least " } else { "" };
    let reduced = match tested.echo_reduction {
        Some(less) => format!("; {less:.1} dB of it taken away"),
        None => String::new(),
    };
    let rate = |DeskRate { claimed, measured }| match measured {
        Some(measured) => format!("{measured:.0} Hz (announced: {claimed})"),
        None => format!("{claimed} Hz announced, not measured yet"),
    };
    let sound = tested.sound;
    let mut lines = vec![
        format!("device       {}", plain(&tested.device)),
        format!("loop delay   {delay}"),
        format!("room         {:.1} dBFS while nothing was played", tested.noise),
        format!("played       {:.1} dBFS", tested.played),
        format!("microphone   {:.1} dBFS meanwhile, {:.2} % at full scale", tested.microphone, tested.clipped * 100.0),
        format!("echo         {least}{:.1} dB below what was played; {}{reduced}", tested.return_loss, tested.echo),
        format!("left of it   {:.1} dBFS", tested.residual),
        format!("rates        microphone {}, loudspeaker {}", rate(tested.capture_rate), rate(tested.playout_rate)),
        format!(
            "sound        {} overruns, {} underruns, {} gaps, {} stalls, {} late blocks, {} restarts",
            sound.overruns, sound.underruns, sound.gaps, sound.stalls, sound.late_blocks, sound.restarts
        ),
    ];
    lines.extend(tested.usb_mbps.map(|speed| {
        let hubs: Vec<_> = tested.usb_hubs_mbps.iter().map(u32::to_string).collect();
        format!(
            "USB          {speed} Mbit/s, behind {}",
            if hubs.is_empty() { "-".to_owned() } else { hubs.join(", ") }
        )
    }));
    lines.join("\n")
}

fn findings(findings: &[DeskFinding]) -> String {
    let line = |finding: &DeskFinding| {
        let word = match finding.severity {
            DeskSeverity::Fault => "WRONG ",
            DeskSeverity::Advice => "advice",
            DeskSeverity::Fine => "well  ",
        };
        let what = plain(&finding.what);
        match finding.would_do.as_str() {
            "" => format!("{word}  {what}"),
            would_do => format!("{word}  {what}\n        -> {}", plain(would_do)),
        }
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_with_the_sound_and_not_beyond() {
        assert!(bar(Duration::ZERO).contains(&" ".repeat(WIDTH)));
        assert!(bar(stimulus::LENGTH / 2).contains(&format!("[{} ", "#".repeat(WIDTH / 2))));
        assert!(bar(stimulus::LENGTH * 3).contains(&format!("[{}] comparing", "#".repeat(WIDTH))));
    }

    #[test]
    fn what_is_wrong_comes_with_what_would_do() {
        let finding = |severity, would_do: &str| DeskFinding {
            severity,
            code: "x".to_owned(),
            what: "it hums\u{7}".to_owned(),
            would_do: would_do.to_owned(),
        };
        let text = findings(&[finding(DeskSeverity::Fault, "unplug it"), finding(DeskSeverity::Fine, "")]);
        assert_eq!(text, "WRONG   it hums \n        -> unplug it\nwell    it hums ");
    }
}
