//! The USB speakerphone: a process that serves it over USB/IP and plugs it into this kernel, and its control port.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use frontdesk_voice::{Voice, speak, wav};
use tokio::task::block_in_place;

use crate::guest::{clock, run, until};

/// Samples a second of what is said and recorded.
pub(crate) const RATE: u32 = 48_000;
/// A maker's number that the shipped udev rules know, and a product that nobody knows.
const ID: &str = "0b0e:0f0d";
/// Sound counts from this peak on, about -45 dBFS.
const AUDIBLE: i64 = 180;
/// The agent has finished when nothing of it is heard for that long.
const PAUSE: Duration = Duration::from_millis(900);
/// A turn is over within that.
const TURN: Duration = Duration::from_secs(40);

/// The device and the person in front of it.
pub(crate) struct Speakerphone {
    process: Child,
    control: BufReader<TcpStream>,
    recordings: PathBuf,
    lines: usize,
}

impl Speakerphone {
    /// Starts the device, unplugged. Recordings go into `recordings`.
    pub(crate) fn start(recordings: &Path) -> anyhow::Result<Self> {
        run(&["modprobe", "vhci-hcd"])?;
        std::fs::create_dir_all(recordings)?;
        let mut process = Command::new("usb-sim")
            .args(["--attach", "--unplugged", "--id", ID, "--vendor", "Frontdesk", "--product", "Box Speakerphone"])
            .args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start usb-sim")?;
        let mut first = String::new();
        BufReader::new(process.stdout.take().context("no output")?).read_line(&mut first)?;
        let address = first.split("control=").nth(1).context("usb-sim did not say where it takes orders")?;
        let stream = TcpStream::connect(address.trim())?;
        stream.set_nodelay(true)?;
        let recordings = recordings.to_owned();
        Ok(Self { process, control: BufReader::new(stream), recordings, lines: 0 })
    }

    /// Gives an order and returns what follows its `ok`.
    pub(crate) fn order(&mut self, line: &str) -> anyhow::Result<String> {
        block_in_place(|| {
            self.control.get_mut().write_all(format!("{line}\n").as_bytes())?;
            loop {
                let mut answer = String::new();
                ensure!(self.control.read_line(&mut answer)? > 0, "usb-sim has ended");
                let answer = answer.trim_end();
                if let Some(why) = answer.strip_prefix("error") {
                    bail!("{line}: {}", why.trim());
                }
                if let Some(summary) = answer.strip_prefix("ok") {
                    return Ok(summary.trim().to_owned());
                }
            }
        })
    }

    /// The answer to an order, as keys and values.
    fn fields(&mut self, line: &str) -> anyhow::Result<HashMap<String, String>> {
        let summary = self.order(line)?;
        let fields = summary.split(' ').filter_map(|field| field.split_once('='));
        Ok(fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// A number of its status.
    pub(crate) fn number(&mut self, key: &str) -> anyhow::Result<i64> {
        let fields = self.fields("status")?;
        Ok(fields.get(key).with_context(|| format!("no {key} in {fields:?}"))?.parse()?)
    }

    /// Waits for the device to see this, for `TURN` at most, and returns how long it took.
    pub(crate) fn wait(&mut self, condition: &str) -> anyhow::Result<Duration> {
        let began = clock();
        self.order(&format!("wait {condition} {}", TURN.as_millis()))?;
        Ok(clock().saturating_sub(began))
    }

    /// The person says this, to its end.
    pub(crate) fn say(&mut self, text: &str, voice: &Voice) -> anyhow::Result<()> {
        let file = self.recordings.join(format!("said-{}.wav", self.lines));
        self.lines += 1;
        let pcm = block_in_place(|| speak(text, voice, RATE))?;
        wav::write_mono(&file, &pcm, RATE)?;
        self.order(&format!("say \"{}\"", file.display()))?;
        self.order("wait said 120000")?;
        Ok(())
    }

    /// Waits until the agent is heard.
    pub(crate) async fn wait_for_voice(&mut self) -> anyhow::Result<()> {
        self.order("reset")?;
        until("the agent's voice", TURN, async || Ok((self.number("loudspeaker_peak")? > AUDIBLE).then_some(()))).await
    }

    /// Waits until the agent has said what it had to say.
    pub(crate) async fn listen(&mut self) -> anyhow::Result<()> {
        self.wait_for_voice().await?;
        self.order("reset")?;
        let mut quiet_since = clock();
        until("the end of what the agent says", TURN, async || {
            let audible = self.number("loudspeaker_peak")? > AUDIBLE;
            self.order("reset")?;
            if audible {
                quiet_since = clock();
            }
            Ok((clock().saturating_sub(quiet_since) > PAUSE).then_some(()))
        })
        .await
    }

    /// Begins to record what the loudspeaker plays.
    pub(crate) fn record(&mut self) -> anyhow::Result<()> {
        self.order("record start loudspeaker").map(drop)
    }

    /// Ends the recording, keeps it under this name, and returns it.
    pub(crate) fn recorded(&mut self, name: &str) -> anyhow::Result<(Vec<i16>, u32)> {
        let file = self.recordings.join(format!("{name}.wav"));
        self.order(&format!("record stop loudspeaker \"{}\"", file.display()))?;
        Ok(wav::read_mono(&file)?)
    }
}

impl Drop for Speakerphone {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
